"""
The keys that the server publishes (RFC 7517), in the memory of this process. They are read again in
good time before they are too old, and for an unknown `kid`, but then not more often than every half
minute: anybody can invent one.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from . import http
from .settings import Settings

MOST_KEYS = 32
#: In seconds.
BETWEEN_REFETCHES = 30.0
#: After a failure: others learn at once that the server is unreachable.
AFTER_FAILURE = 2.0
#: What the keys of each algorithm are.
FORMS = {"ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}


class Keys:
    """The published keys of one server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._fetched_at: float | None = None
        self._failed_at: float | None = None

    def get(self, kid: str) -> Any:
        """The key; `None` if the server publishes none of this name."""
        now = time.monotonic()
        if not self._is_fresh(now, self._settings.keys_seconds):
            self._fetch(now, must_wait=True)
        elif kid not in self._keys:
            self._fetch(now, must_wait=True, unless_within=BETWEEN_REFETCHES)
        elif not self._is_fresh(now, self._settings.keys_seconds / 2):
            # One request looks for newer ones, the others go on with these.
            self._fetch(now, must_wait=False)
        return self._keys.get(kid)

    def _is_fresh(self, now: float, seconds: float) -> bool:
        return self._fetched_at is not None and now < self._fetched_at + seconds

    def _fetch(self, asked_at: float, *, must_wait: bool, unless_within: float = 0.0) -> None:
        wait = 2 * self._settings.timeout_seconds if must_wait else 0
        if not self._lock.acquire(blocking=must_wait, timeout=wait if must_wait else -1):
            if must_wait:
                raise http.Unreachable("the published keys are still being fetched")
            return
        try:
            # Another request may have fetched them while this one waited.
            if self._fetched_at is not None and self._fetched_at + unless_within > asked_at:
                return
            self._fetch_now(must_wait)
        finally:
            self._lock.release()

    def _fetch_now(self, must_have: bool) -> None:
        now = time.monotonic()
        if self._failed_at is not None and now < self._failed_at + AFTER_FAILURE:
            if must_have:
                raise http.Unreachable("the published keys could not be fetched")
            return
        try:
            self._keys = fetch(self._settings)
        except http.Unreachable:
            self._failed_at = time.monotonic()
            if must_have:
                raise
        else:
            self._fetched_at, self._failed_at = now, None


def fetch(settings: Settings) -> dict[str, Any]:
    """The server's keys of the configured algorithm, by `kid`."""
    url = f"{settings.url}/.well-known/jwks.json"
    answer = http.request("GET", url, timeout=settings.timeout_seconds)
    if answer.status != 200:
        raise http.Unreachable(f"the published keys are answered with {answer.status}")
    listed = answer.json().get("keys")
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise http.Unreachable("the answer is no set of keys")
    keys = {}
    for jwk in listed:
        if _is_usable(jwk, settings.algorithm):
            try:
                keys[jwk["kid"]] = PyJWK.from_dict(jwk, settings.algorithm).key
            except (PyJWTError, ValueError):
                continue
    if not keys:
        # With no keys at all every token would be invalid, and every app would sign its user out.
        raise http.Unreachable(f"no key of {settings.algorithm} is published")
    return keys


def _is_usable(jwk: Any, algorithm: str) -> bool:
    return (
        isinstance(jwk, dict)
        and isinstance(jwk.get("kid"), str)
        and (jwk.get("kty"), jwk.get("crv")) == FORMS[algorithm]
        and jwk.get("alg", algorithm) == algorithm
        and jwk.get("use", "sig") == "sig"
        and "d" not in jwk
    )


_by_settings: dict[Settings, Keys] = {}
_lock = threading.Lock()


def published(kid: str, settings: Settings) -> Any:
    """The published key of this name; `None` if there is none."""
    with _lock:
        if settings not in _by_settings:
            # Settings change in tests only.
            _by_settings.clear()
            _by_settings[settings] = Keys(settings)
        keys = _by_settings[settings]
    return keys.get(kid)
