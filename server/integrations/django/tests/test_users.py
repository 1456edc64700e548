"""Which row of the table of users an account gets."""

import jwt
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured

from propusk_django.models import MadeUser

from .base import SECRET, ServerTestCase
from .fake_server import simplejwt_claims

User = get_user_model()


def token(number):
    return jwt.encode(simplejwt_claims(user_id=number), SECRET, "HS256")


def named_by_profile(account):
    profile = account.profile()
    return {"username": f"propusk-{account.id}", "email": profile["email"]}


class UserTests(ServerTestCase):
    def test_row_of_a_new_account_is_made_once_and_without_rights(self):
        self.with_shared_key()
        for _ in range(2):
            self.assertEqual(self.whoami(token(100_007)).json()["id"], 100_007)
        user = User.objects.get()
        self.assertEqual((user.pk, user.username), (100_007, "propusk-100007"))
        self.assertFalse(user.is_staff or user.is_superuser or user.has_usable_password())
        self.assertEqual(MadeUser.objects.get().user_id, 100_007)

    def test_row_of_an_adopted_account_is_found_by_its_number_below_the_first(self):
        self.with_shared_key()
        User.objects.create_superuser("admin", pk=7)
        answer = self.whoami(token(7))
        self.assertEqual(answer.json()["username"], "admin")
        self.assertFalse(MadeUser.objects.exists())

    def test_adopted_account_without_a_row_gets_none(self):
        self.with_shared_key()
        with self.assertLogs("propusk_django", "WARNING"):
            self.assert_refused(token(7))
        self.assertFalse(User.objects.exists())

    def test_row_that_was_not_made_for_the_account_is_refused_and_logged(self):
        self.with_shared_key()
        User.objects.create_superuser("admin", pk=100_007)
        with self.assertLogs("propusk_django", "ERROR") as logs:
            self.assert_refused(token(100_007))
        self.assertIn("100007", logs.output[0])

    def test_every_row_must_have_been_made_without_a_first_number(self):
        self.configure(CHECK="shared_key", SECRET=SECRET)
        User.objects.create_superuser("admin", pk=1)
        with self.assertLogs("propusk_django", "ERROR"):
            self.assert_refused(token(1))
        self.assertEqual(self.whoami(token(2)).status_code, 200)

    def test_name_or_address_finds_nobody(self):
        self.with_shared_key(
            MAKE_USER=lambda account: {"username": "anna-2", "email": "a@example.com"}
        )
        User.objects.create_superuser("anna", "a@example.com", pk=7)
        self.assertEqual(self.whoami(token(100_007)).json()["id"], 100_007)

    def test_name_that_another_row_has_is_503_and_leaves_nothing(self):
        self.with_shared_key(MAKE_USER=lambda account: {"username": "anna"})
        User.objects.create_superuser("anna", pk=7)
        with self.assertLogs("propusk_django", "ERROR"):
            self.assertEqual(self.whoami(token(100_007)).status_code, 503)
        self.assertEqual(User.objects.count(), 1)
        self.assertFalse(MadeUser.objects.exists())

    def test_row_that_appears_meanwhile_is_refused_unless_it_was_made_for_the_account(self):
        def late(account):
            User.objects.create_superuser("late", pk=account.id)
            return {"username": "anna"}

        self.with_shared_key(MAKE_USER=late)
        with self.assertLogs("propusk_django", "ERROR"):
            self.assert_refused(token(100_007))

        def twice(account):
            user = User.objects.create(username="made", pk=account.id)
            MadeUser.objects.create(account=str(account.id), user=user)
            return {"username": "anna"}

        self.with_shared_key(MAKE_USER=twice)
        self.assertEqual(self.whoami(token(100_008)).json()["username"], "made")

    def test_disabled_user_is_refused(self):
        self.with_shared_key()
        self.whoami(token(100_007))
        User.objects.update(is_active=False)
        self.assert_refused(token(100_007), "User inactive or deleted.")

    def test_deleted_row_of_an_account_is_made_again(self):
        self.with_shared_key()
        self.whoami(token(100_007))
        User.objects.get().delete()
        self.assertEqual(self.whoami(token(100_007)).status_code, 200)

    def test_number_beyond_the_field_is_refused(self):
        self.with_shared_key()
        self.assertEqual(self.whoami(token(2**63 - 1)).status_code, 200)
        self.assert_refused(token(2**63))

    def test_function_of_the_project_cannot_give_rights_or_another_id(self):
        for fields in [
            {"is_staff": True},
            {"is_superuser": False},
            {"password": "x"},
            {"pk": 1},
            {"id": 1},
        ]:
            self.with_shared_key(MAKE_USER=lambda _, given=fields: {"username": "anna", **given})
            with self.assertRaises(ImproperlyConfigured):
                self.whoami(token(100_007))
        self.assertFalse(User.objects.exists())

    def test_rights_that_a_signal_gives_roll_the_row_back(self):
        from django.db.models.signals import pre_save

        def promote(instance, **_):
            instance.is_staff = True

        pre_save.connect(promote, sender=User)
        self.addCleanup(pre_save.disconnect, promote, sender=User)
        self.with_shared_key()
        with self.assertRaises(ImproperlyConfigured):
            self.whoami(token(100_007))
        self.assertFalse(User.objects.exists())

    def test_function_of_the_project_can_ask_for_the_profile(self):
        profile = {"id": 100_007, "email": "anna@example.com"}
        self.server.answers["/propusk/v1/account"] = (200, profile, {})
        self.with_shared_key(MAKE_USER="tests.test_users.named_by_profile")
        of_anna = token(100_007)
        self.assertEqual(self.whoami(of_anna).status_code, 200)
        self.assertEqual(User.objects.get().email, "anna@example.com")
        self.assertEqual(self.server.asked[0][2]["Authorization"], f"Bearer {of_anna}")
        self.server.answers["/propusk/v1/account"] = (500, {}, {})
        with self.assertLogs("propusk_django", "ERROR"):
            self.assertEqual(self.whoami(token(100_008)).status_code, 503)
        self.assertEqual(User.objects.count(), 1)
