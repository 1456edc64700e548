"""The access token in requests of httpx and `requests`."""

import asyncio
import contextlib

import httpx
import pytest
import requests
from propusk.httpx_auth import PropuskAuth
from propusk.requests_auth import PropuskAuth as RequestsAuth

EXPIRED = 901
REFRESH = "POST /propusk/v1/sessions/refresh"
PATH = "/propusk/v1/account"


async def test_httpx_renews_a_refused_token(world):
    app = await world.signed_in()
    async with httpx.AsyncClient(auth=PropuskAuth(app), base_url=world.server) as http:
        assert (await http.get(PATH)).status_code == 200
        await world.act("clock", advance=EXPIRED)
        answers = await asyncio.gather(*(http.get(PATH) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert await world.count(REFRESH) == 1


async def test_httpx_without_asyncio_renews_a_refused_token(world):
    app = await world.signed_in()
    with httpx.Client(auth=PropuskAuth(app), base_url=world.server) as http:
        await world.act("clock", advance=EXPIRED)
        assert (await asyncio.to_thread(http.get, PATH)).status_code == 200
    assert await world.count(REFRESH) == 1


async def test_httpx_does_not_repeat_a_stream_but_renews(world):
    app = await world.signed_in()
    await world.act("clock", advance=EXPIRED)

    async def body():
        yield b"{}"

    async with httpx.AsyncClient(
        auth=PropuskAuth(app), base_url=world.server, headers={"Content-Length": "2"}
    ) as http:
        answer = await http.patch(PATH, content=body())
        assert (answer.status_code, await world.count(REFRESH)) == (401, 1)
        assert (await http.patch(PATH, content=body())).status_code == 200
    assert await world.count(REFRESH) == 1


async def test_requests_does_not_repeat_a_stream_but_renews(world):
    app = await world.signed_in()
    await world.act("clock", advance=EXPIRED)

    def patch():
        return requests.patch(world.server + PATH, data=iter([b"{}"]), auth=RequestsAuth(app))

    assert (await asyncio.to_thread(patch)).status_code == 401
    assert await world.count(REFRESH) == 1


async def stream_by_async_httpx(app, url):
    async def body():
        yield b"{}"

    async with httpx.AsyncClient(auth=PropuskAuth(app)) as http:
        return await http.post(url, content=body())


async def stream_by_httpx(app, url):
    with httpx.Client(auth=PropuskAuth(app)) as http:
        return await asyncio.to_thread(http.post, url, content=iter([b"{}"]))


async def stream_by_requests(app, url):
    return await asyncio.to_thread(
        requests.post, url, data=iter([b"{}"]), auth=RequestsAuth(app)
    )


@pytest.mark.parametrize("post", [stream_by_async_httpx, stream_by_httpx, stream_by_requests])
async def test_a_stream_is_not_sent_with_a_token_that_expires_soon(world, post):
    async with refusing_server() as (url, received):
        app = await world.signed_in(api_origins=[url])
        before = await app.access_token()
        # The app learns the server's clock by its next answer.
        await world.act("clock", advance=EXPIRED - 30)
        await app.profile()
        await post(app, url)
    assert len(received) == 1
    assert b"authorization: bearer " in received[0].lower()
    assert before.token.encode() not in received[0]


@pytest.mark.parametrize("renewed", [False, True])
async def test_requests_renews_a_refused_token(world, renewed):
    app = await world.signed_in()
    if renewed:
        await world.act("clock", advance=EXPIRED)
    answer = await asyncio.to_thread(requests.get, world.server + PATH, auth=RequestsAuth(app))
    assert answer.status_code == 200
    assert await world.count(REFRESH) == int(renewed)


@contextlib.asynccontextmanager
async def refusing_server():
    """Another server, which answers 401 to everything: its address, and the heads that it receives."""
    received = []

    async def serve(reader, writer):
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 401 no\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield "http://127.0.0.1:%d/" % server.sockets[0].getsockname()[1], received


async def test_token_is_not_sent_to_another_origin(world):
    app = await world.signed_in()
    async with refusing_server() as (url, received):
        await asyncio.to_thread(requests.get, url, auth=RequestsAuth(app))
        async with httpx.AsyncClient(auth=PropuskAuth(app)) as http:
            await http.get(url)
    assert len(received) == 2
    assert not any(b"authorization" in head.lower() for head in received)
    assert await world.count(REFRESH) == 0


async def test_refusal_after_a_redirect_is_not_one_of_the_server(world):
    app = await world.signed_in()
    async with refusing_server() as (url, received):
        redirect = {"status": 302, "headers": {"Location": url}}
        await world.act("answer", request="POST /orders", **redirect)
        async with httpx.AsyncClient(auth=PropuskAuth(app), follow_redirects=True) as http:
            assert (await http.post(world.server + "/orders")).status_code == 401
    assert len(received) == 1 and b"authorization" not in received[0].lower()
    assert await world.count("POST /orders") == 1
    assert await world.count(REFRESH) == 0


async def test_an_endpoint_that_always_refuses_causes_one_renewal(world):
    async with refusing_server() as (url, received):
        app = await world.signed_in(api_origins=[url])
        async with httpx.AsyncClient(auth=PropuskAuth(app)) as http:
            for _ in range(3):
                assert (await http.get(url)).status_code == 401
        with httpx.Client(auth=PropuskAuth(app)) as http:
            assert (await asyncio.to_thread(http.get, url)).status_code == 401
        auth = RequestsAuth(app)
        assert (await asyncio.to_thread(requests.get, url, auth=auth)).status_code == 401
    # One of the five was sent once more.
    assert (len(received), await world.count(REFRESH)) == (6, 1)


async def by_async_httpx(app, url):
    async with httpx.AsyncClient(auth=PropuskAuth(app), follow_redirects=True) as http:
        return await http.get(url)


async def by_httpx(app, url):
    with httpx.Client(auth=PropuskAuth(app), follow_redirects=True) as http:
        return await asyncio.to_thread(http.get, url)


async def by_requests(app, url):
    return await asyncio.to_thread(requests.get, url, auth=RequestsAuth(app))


CLIENTS = pytest.mark.parametrize("get", [by_async_httpx, by_httpx, by_requests])


@CLIENTS
async def test_an_endpoint_that_accepts_again_may_cause_a_renewal(world, get):
    app = await world.signed_in()
    for renewals in (1, 2):
        # The server's clock, not the client's: the app learns it by the refusal.
        await world.act("clock", advance=EXPIRED)
        assert (await get(app, world.server + PATH)).status_code == 200
        assert await world.count(REFRESH) == renewals


@CLIENTS
async def test_a_refusal_behind_a_redirect_within_the_origin_renews(world, get):
    app = await world.signed_in()
    await world.act("clock", advance=EXPIRED)
    redirect = {"status": 302, "headers": {"Location": PATH}}
    for _ in range(2):
        await world.act("answer", request="GET /orders", **redirect)
    assert (await get(app, world.server + "/orders")).status_code == 200
    assert await world.count(REFRESH) == 1


async def test_requests_follows_a_redirect_with_the_new_token(world):
    app = await world.signed_in()
    await world.act("answer", request="POST /orders", status=401)
    redirect = {"status": 303, "headers": {"Location": PATH}}
    await world.act("answer", request="POST /orders", **redirect)
    await world.act("clock", advance=EXPIRED)
    url = world.server + "/orders"
    answer = await asyncio.to_thread(requests.post, url, auth=RequestsAuth(app))
    assert answer.status_code == 200
    assert await world.count(REFRESH) == 1
