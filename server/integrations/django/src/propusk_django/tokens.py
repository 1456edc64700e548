"""
Access tokens that are JWTs: those of `native` (RFC 9068), by the keys that the server publishes, and
those in the form of SimpleJWT, by the shared key. Algorithm, type, issuer and audience are those of
the settings; the token chooses only the published key, by its `kid`.
"""

from __future__ import annotations

import base64
import re
import time
from typing import Any, Mapping

from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from . import keys
from .http import parse_json
from .settings import PUBLISHED_KEYS, Settings

LONGEST_TOKEN = 8 * 1_024
FORM = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
#: In seconds: how far the server's clock may be ahead of ours. A token is never accepted for longer.
AHEAD = 60


def read_claims(token: str, settings: Settings) -> Mapping[str, Any] | None:
    """The claims of a valid access token; `None` for anything else."""
    header = _header(token)
    if header is None or header.get("alg") != settings.algorithm:
        return None
    # RFC 7515 section 4.1.11 and RFC 7797: an extension that is not supported must be refused.
    if "crit" in header or "b64" in header:
        return None
    is_published = settings.check == PUBLISHED_KEYS
    is_typed = header.get("typ") == "at+jwt" if is_published else header.get("typ", "JWT") == "JWT"
    key = _key(header, settings) if is_typed else None
    payload = _payload(token, key, settings.algorithm) if key is not None else None
    claims = parse_json(payload) if payload is not None else None
    if not isinstance(claims, dict) or not _are_valid(claims, time.time(), settings):
        return None
    return claims


def _header(token: str) -> dict[str, Any] | None:
    form = FORM.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
    if form is None:
        return None
    text = form.group(1)
    try:
        header = parse_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        return None
    return header if isinstance(header, dict) else None


def _key(header: Mapping[str, Any], settings: Settings) -> Any:
    if settings.check != PUBLISHED_KEYS:
        return settings.secret.encode()
    kid = header.get("kid")
    return keys.published(kid, settings) if isinstance(kid, str) else None


def _payload(token: str, key: Any, algorithm: str) -> bytes | None:
    try:
        signed = PyJWS(algorithms=[algorithm]).decode(token, key, algorithms=[algorithm])
    except (PyJWTError, ValueError, TypeError):
        return None
    return bytes(signed)


def _are_valid(claims: Mapping[str, Any], now: float, settings: Settings) -> bool:
    expires_at = _time(claims.get("exp"))
    if expires_at is None or not expires_at > now:
        return False
    for begins_at in (_time(claims.get("iat")), _time(claims.get("nbf", 0))):
        if begins_at is None or not begins_at <= now + AHEAD:
            return False
    if claims.get("iss") != settings.issuer or not _is_for(claims.get("aud"), settings.audience):
        return False
    if not _is_text(claims.get("jti")):
        return False
    if settings.check == PUBLISHED_KEYS:
        return _is_text(claims.get("sid")) and _is_text(claims.get("client_id"))
    # A refresh token, or one of another form, opens nothing.
    return claims.get("token_type") == "access"


def _time(value: Any) -> float | None:
    is_time = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
    return value if is_time else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_for(audience: Any, expected: str | None) -> bool:
    if isinstance(audience, list):
        return expected is not None and expected in audience
    return bool(audience == expected)
