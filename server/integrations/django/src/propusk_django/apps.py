"""The Django app: its table, and a check of the settings at the start."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.exceptions import ImproperlyConfigured


class PropuskConfig(AppConfig):
    name = "propusk_django"
    verbose_name = "Propusk"

    def ready(self) -> None:
        checks.register(check_settings, checks.Tags.security)


def check_settings(**_: Any) -> list[checks.CheckMessage]:
    from . import settings, users

    try:
        users.check_user_model(settings.load())
    except ImproperlyConfigured as problem:
        return [checks.Error(str(problem), id="propusk_django.E001")]
    return []
