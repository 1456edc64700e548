"""Answers with the user of a request, or of a name and a password, by the handbook's settings."""

import json

from django.conf import settings
from django.contrib.auth import authenticate
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

NAMES = ("id", "username", "is_staff", "is_superuser")


@api_view()
@permission_classes([IsAuthenticated])
def whoami(request):
    return Response({name: getattr(request.user, name) for name in NAMES})


@csrf_exempt
def sign_in(request):
    """`{"username": …, "password": …}`: what the form of the admin would find."""
    user = authenticate(request, **json.loads(request.body))
    if user is None:
        return JsonResponse({}, status=401)
    return JsonResponse({name: getattr(user, name) for name in NAMES})


urlpatterns = [path("whoami/", whoami), path("sign-in/", sign_in)]
if "propusk_django" in settings.INSTALLED_APPS:
    from propusk_django import webhooks

    urlpatterns += [path("hooks/propusk/", webhooks.receive)]
