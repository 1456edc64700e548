"""SimpleJWT 5.5 with Django's own users, and the views that only its document describes."""

from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.urls import path
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

CONFIRM = "/api/auth/password/reset/confirm/"


def done(message, status=200):
    return Response({"message": message}, status=status)


def refused(error):
    return Response({"error": error}, status=400)


@api_view()
@permission_classes([IsAuthenticated])
def profile(request):
    return Response({name: getattr(request.user, name) for name in ("id", "username", "email")})


@api_view(["POST"])
def register(request):
    fields = {name: request.data.get(name) for name in ("username", "email", "password")}
    if not all(fields.values()):
        return refused("All fields are required.")
    users = get_user_model().objects
    if users.filter(username=fields["username"]).exists():
        return refused("Username already exists.")
    users.create_user(**fields)
    return done("User registered successfully.", status=201)


@api_view(["POST"])
def request_reset(request):
    email = request.data.get("email")
    if not email:
        return refused("Email is required")
    user = get_user_model().objects.filter(email=email).first()
    if user is None:
        return refused("User with this email does not exist")
    uid, token = urlsafe_base64_encode(force_bytes(user.pk)), default_token_generator.make_token(user)
    link = request.build_absolute_uri(f"{CONFIRM}?uid={uid}&token={token}")
    send_mail("Password reset", f"{link}\n", None, [email])
    return done("Password reset link sent")


@api_view(["POST"])
def confirm_reset(request):
    uid, token = request.query_params.get("uid"), request.query_params.get("token")
    password = request.data.get("new_password")
    if not (uid and token and password):
        return refused("Missing parameters")
    users = get_user_model()
    try:
        user = users.objects.get(pk=urlsafe_base64_decode(uid).decode())
    except (ValueError, OverflowError, users.DoesNotExist):
        return refused("Invalid uid")
    if not default_token_generator.check_token(user, token):
        return refused("Invalid or expired token")
    user.set_password(password)
    user.save()
    return done("Password has been reset")


urlpatterns = [
    path("api/auth/login/", TokenObtainPairView.as_view()),
    path("api/auth/token/refresh/", TokenRefreshView.as_view()),
    path("api/auth/profile/", profile),
    path("api/auth/register/", register),
    path("api/auth/password/reset/", request_reset),
    path(CONFIRM[1:], confirm_reset),
]
