from datetime import timedelta

APPS = []
AUTH_USER_MODEL = "project.User"
AUTHENTICATION = [JWT]
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(days=1),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
    "ROTATE_REFRESH_TOKENS": True,
    "TOKEN_OBTAIN_SERIALIZER": "project.serializers.Obtain",
}
PROJECT = {
    "dialect": "simplejwt",
    "sign_in_field": "email",
    "claims": {
        "username": "username",
        "role": "attributes.role",
        "is_staff": "attributes.is_staff",
        "email": "email",
    },
    "answer": {
        "user": {
            "id": "id",
            "username": "username",
            "role": "attributes.role",
            "email": "email",
        },
        "is_staff": "attributes.is_staff",
    },
    "paths": {
        "sign_in": "/api/v1/auth/login/",
        "refresh": "/api/v1/auth/refresh/",
        "profile": "/api/v1/auth/profile/",
        "register": "/api/v1/auth/register/",
    },
}
