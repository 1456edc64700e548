"""djoser with SimpleJWT 5.3, whose blacklist signs out."""

from django.urls import include, path
from rest_framework_simplejwt.views import TokenBlacklistView

urlpatterns = [
    path("api/auth/", include("djoser.urls")),
    path("api/auth/", include("djoser.urls.jwt")),
    path("api/auth/logout/", TokenBlacklistView.as_view()),
]
