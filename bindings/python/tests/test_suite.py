"""The behavioural suite of the bindings: the cases that `bindings/README.md` lists."""

import asyncio
import gc
import json
import pathlib
import queue
import re
import time
import weakref
from datetime import timedelta

import propusk
import pytest
from conftest import EMAIL, PASSWORD, World
from propusk import PropuskError

# Longer than an access token of `native` is valid.
EXPIRED = 901
# Longer than any step here takes.
LIMIT = timedelta(seconds=30)
ACCOUNT = "GET /propusk/v1/account"
PROVIDERS = "GET /propusk/v1/providers"
REFRESH = "POST /propusk/v1/sessions/refresh"
SIGN_IN = "POST /propusk/v1/sessions"


def test_cases_are_those_of_the_readme():
    readme = (pathlib.Path(__file__).parents[2] / "README.md").read_text()
    table = readme.split("\n| case |")[1].split("\n\n")[0]
    cases = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert cases - {"cases_are_those_of_the_readme"} == set(re.findall(r"^\| `(\w+)`", table, re.M))


async def code_of(call):
    with pytest.raises(PropuskError.Rejected) as refused:
        await call
    return refused.value.rejection.code


async def phase_of(app):
    return (await app.status()).phase


def signed_out(reason):
    return propusk.Phase.SIGNED_OUT(reason)


async def test_register_creates_an_account(empty_world):
    client = propusk.Client(empty_world.server)
    assert await client.register(PASSWORD, email=EMAIL) == propusk.Registered.ACTIVE
    assert await code_of(client.register(PASSWORD, email=EMAIL)) == "identifier_taken"
    assert await code_of(client.register("12345", email="eve@example.org")) == "weak_password"


async def test_activate_confirms_the_mailed_link(empty_world):
    client = propusk.Client(empty_world.server, dialect=propusk.Dialect.DJOSER_TOKEN)
    registered = await client.register(PASSWORD, email=EMAIL)
    assert registered == propusk.Registered.ACTIVATION_REQUIRED
    with pytest.raises(PropuskError.Rejected):
        await client.sign_in(EMAIL, PASSWORD)
    mail = await empty_world.act("mail", email=EMAIL)
    await client.activate(propusk.parse_mailed_link(mail["link"]))
    await client.sign_in(EMAIL, PASSWORD)


async def test_sign_in_opens_a_session(world):
    app = world.app()
    assert await phase_of(app) == signed_out(propusk.SignOutReason.NEVER_SIGNED_IN)
    assert await code_of(app.sign_in(EMAIL, "wrong")) == "invalid_credentials"
    await app.sign_in(EMAIL, PASSWORD)
    assert (await phase_of(app)).is_SIGNED_IN()
    assert (await app.profile()).email == EMAIL
    (session,) = await app.sessions()
    assert session.current
    # The next start of the app.
    assert (await phase_of(world.app())).is_SIGNED_IN()


async def test_adopt_keeps_users_signed_in(world):
    tokens = await world.act("tokens", email=EMAIL, password=PASSWORD)
    app = world.app(dialect=propusk.Dialect.DJOSER_JWT)
    assert await app.adopt(**tokens) == propusk.Adoption.ADOPTED
    assert await app.adopt(**tokens) == propusk.Adoption.ALREADY_ADOPTED
    assert (await app.profile()).email == EMAIL


async def test_refresh_is_automatic(world):
    app = await world.signed_in()
    before = await app.access_token()
    await world.act("clock", advance=EXPIRED)
    await app.profile()
    assert await world.count(REFRESH) == 1
    after = await app.replace_access_token(before)
    assert after.token != before.token
    assert after.header == f"Bearer {after.token}"
    assert await world.count(REFRESH) == 1


async def test_offline_users_stay_signed_in(world):
    app = await world.signed_in()
    profile = await app.profile()
    await world.act("network", up=False)
    with pytest.raises(PropuskError.Network):
        await app.refresh()
    assert (await phase_of(app)).is_OFFLINE()
    await app.access_token()
    # The app starts without a network.
    app = world.app()
    assert (await phase_of(app)).is_SIGNED_IN()
    assert await app.cached_profile() == profile
    assert (await app.offline_identity(LIMIT)).profile == profile
    await world.act("network", up=True)
    app.network_changed()
    await app.profile()


async def test_sign_out_ends_the_session(world):
    app = await world.signed_in()
    assert await app.sign_out() == propusk.SignOut.CONFIRMED
    assert await phase_of(app) == signed_out(propusk.SignOutReason.SIGNED_OUT)
    await app.sign_in(EMAIL, PASSWORD)
    await world.act("network", up=False)
    assert await app.sign_out() == propusk.SignOut.PENDING
    await world.act("network", up=True)
    app.network_changed()
    assert await app.finish_pending_work(LIMIT)
    await app.sign_in(EMAIL, PASSWORD)
    assert len(await app.sessions()) == 1


class FakeBrowser(propusk.Browser):
    """A browser whose user answers at once."""

    def __init__(self, world, consent=True, deliver=None):
        self.world, self.consent, self.deliver = world, consent, deliver

    def open_url(self, url):
        link = self.world.act_now("browse", authorize_url=url, consent=self.consent)["link"]
        if self.deliver:
            self.deliver(link)


async def test_provider_sign_in_at_a_loopback_port(empty_world):
    app = propusk.Client(empty_world.server, redirects=[empty_world.loopback])
    assert "google" in [provider.name for provider in await app.providers()]
    outcome = await app.sign_in_with_provider("google", FakeBrowser(empty_world), LIMIT)
    assert outcome.is_SIGNED_IN()
    assert (await app.identities())[0].provider == "google"
    with pytest.raises(PropuskError.Cancelled):
        await app.sign_in_with_provider("google", FakeBrowser(empty_world, consent=False), LIMIT)


async def test_provider_sign_in_by_a_deep_link(empty_world):
    app = propusk.Client(empty_world.server, redirects=[empty_world.redirect])
    loop, links = asyncio.get_running_loop(), []

    def deliver(link):
        links.append(asyncio.run_coroutine_threadsafe(app.complete_sign_in(link), loop))

    browser = FakeBrowser(empty_world, deliver=deliver)
    outcome = await app.sign_in_with_provider("yandex", browser, LIMIT)
    assert outcome.is_SIGNED_IN()
    assert (await asyncio.wrap_future(links.pop())).is_SIGNED_IN()
    browser.consent = False
    with pytest.raises(PropuskError.Cancelled):
        await app.sign_in_with_provider("yandex", browser, LIMIT)
    with pytest.raises(PropuskError.Cancelled):
        await asyncio.wrap_future(links.pop())
    assert (await phase_of(app)).is_SIGNED_IN()


async def test_deep_link_completes_after_a_cold_start(empty_world):
    app = empty_world.app(redirects=[empty_world.redirect])
    begun = await app.begin_sign_in("google")
    link = (await empty_world.act("browse", authorize_url=begun.authorize_url))["link"]
    del app
    app = empty_world.app(redirects=[empty_world.redirect])
    assert (await app.complete_sign_in(link)).is_SIGNED_IN()
    assert (await app.complete_sign_in(link)).is_ALREADY_COMPLETED()
    assert (await app.complete_sign_in("org.example.app:/settings")).is_UNRELATED()
    await app.profile()


class FakeStorage(propusk.SecureStorage):
    """The app's storage: it can raise an exception."""

    def __init__(self):
        self.key, self.error = None, None

    def load(self):
        if self.error:
            raise self.error
        return self.key

    def save(self, key):
        self.key = key

    def remove(self):
        self.key = None


async def test_storage_locked_is_not_a_sign_out(world):
    storage = FakeStorage()
    path = str(world.folder / "app.vault")

    def start():
        return propusk.Client(world.server, vault=propusk.Vault.secure_storage(path, storage))

    await start().sign_in(EMAIL, PASSWORD)
    # The last one is not an error that storages should raise; its text may contain the key.
    locked = propusk.SecureStorageError.Locked("the device is locked")
    for error, words in [(locked, "the device is locked"), (KeyError(storage.key), "KeyError")]:
        storage.error = error
        app = start()
        with pytest.raises(PropuskError.Storage) as refused:
            await app.status()
        assert refused.value.state == propusk.VaultState.LOCKED
        assert refused.value.detail.endswith(words)
        assert await app.vault_state() == propusk.VaultState.LOCKED
    storage.error = None
    assert (await phase_of(app)).is_SIGNED_IN()
    await app.profile()


async def test_vault_of_another_server_is_not_used(world):
    await world.signed_in()
    other = World(world.folder)
    app = other.app()
    with pytest.raises(PropuskError.Storage) as refused:
        await app.access_token()
    assert refused.value.state == propusk.VaultState.OTHER_SERVER
    assert await app.vault_state() == propusk.VaultState.OTHER_SERVER
    assert (await phase_of(world.app())).is_SIGNED_IN()
    await other.act("close")


async def test_errors_have_a_kind_for_each_reaction(world):
    app = world.app()
    with pytest.raises(PropuskError.SignedOut) as error:
        await app.access_token()
    assert error.value.reason == propusk.SignOutReason.NEVER_SIGNED_IN
    assert await code_of(app.sign_in(EMAIL, "wrong")) == "invalid_credentials"
    await world.act("answer", request=SIGN_IN, status=503, headers={"Retry-After": "7"})
    with pytest.raises(PropuskError.RetryLater) as error:
        await app.sign_in(EMAIL, PASSWORD)
    assert error.value.after == timedelta(seconds=7)
    await world.act("answer", request=PROVIDERS, status=404)
    with pytest.raises(PropuskError.Protocol):
        await app.providers()
    await world.act("network", up=False)
    with pytest.raises(PropuskError.Network):
        await app.providers()
    await world.act("network", up=True)
    await app.sign_in(EMAIL, PASSWORD)
    user = (await app.access_token()).user
    await app.sign_in(EMAIL, PASSWORD)
    with pytest.raises(PropuskError.OtherSignIn):
        await app.access_token_for(user)
    simple = propusk.Client(world.server, dialect=propusk.Dialect.SIMPLEJWT)
    assert not simple.supports(propusk.ApiOperation.SESSIONS)
    with pytest.raises(PropuskError.Unsupported) as error:
        await simple.sessions()
    assert error.value.operation == propusk.ApiOperation.SESSIONS
    with pytest.raises(PropuskError.Usage):
        propusk.Client("id.example.org")


async def test_concurrent_calls_share_one_refresh(world):
    app = await world.signed_in()
    await world.act("clock", advance=EXPIRED)
    await asyncio.gather(*(app.profile() for _ in range(200)))
    assert await world.count(REFRESH) == 1


async def release_time(world, app):
    """How long a call that waits for the server needs to return after it is cancelled."""
    call = asyncio.create_task(app.profile())
    await world.act("arrived", request=ACCOUNT)
    start = time.perf_counter()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    return time.perf_counter() - start


async def test_cancellation_releases_the_caller_and_drops_its_request(world):
    app = await world.signed_in()
    await world.act("hold", held=True)
    assert min([await release_time(world, app) for _ in range(5)]) < 0.05
    await world.act("dropped", request=ACCOUNT)
    await world.act("hold", held=False)
    await app.profile()
    with pytest.raises(asyncio.TimeoutError):
        await world.act("hold", held=True)
        await asyncio.wait_for(app.profile(), 0.01)


async def test_cancellation_lets_a_renewal_go_on(world):
    app = await world.signed_in()
    before = (await app.access_token()).token
    await world.act("hold", held=True)
    call = asyncio.create_task(app.refresh())
    await world.act("arrived", request=REFRESH)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await world.act("hold", held=False)
    assert await app.finish_pending_work(LIMIT)
    assert (await app.access_token()).token != before
    assert await world.count(REFRESH) == 1


async def test_listener_receives_every_change(world):
    app = world.app()
    statuses = app.statuses()

    async def wait_for(phase):
        async for status in statuses:
            if status.phase == phase:
                return

    await anext(statuses)
    await app.sign_in(EMAIL, PASSWORD)
    await asyncio.wait_for(wait_for((await app.status()).phase), LIMIT.total_seconds())
    # Another client with the same vault is as another process.
    await world.app().sign_out()
    out = signed_out(propusk.SignOutReason.SIGNED_OUT)
    await asyncio.wait_for(wait_for(out), LIMIT.total_seconds())
    await statuses.aclose()
    await listener_is_released(app)


async def listener_is_released(app):
    """The library keeps a listener while it is called, and no longer."""
    from propusk import _ffi

    seen = queue.Queue()

    class Listener(_ffi.SessionListener):
        def on_status(self, status):
            seen.put(status)

    listener = Listener()
    kept = weakref.ref(listener)
    watch = app._ffi.watch(listener)
    del listener
    await asyncio.to_thread(seen.get, timeout=LIMIT.total_seconds())
    gc.collect()
    assert kept() is not None
    watch.stop()
    deadline = time.monotonic() + LIMIT.total_seconds()
    while kept() is not None and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
        gc.collect()
    assert kept() is None


async def test_listener_may_fail(world):
    from propusk import _ffi

    seen = queue.Queue()

    class Listener(_ffi.SessionListener):
        def on_status(self, status):
            seen.put(status)
            raise ValueError("a bug of the app")

    app = world.app()
    watch = app._ffi.watch(Listener())
    await asyncio.to_thread(seen.get, timeout=LIMIT.total_seconds())
    await app.sign_in(EMAIL, PASSWORD)
    while not (await asyncio.to_thread(seen.get, timeout=LIMIT.total_seconds())).phase.is_SIGNED_IN():
        pass
    watch.stop()


async def test_password_is_reset_with_the_mailed_link(world):
    app, new = world.app(), "a louder harbour at night"
    await app.request_reset(EMAIL)
    mail = await world.act("mail", email=EMAIL)
    link = propusk.parse_mailed_link(mail["link"])
    await app.confirm_reset(link, new)
    assert await code_of(app.confirm_reset(link, new)) == "link_invalid"
    assert await code_of(app.sign_in(EMAIL, PASSWORD)) == "invalid_credentials"
    await app.sign_in(EMAIL, new)


async def test_calls_for_one_sign_in_refuse_the_next(world):
    app = await world.signed_in()
    user = (await app.status()).user
    bound = await app.for_user(user)
    assert (await bound.profile()).email == EMAIL
    await app.sign_in(EMAIL, PASSWORD)
    with pytest.raises(PropuskError.OtherSignIn):
        await bound.delete_account(PASSWORD)
    with pytest.raises(PropuskError.OtherSignIn):
        await app.for_user(user)
    assert (await app.profile()).email == EMAIL


async def test_own_data_is_listed_and_exported(world):
    app = await world.signed_in()
    page = await app.account_events()
    (session,) = await app.sessions()
    signed_in = next(event for event in page.events if event.event == "signed_in")
    assert (signed_in.reason, signed_in.count) == ("password", 1)
    assert (signed_in.session_id, signed_in.at) == (session.id, session.created_at)
    assert "registered" in [event.event for event in page.events]
    assert page.next is None
    assert await code_of(app.account_events("unknown")) == "invalid_fields"

    export = json.loads(await app.export_account())
    assert export["identifiers"][0]["value"] == EMAIL
    await world.act("clock", advance=EXPIRED)
    assert await code_of(app.export_account()) == "reauthentication_required"
    assert await code_of(app.export_account("wrong")) == "wrong_password"
    text = await app.export_account(PASSWORD)
    assert EMAIL in text and PASSWORD not in text


async def test_secrets_are_not_printed(world):
    secret = "a wrong password that must not be printed"
    app = world.app(oauth_client_id="app", oauth_client_secret=secret)
    with pytest.raises(PropuskError.Rejected) as refused:
        await app.sign_in(EMAIL, secret)
    link = propusk.parse_mailed_link(f"https://id.example.org/reset/MQ/{secret.replace(' ', '-')}")
    await app.sign_in(EMAIL, PASSWORD)
    token = await app.access_token()
    for shown in (refused.value, app, link, token):
        for text in (str(shown), repr(shown)):
            assert secret not in text and token.token not in text
    assert secret.replace(" ", "-") not in repr(link) + str(link)
    with pytest.raises(PropuskError.Usage) as usage:
        propusk.Client(f"https://anna:{secret.replace(' ', '')}@id.example.org")
    assert secret.replace(" ", "") not in str(usage.value) + repr(usage.value)
