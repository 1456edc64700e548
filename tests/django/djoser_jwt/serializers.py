"""The fields of a user in answers and requests, as in the document."""

from django.contrib.auth import get_user_model
from djoser.serializers import UserCreateSerializer
from rest_framework.serializers import ModelSerializer, ValidationError


class User(ModelSerializer):
    class Meta:
        model = get_user_model()
        fields = ("id", "username", "email", "phone", "is_active", "is_superuser")
        read_only_fields = ("username", "is_active", "is_superuser")


class UserCreate(UserCreateSerializer):
    class Meta(User.Meta):
        fields = (*User.Meta.fields, "password")

    def validate(self, attrs):
        if not (attrs.get("email") or attrs.get("phone")):
            raise ValidationError("Email or phone is required.")
        return super().validate(attrs)
