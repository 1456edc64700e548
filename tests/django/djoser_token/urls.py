"""djoser with opaque tokens, drf-social-oauth2."""

from django.urls import include, path

urlpatterns = [
    path("auth/", include("djoser.urls")),
    path("auth/", include("djoser.urls.authtoken")),
    path("auth/", include("drf_social_oauth2.urls", namespace="drf")),
]
