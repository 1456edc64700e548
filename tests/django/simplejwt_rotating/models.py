"""An account is an e-mail address with a name to show."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Users(BaseUserManager):
    def create_user(self, email, password, login):
        user = self.model(email=self.normalize_email(email), login=login)
        user.set_password(password)
        user.save()
        return user


class User(AbstractBaseUser):
    login = models.CharField(max_length=150)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "email"
    objects = Users()
