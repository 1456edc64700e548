"""Django REST framework's keys behind the word of the project."""

from django.conf import settings
from rest_framework.authentication import TokenAuthentication


class WordToken(TokenAuthentication):
    keyword = settings.PROJECT["word"]
