"""What is refused at the start."""

from django.core.checks import run_checks
from django.core.management import call_command
from django.test import SimpleTestCase, TestCase, override_settings

URL = "https://auth.example.com"
KEYS = {"CHECK": "published_keys", "URL": URL}
SHARED = {"CHECK": "shared_key", "SECRET": "x" * 32}
ASKED = {"CHECK": "introspection", "URL": URL, "CLIENT_ID": "a", "CLIENT_SECRET": "b"}


class MigrationTests(TestCase):
    def test_migrations_are_those_of_the_models(self):
        # It exits with a status if they are not.
        call_command("makemigrations", "propusk_django", check=True, dry_run=True, verbosity=0)


class SettingsTests(SimpleTestCase):
    def problems(self, given):
        with override_settings(PROPUSK=given):
            return [error.msg for error in run_checks() if error.id == "propusk_django.E001"]

    def test_settings_that_are_right_are_accepted(self):
        for given in [
            KEYS,
            SHARED,
            ASKED,
            {**KEYS, "ALGORITHM": "EdDSA", "AUDIENCE": "apps", "FIRST_ID": 100_000},
            {**KEYS, "URL": "http://127.0.0.1:8000", "ISSUER": URL},
            {**KEYS, "URL": "http://propusk:8000", "ALLOW_HTTP": True, "ISSUER": URL},
        ]:
            self.assertEqual(self.problems(given), [], given)

    def test_settings_that_cannot_be_meant_are_refused(self):
        for given, part in [
            (None, "must be a dict"),
            ({}, "CHECK"),
            ({**KEYS, "CHECK": "any"}, "CHECK"),
            ({**KEYS, "ISUER": URL}, "ISUER"),
            ({"CHECK": "published_keys"}, "URL"),
            ({**KEYS, "URL": "http://auth.example.com"}, "https://"),
            ({**KEYS, "URL": "https://a:b@auth.example.com"}, "URL"),
            ({**KEYS, "URL": "https://auth.example.com:x"}, "URL"),
            ({**KEYS, "ALGORITHM": "HS256"}, "ALGORITHM"),
            ({**KEYS, "ALGORITHM": "none"}, "ALGORITHM"),
            ({**KEYS, "ISSUER": None}, "ISSUER"),
            ({**KEYS, "AUDIENCE": ["apps"]}, "AUDIENCE"),
            ({**KEYS, "CHECK": ["published_keys"]}, "CHECK"),
            ({**KEYS, "ID_CLAIM": None}, "ID_CLAIM"),
            ({**SHARED, "SECRET": b"x" * 32}, "SECRET"),
            ({**KEYS, "KEYS_SECONDS": 301}, "KEYS_SECONDS"),
            ({**KEYS, "TIMEOUT_SECONDS": 0}, "TIMEOUT_SECONDS"),
            ({**KEYS, "TIMEOUT_SECONDS": None}, "TIMEOUT_SECONDS"),
            ({**KEYS, "FIRST_ID": 0}, "FIRST_ID"),
            ({**KEYS, "FIRST_ID": "1"}, "FIRST_ID"),
            ({**KEYS, "MAKE_USER": "no.such"}, "MAKE_USER"),
            ({**KEYS, "MAKE_USER": 1}, "MAKE_USER"),
            ({**KEYS, "HEADER_WORDS": "Bearer"}, "HEADER_WORDS"),
            ({**KEYS, "HEADER_WORDS": []}, "HEADER_WORDS"),
            ({**KEYS, "IDS": "uuid"}, "IDS"),
            ({**KEYS, "IDS": "foreign"}, "ID_FIELD"),
            ({**KEYS, "ID_FIELD": "username"}, "name or an address"),
            ({**KEYS, "ID_FIELD": "email"}, "name or an address"),
            ({**KEYS, "ID_FIELD": "first_name"}, "unique"),
            ({**KEYS, "ID_FIELD": "no_such"}, "ID_FIELD"),
            ({**SHARED, "SECRET": "x" * 31}, "SECRET"),
            ({**SHARED, "ALGORITHM": "ES256"}, "ALGORITHM"),
            ({**SHARED, "ACCEPTED_CLIENTS": ["propusk"]}, "ACCEPTED_CLIENTS"),
            ({**ASKED, "CLIENT_SECRET": ""}, "CLIENT_SECRET"),
            ({**KEYS, "WEBHOOK_SECRET": "x" * 31}, "WEBHOOK_SECRET"),
            ({**KEYS, "ON_CHANGE": "no.such"}, "ON_CHANGE"),
        ]:
            with self.subTest(given=given):
                problems = self.problems(given)
                self.assertEqual(len(problems), 1)
                self.assertIn(part, problems[0])

    def test_settings_do_not_show_their_secrets(self):
        from propusk_django.settings import load

        with override_settings(PROPUSK={**SHARED, "SECRET": "secret" * 6}):
            self.assertNotIn("secretsecret", repr(load()))
