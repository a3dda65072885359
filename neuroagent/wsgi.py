"""The WSGI application, which refuses to start on settings unfit for production."""

import os

from django.core.wsgi import get_wsgi_application

from neuroagent.serving import check_ready_to_serve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "neuroagent.settings")
check_ready_to_serve()
application = get_wsgi_application()
