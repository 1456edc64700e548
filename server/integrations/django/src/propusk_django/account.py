"""The account that a checked token names."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Union

from . import http
from .settings import Settings

NUMBER = re.compile("[1-9][0-9]{0,18}")
LARGEST_NUMBER = 2**63 - 1
LONGEST_FOREIGN_ID = 255

Id = Union[int, str]


@dataclass(frozen=True)
class Account:
    """`request.auth`, and what the project's function gets to make a row from."""

    #: The number of the account, or its foreign id.
    id: Id
    #: The claims of the token, or the answer of the introspection.
    claims: Mapping[str, Any] = field(repr=False)
    #: What follows the word in the header.
    token: str = field(repr=False)
    #: The word before it.
    word: str
    settings: Settings = field(repr=False)

    def profile(self) -> dict[str, Any]:
        """
        The account as `GET /propusk/v1/account` shows it: `email`, `email_verified`, `phone`,
        `username`, `display_name` … These are for the new row. Never find a row by them.

        Raises `propusk_django.http.Unreachable`, which the client sees as 503.
        """
        answer = http.request(
            "GET",
            f"{self.settings.url}/propusk/v1/account",
            timeout=self.settings.timeout_seconds,
            headers={"Authorization": f"{self.word} {self.token}".strip()},
        )
        if answer.status != 200:
            raise http.Unreachable(f"the account is answered with {answer.status}")
        return answer.json()


def read_id(value: Any, ids: str) -> Id | None:
    """The id in a claim or an answer; `None` if it is none."""
    if ids == "foreign":
        is_id = isinstance(value, str) and 0 < len(value) <= LONGEST_FOREIGN_ID
        return value if is_id else None
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = int(value)
    is_number = type(value) is int and 0 < value <= LARGEST_NUMBER
    return value if is_number else None
