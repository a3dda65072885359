"""Settings of the test project; the database comes as JSON from the environment."""

import json
import os
import sys
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
# Here lives what pip would have installed.
sys.path.append(str(BASE_DIR / "site-packages"))

SECRET_KEY = "for-tests-only"
INSTALLED_APPS = ["dbops", "shop", "ledger", "parcels"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **json.loads(os.environ["SHOP_DATABASE"]),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
