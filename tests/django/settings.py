"""What the stacks share, and how they differ. The rest are defaults of the libraries."""

import os
from pathlib import Path

STACK = os.environ["DJANGO_STACK"]
DIRECTORY = Path(os.environ["DJANGO_DIRECTORY"])
MAILS = DIRECTORY / "mails"

SECRET_KEY = os.environ["DJANGO_SECRET"]
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DIRECTORY / "db.sqlite3",
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
EMAIL_BACKEND = "mails.Folder"
# The cheapest hasher of Django, so that the tests are quick, and that of hashes which Propusk makes.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}Validator"}
    for name in ("UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword")
]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    STACK,
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

# Errors are printed with the output of the test that fails.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler", "level": "ERROR"}},
    "loggers": {"django": {"handlers": ["stderr"]}},
}

JWT = "rest_framework_simplejwt.authentication.JWTAuthentication"
BLACKLIST = ["rest_framework_simplejwt", "rest_framework_simplejwt.token_blacklist"]

if STACK not in ("simplejwt", "resource_server", "project"):
    AUTH_USER_MODEL = f"{STACK}.User"

match STACK:
    case "djoser_token":
        INSTALLED_APPS += [
            "rest_framework.authtoken",
            "djoser",
            "oauth2_provider",
            "social_django",
            "drf_social_oauth2",
        ]
        AUTHENTICATION_BACKENDS = [
            "djoser_token.providers.Google",
            "djoser_token.providers.Yandex",
            "djoser_token.providers.VK",
            "drf_social_oauth2.backends.DjangoOAuth2",
            "django.contrib.auth.backends.ModelBackend",
        ]
        SOCIAL_AUTH_USER_FIELDS = ["email"]
        AUTHENTICATION = [
            "rest_framework.authentication.TokenAuthentication",
            "oauth2_provider.contrib.rest_framework.OAuth2Authentication",
            "drf_social_oauth2.authentication.SocialAuthentication",
        ]
        DJOSER = {
            "SEND_ACTIVATION_EMAIL": True,
            "USER_CREATE_PASSWORD_RETYPE": True,
            "ACTIVATION_URL": "auth/activate/{uid}/{token}",
            "PASSWORD_RESET_CONFIRM_URL": "auth/reset/{uid}/{token}",
            "SERIALIZERS": {"token_create": "djoser_token.serializers.TokenCreate"},
        }
    case "simplejwt":
        AUTHENTICATION = [JWT]
    case "simplejwt_rotating":
        INSTALLED_APPS += BLACKLIST
        AUTHENTICATION = [JWT]
        SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
    case "djoser_jwt":
        INSTALLED_APPS += ["djoser", *BLACKLIST]
        AUTHENTICATION = [JWT]
        DJOSER = {
            "TOKEN_MODEL": None,
            "PASSWORD_RESET_CONFIRM_URL": "auth/reset/{uid}/{token}",
            "SERIALIZERS": {
                "user_create": "djoser_jwt.serializers.UserCreate",
                "user": "djoser_jwt.serializers.User",
                "current_user": "djoser_jwt.serializers.User",
            },
        }

    case "project":
        # The settings of the project, which name what else it installs.
        exec((DIRECTORY / "project.py").read_text())
        INSTALLED_APPS += APPS
    case "resource_server":
        # The settings of the operator's handbook, in addition to the database.
        exec((DIRECTORY / "from_handbook.py").read_text())

if STACK != "resource_server":
    REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": AUTHENTICATION}
# Tables are created from the models; there are no migrations.
MIGRATION_MODULES = {name.rpartition(".")[2]: None for name in INSTALLED_APPS}
