"""Attaches the access token to requests of the library `requests`."""

from typing import Any

import requests
from requests.auth import AuthBase

from ._blocking import blocking
from ._client import AccessToken, Client


class PropuskAuth(AuthBase):
    """`requests.get(url, auth=PropuskAuth(client))`.

    The token is sent only to the server and to the client's `api_origins`. After a refusal (401) the
    request is sent once more with another token. If its body is a stream that cannot be repeated, a
    token that expires soon is renewed before, if that is possible now; after a refusal the token is
    replaced and the 401 is returned.
    """

    def __init__(self, client: Client):
        self._client = client

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if not self._client.is_allowed_origin(request.url or ""):
            return request
        sent = _Sent(blocking(self._client.access_token(fresh=not _can_be_repeated(request))))
        request.headers["Authorization"] = sent.token.header

        def answered(response: requests.Response, **options: Any) -> requests.Response:
            return self._answered(sent, response, options)

        request.register_hook("response", answered)
        return request

    def _answered(
        self, sent: "_Sent", response: requests.Response, options: dict[str, Any]
    ) -> requests.Response:
        request, url = response.request, response.request.url or ""
        # A redirect may have led to another origin, where the token was not sent.
        if request.headers.get("Authorization") != sent.token.header:
            return response
        if response.status_code != 401:
            self._note(url, response)
            return response
        other = blocking(self._client.token_after_refusal(url, sent.token))
        if other is None or not _can_be_repeated(request):
            return response
        # Frees the connection.
        response.content
        response.close()
        # Also for the redirects that follow, which copy the headers of this request.
        sent.token = other
        request.headers["Authorization"] = other.header
        again = request.copy()
        repeated = response.connection.send(again, **options)
        repeated.history.append(response)
        repeated.request = again
        self._note(url, repeated)
        return repeated

    def _note(self, url: str, response: requests.Response) -> None:
        if 200 <= response.status_code < 300:
            self._client.note_accepted(url)


def _can_be_repeated(request: requests.PreparedRequest) -> bool:
    return isinstance(request.body, (str, bytes, type(None)))


class _Sent:
    """The token with which a request and its redirects are sent."""

    def __init__(self, token: AccessToken):
        self.token = token
