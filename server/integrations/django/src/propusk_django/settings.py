"""The setting `PROPUSK` of the project. A value that cannot be meant is refused at the start."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Callable, Mapping
from urllib.parse import urlsplit

from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

PUBLISHED_KEYS = "published_keys"
SHARED_KEY = "shared_key"
INTROSPECTION = "introspection"

#: How each way of checking signs; a token never chooses.
ALGORITHMS = {PUBLISHED_KEYS: ("ES256", "EdDSA"), SHARED_KEY: ("HS256",), INTROSPECTION: ()}
#: As the server demands of its own secret, in bytes.
SHORTEST_KEY = 32
#: Longer caches of keys would accept a key that the server has withdrawn.
LONGEST_KEYS_SECONDS = 300
LOOPBACK = ("127.0.0.1", "::1", "localhost")
TEXTS = (
    "check",
    "url",
    "algorithm",
    "issuer",
    "audience",
    "secret",
    "client_id",
    "client_secret",
    "id_claim",
    "ids",
    "id_field",
    "webhook_secret",
)
FUNCTIONS = ("make_user", "client_address", "on_change")


@dataclass(frozen=True)
class Settings:
    """The names are those of the members of `PROPUSK`, in lower case."""

    #: How tokens are checked: `published_keys`, `shared_key` or `introspection`.
    check: str = ""
    #: Where this Django reaches the server.
    url: str = ""
    #: Whether `url` may be `http://` although it is not this machine.
    allow_http: bool = False
    algorithm: str = ""
    #: The claim `iss`: the server's `public_url`.
    issuer: str | None = None
    #: The claim `aud`: the server's `tokens.audience`.
    audience: str | None = None
    #: The key of `shared_key`.
    secret: str = field(default="", repr=False)
    #: Who this Django is to the server, for `introspection`.
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    #: The client applications whose tokens are accepted; `None`: all.
    accepted_clients: tuple[str, ...] | None = None
    #: The words before the token in the header; `""`: none.
    header_words: tuple[str, ...] = ("Bearer",)
    #: The claim that names the account.
    id_claim: str = ""
    #: Whether accounts are named by `number` or by `foreign` id.
    ids: str = "number"
    #: The unique field of the user model that is compared with it.
    id_field: str = "pk"
    #: The server's `accounts.first_id`: from here on every row must have been made for an account.
    first_id: int = 1
    #: A function from [`Account`] to the fields of its new row.
    make_user: Callable[[Any], Mapping[str, Any]] | None = None
    #: A function from a request to the address of its client, for the admin's backend.
    client_address: Callable[[Any], str] | None = None
    #: The server's `webhooks.secret`, for the view that receives them.
    webhook_secret: str = field(default="", repr=False)
    #: A function of a user and its account as it is now; `None` if the account was deleted.
    on_change: Callable[[Any, Any], None] | None = None
    #: The limit of each request to the server.
    timeout_seconds: float = 5
    #: How long published keys are used.
    keys_seconds: float = LONGEST_KEYS_SECONDS
    #: How long an answer of introspection is used, and how late a sign-out is learned of.
    cache_seconds: float = 30


def load() -> Settings:
    """The project's settings."""
    return _parsed()


@lru_cache(maxsize=1)
def _parsed() -> Settings:
    given = getattr(project, "PROPUSK", None)
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured("PROPUSK must be a dict")
    values = {}
    known = {field.name.upper(): field.name for field in fields(Settings)}
    for name, value in given.items():
        _require(name in known, f"PROPUSK[{name!r}] is not a setting")
        values[known[name]] = value
    return _checked(Settings(**_completed(values)))


def _completed(values: dict[str, Any]) -> dict[str, Any]:
    """With the defaults that depend on other values."""
    for name in TEXTS:
        value = values.get(name, "")
        may_be_none = name in ("issuer", "audience") and value is None
        _require(
            isinstance(value, str) or may_be_none, f"PROPUSK[{name.upper()!r}] must be a text"
        )
    check = values.get("check")
    _require(check in ALGORITHMS, f"PROPUSK['CHECK'] must be one of {', '.join(ALGORITHMS)}")
    values["url"] = values.get("url", "").rstrip("/")
    if check == PUBLISHED_KEYS:
        values.setdefault("algorithm", "ES256")
        values.setdefault("issuer", values["url"])
        values.setdefault("audience", values["issuer"])
    if check == SHARED_KEY:
        values.setdefault("algorithm", "HS256")
    values.setdefault("id_claim", "user_id" if check == SHARED_KEY else "sub")
    for name in ("header_words", "accepted_clients"):
        listed = values.get(name)
        if listed is not None:
            _require(_are_texts(listed), f"PROPUSK[{name.upper()!r}] must be a list of texts")
            values[name] = tuple(listed)
    for name in FUNCTIONS:
        if isinstance(values.get(name), str):
            values[name] = _imported(name, values[name])
    return values


def _imported(name: str, path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as problem:
        raise ImproperlyConfigured(f"PROPUSK[{name.upper()!r}]: {problem}") from problem


def _checked(settings: Settings) -> Settings:
    _check_url(settings)
    if settings.check == INTROSPECTION:
        _require(
            settings.client_id and settings.client_secret,
            "PROPUSK['CHECK'] introspection needs CLIENT_ID and CLIENT_SECRET",
        )
    else:
        allowed = ALGORITHMS[settings.check]
        _require(
            settings.algorithm in allowed,
            f"PROPUSK['ALGORITHM'] must be {' or '.join(allowed)} with {settings.check}",
        )
    if settings.check == PUBLISHED_KEYS:
        _require(settings.issuer and settings.audience, "PROPUSK needs an ISSUER and an AUDIENCE")
    if settings.check == SHARED_KEY:
        _require(
            len(settings.secret.encode()) >= SHORTEST_KEY,
            f"PROPUSK['SECRET'] must have at least {SHORTEST_KEY} bytes",
        )
        _require(
            settings.accepted_clients is None,
            "PROPUSK['ACCEPTED_CLIENTS']: tokens of shared_key do not name a client",
        )
    _require(settings.header_words, "PROPUSK['HEADER_WORDS'] is empty")
    _require(settings.ids in ("number", "foreign"), "PROPUSK['IDS'] must be number or foreign")
    _require(
        type(settings.first_id) is int and settings.first_id >= 1,
        "PROPUSK['FIRST_ID'] must be a number from 1",
    )
    if settings.webhook_secret:
        _require(
            len(settings.webhook_secret.encode()) >= SHORTEST_KEY,
            f"PROPUSK['WEBHOOK_SECRET'] must have at least {SHORTEST_KEY} bytes",
        )
        _require(settings.ids == "number", "PROPUSK['WEBHOOK_SECRET'] needs IDS number")
    for name in FUNCTIONS:
        value = getattr(settings, name)
        _require(value is None or callable(value), f"PROPUSK[{name.upper()!r}] is no function")
    _check_seconds("TIMEOUT_SECONDS", settings.timeout_seconds, 60)
    _check_seconds("KEYS_SECONDS", settings.keys_seconds, LONGEST_KEYS_SECONDS)
    _check_seconds("CACHE_SECONDS", settings.cache_seconds, 3_600, least=0)
    return settings


def _check_url(settings: Settings) -> None:
    if not settings.url:
        _require(settings.check == SHARED_KEY, "PROPUSK needs a URL")
        return
    try:
        url = urlsplit(settings.url)
        _ = url.port
    except ValueError as problem:
        raise ImproperlyConfigured(f"PROPUSK['URL']: {problem}") from problem
    _require(
        url.scheme in ("http", "https")
        and url.hostname
        and not (url.username or url.password or url.query or url.fragment),
        "PROPUSK['URL'] must be https://HOST, without a name or a query in it",
    )
    _require(
        url.scheme == "https" or settings.allow_http or url.hostname in LOOPBACK,
        "PROPUSK['URL'] must be https://; ALLOW_HTTP is for a network that nobody else reaches",
    )


def _check_seconds(name: str, value: Any, most: float, least: float = 0.1) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    _require(
        is_number and least <= value <= most,
        f"PROPUSK[{name!r}] must be from {least} to {most}",
    )


def _are_texts(listed: Any) -> bool:
    return isinstance(listed, (list, tuple)) and all(isinstance(text, str) for text in listed)


def _require(is_right: Any, problem: str) -> None:
    if not is_right:
        raise ImproperlyConfigured(problem)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "PROPUSK":
        _parsed.cache_clear()


setting_changed.connect(_forget)
