"""Views that a project writes itself: SimpleJWT has none for users. They answer as the documents of
the two dialects without djoser."""

from django.conf import settings
from django.contrib.auth import get_user_model
from rest_framework.generics import CreateAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView


class Profile(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({name: getattr(request.user, name) for name in ("id", "username", "email")})


class RegisterUsername(APIView):
    def post(self, request):
        fields = {name: request.data.get(name) for name in ("username", "email", "password")}
        if not all(fields.values()):
            return Response({"error": "All fields are required."}, status=400)
        users = get_user_model().objects
        if users.filter(username=fields["username"]).exists():
            return Response({"error": "Username already exists."}, status=400)
        users.create_user(**fields)
        return Response({"message": "User registered successfully."}, status=201)


class Author(ModelSerializer):
    class Meta:
        model = get_user_model()
        fields = ("login", "password", "email")
        required = {"required": True, "allow_blank": False}
        extra_kwargs = {"login": required, "email": {**required, "allow_null": False}}

    def create(self, fields):
        return get_user_model().objects.create_user(**fields)


profile = Profile.as_view()
if settings.PROJECT["dialect"] == "simplejwt_rotating":
    register = CreateAPIView.as_view(serializer_class=Author)
else:
    register = RegisterUsername.as_view()
