"""
The view for the server's webhooks. It finds the user's row by the number of the account alone. The row of
a deleted account is disabled and not deleted: other rows may refer to it, and a token that has not
expired yet would make it again.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from . import settings, users
from .account import read_id
from .http import parse_json

logger = logging.getLogger("propusk_django")

#: In seconds: how far the time of sending may be from ours.
LATEST = 300
LONGEST_TIME = 19


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """204 if nothing is left to do; after any other answer the server sends the webhook again."""
    given = settings.load()
    if not given.webhook_secret:
        raise ImproperlyConfigured("PROPUSK needs a WEBHOOK_SECRET")
    signature = request.headers.get("Propusk-Signature", "")
    if not is_genuine(given.webhook_secret, signature, request.body, time.time()):
        logger.warning("a webhook without a valid signature is refused")
        return HttpResponse(status=403)
    webhook = parse_json(request.body)
    account = webhook.get("account") if isinstance(webhook, dict) else None
    account_id = read_id(account.get("id"), "number") if isinstance(account, dict) else None
    if account_id is None:
        return HttpResponse(status=400)
    with transaction.atomic(using=users.database()):
        try:
            user = users.row(account_id, given)
        except (users.Refused, users.Inactive):
            user = None
        if user is not None:
            _apply(user, webhook.get("event"), account, given)
    return HttpResponse(status=204)


def is_genuine(key: str, signature: str, body: bytes, now: float) -> bool:
    """Whether the server has signed this body a short time ago."""
    parts = dict(part.partition("=")[::2] for part in signature.split(","))
    sent_at = parts.get("t", "")
    if not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) <= LONGEST_TIME):
        return False
    expected = hmac.new(key.encode(), sent_at.encode() + b"." + body, hashlib.sha256).hexdigest()
    is_equal = hmac.compare_digest(expected.encode(), parts.get("v1", "").encode(errors="replace"))
    return is_equal and abs(now - int(sent_at)) <= LATEST


def _apply(user: Any, event: Any, account: dict[str, Any], given: settings.Settings) -> None:
    is_deleted = event == "account.deleted"
    if is_deleted and _can_be_disabled(user):
        user.is_active = False
        user.save(update_fields=["is_active"])
    if given.on_change is not None:
        given.on_change(user, None if is_deleted else account)


def _can_be_disabled(user: Any) -> bool:
    try:
        user._meta.get_field("is_active")
    except FieldDoesNotExist:
        return False
    return True
