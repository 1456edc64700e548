"""What all tests of requests need: a fake server, and the API of the Django."""

from django.core.cache import cache
from django.test import TestCase, override_settings
from rest_framework.test import APIClient

from propusk_django import introspection

from .fake_server import FakeServer, Key

SECRET = "a shared key of the tests, with 32 bytes at least"
INVALID = {"detail": "Invalid token."}


class ServerTestCase(TestCase):
    def setUp(self):
        self.server = FakeServer()
        self.addCleanup(self.server.stop)
        self.addCleanup(cache.clear)
        introspection.answers.clear()
        self.api = APIClient()

    def configure(self, **changed):
        """Sets `PROPUSK` until the end of the test."""
        override = override_settings(PROPUSK={"URL": self.server.url, **changed})
        override.enable()
        self.addCleanup(override.disable)

    def publish(self, *keys):
        self.server.answers["/.well-known/jwks.json"] = (200, {"keys": [k.jwk() for k in keys]}, {})

    def with_published_key(self, algorithm="ES256", **changed):
        key = Key("one", algorithm)
        self.publish(key)
        self.configure(CHECK="published_keys", ALGORITHM=algorithm, FIRST_ID=100_000, **changed)
        return key

    def with_shared_key(self, **changed):
        self.configure(CHECK="shared_key", SECRET=SECRET, **{"FIRST_ID": 100_000, **changed})

    def whoami(self, token, word="Bearer "):
        return self.api.get("/whoami/", HTTP_AUTHORIZATION=f"{word}{token}")

    def assert_refused(self, token, detail=INVALID["detail"]):
        answer = self.whoami(token)
        self.assertEqual((answer.status_code, answer.json()), (401, {"detail": detail}), token)
        self.assertEqual(answer["WWW-Authenticate"], 'Bearer realm="api"')
