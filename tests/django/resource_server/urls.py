"""Answers with the user of a request, by the authentication of the handbook's settings."""

from django.urls import path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response


@api_view()
@permission_classes([IsAuthenticated])
def whoami(request):
    user = request.user
    names = ("id", "username", "is_superuser")
    return Response({name: getattr(user, name) for name in names})


urlpatterns = [path("whoami/", whoami)]
