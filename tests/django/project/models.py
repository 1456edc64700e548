"""The user of a project: all fields that any API of these tests shows, with a number or a uuid."""

import uuid

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class Users(BaseUserManager):
    def create_user(self, password=None, **fields):
        email = self.normalize_email(fields.pop("email", None)) or None
        # Without a username of its own, as in the document of djoser with JWT.
        username = fields.pop("username", None) or email or fields.get("phone")
        user = self.model(username=username, email=email, **fields)
        user.set_password(password)
        user.save()
        return user


class Person(AbstractBaseUser, PermissionsMixin):
    username = models.CharField(max_length=254, unique=True)
    email = models.EmailField(unique=True, null=True, blank=True)
    phone = models.CharField(max_length=16, unique=True, null=True, blank=True)
    # The name of a person, in the form of one of the documents.
    login = models.CharField(max_length=150, blank=True)
    role = models.CharField(max_length=32, null=True)
    is_staff = models.BooleanField(null=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = settings.PROJECT.get("sign_in_field", "username")
    EMAIL_FIELD = "email"
    objects = Users()

    class Meta:
        abstract = True


class User(Person):
    pass


class UuidUser(Person):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    class Meta:
        verbose_name = "user"
