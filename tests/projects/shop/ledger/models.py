# ruff: noqa: DJ008
from django.db import models


class Entry(models.Model):
    code = models.CharField(max_length=20, unique=True)
    amount = models.BigIntegerField()

    class Meta:
        db_table = '"Ledger"."entry"'
