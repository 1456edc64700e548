"""The settings of the other tests, with another user model."""

from tests.settings import *  # noqa: F403

AUTH_USER_MODEL = "tests_foreign.User"
INSTALLED_APPS = [*INSTALLED_APPS, "tests_foreign"]  # noqa: F405
PROPUSK = {**PROPUSK, "IDS": "foreign"}  # noqa: F405
