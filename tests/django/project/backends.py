"""Signs in by any of the names of `PROJECT["signs_in_by"]`."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend


class Names(ModelBackend):
    def authenticate(self, request, username=None, password=None, **fields):
        users = get_user_model()
        name = username if username is not None else fields.get(users.USERNAME_FIELD)
        for field in settings.PROJECT["signs_in_by"]:
            user = users.objects.filter(**{field: name}).first()
            if user and user.check_password(password) and self.user_can_authenticate(user):
                return user
        return None
