"""What has to hold before requests are served."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def check_ready_to_serve() -> None:
    """Return if the settings are fit for production, or if DEBUG is on.

    Raises: ImproperlyConfigured, naming every gap.
    """
    if settings.PRODUCTION_GAPS:
        raise ImproperlyConfigured(
            f"DEBUG is off, and {'; '.join(settings.PRODUCTION_GAPS)}. "
            "Set them in the environment or in .env (see .env.example)."
        )
