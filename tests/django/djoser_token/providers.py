"""Providers without a network: the token `ok-NAME` is the user NAME@example.com, any other is refused
like a provider does."""

import requests
from social_core.backends.google import GoogleOAuth2
from social_core.backends.vk import VKOAuth2
from social_core.backends.yandex import YandexOAuth2


class StandIn:
    def user_data(self, access_token, *args, **kwargs):
        kind, _, name = access_token.partition("-")
        if kind != "ok":
            response = requests.Response()
            response.status_code = 401
            raise requests.HTTPError(response=response)
        email = f"{name}@example.com"
        return {"id": name, "sub": name, "email": email, "default_email": email, "emails": [email]}


class Google(StandIn, GoogleOAuth2):
    pass


class Yandex(StandIn, YandexOAuth2):
    pass


class VK(StandIn, VKOAuth2):
    pass
