"""Answers with the user of a request."""

from django.urls import path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from propusk_django import webhooks


@api_view()
@permission_classes([IsAuthenticated])
def whoami(request):
    user = request.user
    return Response({"id": user.pk, "username": user.get_username(), "auth": str(request.auth.id)})


urlpatterns = [path("whoami/", whoami), path("hooks/propusk/", webhooks.receive)]
