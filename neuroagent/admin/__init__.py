"""The admin site: conversations to read, find and export, on millions of rows.

One module a subject; what is registered is imported here.
"""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from neuroagent.admin import messages, parts, threads, tokens

__all__ = ["messages", "parts", "threads", "tokens"]

admin.site.site_header = _("Neuroagent")
admin.site.site_title = _("Neuroagent")
admin.site.index_title = _("Conversations and operations")
