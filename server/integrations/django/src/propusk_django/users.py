"""
The user's row of an account. It is found by the number or the foreign id alone: a name or an address
here may be another person's there. A row that is made here has no password and no rights.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any, Mapping

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured, ValidationError
from django.db import IntegrityError, connections, models, router, transaction

from .account import Account, Id
from .models import MadeUser
from .settings import Settings

logger = logging.getLogger("propusk_django")

#: What the project's function cannot give.
FLAGS = ("is_staff", "is_superuser")


class Refused(Exception):
    """The account has no row here that it may use."""


class Inactive(Exception):
    """The row is disabled here, or the project's manager hides it."""


class NotMade(Exception):
    """The row could not be made now."""


def find_or_make(account: Account) -> Any:
    """The row of the account, made if there is none yet."""
    settings = account.settings
    user = find(account.id, settings)
    if user is not None:
        return user
    if settings.ids == "number" and not must_be_ours(account.id, settings):
        logger.warning("account %s is below FIRST_ID, and has no user here", account.id)
        raise Refused
    return _make(account)


def find(account_id: Id, settings: Settings) -> Any:
    """The row of the account; `None` if there is none yet."""
    user = row(account_id, settings)
    if user is not None and not getattr(user, "is_active", True):
        raise Inactive
    return user


def row(account_id: Id, settings: Settings) -> Any:
    """The same, also if it is disabled."""
    check_user_model(settings)
    model, using = get_user_model(), database()
    named = {settings.id_field: _value(account_id, settings)}
    # Not in a replica, which may not have the row yet.
    user = model._default_manager.using(using).filter(**named).first()
    if user is None:
        if model._base_manager.using(using).filter(**named).exists():
            raise Inactive
        return None
    # Not every database compares texts exactly.
    if _of(user, settings) != named[settings.id_field]:
        raise Refused
    if must_be_ours(account_id, settings) and not _is_ours(account_id, user):
        logger.error(
            "account %s is refused: user %s was not made for it. From FIRST_ID on, this Django must "
            "not create users of its own",
            account_id,
            user.pk,
        )
        raise Refused
    return user


def must_be_ours(account_id: Id, settings: Settings) -> bool:
    """Whether the account's row must have been made for it: it never had one at this Django."""
    return isinstance(account_id, int) and account_id >= settings.first_id


def _is_ours(account_id: Id, user: Any) -> bool:
    made = MadeUser.objects.using(database())
    return bool(made.filter(account=str(account_id), user_id=user.pk).exists())


def _make(account: Account) -> Any:
    # It may ask the server: before the transaction.
    fields = _fields(account)
    using = database()
    try:
        with transaction.atomic(using=using):
            user = _insert(account, fields, using)
    except IntegrityError as problem:
        # Another request has made it, or what the project's function gives is taken.
        user = find(account.id, account.settings)
        if user is None:
            # Only the first line: some databases tell the values in the next.
            reason = str(problem).partition("\n")[0]
            logger.error("no user could be made for account %s: %s", account.id, reason)
            raise NotMade from problem
    return user


def _insert(account: Account, fields: Mapping[str, Any], using: str) -> Any:
    model = get_user_model()
    user = model(**{**fields, account.settings.id_field: _value(account.id, account.settings)})
    user.set_unusable_password()
    # Never an update of a row that is there.
    user.save(force_insert=True, using=using)
    MadeUser.objects.using(using).create(account=str(account.id), user_id=user.pk)
    # As stored: what signals and `save` of the project have done is in it.
    user = model._base_manager.using(using).get(pk=user.pk)
    if any(getattr(user, flag, False) for flag in FLAGS) or user.has_usable_password():
        raise ImproperlyConfigured("a new user must have no password, no staff or superuser flag")
    return user


def _fields(account: Account) -> dict[str, Any]:
    make_user = account.settings.make_user or default_fields
    fields = make_user(account)
    if not isinstance(fields, Mapping):
        raise ImproperlyConfigured("PROPUSK['MAKE_USER'] must return a dict of fields")
    model = get_user_model()
    id_names = {"pk", model._meta.pk.name, model._meta.pk.attname, account.settings.id_field}
    wrong = sorted({*id_names, *FLAGS, "password"} & set(fields))
    if wrong:
        raise ImproperlyConfigured(f"PROPUSK['MAKE_USER'] must not give {', '.join(wrong)}")
    return dict(fields)


def default_fields(account: Account) -> dict[str, Any]:
    """A name that cannot be registered at the server, so that it is nobody else's."""
    return {get_user_model().USERNAME_FIELD: f"propusk-{account.id}"}


@lru_cache(maxsize=1)
def check_user_model(settings: Settings) -> None:
    """Refuses an `ID_FIELD` that does not name one user for ever."""
    model = get_user_model()
    try:
        field = id_field(settings)
    except FieldDoesNotExist as problem:
        raise ImproperlyConfigured(f"PROPUSK['ID_FIELD']: {problem}") from problem
    names = {model.USERNAME_FIELD, getattr(model, "EMAIL_FIELD", None), "email", "username"}
    if field.name in names:
        raise ImproperlyConfigured("PROPUSK['ID_FIELD'] must not be a name or an address")
    if not field.unique:
        raise ImproperlyConfigured("PROPUSK['ID_FIELD'] must be unique")
    is_number = isinstance(field, models.IntegerField)
    if is_number != (settings.ids == "number"):
        wanted = "an integer" if settings.ids == "number" else "no integer"
        raise ImproperlyConfigured(f"PROPUSK['ID_FIELD'] must be {wanted} with IDS {settings.ids}")


def id_field(settings: Settings) -> Any:
    meta = get_user_model()._meta
    return meta.pk if settings.id_field == "pk" else meta.get_field(settings.id_field)


def _value(account_id: Id, settings: Settings) -> Any:
    """The id as the user model has it."""
    field = id_field(settings)
    try:
        value = field.to_python(account_id)
    except ValidationError as problem:
        raise Refused from problem
    if isinstance(value, int):
        least, most = connections[database()].ops.integer_field_range(field.get_internal_type())
        if (least is not None and value < least) or (most is not None and value > most):
            logger.error("account %s does not fit into the field of the user's id", account_id)
            raise Refused
    return value


def _of(user: Any, settings: Settings) -> Any:
    return user.pk if settings.id_field == "pk" else getattr(user, settings.id_field)


def database() -> str:
    """Where users are written."""
    return str(router.db_for_write(get_user_model()))
