"""SimpleJWT 5.3 with rotation and blacklist, and the document's registration."""

from django.contrib.auth import get_user_model
from django.urls import path
from rest_framework.generics import CreateAPIView
from rest_framework.serializers import ModelSerializer
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView, TokenVerifyView


class Author(ModelSerializer):
    class Meta:
        model = get_user_model()
        fields = ("login", "password", "email")

    def create(self, fields):
        return get_user_model().objects.create_user(**fields)


urlpatterns = [
    path("v1/creat_autor", CreateAPIView.as_view(serializer_class=Author)),
    path("token", TokenObtainPairView.as_view()),
    path("token/verify", TokenVerifyView.as_view()),
    path("token/refresh", TokenRefreshView.as_view()),
]
