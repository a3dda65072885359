"""Settings of one of the projects: which, and on which database, is in THIRD_PARTY."""

from __future__ import annotations

import importlib
import json
import os
from typing import Any

GIVEN: dict[str, Any] = json.loads(os.environ["THIRD_PARTY"])

DJANGO = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.flatpages",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.redirects",
    "django.contrib.sessions",
    "django.contrib.sites",
]
WAGTAIL = [
    "wagtail.contrib.forms",
    "wagtail.contrib.redirects",
    "wagtail.contrib.search_promotions",
    "wagtail.contrib.settings",
    "wagtail.contrib.simple_translation",
    "wagtail.contrib.table_block",
    "wagtail.embeds",
    "wagtail.sites",
    "wagtail.users",
    "wagtail.snippets",
    "wagtail.documents",
    "wagtail.images",
    "wagtail.search",
    "wagtail.admin",
    "wagtail",
    "modelsearch",
    "modelcluster",
    "taggit",
]
OSCAR = [
    "oscar.config.Shop",
    "oscar.apps.address.apps.AddressConfig",
    "oscar.apps.analytics.apps.AnalyticsConfig",
    "oscar.apps.basket.apps.BasketConfig",
    "oscar.apps.catalogue.apps.CatalogueConfig",
    "oscar.apps.catalogue.reviews.apps.CatalogueReviewsConfig",
    "oscar.apps.checkout.apps.CheckoutConfig",
    "oscar.apps.communication.apps.CommunicationConfig",
    "oscar.apps.customer.apps.CustomerConfig",
    "oscar.apps.offer.apps.OfferConfig",
    "oscar.apps.order.apps.OrderConfig",
    "oscar.apps.partner.apps.PartnerConfig",
    "oscar.apps.payment.apps.PaymentConfig",
    "oscar.apps.search.apps.SearchConfig",
    "oscar.apps.shipping.apps.ShippingConfig",
    "oscar.apps.voucher.apps.VoucherConfig",
    "oscar.apps.wishlists.apps.WishlistsConfig",
    "oscar.apps.dashboard.apps.DashboardConfig",
    "oscar.apps.dashboard.catalogue.apps.CatalogueDashboardConfig",
    "oscar.apps.dashboard.communications.apps.CommunicationsDashboardConfig",
    "oscar.apps.dashboard.offers.apps.OffersDashboardConfig",
    "oscar.apps.dashboard.orders.apps.OrdersDashboardConfig",
    "oscar.apps.dashboard.pages.apps.PagesDashboardConfig",
    "oscar.apps.dashboard.partners.apps.PartnersDashboardConfig",
    "oscar.apps.dashboard.ranges.apps.RangesDashboardConfig",
    "oscar.apps.dashboard.reports.apps.ReportsDashboardConfig",
    "oscar.apps.dashboard.reviews.apps.ReviewsDashboardConfig",
    "oscar.apps.dashboard.shipping.apps.ShippingDashboardConfig",
    "oscar.apps.dashboard.users.apps.UsersDashboardConfig",
    "oscar.apps.dashboard.vouchers.apps.VouchersDashboardConfig",
    "widget_tweaks",
    "haystack",
    "treebeard",
    "django_tables2",
]
CMS = ["cms", "menus", "treebeard", "sekizai"]
APPS = {"wagtail": WAGTAIL, "oscar": OSCAR, "cms": CMS}

if GIVEN["project"] == "oscar":
    oscar = vars(importlib.import_module("oscar.defaults"))
    globals().update({name: value for name, value in oscar.items() if name.isupper()})

if GIVEN["project"]:
    INSTALLED_APPS = [
        "dbops",
        "tests.third_party.extras",
        *APPS[GIVEN["project"]],
        *DJANGO,
    ]
else:  # Somebody who has the database alone.
    INSTALLED_APPS = ["dbops", "django.contrib.postgres"]
DATABASES = {"default": GIVEN["database"]}
DBOPS = GIVEN["dbops"]
ROOT_URLCONF = "tests.third_party.urls"
SECRET_KEY = "tests"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "German")]
STATIC_URL = "static/"
SITE_ID = 1
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.request",
            ]
        },
    }
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
CMS_CONFIRM_VERSION4 = True
HAYSTACK_CONNECTIONS = {
    "default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}
}
WAGTAIL_SITE_NAME = "tests"
WAGTAILADMIN_BASE_URL = "https://example.org"
