"""Signing in to the admin with the password of Propusk."""

import json

from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate, get_user_model
from django.test import RequestFactory, override_settings

from propusk_django.backends import PropuskBackend

from .base import ServerTestCase

User = get_user_model()
SESSIONS = "/propusk/v1/sessions"


@override_settings(AUTHENTICATION_BACKENDS=["propusk_django.backends.PropuskBackend"])
class BackendTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.with_shared_key(CLIENT_ADDRESS=lambda request: request.META["REMOTE_ADDR"])
        self.answer_with(7)
        self.request = RequestFactory().post("/admin/login/")

    def answer_with(self, account_id):
        session = {"access_token": "a.b.c", "account": {"id": account_id, "username": "admin"}}
        self.server.answers[SESSIONS] = (200, session, {})

    def sign_in(self, username="admin", password="correct horse"):
        return authenticate(self.request, username=username, password=password)

    def test_user_is_found_by_the_number_of_the_account(self):
        User.objects.create_superuser("root", pk=7)
        User.objects.create_superuser("admin", pk=8)
        self.assertEqual(self.sign_in().pk, 7)
        method, _, headers, body = self.server.asked[0]
        expected = {
            "identifier": "admin",
            "password": "correct horse",
            "device_name": "Django admin",
        }
        self.assertEqual((method, json.loads(body)), ("POST", expected))
        self.assertEqual(headers["X-Forwarded-For"], "127.0.0.1")

    def test_session_at_the_server_ends_at_once(self):
        User.objects.create_superuser("root", pk=7)
        self.sign_in()
        method, path, headers, _ = self.server.asked[1]
        self.assertEqual((method, path), ("DELETE", f"{SESSIONS}/current"))
        self.assertEqual(headers["Authorization"], "Bearer a.b.c")

    def test_no_row_is_made(self):
        self.answer_with(100_007)
        self.assertIsNone(self.sign_in())
        self.assertFalse(User.objects.exists())

    def test_row_that_was_not_made_for_the_account_is_refused(self):
        self.answer_with(100_007)
        User.objects.create_superuser("root", pk=100_007)
        with self.assertLogs("propusk_django", "ERROR"):
            self.assertIsNone(self.sign_in())

    def test_password_here_is_not_looked_at(self):
        User.objects.create_superuser("admin", password="here", pk=7)
        self.server.answers[SESSIONS] = (401, {"code": "invalid_credentials"}, {})
        self.assertIsNone(self.sign_in(password="here"))

    def test_password_here_is_not_looked_at_by_asynchronous_code(self):
        User.objects.create_superuser("admin", password="here", pk=7)
        self.server.answers[SESSIONS] = (401, {"code": "invalid_credentials"}, {})
        found = async_to_sync(PropuskBackend().aauthenticate)(
            self.request, username="admin", password="here"
        )
        self.assertIsNone(found)
        self.answer_with(7)
        found = async_to_sync(PropuskBackend().aauthenticate)(
            self.request, username="anna", password="correct horse"
        )
        self.assertEqual(found.pk, 7)

    def test_disabled_user_and_refused_sign_in_open_nothing(self):
        user = User.objects.create_superuser("root", pk=7)
        for status in (401, 403, 422):
            self.server.answers[SESSIONS] = (status, {}, {})
            self.assertIsNone(self.sign_in())
        self.answer_with(7)
        user.is_active = False
        user.save()
        self.assertIsNone(self.sign_in())

    def test_server_that_cannot_be_asked_is_logged(self):
        for answer in [(500, {}, {}), (429, {}, {}), (200, [], {}), (200, {}, {})]:
            self.server.answers[SESSIONS] = answer
            with self.assertLogs("propusk_django", "ERROR") as logs:
                self.assertIsNone(self.sign_in())
            self.assertNotIn("correct horse", "".join(logs.output))

    def test_nothing_is_asked_without_a_name_and_a_password(self):
        for name, password in [("", "x"), ("a", ""), ("a", None), (None, "x"), ("a", "x" * 1_025)]:
            self.assertIsNone(self.sign_in(name, password))
        self.assertEqual(self.server.asked, [])
