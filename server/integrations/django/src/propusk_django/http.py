"""Requests to the server: limited in time and size. A redirect is an answer like any other."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from dataclasses import dataclass
from typing import Any, Mapping
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

#: In bytes: several times the largest answer that is asked for.
LARGEST_ANSWER = 64 * 1_024
CHUNK = 16 * 1_024


class Unreachable(Exception):
    """No usable answer: the server is unreachable, too slow, or another one."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        """The object in the body."""
        found = parse_json(self.body)
        if not isinstance(found, dict):
            raise Unreachable("the answer is not a JSON object")
        return found


def parse_json(text: bytes) -> Any:
    """`None` if it is not JSON, or deeper nested than Python reads."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def request(
    method: str,
    url: str,
    *,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    deadline = time.monotonic() + timeout
    connection = _connection(url, timeout)
    try:
        path = urlsplit(url).path or "/"
        connection.request(method, path, body, {"Accept": "application/json", **(headers or {})})
        response = connection.getresponse()
        return Answer(response.status, _body(connection, response, deadline))
    except (OSError, http.client.HTTPException, ValueError) as problem:
        raise Unreachable(type(problem).__name__) from problem
    finally:
        connection.close()


def _connection(url: str, timeout: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host = parts.hostname
    if not host:
        raise ImproperlyConfigured("PROPUSK needs a URL")
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=timeout)


def _body(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse, deadline: float
) -> bytes:
    body = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unreachable("the answer is too slow")
        # After the last byte of an answer without a length the socket is gone.
        if connection.sock is not None:
            connection.sock.settimeout(left)
        chunk = response.read1(CHUNK)
        if not chunk:
            return body
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise Unreachable("the answer is too large")
