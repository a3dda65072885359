# ruff: noqa: DJ008
from django.db import models


class Customer(models.Model):
    name = models.TextField()


class Order(models.Model):
    buyer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    total = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    note = models.TextField(default="", choices=[("gift", "gift")])

    class Meta:
        db_table = "Shop_Order"
        indexes = [models.Index(fields=["total"], name="Order_by_total")]
