"""The settings of the tests, without what is only for tests, and with hashes that protect passwords."""

import os

from settings import *  # noqa: F403

ROOT_URLCONF = "djoser_jwt.urls"
PASSWORD_HASHERS = {
    "argon2id": ["load_hashers.OurCost"],
    "pbkdf2": ["django.contrib.auth.hashers.PBKDF2PasswordHasher"],
}[os.environ["DJANGO_HASHER"]]
