from datetime import timedelta

APPS = BLACKLIST
AUTH_USER_MODEL = "project.User"
AUTHENTICATION_BACKENDS = ["project.backends.Names"]
AUTHENTICATION = [JWT]
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=1),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
}
PROJECT = {
    "dialect": "simplejwt",
    "signs_in_by": ["email", "username"],
    "paths": {
        "sign_in": "/api/token/",
        "refresh": "/api/token/refresh/",
        "verify": "/api/token/verify/",
        "sign_out": "/api/token/blacklist/",
    },
}
