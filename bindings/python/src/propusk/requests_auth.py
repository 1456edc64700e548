"""Attaches the access token to requests of the library `requests`."""

from typing import Any

import requests
from requests.auth import AuthBase

from ._blocking import blocking
from ._client import AccessToken, Client


class PropuskAuth(AuthBase):
    """`requests.get(url, auth=PropuskAuth(client))`.

    The token is sent only to the server and to the client's `api_origins`. After a refusal (401) the
    request is sent once more with another token, unless its body is a stream that cannot be repeated.
    """

    def __init__(self, client: Client):
        self._client = client

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if not self._client.is_allowed_origin(request.url or ""):
            return request
        token = blocking(self._client.access_token())
        request.headers["Authorization"] = token.header

        def repeat(response: requests.Response, **options: Any) -> requests.Response:
            return self._repeat(token, response, options)

        request.register_hook("response", repeat)
        return request

    def _repeat(
        self, refused: AccessToken, response: requests.Response, options: dict[str, Any]
    ) -> requests.Response:
        sent = response.request
        # A redirect may have led to another origin, where the token was not sent.
        if response.status_code != 401 or sent.headers.get("Authorization") != refused.header:
            return response
        if not isinstance(sent.body, (str, bytes, type(None))):
            return response
        # Frees the connection.
        response.content
        response.close()
        again = sent.copy()
        again.hooks["response"] = []
        token = blocking(self._client.replace_access_token(refused))
        again.headers["Authorization"] = token.header
        repeated = response.connection.send(again, **options)
        repeated.history.append(response)
        repeated.request = again
        return repeated
