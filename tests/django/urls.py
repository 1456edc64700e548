"""The API of the stack, and the door behind it."""

from django.conf import settings
from django.urls import include, path

urlpatterns = [path("", include(f"{settings.STACK}.urls")), path("", include("control"))]
