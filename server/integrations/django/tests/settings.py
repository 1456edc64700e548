"""A Django with this package, for its tests."""

SECRET_KEY = "a key of the Django, which signs no tokens"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
ROOT_URLCONF = "tests.urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "propusk_django",
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["propusk_django.authentication.PropuskAuthentication"],
}
# Each test has its own.
PROPUSK = {"CHECK": "published_keys", "URL": "https://auth.example.com"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
