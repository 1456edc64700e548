"""An account is an e-mail address or a phone number, and `username` is the one used to sign in."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models


class Users(BaseUserManager):
    def create_user(self, password, email=None, phone=None):
        email = self.normalize_email(email) or None
        user = self.model(username=email or phone, email=email, phone=phone)
        user.set_password(password)
        user.save()
        return user


class User(AbstractBaseUser, PermissionsMixin):
    username = models.CharField(max_length=254, unique=True)
    email = models.EmailField(unique=True, null=True, blank=True)
    phone = models.CharField(
        max_length=16, unique=True, null=True, blank=True, validators=[RegexValidator(r"^\+\d{10,15}$")]
    )
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    objects = Users()
