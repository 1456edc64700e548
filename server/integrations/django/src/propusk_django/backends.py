"""
Signing in to the admin with the password of Propusk. It finds the user's row and makes none: a user
of the admin was made staff here. The session at the server ends at once; the admin has its own.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend

from . import http, settings, users
from .account import Id, read_id

logger = logging.getLogger("propusk_django")

#: In bytes; the server's limit.
LONGEST_PASSWORD = 1_024
LONGEST_NAME = 320


class PropuskBackend(ModelBackend):
    """An entry of `AUTHENTICATION_BACKENDS`; rights are those of `ModelBackend`."""

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if username is None:
            username = kwargs.get(get_user_model().USERNAME_FIELD)
        if not _are_plausible(username, password):
            return None
        given = settings.load()
        try:
            account_id = _sign_in(str(username), str(password), request, given)
            user = None if account_id is None else users.find(account_id, given)
        except http.Unreachable as problem:
            logger.error("Propusk cannot be asked: %s", problem)
            return None
        except (users.Refused, users.Inactive):
            return None
        return user if user is not None and self.user_can_authenticate(user) else None

    async def aauthenticate(self, request: Any, **kwargs: Any) -> Any:
        # That of `ModelBackend` looks at the names and passwords of the rows here.
        return await sync_to_async(self.authenticate)(request, **kwargs)


def _are_plausible(username: Any, password: Any) -> bool:
    return (
        isinstance(username, str)
        and isinstance(password, str)
        and 0 < len(username) <= LONGEST_NAME
        and 0 < len(password.encode(errors="replace")) <= LONGEST_PASSWORD
    )


def _sign_in(username: str, password: str, request: Any, given: settings.Settings) -> Id | None:
    """The id of the account whose password this is; `None` if it is of none."""
    body = {"identifier": username, "password": password, "device_name": "Django admin"}
    headers = {"Content-Type": "application/json"}
    if given.client_address is not None and request is not None:
        headers["X-Forwarded-For"] = given.client_address(request)
    answer = http.request(
        "POST",
        f"{given.url}/propusk/v1/sessions",
        timeout=given.timeout_seconds,
        headers=headers,
        body=json.dumps(body).encode(),
    )
    # A wrong password, or an account that is disabled or waits.
    if answer.status in (401, 403, 422):
        return None
    if answer.status != 200:
        raise http.Unreachable(f"the sign-in is answered with {answer.status}")
    session = answer.json()
    _sign_out(session.get("access_token"), given)
    account = session.get("account")
    return read_id(account.get("id"), given.ids) if isinstance(account, dict) else None


def _sign_out(access_token: Any, given: settings.Settings) -> None:
    if not isinstance(access_token, str):
        raise http.Unreachable("the answer is no session")
    try:
        http.request(
            "DELETE",
            f"{given.url}/propusk/v1/sessions/current",
            timeout=given.timeout_seconds,
            headers={"Authorization": f"Bearer {access_token}"},
        )
    except http.Unreachable as problem:
        # It ends by itself; the password was right.
        logger.warning("a session of the admin stays open at the server: %s", problem)
