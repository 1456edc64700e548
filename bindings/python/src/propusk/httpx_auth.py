"""Attaches the access token to requests of httpx."""

from collections.abc import AsyncGenerator, Generator

import httpx

from ._blocking import blocking
from ._client import Client


class PropuskAuth(httpx.Auth):
    """`httpx.AsyncClient(auth=PropuskAuth(client))`, also for `httpx.Client`.

    The token is sent only to the server and to the client's `api_origins`. After a refusal (401) the
    request is sent once more with another token. If its body is a stream that cannot be repeated,
    the token is replaced and the 401 is returned.
    """

    def __init__(self, client: Client):
        self._client = client

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        url = str(request.url)
        if not self._client.is_allowed_origin(url):
            yield request
            return
        token = await self._client.access_token()
        request.headers["Authorization"] = token.header
        response = yield request
        if _is_refusal(request, response):
            other = await self._client.token_after_refusal(url, token)
            if other is None or not _can_be_repeated(request):
                return
            request.headers["Authorization"] = other.header
            response = yield request
        self._note(url, response)

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        url = str(request.url)
        if not self._client.is_allowed_origin(url):
            yield request
            return
        token = blocking(self._client.access_token())
        request.headers["Authorization"] = token.header
        response = yield request
        if _is_refusal(request, response):
            other = blocking(self._client.token_after_refusal(url, token))
            if other is None or not _can_be_repeated(request):
                return
            request.headers["Authorization"] = other.header
            response = yield request
        self._note(url, response)

    def _note(self, url: str, response: httpx.Response) -> None:
        if response.is_success and str(response.url) == url:
            self._client.note_accepted(url)


def _is_refusal(request: httpx.Request, response: httpx.Response) -> bool:
    """Whether the address of the request refuses the token. After a redirect, another one answers."""
    return response.status_code == 401 and response.url == request.url


def _can_be_repeated(request: httpx.Request) -> bool:
    try:
        request.content
    except httpx.RequestNotRead:
        return False
    return True
