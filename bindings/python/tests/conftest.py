"""The fixture of the bindings' tests (see `bindings/README.md`), and asynchronous tests."""

import asyncio
import inspect
import json
import os
import urllib.error
import urllib.request

import propusk
import pytest

EMAIL = "anna@example.org"
PASSWORD = "a quiet harbour at noon"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs a test that is a coroutine."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read().decode()}") from None


class World:
    """A server with its mails, providers and network, and a folder on the device."""

    def __init__(self, folder):
        self.fixture = os.environ["PROPUSK_FIXTURE"]
        self.folder = folder
        about = post(f"{self.fixture}/worlds", {})
        self.id = about["id"]
        self.server, self.redirect, self.loopback = (
            about[name] for name in ("server", "redirect", "loopback")
        )

    def act_now(self, action, **body):
        return post(f"{self.fixture}/worlds/{self.id}/{action}", body)

    async def act(self, action, **body):
        return await asyncio.to_thread(self.act_now, action, **body)

    async def count(self, request):
        return (await self.act("count", request=request))["count"]

    def vault(self):
        return propusk.Vault.file(str(self.folder / "app.vault"), bytes([7] * 32))

    def app(self, **options):
        """An app with a vault on the disk."""
        return propusk.Client(self.server, vault=self.vault(), **options)

    async def signed_in(self, **options):
        """The same, signed in."""
        app = self.app(**options)
        await app.sign_in(EMAIL, PASSWORD)
        return app


@pytest.fixture
def empty_world(tmp_path):
    world = World(tmp_path)
    yield world
    world.act_now("close")


@pytest.fixture
def world(empty_world):
    """A world with an account."""
    client = propusk.Client(empty_world.server)
    asyncio.run(client.register(PASSWORD, email=EMAIL))
    return empty_world
