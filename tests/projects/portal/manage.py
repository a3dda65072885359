"""Run a command of a project that tests copy, change and throw away."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
execute_from_command_line(sys.argv)
