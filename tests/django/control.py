"""Routes for the tests, behind the API: the clock, and changes that an administrator makes."""

import json
import time

import time_machine
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

CLIENT_ID, CLIENT_SECRET = "django-app", "django-app-secret"

travel = None


def register_applications():
    """Creates the OAuth application of the tests, or the superuser of a resource server."""
    if settings.STACK == "djoser_token":
        from oauth2_provider.models import Application

        Application.objects.create(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            client_type=Application.CLIENT_CONFIDENTIAL,
            authorization_grant_type=Application.GRANT_PASSWORD,
        )
    if settings.STACK == "resource_server":
        get_user_model().objects.create_superuser("admin")


@csrf_exempt
def clock(request):
    """`{"ahead": seconds}`: moves the clock forward by this much."""
    global travel
    now = time.time()
    if travel:
        travel.stop()
    travel = time_machine.travel(now + json.loads(request.body)["ahead"], tick=True)
    travel.start()
    return HttpResponse(status=204)


@csrf_exempt
def account(request):
    """`{"name": sign-in name, "is_active": …}`; without `is_active` the account is deleted."""
    asked = json.loads(request.body)
    user = get_user_model().objects.get_by_natural_key(asked["name"])
    if "is_active" in asked:
        user.is_active = asked["is_active"]
        user.save()
    else:
        user.delete()
    return HttpResponse(status=204)


@csrf_exempt
def user(request):
    """`{"email": …, "fields": {…}}`: changes these fields. With `password` in place of `email` a new
    user."""
    asked = json.loads(request.body)
    users, fields = get_user_model().objects, asked["fields"]
    if "password" in asked:
        new = users.create_user(password=asked["password"], **fields)
        return JsonResponse({"id": str(new.pk)})
    users.filter(email=asked["email"]).update(**fields)
    return HttpResponse(status=204)


urlpatterns = [
    path("_control/clock", clock),
    path("_control/account", account),
    path("_control/user", user),
]
