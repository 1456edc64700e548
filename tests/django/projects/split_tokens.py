APPS = ["djoser", "rest_framework.authtoken"]
AUTH_USER_MODEL = "project.User"
AUTHENTICATION = ["rest_framework.authentication.TokenAuthentication"]
DJOSER = {
    "USER_CREATE_PASSWORD_RETYPE": True,
    "PASSWORD_RESET_CONFIRM_URL": "auth/reset/{uid}/{token}",
    "SERIALIZERS": {
        "user_create_password_retype": "project.djoser_serializers.EmailUserCreate",
        "user": "project.djoser_serializers.EmailUser",
        "current_user": "project.djoser_serializers.EmailUser",
    },
}
PROJECT = {
    "dialect": "djoser_token",
    "sign_in_field": "email",
    "paths": {
        "users": "/api/users/",
        "me": "/api/users/me/",
        "user": "/api/users/{id}/",
        "set_password": "/api/users/set_password/",
        "reset_password": "/api/users/reset_password/",
        "reset_password_confirm": "/api/users/reset_password_confirm/",
        "sign_in": "/api/auth/token/login/",
        "sign_out": "/api/auth/token/logout/",
    },
}
