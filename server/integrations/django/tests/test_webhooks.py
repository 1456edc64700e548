"""The server's webhooks, received by the view."""

import hashlib
import hmac
import json
import time

import jwt
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured

from .base import SECRET, ServerTestCase
from .fake_server import simplejwt_claims

User = get_user_model()
KEY = "webhook-key-0123456789-abcdefghijklmnop"
PATH = "/hooks/propusk/"


def signed(body, key=KEY, at=None):
    sent_at = str(int(time.time()) if at is None else at)
    mac = hmac.new(key.encode(), f"{sent_at}.".encode() + body, hashlib.sha256)
    return f"t={sent_at},v1={mac.hexdigest()}"


def body_of(event, number, **account):
    webhook = {"id": "x", "event": event, "at": 1, "account": {"id": number, **account}}
    return json.dumps(webhook).encode()


class WebhookTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.told = []
        self.with_shared_key(
            WEBHOOK_SECRET=KEY, ON_CHANGE=lambda user, account: self.told.append((user.pk, account))
        )
        self.token = jwt.encode(simplejwt_claims(), SECRET, "HS256")
        self.assertEqual(self.whoami(self.token).status_code, 200)

    def send(self, body, signature=None):
        return self.api.post(
            PATH,
            body,
            content_type="application/json",
            HTTP_PROPUSK_SIGNATURE=signed(body) if signature is None else signature,
        ).status_code

    def test_deleted_account_has_its_row_disabled_and_gets_no_other(self):
        for _ in range(2):
            self.assertEqual(self.send(body_of("account.deleted", 100_007)), 204)
        self.assertFalse(User.objects.get().is_active)
        self.assertEqual(self.told, [(100_007, None)] * 2)
        self.assert_refused(self.token, "User inactive or deleted.")
        self.assertEqual(User.objects.count(), 1)

    def test_changed_account_is_handed_to_the_project(self):
        body = body_of("account.changed", 100_007, email="anna@example.com", is_active=False)
        self.assertEqual(self.send(body), 204)
        expected = {"id": 100_007, "email": "anna@example.com", "is_active": False}
        self.assertEqual(self.told, [(100_007, expected)])
        self.assertTrue(User.objects.get().is_active)

    def test_account_without_a_row_gets_none(self):
        for event in ("account.created", "account.changed", "account.deleted"):
            self.assertEqual(self.send(body_of(event, 100_008, email="b@example.com")), 204)
        self.assertEqual((User.objects.count(), self.told), (1, []))

    def test_row_that_was_not_made_for_the_account_is_left_alone(self):
        User.objects.create_superuser("admin", "a@example.com", pk=100_008)
        with self.assertLogs("propusk_django", "ERROR"):
            self.assertEqual(self.send(body_of("account.deleted", 100_008)), 204)
        self.assertTrue(User.objects.get(pk=100_008).is_active)

    def test_row_is_never_found_by_a_name_or_an_address(self):
        User.objects.create_superuser("admin", "a@example.com", pk=7)
        body = body_of("account.deleted", 100_008, email="a@example.com", username="admin")
        self.assertEqual(self.send(body), 204)
        self.assertTrue(User.objects.get(pk=7).is_active)

    def test_webhook_without_a_valid_signature_is_refused(self):
        body = body_of("account.deleted", 100_007)
        now = int(time.time())
        valid = signed(body)
        with self.assertLogs("propusk_django", "WARNING") as logs:
            for signature in [
                "",
                "t=,v1=",
                "v1=" + valid.partition("v1=")[2],
                valid.replace("v1=", "v0="),
                valid[:-1],
                valid + "0",
                signed(body, key=KEY + "x"),
                signed(body + b" "),
                signed(body, at=now - 310),
                signed(body, at=now + 310),
                signed(body, at="\u0661"),
                signed(body, at="9" * 30),
            ]:
                self.assertEqual(self.send(body, signature), 403, signature)
        self.assertTrue(User.objects.get().is_active)
        self.assertNotIn(valid.partition("v1=")[2], "".join(logs.output))

    def test_member_of_the_signature_that_is_new_is_ignored(self):
        body = body_of("account.deleted", 100_007)
        self.assertEqual(self.send(body, "v2=x," + signed(body)), 204)
        self.assertFalse(User.objects.get().is_active)

    def test_body_that_names_no_account_is_refused(self):
        for body in [b"", b"x", b"[]", b"{}", b'{"account": 7}', body_of("account.deleted", "x")]:
            self.assertEqual(self.send(body), 400, body)

    def test_other_methods_and_a_missing_key_are_refused(self):
        self.assertEqual(self.api.get(PATH).status_code, 405)
        self.with_shared_key()
        with self.assertRaises(ImproperlyConfigured):
            self.send(body_of("account.deleted", 100_007))

    def test_failure_of_the_project_changes_nothing(self):
        def fail(user, account):
            raise RuntimeError

        self.with_shared_key(WEBHOOK_SECRET=KEY, ON_CHANGE=fail)
        with self.assertRaises(RuntimeError):
            self.send(body_of("account.deleted", 100_007))
        self.assertTrue(User.objects.get().is_active)
