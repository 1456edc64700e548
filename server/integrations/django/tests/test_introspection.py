"""Tokens of any form, about which the server is asked."""

import base64
import time
from unittest import mock
from urllib.parse import parse_qs

from propusk_django import introspection

from .base import ServerTestCase

PATH = "/auth/introspect/"
TOKEN = "0123456789abcdef0123456789abcdef01234567"


class IntrospectionTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.configure(
            CHECK="introspection", CLIENT_ID="ord ers", CLIENT_SECRET="s:e/cret", FIRST_ID=100_000
        )
        self.answer_with()

    def answer_with(self, **changed):
        answer = {
            "active": True,
            "sub": "100007",
            "username": "propusk-100007",
            "client_id": "propusk",
            "scope": "read write",
            "token_type": "Bearer",
            "exp": int(time.time()) + 300,
            **changed,
        }
        self.server.answers[PATH] = (200, answer, {})

    def test_token_opens_the_api_and_is_sent_with_our_credentials(self):
        answer = self.whoami(TOKEN)
        self.assertEqual((answer.status_code, answer.json()["auth"]), (200, "100007"))
        method, _, headers, body = self.server.asked[0]
        self.assertEqual((method, parse_qs(body.decode())), ("POST", {"token": [TOKEN]}))
        credentials = base64.b64encode(b"ord+ers:s%3Ae%2Fcret").decode()
        self.assertEqual(headers["Authorization"], f"Basic {credentials}")

    def test_positive_answer_is_used_again_for_a_short_time(self):
        for _ in range(3):
            self.assertEqual(self.whoami(TOKEN).status_code, 200)
        self.assertEqual(self.server.asked_for(PATH), 1)
        self.server.answers[PATH] = (200, {"active": False}, {})
        later = time.monotonic() + 31
        with mock.patch.object(introspection.time, "monotonic", lambda: later):
            self.assert_refused(TOKEN)

    def test_answer_is_never_used_after_the_token_has_expired(self):
        self.answer_with(exp=int(time.time()) + 5)
        self.assertEqual(self.whoami(TOKEN).status_code, 200)
        later = time.monotonic() + 6
        with mock.patch.object(introspection.time, "monotonic", lambda: later):
            self.whoami(TOKEN)
        self.assertEqual(self.server.asked_for(PATH), 2)

    def test_negative_answer_is_not_used_again(self):
        self.server.answers[PATH] = (200, {"active": False}, {})
        self.assert_refused(TOKEN)
        self.answer_with()
        self.assertEqual(self.whoami(TOKEN).status_code, 200)

    def test_answer_that_says_no_account_or_no_end_is_refused(self):
        now = int(time.time())
        for changed in [
            {"active": "true"},
            {"active": 1},
            {"exp": now - 1},
            {"exp": None},
            {"exp": str(now + 60)},
            {"exp": True},
            {"sub": None},
            {"sub": "anna"},
        ]:
            with self.subTest(changed=changed):
                introspection.answers.clear()
                self.answer_with(**changed)
                self.assert_refused(TOKEN)

    def test_server_that_cannot_be_asked_is_503_and_never_401(self):
        for answer in [(500, {}, {}), (401, {}, {}), (403, {}, {}), (429, {}, {}), (200, [], {})]:
            self.server.answers[PATH] = answer
            with self.subTest(answer=answer), self.assertLogs("propusk_django", "ERROR"):
                self.assertEqual(self.whoami(TOKEN).status_code, 503)
        self.server.stop()
        self.assertEqual(self.whoami(TOKEN).status_code, 503)

    def test_answers_are_limited_in_number(self):
        answers = introspection.Answers()
        with mock.patch.object(introspection, "MOST_ANSWERS", 2):
            for key in ("a", "b", "c"):
                answers.keep(key, {}, 30)
        found = [answers.get(key) is not None for key in ("a", "b", "c")]
        self.assertEqual(found, [False, True, True])

    def test_logs_do_not_contain_tokens_or_secrets(self):
        self.server.answers[PATH] = (401, {}, {})
        with self.assertLogs("propusk_django") as logs:
            self.whoami(TOKEN)
        for secret in (TOKEN, "s:e/cret"):
            self.assertNotIn(secret, "".join(logs.output))
