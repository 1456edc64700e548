"""The API of the stack, and the routes for the tests."""

from django.conf import settings
from django.urls import include, path

urlpatterns = [path("", include(f"{settings.STACK}.urls")), path("", include("control"))]
