"""Tokens in the form of SimpleJWT, checked by the shared key."""

import jwt

from .base import SECRET, ServerTestCase
from .fake_server import Key, native_claims, simplejwt_claims


class SharedKeyTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.with_shared_key()

    def sign(self, key=SECRET, algorithm="HS256", **changed):
        return jwt.encode(simplejwt_claims(**changed), key, algorithm)

    def test_access_token_opens_the_api_with_a_number_or_its_digits(self):
        for user_id in (100_007, "100007"):
            answer = self.whoami(self.sign(user_id=user_id))
            self.assertEqual((answer.status_code, answer.json()["auth"]), (200, "100007"))

    def test_nothing_is_asked_of_the_server(self):
        self.whoami(self.sign())
        self.assertEqual(self.server.asked, [])

    def test_token_of_another_kind_is_refused(self):
        for changed in [
            {"token_type": "refresh"},
            {"token_type": None},
            {"token_type": None, "mode": "access_token", "user_name": "anna@example.com"},
            {"user_id": None},
            {"user_id": "anna@example.com"},
            {"user_id": -1},
            {"user_id": 2**63},
            {"jti": None},
            {"iat": None},
            {"exp": 1},
            # Of an API with an issuer and an audience, which these settings do not name.
            {"iss": "https://auth.example.com"},
            {"aud": "apps"},
        ]:
            with self.subTest(changed=changed):
                self.assert_refused(self.sign(**changed))

    def test_token_of_another_key_or_algorithm_is_refused(self):
        self.assert_refused(self.sign(key=SECRET + "x"))
        self.assert_refused(self.sign(algorithm="HS512"))
        self.assert_refused(jwt.encode(simplejwt_claims(), None, "none"))
        self.assert_refused(Key("one").sign(simplejwt_claims(), typ="JWT"))

    def test_token_of_native_under_the_shared_key_is_refused(self):
        claims = {**native_claims(self.server.url), **simplejwt_claims()}
        self.assert_refused(jwt.encode(claims, SECRET, "HS256", headers={"typ": "at+jwt"}))

    def test_issuer_and_audience_of_the_settings_are_demanded(self):
        self.with_shared_key(ISSUER="us", AUDIENCE="apps")
        self.assert_refused(self.sign())
        self.assert_refused(self.sign(iss="us", aud="others"))
        self.assert_refused(self.sign(iss="them", aud="apps"))
        for audience in ("apps", ["others", "apps"]):
            answer = self.whoami(self.sign(iss="us", aud=audience))
            self.assertEqual(answer.status_code, 200)


class HeaderTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.token = jwt.encode(simplejwt_claims(), SECRET, "HS256")

    def test_header_of_another_authentication_is_left_to_it(self):
        self.with_shared_key()
        for header in ("", "Basic YTpi", self.token, "bearertoken"):
            answer = self.api.get("/whoami/", HTTP_AUTHORIZATION=header)
            self.assertEqual(answer.status_code, 401)
            text = "Authentication credentials were not provided."
            self.assertEqual(answer.json(), {"detail": text})

    def test_header_without_one_token_is_refused_in_the_words_of_the_framework(self):
        self.with_shared_key()
        prefix = "Invalid token header. "
        for header, text in {
            "Bearer": prefix + "No credentials provided.",
            f"Bearer {self.token} x": prefix + "Token string should not contain spaces.",
            "Bearer t\u00f6ken": prefix + "Token string should not contain invalid characters.",
        }.items():
            answer = self.api.get("/whoami/", HTTP_AUTHORIZATION=header)
            self.assertEqual((answer.status_code, answer.json()), (401, {"detail": text}))

    def test_words_of_the_settings_are_accepted_in_any_case(self):
        self.with_shared_key(HEADER_WORDS=["JWT", ""])
        for word in ("JWT ", "jwt ", ""):
            self.assertEqual(self.whoami(self.token, word).status_code, 200, word)
        answer = self.whoami(self.token, "Bearer ")
        self.assertEqual(answer["WWW-Authenticate"], 'JWT realm="api"')
