"""The fields of a user in answers and requests, as in the documents of djoser's dialects."""

from django.contrib.auth import get_user_model
from djoser.serializers import (
    TokenCreateSerializer,
    UserCreatePasswordRetypeSerializer,
    UserCreateSerializer,
)
from rest_framework import serializers


class User(serializers.ModelSerializer):
    class Meta:
        model = get_user_model()
        fields = ("id", "username", "email", "phone", "is_active", "is_superuser")
        read_only_fields = ("username", "is_active", "is_superuser")


class UserCreate(UserCreateSerializer):
    class Meta(User.Meta):
        fields = (*User.Meta.fields, "password")

    def validate(self, attrs):
        if not (attrs.get("email") or attrs.get("phone")):
            raise serializers.ValidationError("Email or phone is required.")
        return super().validate(attrs)


class EmailUser(serializers.ModelSerializer):
    class Meta:
        model = get_user_model()
        fields = ("id", "email")
        read_only_fields = ("email",)


class EmailUserCreate(UserCreatePasswordRetypeSerializer):
    class Meta:
        model = get_user_model()
        fields = ("email", "id", "password")
        extra_kwargs = {"email": {"required": True, "allow_null": False, "allow_blank": False}}


class UsernameTokenCreate(TokenCreateSerializer):
    """With the field `username` for the e-mail address."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        del self.fields["email"]
        self.fields["username"] = serializers.CharField(required=False)

    def validate(self, attrs):
        return super().validate({**attrs, "email": attrs.get("username")})
