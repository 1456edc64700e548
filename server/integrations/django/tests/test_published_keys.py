"""Tokens of `native`, checked by the published keys."""

import time
from unittest import mock

import jwt

from propusk_django import keys

from .base import ServerTestCase
from .fake_server import Key, encoded, native_claims

JWKS = "/.well-known/jwks.json"


class PublishedKeysTests(ServerTestCase):
    def claims(self, **changed):
        return native_claims(self.server.url, **changed)

    def test_token_of_either_algorithm_opens_the_api(self):
        for algorithm in ("ES256", "EdDSA"):
            key = self.with_published_key(algorithm)
            answer = self.whoami(key.sign(self.claims()))
            self.assertEqual(answer.status_code, 200, answer.content)
            self.assertEqual(answer.json()["auth"], "100007")

    def test_keys_are_fetched_once(self):
        key = self.with_published_key()
        for _ in range(3):
            self.assertEqual(self.whoami(key.sign(self.claims())).status_code, 200)
        self.assertEqual(self.server.asked_for(JWKS), 1)

    def test_token_with_another_claim_is_refused(self):
        key = self.with_published_key()
        now = int(time.time())
        for name, values in {
            "iss": ["https://other.example", "", None, [self.server.url]],
            "aud": ["https://other.example", "", None, ["other"]],
            "exp": [now - 1, 0, -1, None, str(now + 60), True, float("nan"), [now + 60], {}],
            "iat": [now + 3_600, None, "1", True],
            "nbf": [now + 3_600, "1"],
            "sub": ["", "0", "-1", "007", "1e3", "anna", "9" * 20, 7.0, True, None, ["7"], "７"],
            "sid": ["", None, 1],
            "jti": ["", None, 1],
            "client_id": ["", None, 1],
        }.items():
            for value in values:
                with self.subTest(name=name, value=value):
                    claims = self.claims()
                    # `None` leaves it out.
                    claims.pop(name, None)
                    if value is not None:
                        claims[name] = value
                    # PyJWT itself refuses to write some.
                    token = signed_as_it_is(key, claims)
                    self.assert_refused(token)

    def test_token_with_another_header_is_refused(self):
        key = self.with_published_key()
        for header in [
            {"typ": "JWT"},
            {"typ": None},
            {"typ": "AT+JWT"},
            {"kid": "two"},
            {"kid": None},
            {"kid": 1},
            {"crit": ["exp"]},
            {"b64": False},
            {"alg": "none"},
            {"alg": "EdDSA"},
            {"alg": "ES384"},
            {"alg": "es256"},
        ]:
            with self.subTest(header=header):
                self.assert_refused(signed_as_it_is(key, self.claims(), **header))

    def test_algorithm_of_the_token_is_never_chosen_by_it(self):
        key = self.with_published_key()
        claims = self.claims()
        unsigned = jwt.encode(claims, None, "none", headers={"typ": "at+jwt", "kid": "one"})
        # The public key is known to everybody: it must not be taken for a shared one.
        for secret in (encoded(b"x" * 32), str(key.jwk()), key.jwk()["x"], "x" * 32):
            with_public = jwt.encode(
                claims, secret, "HS256", headers={"typ": "at+jwt", "kid": "one"}
            )
            self.assert_refused(with_public)
        self.assert_refused(unsigned)
        self.assert_refused(unsigned + "x")
        other = Key("one", "EdDSA")
        self.assert_refused(other.sign(claims))
        self.assert_refused(Key("one").sign(claims))

    def test_what_is_no_token_is_refused(self):
        self.with_published_key()
        nested = encoded(b"[" * 6_000)
        for text in ("x", "..", "a.b.c", f"{nested}.a.b", "a" * 9_000, "e30.e30.e30", "=.=.="):
            self.assert_refused(text)

    def test_key_of_another_form_is_not_used(self):
        key = Key("one")
        odd = [
            {"kty": "oct", "kid": "one", "k": encoded(b"x" * 32), "alg": "HS256"},
            {**key.jwk(), "use": "enc"},
            {**key.jwk(), "alg": "HS256"},
            {**key.jwk(), "y": "x"},
            {**key.jwk(), "kid": 1},
            "one",
        ]
        self.server.answers[JWKS] = (200, {"keys": [*odd, Key("two").jwk()]}, {})
        self.configure(CHECK="published_keys")
        self.assert_refused(key.sign(self.claims()))

    def test_unknown_key_is_looked_for_at_most_every_half_minute(self):
        key = self.with_published_key()
        self.assertEqual(self.whoami(key.sign(self.claims())).status_code, 200)
        two = Key("two")
        self.publish(key, two)
        for _ in range(5):
            self.assert_refused(two.sign(self.claims()))
        self.assertEqual(self.server.asked_for(JWKS), 1)
        with mock.patch.object(keys, "BETWEEN_REFETCHES", 0):
            self.assertEqual(self.whoami(two.sign(self.claims())).status_code, 200)
        self.assertEqual(self.server.asked_for(JWKS), 2)

    def test_withdrawn_key_is_refused_after_the_cache(self):
        key = self.with_published_key(KEYS_SECONDS=300)
        self.assertEqual(self.whoami(key.sign(self.claims())).status_code, 200)
        self.publish(Key("two"))
        self.assertEqual(self.whoami(key.sign(self.claims())).status_code, 200)
        later = time.monotonic() + 301
        with mock.patch.object(keys.time, "monotonic", lambda: later):
            self.assert_refused(key.sign(self.claims()))

    def test_keys_are_read_again_before_they_are_too_old(self):
        key = self.with_published_key(KEYS_SECONDS=300)
        self.assertEqual(self.whoami(key.sign(self.claims())).status_code, 200)
        self.server.answers[JWKS] = (500, {}, {})
        began = time.monotonic()
        for seconds, status in ((200, 200), (299, 200), (301, 503)):
            with mock.patch.object(keys.time, "monotonic", lambda: began + seconds):
                self.assertEqual(self.whoami(key.sign(self.claims())).status_code, status, seconds)
        self.assertEqual(self.server.asked_for(JWKS), 4)

    def test_server_without_usable_keys_is_503_and_never_401(self):
        key = Key("one")
        redirect = (302, b"", {"Location": f"{self.server.url}/elsewhere"})
        self.server.answers["/elsewhere"] = (200, {"keys": [key.jwk()]}, {})
        for answer in [
            (500, {}, {}),
            redirect,
            (200, b"no JSON", {}),
            (200, b"[" * 60_000, {}),
            (200, [], {}),
            (200, {"keys": {}}, {}),
            (200, {"keys": []}, {}),
            (200, {"keys": [Key("one", "EdDSA").jwk()]}, {}),
            (200, {"keys": [key.jwk()] * 33}, {}),
            (200, b"{" + b" " * 70_000 + b"}", {}),
        ]:
            self.server.answers[JWKS] = answer
            # Other settings, so that the failure before is forgotten.
            self.configure(CHECK="published_keys", TIMEOUT_SECONDS=5 + len(self.server.asked) / 100)
            answer = self.whoami(key.sign(self.claims()))
            self.assertEqual(answer.status_code, 503, answer.content)
            self.assertEqual(answer["Retry-After"], "5")
        self.assertEqual(self.server.asked_for("/elsewhere"), 0)

    def test_failure_is_not_repeated_at_once(self):
        self.server.answers[JWKS] = (500, {}, {})
        self.configure(CHECK="published_keys")
        for _ in range(4):
            answer = self.whoami(Key("one").sign(self.claims()))
            self.assertEqual(answer.status_code, 503)
        self.assertEqual(self.server.asked_for(JWKS), 1)

    def test_server_that_is_silent_is_503_after_the_limit(self):
        silence = mock.Mock(side_effect=lambda _: time.sleep(1) or (200, {}, {}))
        self.server.answers[JWKS] = silence
        self.configure(CHECK="published_keys", TIMEOUT_SECONDS=0.2)
        answer = self.whoami(Key("one").sign(self.claims()))
        self.assertEqual(answer.status_code, 503)

    def test_client_application_that_is_not_listed_is_refused(self):
        key = self.with_published_key(ACCEPTED_CLIENTS=["propusk"])
        self.assertEqual(self.whoami(key.sign(self.claims())).status_code, 200)
        self.assert_refused(key.sign(self.claims(client_id="other")))


def signed_as_it_is(key, claims, **header):
    """A token whose header and claims no library has looked at."""
    import json

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    header = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid, **header}
    header = {name: value for name, value in header.items() if value is not None}
    parts = (json.dumps(part).encode() for part in (header, claims))
    text = ".".join(encoded(part) for part in parts)
    signature = key.private.sign(text.encode(), ec.ECDSA(hashes.SHA256()))
    numbers = (number.to_bytes(32, "big") for number in decode_dss_signature(signature))
    return f"{text}.{encoded(b''.join(numbers))}"
