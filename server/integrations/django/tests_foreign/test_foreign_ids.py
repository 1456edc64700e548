"""Accounts that are named by a foreign id."""

import uuid

import jwt
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured

from propusk_django.models import MadeUser
from tests.base import SECRET, ServerTestCase
from tests.fake_server import simplejwt_claims

ID = "0b9c7a5e-3b7e-4c55-9a0f-7a1f6a1c2d3e"


def token(foreign_id):
    return jwt.encode(simplejwt_claims(user_id=foreign_id), SECRET, "HS256")


class ForeignIdTests(ServerTestCase):
    def setUp(self):
        super().setUp()
        self.with_shared_key(IDS="foreign")
        self.users = get_user_model().objects

    def test_row_of_an_adopted_account_is_found_by_its_id(self):
        self.users.create(username="anna", pk=ID)
        answer = self.whoami(token(ID))
        self.assertEqual((answer.json()["username"], answer.json()["auth"]), ("anna", ID))

    def test_row_of_a_new_account_is_made_with_its_id(self):
        self.assertEqual(self.whoami(token(ID)).status_code, 200)
        self.assertEqual(self.users.get().pk, uuid.UUID(ID))
        self.assertEqual(MadeUser.objects.get().account, ID)

    def test_what_is_no_id_of_the_model_is_refused(self):
        for wrong in ("", "anna", 7, "7", None, "x" * 256, ID + "0"):
            self.assert_refused(token(wrong))
        self.assertFalse(self.users.exists())

    def test_numbers_do_not_fit_to_the_model(self):
        self.with_shared_key()
        with self.assertRaises(ImproperlyConfigured):
            self.whoami(token(7))
