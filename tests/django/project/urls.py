"""The operations of a project at the paths of `PROJECT["paths"]`, by the names that they have in the
settings of Propusk."""

from django.conf import settings
from django.urls import path
from rest_framework.routers import APIRootView

from . import own_views

PATHS = settings.PROJECT["paths"]

views = {"profile": own_views.profile, "register": own_views.register}
if "rest_framework.authtoken" not in settings.INSTALLED_APPS:
    from rest_framework_simplejwt import views as jwt

    views |= {
        "sign_in": jwt.TokenObtainPairView.as_view(),
        "refresh": jwt.TokenRefreshView.as_view(),
        "verify": jwt.TokenVerifyView.as_view(),
        "sign_out": jwt.TokenBlacklistView.as_view(),
    }
if "djoser" in settings.INSTALLED_APPS:
    from djoser.views import TokenCreateView, TokenDestroyView, UserViewSet

    one = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}
    views |= {
        "root": APIRootView.as_view(api_root_dict={"users": "users"}),
        "users": UserViewSet.as_view({"get": "list", "post": "create"}),
        "user": UserViewSet.as_view(one, detail=True),
        "me": UserViewSet.as_view(dict.fromkeys(one, "me")),
    }
    for action in (
        "activation",
        "resend_activation",
        "set_password",
        "reset_password",
        "reset_password_confirm",
    ):
        views[action] = UserViewSet.as_view({"post": action})
    if "rest_framework.authtoken" in settings.INSTALLED_APPS:
        views |= {"sign_in": TokenCreateView.as_view(), "sign_out": TokenDestroyView.as_view()}

urlpatterns = [
    path(where[1:].replace("{id}", "<id>"), views[name], name=name)
    for name, where in sorted(PATHS.items(), key=lambda one: "{id}" in one[1])
]
