"""Attaches the access token to requests of httpx."""

from collections.abc import AsyncGenerator, Generator

import httpx

from ._blocking import blocking
from ._client import AccessToken, Client


class PropuskAuth(httpx.Auth):
    """`httpx.AsyncClient(auth=PropuskAuth(client))`, also for `httpx.Client`.

    The token is sent only to the server and to the client's `api_origins`. After a refusal (401) the
    request is sent once more with another token. If its body is a stream that cannot be repeated, a
    token that expires soon is renewed before, if that is possible now; after a refusal the token is
    replaced and the 401 is returned.
    """

    def __init__(self, client: Client):
        self._client = client

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if not self._client.is_allowed_origin(str(request.url)):
            yield request
            return
        token = await self._client.access_token(fresh=not _can_be_repeated(request))
        request.headers["Authorization"] = token.header
        response = yield request
        if response.status_code == 401 and _was_sent_with(token, response):
            other = await self._client.token_after_refusal(str(response.url), token)
            if other is None or not _can_be_repeated(request):
                return
            token = other
            request.headers["Authorization"] = token.header
            response = yield request
        self._note(token, response)

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._client.is_allowed_origin(str(request.url)):
            yield request
            return
        token = blocking(self._client.access_token(fresh=not _can_be_repeated(request)))
        request.headers["Authorization"] = token.header
        response = yield request
        if response.status_code == 401 and _was_sent_with(token, response):
            other = blocking(self._client.token_after_refusal(str(response.url), token))
            if other is None or not _can_be_repeated(request):
                return
            token = other
            request.headers["Authorization"] = token.header
            response = yield request
        self._note(token, response)

    def _note(self, token: AccessToken, response: httpx.Response) -> None:
        if response.is_success and _was_sent_with(token, response):
            self._client.note_accepted(str(response.url))


def _was_sent_with(token: AccessToken, response: httpx.Response) -> bool:
    """A redirect may have led to another origin, where the token was not sent."""
    return response.request.headers.get("Authorization") == token.header


def _can_be_repeated(request: httpx.Request) -> bool:
    try:
        request.content
    except httpx.RequestNotRead:
        return False
    return True
