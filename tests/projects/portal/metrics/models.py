from django.db import models


class Sample(models.Model):
    value = models.IntegerField()

    def __str__(self) -> str:
        return str(self.value)
