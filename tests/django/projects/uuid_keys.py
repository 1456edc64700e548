from datetime import timedelta

APPS = []
AUTH_USER_MODEL = "project.UuidUser"
AUTHENTICATION = [JWT]
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "ALGORITHM": "RS256",
    "SIGNING_KEY": (DIRECTORY / "RS256.pem").read_text(),
    "VERIFYING_KEY": (DIRECTORY / "RS256.public.pem").read_text(),
    "ISSUER": "https://auth.example.com",
    "AUDIENCE": "marketplace",
}
PROJECT = {
    "dialect": "simplejwt",
    "paths": {
        "sign_in": "/v1/auth/login/",
        "refresh": "/v1/auth/token/refresh/",
        "verify": "/v1/auth/token/verify/",
        "profile": "/v1/auth/profile/",
        "register": "/v1/auth/register/",
    },
}
