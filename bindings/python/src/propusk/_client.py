"""The client of an app, with cancellation by asyncio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from datetime import datetime, timedelta
from typing import Any, Callable, Optional, TypeVar

from . import _ffi
from ._ffi import (
    AccountEvents,
    Adoption,
    ApiOperation,
    Browser,
    Dialect,
    Identity,
    LinkOutcome,
    MailedLink,
    OfflineIdentity,
    Profile,
    ProfileChanges,
    Provider,
    Registered,
    Registration,
    Session,
    SignedInUser,
    SignOut,
    Status,
    Vault,
    VaultState,
)
from ._watch import statuses

T = TypeVar("T")

_FIVE_MINUTES = timedelta(minutes=5)


async def _call(method: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Calls a method of the SDK. A cancelled task cancels the call."""
    cancellation = _ffi.Cancellation()
    try:
        return await method(*arguments, cancellation)
    except asyncio.CancelledError:
        cancellation.cancel()
        raise


def _secret(text: Optional[str]) -> Optional[_ffi.Secret]:
    return None if text is None else _ffi.Secret(text)


class AccessToken:
    """An access token that is valid now. Ask for it before every request instead of keeping it."""

    __slots__ = ("_ffi",)

    def __init__(self, token: _ffi.AccessToken):
        self._ffi = token

    @property
    def token(self) -> str:
        """The token itself."""
        return self._ffi.token()

    @property
    def header(self) -> str:
        """The value of the `Authorization` header."""
        return self._ffi.header()

    @property
    def user(self) -> SignedInUser:
        """The user that the token belongs to."""
        return self._ffi.user()

    @property
    def expires_at(self) -> Optional[datetime]:
        """When it expires by the server's clock; `None` if it does not expire or is unknown."""
        return self._ffi.expires_at()

    def __repr__(self) -> str:
        return "AccessToken([redacted])"


class BrowserSignIn:
    """A sign-in that continues in a browser."""

    __slots__ = ("_ffi",)

    def __init__(self, begun: _ffi.BrowserSignIn):
        self._ffi = begun

    @property
    def authorize_url(self) -> str:
        """The address to open in the system's browser."""
        return self._ffi.authorize_url()

    @property
    def state(self) -> str:
        """The id of this sign-in, for `Client.cancel_sign_in`."""
        return self._ffi.state()

    @property
    def expires_in(self) -> timedelta:
        """How long the sign-in may take."""
        return self._ffi.expires_in()

    def __repr__(self) -> str:
        return "BrowserSignIn([redacted])"


class _Account:
    """The operations on the signed-in account, of `Client` and `BoundClient`."""

    _ffi: Any

    async def profile(self) -> Profile:
        """Fetches the account."""
        return await _call(self._ffi.profile)

    async def update_profile(
        self, changes: ProfileChanges, current_password: Optional[str] = None
    ) -> Profile:
        """Changes the account."""
        return await _call(self._ffi.update_profile, changes, current_password)

    async def change_password(self, current_password: Optional[str], new_password: str) -> None:
        """Changes the password."""
        await _call(self._ffi.change_password, current_password, new_password)

    async def delete_account(self, current_password: Optional[str] = None) -> None:
        """Deletes the account and its session."""
        await _call(self._ffi.delete_account, current_password)

    async def sessions(self) -> list[Session]:
        """The sessions of the account, the newest first."""
        return await _call(self._ffi.sessions)

    async def end_session(self, id: str, current_password: Optional[str] = None) -> None:
        """Ends another session of the account."""
        await _call(self._ffi.end_session, id, current_password)

    async def end_other_sessions(self, current_password: Optional[str] = None) -> None:
        """Ends all other sessions of the account."""
        await _call(self._ffi.end_other_sessions, current_password)

    async def account_events(self, before: Optional[str] = None) -> AccountEvents:
        """What has happened to the account, the newest first, in pages.

        `before` is the `next` of the page before.
        """
        return await _call(self._ffi.account_events, before)

    async def export_account(self, current_password: Optional[str] = None) -> str:
        """Everything that the server keeps of the account, except secrets, as JSON text.

        It needs the password or a sign-in within the last five minutes.
        """
        return await _call(self._ffi.export_account, current_password)

    async def identities(self) -> list[Identity]:
        """The identities at providers with which the account signs in."""
        return await _call(self._ffi.identities)

    async def unlink(
        self, provider: str, subject: str, current_password: Optional[str] = None
    ) -> None:
        """Removes an identity from the account."""
        await _call(self._ffi.unlink, provider, subject, current_password)

    async def begin_link(
        self, provider: str, current_password: Optional[str] = None
    ) -> BrowserSignIn:
        """Starts linking another identity to the signed-in account."""
        return BrowserSignIn(await _call(self._ffi.begin_link, provider, current_password))


class BoundClient(_Account):
    """Operations of a `Client` for one sign-in only; see `Client.for_user`.

    Each raises `PropuskError.OtherSignIn` after another sign-in has replaced this one, in this
    process or another: then nothing is sent.
    """

    def __init__(self, bound: _ffi.BoundClient):
        self._ffi = bound

    def __repr__(self) -> str:
        return "BoundClient([redacted])"


class Client(_Account):
    """Signs in at one server and keeps the session.

    Create one for each server and vault, and share it. Every method raises `PropuskError`. If the
    task of a call is cancelled, the call ends at once; a renewal, sign-in, sign-out or write to the
    vault that has begun is completed.
    """

    def __init__(
        self,
        server: str,
        *,
        dialect: Dialect = Dialect.NATIVE,
        vault: Optional[Vault] = None,
        redirects: Iterable[str] = (),
        api_origins: Iterable[str] = (),
        former_servers: Iterable[str] = (),
        device_name: Optional[str] = None,
        oauth_client_id: Optional[str] = None,
        oauth_client_secret: Optional[str] = None,
        timeout: Optional[timedelta] = None,
        root_certificates: Iterable[str] = (),
        client_certificate: Optional[str] = None,
        proxy: Optional[str] = None,
        user_agent: Optional[str] = None,
        allow_plain_http: bool = False,
        rotates_refresh_tokens: bool = False,
    ):
        """Builds a client. It reads nothing and sends nothing.

        `vault` is in memory by default, so the session ends with the process. `api_origins` are
        those to which the access token may be sent, besides the server's own. The certificates are
        in PEM; `client_certificate` contains the private key too. `rotates_refresh_tokens` says that
        a server of `simplejwt` or `djoser_jwt` is configured to rotate refresh tokens; without it, a
        session learns that from its first renewal.
        """
        self._ffi = _ffi.Client(
            _ffi.ClientOptions(
                server=server,
                dialect=dialect,
                vault=vault,
                redirects=list(redirects),
                api_origins=list(api_origins),
                former_servers=list(former_servers),
                device_name=device_name,
                oauth_client_id=oauth_client_id,
                oauth_client_secret=_secret(oauth_client_secret),
                timeout=timeout,
                root_certificates=list(root_certificates),
                client_certificate=_secret(client_certificate),
                proxy=_secret(proxy),
                user_agent=user_agent,
                allow_plain_http=allow_plain_http,
                rotates_refresh_tokens=rotates_refresh_tokens,
            )
        )

    def supports(self, operation: ApiOperation) -> bool:
        """Whether the API of the server has the operation."""
        return self._ffi.supports(operation)

    def is_allowed_origin(self, url: str) -> bool:
        """Whether the access token may be sent to this address."""
        return self._ffi.is_allowed_origin(url)

    async def status(self) -> Status:
        """Whether a user is signed in, and which one. It does not wait for the network."""
        known = self._ffi.known_status()
        return known if known is not None else await _call(self._ffi.status)

    def statuses(self) -> AsyncIterator[Status]:
        """The status now, and each change. States that follow each other quickly may be left out."""
        return statuses(self._ffi)

    async def finish_pending_work(self, limit: timedelta = timedelta(seconds=5)) -> bool:
        """Waits until all background work is done, and returns whether it was done in time.

        Call it before a process exits.
        """
        return await _call(self._ffi.finish_pending_work, limit)

    def network_changed(self) -> None:
        """Reports another network. Whatever waits for the server is retried at once."""
        self._ffi.network_changed()

    async def offline_identity(self, trusted_for: timedelta) -> OfflineIdentity:
        """The signed-in user without a request, and whether the app may trust that."""
        return await _call(self._ffi.offline_identity, trusted_for)

    async def vault_state(self) -> VaultState:
        """The state of the vault."""
        return await _call(self._ffi.vault_state)

    async def access_token(self, *, fresh: bool = False) -> AccessToken:
        """A valid access token, renewed if necessary.

        With `fresh`, a token that expires soon is renewed first, if that is possible now: within 60
        to 90 s, or closer to its end if it is valid for less than ten minutes. It is for a request
        whose body cannot be sent twice.
        """
        return AccessToken(await _call(self._ffi.access_token, fresh))

    async def access_token_for(self, user: SignedInUser, *, fresh: bool = False) -> AccessToken:
        """As `access_token`, but only for this sign-in."""
        return AccessToken(await _call(self._ffi.access_token_for, user, fresh))

    async def for_user(self, user: SignedInUser) -> BoundClient:
        """Operations for this sign-in only.

        A dialog that one user has opened does not change or delete the account of the next one. It
        raises `PropuskError.OtherSignIn` if this sign-in is not the current one.
        """
        return BoundClient(await _call(self._ffi.for_user, user))

    async def token_after_refusal(self, url: str, refused: AccessToken) -> Optional[AccessToken]:
        """Another access token, after this address has answered 401 to this one.

        `None` if another one would not help: an endpoint that keeps refusing causes one renewal a
        minute. For HTTP clients; `propusk.httpx_auth` and `propusk.requests_auth` do it.
        """
        token = await _call(self._ffi.token_after_refusal, url, refused._ffi)
        return None if token is None else AccessToken(token)

    def note_accepted(self, url: str) -> None:
        """This address has answered a request with the token, and not with an error."""
        self._ffi.note_accepted(url)

    async def replace_access_token(self, refused: AccessToken) -> AccessToken:
        """Another access token, after a server has refused this one."""
        return AccessToken(await _call(self._ffi.replace_access_token, refused._ffi))

    async def refresh(self) -> None:
        """Renews the access token even if it is still valid."""
        await _call(self._ffi.refresh)

    async def register(
        self,
        password: str,
        *,
        email: Optional[str] = None,
        phone: Optional[str] = None,
        username: Optional[str] = None,
        display_name: Optional[str] = None,
    ) -> Registered:
        """Creates an account. It does not sign in."""
        new = Registration(email=email, phone=phone, username=username, display_name=display_name)
        return await _call(self._ffi.register, new, password)

    async def activate(self, link: MailedLink) -> None:
        """Confirms the e-mail address of a new account with the mailed link."""
        await _call(self._ffi.activate, link)

    async def resend_activation(self, email: str) -> None:
        """Sends the activation mail again."""
        await _call(self._ffi.resend_activation, email)

    async def sign_in(self, identifier: str, password: str) -> None:
        """Signs in with a password. The previous session is ended."""
        await _call(self._ffi.sign_in, identifier, password)

    async def sign_in_with_provider_token(self, provider: str, token: str) -> None:
        """Signs in with an access token that a provider has issued to the app."""
        await _call(self._ffi.sign_in_with_provider_token, provider, token)

    async def adopt(
        self,
        *,
        access: Optional[str] = None,
        refresh: Optional[str] = None,
        access_expires_at: Optional[datetime] = None,
    ) -> Adoption:
        """Adopts tokens that the app kept before it used this SDK; then delete the old store."""
        return await _call(self._ffi.adopt, access, refresh, access_expires_at)

    async def sign_out(self) -> SignOut:
        """Signs out, with or without a network."""
        return await _call(self._ffi.sign_out)

    async def verify(self) -> bool:
        """Asks the server whether the access token is valid."""
        return await _call(self._ffi.verify)

    async def cached_profile(self) -> Optional[Profile]:
        """The account as it was last fetched, without a request."""
        return await _call(self._ffi.cached_profile)

    async def request_reset(self, email: str) -> None:
        """Sends a mail with a link that resets the password."""
        await _call(self._ffi.request_reset, email)

    async def confirm_reset(self, link: MailedLink, new_password: str) -> None:
        """Resets the password with the mailed link."""
        await _call(self._ffi.confirm_reset, link, new_password)

    async def forget_everything(self) -> None:
        """Removes everything that the vault contains: for a "start over" button."""
        await _call(self._ffi.forget_everything)

    async def providers(self) -> list[Provider]:
        """The providers of the server."""
        return await _call(self._ffi.providers)

    async def sign_in_with_provider(
        self, provider: str, browser: Browser, limit: timedelta = _FIVE_MINUTES
    ) -> LinkOutcome:
        """Signs in with a provider in one call: opens the browser and waits for its link.

        With a loopback redirect, this listens on a port of this machine. With another one, it waits
        until the app passes the link to `complete_sign_in`.
        """
        return await _call(self._ffi.sign_in_with_provider, provider, browser, limit)

    async def link_with_provider(
        self,
        provider: str,
        browser: Browser,
        limit: timedelta = _FIVE_MINUTES,
        current_password: Optional[str] = None,
    ) -> LinkOutcome:
        """Links another identity to the signed-in account in one call."""
        return await _call(
            self._ffi.link_with_provider, provider, browser, limit, current_password
        )

    async def begin_sign_in(self, provider: str) -> BrowserSignIn:
        """Starts a sign-in that returns to the client's first redirect."""
        return BrowserSignIn(await _call(self._ffi.begin_sign_in, provider))

    async def complete_sign_in(self, link: str) -> LinkOutcome:
        """Completes a sign-in with a link that the system has delivered."""
        return await _call(self._ffi.complete_sign_in, link)

    async def cancel_sign_in(self, state: str) -> None:
        """Cancels a sign-in whose browser the user has closed."""
        await _call(self._ffi.cancel_sign_in, state)

    def __repr__(self) -> str:
        return "Client([redacted])"
