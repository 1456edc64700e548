"""Attaches the access token to requests of httpx."""

from collections.abc import AsyncGenerator, Generator

import httpx

from ._blocking import blocking
from ._client import Client


class PropuskAuth(httpx.Auth):
    """`httpx.AsyncClient(auth=PropuskAuth(client))`, also for `httpx.Client`.

    The token is sent only to the server and to the client's `api_origins`. After a refusal (401) the
    request is sent once more with another token, unless its body is a stream that cannot be repeated.
    """

    def __init__(self, client: Client):
        self._client = client

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if not self._client.is_allowed_origin(str(request.url)):
            yield request
            return
        token = await self._client.access_token()
        request.headers["Authorization"] = token.header
        response = yield request
        if _is_refusal(response) and _can_be_repeated(request):
            other = await self._client.replace_access_token(token)
            if other.header != token.header:
                request.headers["Authorization"] = other.header
                yield request

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._client.is_allowed_origin(str(request.url)):
            yield request
            return
        token = blocking(self._client.access_token())
        request.headers["Authorization"] = token.header
        response = yield request
        if _is_refusal(response) and _can_be_repeated(request):
            other = blocking(self._client.replace_access_token(token))
            if other.header != token.header:
                request.headers["Authorization"] = other.header
                yield request


def _is_refusal(response: httpx.Response) -> bool:
    """Whether the address of the request refuses the token. After a redirect, another one answers."""
    return response.status_code == 401 and not response.history


def _can_be_repeated(request: httpx.Request) -> bool:
    try:
        request.content
    except httpx.RequestNotRead:
        return False
    return True
