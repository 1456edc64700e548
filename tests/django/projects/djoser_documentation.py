from datetime import timedelta

APPS = ["djoser", "rest_framework_simplejwt"]
AUTH_USER_MODEL = "project.User"
AUTHENTICATION = [JWT, "rest_framework.authentication.SessionAuthentication"]
SIMPLE_JWT = {"AUTH_HEADER_TYPES": ("JWT",), "ACCESS_TOKEN_LIFETIME": timedelta(hours=1)}
DOMAIN = "shop.example.com"
DJOSER = {
    "TOKEN_MODEL": None,
    "SEND_ACTIVATION_EMAIL": True,
    "ACTIVATION_URL": "#/activate/{uid}/{token}",
    "PASSWORD_RESET_CONFIRM_URL": "#/password/reset/confirm/{uid}/{token}",
    "SERIALIZERS": {
        "user_create": "project.djoser_serializers.UserCreate",
        "user": "project.djoser_serializers.User",
        "current_user": "project.djoser_serializers.User",
    },
}
PROJECT = {
    "dialect": "djoser_jwt",
    "paths": {
        "users": "/auth/users/",
        "me": "/auth/users/me/",
        "user": "/auth/users/{id}/",
        "set_password": "/auth/users/set_password/",
        "reset_password": "/auth/users/reset_password/",
        "reset_password_confirm": "/auth/users/reset_password_confirm/",
        "activation": "/auth/users/activation/",
        "resend_activation": "/auth/users/resend_activation/",
        "sign_in": "/auth/jwt/create/",
        "refresh": "/auth/jwt/refresh/",
        "verify": "/auth/jwt/verify/",
    },
}
