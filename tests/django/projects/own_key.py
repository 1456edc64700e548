APPS = ["djoser", *BLACKLIST]
AUTH_USER_MODEL = "project.User"
AUTHENTICATION = [JWT, "rest_framework.authentication.SessionAuthentication"]
SIMPLE_JWT = {
    "AUTH_HEADER_TYPES": ("JWT", "Bearer"),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "SIGNING_KEY": "a key of the tokens alone, 0123456789abcdef",
    "TOKEN_OBTAIN_SERIALIZER": "project.serializers.Obtain",
}
DJOSER = {
    "TOKEN_MODEL": None,
    "PASSWORD_RESET_CONFIRM_URL": "auth/reset/{uid}/{token}",
    "SERIALIZERS": {
        "user_create": "project.djoser_serializers.UserCreate",
        "user": "project.djoser_serializers.User",
        "current_user": "project.djoser_serializers.User",
    },
}
PROJECT = {
    "dialect": "djoser_jwt",
    "claims": {"phone": "phone", "is_superuser": "is_superuser"},
    "paths": {
        "root": "/api/v1/",
        "users": "/api/v1/users/",
        "me": "/api/v1/users/me/",
        "user": "/api/v1/users/{id}/",
        "activation": "/api/v1/users/activation/",
        "resend_activation": "/api/v1/users/resend_activation/",
        "set_password": "/api/v1/users/set_password/",
        "reset_password": "/api/v1/users/reset_password/",
        "reset_password_confirm": "/api/v1/users/reset_password_confirm/",
        "sign_in": "/api/v1/jwt/create/",
        "refresh": "/api/v1/jwt/refresh/",
        "verify": "/api/v1/jwt/verify/",
        "sign_out": "/api/v1/logout/",
    },
}
