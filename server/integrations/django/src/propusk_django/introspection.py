"""
Asking the server about a token (RFC 7662). A positive answer is used again for a short time, and
never after the token's `exp`; a negative one never. Tokens are kept by their SHA-256 only.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import threading
import time
from collections import OrderedDict
from typing import Any, Mapping
from urllib.parse import quote_plus, urlencode

from . import http
from .settings import Settings

logger = logging.getLogger("propusk_django")

LONGEST_TOKEN = 8 * 1_024
MOST_ANSWERS = 10_000


class Answers:
    """Positive answers, in the memory of this process; the oldest make room."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, tuple[float, Mapping[str, Any]]] = OrderedDict()

    def get(self, key: str) -> Mapping[str, Any] | None:
        with self._lock:
            until, answer = self._answers.get(key, (0.0, None))
            if answer is not None and time.monotonic() >= until:
                del self._answers[key]
                return None
            return answer

    def keep(self, key: str, answer: Mapping[str, Any], seconds: float) -> None:
        with self._lock:
            self._answers[key] = (time.monotonic() + seconds, answer)
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._answers.clear()


answers = Answers()


def introspect(token: str, settings: Settings) -> Mapping[str, Any] | None:
    """What the server says of a valid access token; `None` if it is not valid."""
    if len(token) > LONGEST_TOKEN:
        return None
    of = f"{settings.url} {settings.client_id} {token}"
    key = hashlib.sha256(of.encode()).hexdigest()
    answer = answers.get(key)
    if answer is None:
        answer = _ask(token, settings)
        seconds = _seconds(answer, settings)
        if seconds is None:
            return None
        answers.keep(key, answer, seconds)
    return answer if _is_accepted(answer, settings) else None


def _ask(token: str, settings: Settings) -> dict[str, Any]:
    names = (quote_plus(settings.client_id), quote_plus(settings.client_secret))
    credentials = base64.b64encode(":".join(names).encode()).decode()
    answer = http.request(
        "POST",
        f"{settings.url}/auth/introspect/",
        timeout=settings.timeout_seconds,
        headers={
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
        body=urlencode({"token": token}).encode(),
    )
    if answer.status in (401, 403):
        # Ours, not the token's.
        logger.error("the server refuses CLIENT_ID or CLIENT_SECRET of PROPUSK")
    if answer.status != 200:
        raise http.Unreachable(f"the introspection is answered with {answer.status}")
    return answer.json()


def _seconds(answer: Mapping[str, Any], settings: Settings) -> float | None:
    """How long the answer can be used again; `None` if the token is not valid."""
    expires_at = answer.get("exp")
    if answer.get("active") is not True or type(expires_at) is not int:
        return None
    left = expires_at - int(time.time())
    return min(left, settings.cache_seconds) if left > 0 else None


def _is_accepted(answer: Mapping[str, Any], settings: Settings) -> bool:
    issuer, audience = answer.get("iss"), answer.get("aud")
    return (settings.issuer is None or issuer in (None, settings.issuer)) and (
        settings.audience is None
        or audience in (None, settings.audience)
        or (isinstance(audience, list) and settings.audience in audience)
    )
