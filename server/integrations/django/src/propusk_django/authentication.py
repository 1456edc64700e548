"""
Authentication of Django REST framework by an access token of Propusk. What is certainly wrong is
401 in the framework's own words. What cannot be known now is 503, so that no app signs its user out.
"""

from __future__ import annotations

import logging
from typing import Any, Mapping

from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed

from . import http, introspection, settings, tokens, users
from .account import Account, read_id

logger = logging.getLogger("propusk_django")


class Unavailable(APIException):
    """It is not known now whether the token is valid."""

    status_code = 503
    default_detail = _("Service temporarily unavailable, try again later.")
    default_code = "unavailable"
    #: In seconds; the framework puts it into `Retry-After`.
    wait = 5


class PropuskAuthentication(BaseAuthentication):
    """`request.user` is the row of the account, `request.auth` the `Account`."""

    def authenticate(self, request: Any) -> tuple[Any, Account] | None:
        given = settings.load()
        found = _token(get_authorization_header(request), given.header_words)
        if found is None:
            return None
        word, token = found
        try:
            claims = _claims(token, given)
            account = _account(claims, token, word, given)
            return users.find_or_make(account), account
        except http.Unreachable as problem:
            logger.error("Propusk cannot be asked: %s", problem)
            raise Unavailable from problem
        except users.NotMade as problem:
            raise Unavailable from problem
        except users.Refused as problem:
            raise _invalid() from problem
        except users.Inactive as problem:
            raise AuthenticationFailed(_("User inactive or deleted.")) from problem

    def authenticate_header(self, request: Any) -> str:
        word = next((word for word in settings.load().header_words if word), "Bearer")
        return f'{word} realm="api"'


def _token(header: bytes, words: tuple[str, ...]) -> tuple[str, str] | None:
    """The word and the token; `None` if the header is for another authentication."""
    parts = header.split()
    if not parts:
        return None
    known = {word.lower().encode(): word for word in words if word}
    word = known.get(parts[0].lower())
    if word is None:
        if len(parts) != 1 or "" not in words:
            return None
        word, parts = "", [b"", *parts]
    if len(parts) == 1:
        raise AuthenticationFailed(_("Invalid token header. No credentials provided."))
    if len(parts) > 2:
        raise AuthenticationFailed(
            _("Invalid token header. Token string should not contain spaces.")
        )
    try:
        return word, parts[1].decode("ascii")
    except UnicodeError as problem:
        text = _("Invalid token header. Token string should not contain invalid characters.")
        raise AuthenticationFailed(text) from problem


def _claims(token: str, given: settings.Settings) -> Mapping[str, Any]:
    if given.check == settings.INTROSPECTION:
        claims = introspection.introspect(token, given)
    else:
        claims = tokens.read_claims(token, given)
    if claims is None:
        raise _invalid()
    return claims


def _account(claims: Mapping[str, Any], token: str, word: str, given: settings.Settings) -> Account:
    account_id = read_id(claims.get(given.id_claim), given.ids)
    is_accepted = (
        given.accepted_clients is None or claims.get("client_id") in given.accepted_clients
    )
    if account_id is None or not is_accepted:
        raise _invalid()
    return Account(id=account_id, claims=claims, token=token, word=word, settings=given)


def _invalid() -> AuthenticationFailed:
    return AuthenticationFailed(_("Invalid token."))
