"""Which rows of the Django's table of users were made for an account of Propusk."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class MadeUser(models.Model):
    """Written in the transaction that makes the user's row, and deleted with that row."""

    #: The number, or the foreign id, of the account.
    account = models.CharField(max_length=255, primary_key=True)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "propusk_django_made_user"

    def __str__(self) -> str:
        return str(self.account)
