"""Writes the accounts of a Django, and what belongs to them, as an import file of Propusk.

    PROPUSK_EXPORT=/root/propusk/accounts.jsonl ./manage.py shell < export.py

It needs the Django alone, 3.2 or later, with any user model and any database that Django reads. It only reads. It
creates three kinds of files, readable by their owner only, and writes over none: the import file, a propusk.toml
beside it with the settings that it has found, and a file for each key of the Django. An import file that exists is an
error; the others stay as an earlier export has written them. What it says goes to standard error, without names,
hashes and keys. The form of the file: server/docs/import-format.md.

Edit SETTINGS if your user model has other names than the usual ones.
"""

SETTINGS = {
    # Fields of the user model. None: the usual names are tried. "": there is no such field.
    "email": None,
    "phone": None,
    "username": None,
    "display_name": None,
    "joined_at": None,
    # Which addresses are proved. None: found by allauth's table, a field such as email_verified, or djoser's
    # activation mails. "active": those of active accounts. "never", or the name of a field.
    "proved": None,
    # Only accounts for which all of this holds, beside what the default manager leaves out: {"is_deleted": False}
    "only": {},
    # Values for claims of access tokens, by their names there: {"role": "role", "tenant": "tenant__slug"}
    "attributes": {},
}


def export():
    import base64
    import calendar
    import datetime
    import decimal
    import hashlib
    import json
    import math
    import os
    import re
    import sys
    import time
    import uuid

    from django.apps import apps
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.contrib.auth.hashers import identify_hasher
    from django.core.exceptions import FieldDoesNotExist
    from django.db import connections, router, transaction
    from django.utils import timezone

    page_size = 2000
    user_model = get_user_model()
    users = user_model._default_manager
    alias = router.db_for_read(user_model)
    now = int(time.time())
    simple_jwt = getattr(settings, "SIMPLE_JWT", None) or {}
    djoser = getattr(settings, "DJOSER", None) or {}

    def say(text):
        print(text, file=sys.stderr)

    # Files ----------------------------------------------------------------------------------------------------------

    created = []

    def create(path):
        """A new file that only its owner can read."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        created.append(path)
        if hasattr(os, "fchmod"):
            os.fchmod(handle, 0o600)
        return os.fdopen(handle, "w", encoding="utf-8", newline="\n")

    def create_once(path, text):
        """The same with this text, unless an earlier export has created it."""
        try:
            file = create(path)
        except FileExistsError:
            with open(path, "rb") as file:
                if file.read() != text.encode():
                    say(f"{path} is kept as it is: it differs from what the Django has now")
            return
        file.write(text)
        close(file)

    def close(file):
        file.flush()
        os.fsync(file.fileno())
        file.close()

    counts = {}

    def write(file, kind, **members):
        members = {name: value for name, value in members.items() if value is not None}
        file.write(json.dumps(dict(kind=kind, **members), ensure_ascii=False, allow_nan=False) + "\n")
        if kind not in ("start", "end"):
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] % 100_000 == 0:
                say(f"{counts[kind]} lines of the kind {kind}")

    # Values ---------------------------------------------------------------------------------------------------------

    def seconds(value):
        """A time of the database in whole seconds; a time without an offset is one of the Django's time zone."""
        if value is None:
            return None
        if not isinstance(value, datetime.datetime):
            value = datetime.datetime(value.year, value.month, value.day)
        if value.tzinfo is None:
            zone = timezone.get_default_timezone()
            value = zone.localize(value, is_dst=False) if hasattr(zone, "localize") else value.replace(tzinfo=zone)
        return math.floor(value.timestamp())

    def text(value):
        """A name as it is stored; the file has no NUL."""
        return str(value).replace("\0", "") if value not in (None, "") else None

    def password(value):
        """A hash as it is stored. The Django refuses one of a scheme that it does not have; others than Django's own
        have a program of the project."""
        if not value or value.startswith(("!", "$")):
            return text(value)
        try:
            identify_hasher(value)
            return text(value)
        except ValueError:
            return "refused$" + text(value)

    def account_id(value):
        return value if isinstance(value, int) else str(value)

    def sha256(value):
        return hashlib.sha256(value.encode()).hexdigest()

    def attribute(value):
        if isinstance(value, (datetime.date, datetime.time, uuid.UUID, decimal.Decimal)):
            return str(value)
        return value

    def claims(token):
        """What a JWT says, without a look at its signature: it comes from the Django's own table."""
        try:
            part = token.split(".")[1]
            decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            return decoded if isinstance(decoded, dict) else {}
        except (AttributeError, IndexError, ValueError):
            return {}

    # Models ---------------------------------------------------------------------------------------------------------

    labels = {config.label for config in apps.get_app_configs()}

    def find(app, name):
        """The model, if its application is installed and it has a table."""
        if app not in labels:
            return None
        try:
            return apps.get_model(app, name)
        except LookupError:
            return None

    def swapped(setting, default):
        """The model that a setting names, as OAuth Toolkit has it for its own."""
        if default.split(".")[0] not in labels:
            return None
        return apps.get_model(getattr(settings, setting, None) or default)

    def field(name):
        try:
            found = user_model._meta.get_field(name)
        except FieldDoesNotExist:
            return None
        return found if getattr(found, "column", None) else None

    def chosen(setting, *usual):
        """The field of the settings above, or the first of the usual ones that the user model has."""
        if SETTINGS[setting] is not None:
            if SETTINGS[setting] and field(SETTINGS[setting]) is None:
                raise SystemExit(f"export.py: SETTINGS[{setting!r}]: the user model has no such field")
            return SETTINGS[setting] or None
        return next((name for name in usual if name and field(name)), None)

    def rows(query, *names):
        """All rows, read in pages: no engine has to hold them all."""
        query, last = query.order_by("pk"), None
        while True:
            page = query if last is None else query.filter(pk__gt=last)
            page = list(page.values("pk", *names)[:page_size])
            yield from page
            if len(page) < page_size:
                return
            last = page[-1]["pk"]

    login = user_model.USERNAME_FIELD
    email = chosen("email", getattr(user_model, "EMAIL_FIELD", None), "email")
    phone = chosen("phone", "phone", "phone_number", "mobile", "mobile_number", login if "phone" in login else None)
    unique_name = field("username") is not None and field("username").unique
    username = chosen("username", login if login not in (email, phone) else None, "username" if unique_name else None)
    joined = chosen("joined_at", "date_joined", "joined_at", "created_at", "created", "created_on", "registered_at")
    shown = chosen("display_name", "display_name", "full_name", "name", "nickname")
    if SETTINGS["display_name"] is None and field("first_name") and field("last_name"):
        shown_fields = ["first_name", "last_name"]
    else:
        shown_fields = [shown] if shown else []
    claimed = simple_jwt.get("USER_ID_FIELD", "id")
    if claimed in ("id", "pk", user_model._meta.pk.name) or field(claimed) is None:
        claimed = None
    activates = bool(djoser.get("SEND_ACTIVATION_EMAIL"))
    addresses = find("account", "EmailAddress")
    proved = SETTINGS["proved"]
    if proved is None:
        column = next((name for name in ("email_verified", "is_email_verified", "is_verified") if field(name)), None)
        proved = "allauth" if addresses else column or ("active" if activates else "never")
    elif proved not in ("active", "never") and field(proved) is None:
        raise SystemExit("export.py: SETTINGS['proved']: the user model has no such field")
    phone_proved = next((name for name in ("phone_verified", "is_phone_verified") if field(name)), None)

    # Accounts -------------------------------------------------------------------------------------------------------

    exported = set()
    # Whether an account has its own address or phone number in the field that signs in: {"email", "phone"}.
    own_as_login = set()

    def pages(iterator):
        page = []
        for row in iterator:
            page.append(row)
            if len(page) == page_size:
                yield page
                page = []
        if page:
            yield page

    def verified_by_allauth(page):
        """The accounts of this page whose own address has been verified."""
        if proved != "allauth" or not email:
            return set()
        found = addresses._default_manager.using(alias).filter(user_id__in=[row["pk"] for row in page], verified=True)
        own = {row["pk"]: (row[email] or "").lower() for row in page}
        pairs = found.values_list("user_id", "email")
        return {user for user, address in pairs if own.get(user) == address.lower()}

    def account(row, verified_by):
        flags = {"is_active": bool(row["is_active"])} if "is_active" in row else {}
        is_active = flags.get("is_active", True)
        waits = activates and not is_active and row.get("last_login") is None
        is_proved = {"active": is_active, "never": False, "allauth": row["pk"] in verified_by}.get(proved)
        is_proved = bool(row[proved]) if is_proved is None else is_proved
        names = {"email": text(row[email]) if email else None, "phone": text(row[phone]) if phone else None}
        own_as_login.update(kind for kind, name in names.items() if name and name.lower() == str(row[login]).lower())
        verified = [kind for kind, holds in (("email", is_proved), ("phone", phone_proved and row[phone_proved]))
                    if holds and names[kind]]
        return dict(
            id=account_id(row["pk"]),
            foreign_id=account_id(row[claimed]) if claimed and row[claimed] not in (None, "") else None,
            **names,
            username=text(row[username]) if username else None,
            sign_up_name=text(row[login]),
            display_name=text(" ".join(str(row[name]) for name in shown_fields if row[name]).strip()),
            password=password(row["password"]) if "password" in row else None,
            verified=verified or None,
            is_active=None if is_active else False,
            awaits_activation=waits or None,
            is_superuser=bool(row.get("is_superuser")) or None,
            joined_at=seconds(row[joined]) if joined else None,
            last_sign_in_at=seconds(row.get("last_login")),
            attributes={claim: attribute(row[name]) for claim, name in SETTINGS["attributes"].items()} or None,
        )

    def write_accounts(file):
        flags = [name for name in ("password", "last_login", "is_active", "is_superuser") if field(name)]
        known = [email, phone, username, login, joined, claimed, phone_proved, *shown_fields, *flags]
        known += [proved] if proved not in ("active", "never", "allauth") else []
        names = sorted({name for name in known if name} | set(SETTINGS["attributes"].values()))
        left_out = 0
        for page in pages(rows(users.using(alias).filter(**SETTINGS["only"]), *names)):
            verified_by = verified_by_allauth(page)
            for row in page:
                if not isinstance(row["pk"], int) or row["pk"] > 0:
                    write(file, "account", **account(row, verified_by))
                    exported.add(row["pk"])
                else:
                    left_out += 1
        if left_out:
            say(f"{left_out} accounts left out: their ids are not above 0")

    # Tokens ---------------------------------------------------------------------------------------------------------

    def write_keys(file):
        tokens = find("authtoken", "Token")
        for row in rows(tokens._default_manager.using(alias), "key", "user_id", "created") if tokens else ():
            if row["user_id"] in exported:
                write(file, "api_token", account=account_id(row["user_id"]), sha256=sha256(row["key"]),
                      created_at=seconds(row["created"]))

    def write_signed(file):
        outstanding, blacklisted = find("token_blacklist", "OutstandingToken"), find("token_blacklist", "BlacklistedToken")
        if not outstanding or not blacklisted:
            return
        for row in rows(blacklisted._default_manager.using(alias), "token__jti", "token__token", "token__expires_at"):
            # The token's own time counts: the row's differs if a lifetime was set by hand.
            expires = claims(row["token__token"]).get("exp") or seconds(row["token__expires_at"])
            if expires > now:
                write(file, "spent_token", jti=row["token__jti"], expires_at=int(expires))
        live = outstanding._default_manager.using(alias).filter(blacklistedtoken__isnull=True, user__isnull=False)
        for row in rows(live, "jti", "token", "user_id", "created_at", "expires_at"):
            said = claims(row["token"])
            expires = said.get("exp") or seconds(row["expires_at"])
            issued = said.get("iat") or seconds(row["created_at"])
            if expires > now and row["user_id"] in exported:
                write(file, "refresh_token", account=account_id(row["user_id"]), jti=row["jti"],
                      issued_at=int(now if issued is None else issued), expires_at=int(expires))

    def write_oauth(file):
        application = swapped("OAUTH2_PROVIDER_APPLICATION_MODEL", "oauth2_provider.Application")
        if not application:
            return

        def is_hashed(secret):
            try:
                identify_hasher(secret)
                return "$" in secret
            except ValueError:
                return False

        clients, others = {}, {}
        for row in rows(application._default_manager.using(alias), "client_id", "client_secret", "client_type",
                        "authorization_grant_type", "name"):
            clients[row["pk"]] = row["client_id"]
            grant = row["authorization_grant_type"]
            if grant != "password":
                others[grant] = others.get(grant, 0) + 1
            # A public one has a secret too, which it sends where drf-social-oauth2 wants it.
            is_public, secret = row["client_type"] == "public", row["client_secret"]
            known = {"secret_hash" if is_hashed(secret) else "secret_sha256":
                     secret if is_hashed(secret) else sha256(secret)} if secret else {}
            if not is_public and not secret:
                say("a confidential application has no secret: nobody can use it, here or there")
                known = {"secret_hash": "!"}
            write(file, "oauth_client", id=row["client_id"], name=text(row["name"]), **known,
                  is_public=is_public or None, allows_password=grant == "password" or None)
        for grant, count in sorted(others.items()):
            say(f"applications with the grant {grant}: {count}; they convert and refresh tokens, the grant itself has no "
                "counterpart")

        def pair(row, client, **tokens):
            if row["user_id"] in exported and client in clients:
                write(file, "oauth_pair", account=account_id(row["user_id"]), client=clients[client],
                      scope=row.get("scope"), created_at=seconds(row.get("created")), **tokens)

        refresh = swapped("OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL", "oauth2_provider.RefreshToken")
        access = swapped("OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL", "oauth2_provider.AccessToken")
        live = refresh._default_manager.using(alias).filter(revoked__isnull=True)
        names = ("token", "user_id", "application_id", "created", "access_token__token", "access_token__expires",
                 "access_token__scope")
        for row in rows(live, *names):
            row["scope"] = row["access_token__scope"]
            opened = {}
            if row["access_token__token"] and row["access_token__expires"]:
                opened = dict(access_sha256=sha256(row["access_token__token"]),
                              access_expires_at=seconds(row["access_token__expires"]))
            pair(row, row["application_id"], refresh_sha256=sha256(row["token"]), **opened)
        of_nobody = access._default_manager.using(alias).filter(user__isnull=True, expires__gt=timezone.now())
        of_nobody = of_nobody.count()
        if of_nobody:
            say(f"access tokens of applications alone, which cannot be kept: {of_nobody}")
        paired = live.filter(access_token__isnull=False).values("access_token")
        alone = access._default_manager.using(alias).filter(user__isnull=False).exclude(pk__in=paired)
        for row in rows(alone, "token", "user_id", "application_id", "created", "expires", "scope"):
            if seconds(row["expires"]) > now:
                pair(row, row["application_id"], access_sha256=sha256(row["token"]),
                     access_expires_at=seconds(row["expires"]))

    # Identities -----------------------------------------------------------------------------------------------------

    providers = {"google-oauth2": "google", "google-openidconnect": "google", "google-plus": "google",
                 "vk-oauth2": "vk", "yandex-oauth2": "yandex", "yandex-openid": "yandex-openid", "apple-id": "apple",
                 "mailru-oauth2": "mailru"}

    def write_identities(file):
        for app, name, uid, created_at in (("social_django", "UserSocialAuth", "uid", "created"),
                                           ("socialaccount", "SocialAccount", "uid", "date_joined")):
            table = find(app, name)
            if not table:
                continue
            has_time = any(one.name == created_at for one in table._meta.get_fields())
            for row in rows(table._default_manager.using(alias), "user_id", "provider", uid,
                            *([created_at] if has_time else [])):
                if row["user_id"] not in exported or not row[uid]:
                    continue
                provider = providers.get(row["provider"], row["provider"])
                # Google and Mail.ru of python-social-auth go by the address, unless they are told otherwise.
                key = "email" if "@" in row[uid] and provider in ("google", "mailru") else "subject"
                write(file, "identity", account=account_id(row["user_id"]), provider=provider,
                      created_at=seconds(row[created_at]) if has_time else None, **{key: row[uid]})

    # Settings -------------------------------------------------------------------------------------------------------

    def paths():
        """The paths of views whose libraries are known, each with the name of the view."""
        from django.urls import URLPattern, URLResolver, get_resolver

        known = ("rest_framework_simplejwt.", "djoser.", "rest_framework.authtoken.", "drf_social_oauth2.",
                 "oauth2_provider.", "dj_rest_auth.")

        def plain(path):
            """A path without the signs of a regular expression around its parts."""
            return re.sub(r"(?<!\[)\^|\$|\\Z", "", path).replace("/?", "/").lstrip("/")

        def walk(patterns, prefix):
            for pattern in patterns:
                path = prefix + str(pattern.pattern)
                if isinstance(pattern, URLResolver):
                    yield from walk(pattern.url_patterns, path)
                elif isinstance(pattern, URLPattern):
                    view = getattr(pattern.callback, "cls", None) or getattr(pattern.callback, "view_class", None)
                    bases = [base for base in getattr(view, "__mro__", ()) if base.__module__.startswith(known)]
                    if bases and "<format>" not in path:  # what Django REST framework adds: the same with .json
                        yield "/" + plain(path), f"{bases[0].__module__}.{bases[0].__name__}"

        return sorted(set(walk(get_resolver().url_patterns, "")))

    def quoted(value):
        return json.dumps(str(value))

    def span(value):
        return int(value.total_seconds()) if isinstance(value, datetime.timedelta) else value

    def version(distribution):
        """Its first three numbers; None if it is not installed as a distribution."""
        try:
            from importlib import metadata
        except ImportError:  # before Python 3.8
            return None
        try:
            numbers = re.match(r"\d+(\.\d+){0,2}", metadata.version(distribution) or "")
        except metadata.PackageNotFoundError:
            return None
        # Of fewer numbers, the newest version would be meant.
        return ".".join((numbers.group().split(".") + ["0", "0"])[:3]) if numbers else None

    def found_apis():
        """A name, a dialect, and the versions on which its answers depend, for each kind of token of its views."""
        views = [view for _, view in paths()]
        has = lambda *starts: any(view.startswith(starts) for view in views)
        users = {"djoser": "djoser", "djangorestframework": "djangorestframework"}
        libraries = {}
        if has("djoser.views.TokenCreateView", "rest_framework.authtoken.", "drf_social_oauth2."):
            libraries["django_token", "djoser_token"] = dict(users, drf_social_oauth2="drf-social-oauth2")
        if has("rest_framework_simplejwt."):
            rotates = simple_jwt.get("ROTATE_REFRESH_TOKENS")
            has_users = has("djoser.views.UserViewSet")
            dialect = "djoser_jwt" if has_users else "simplejwt_rotating" if rotates else "simplejwt"
            signed = {"simplejwt": "djangorestframework-simplejwt"}
            libraries["django_jwt", dialect] = dict(users, **signed) if has_users else signed
        for (name, dialect), distributions in libraries.items():
            versions = {library: version(distribution) for library, distribution in distributions.items()}
            yield name, dialect, {library: found for library, found in sorted(versions.items()) if found}

    def signs_in_by(dialect):
        """The kinds of names that sign in: those of the dialect, with which accounts go on to register, and those that
        sign in here."""
        kinds = {"djoser_jwt": {"email", "phone"}, "simplejwt": {"username"}}.get(dialect, {"email"}) | own_as_login
        for kind, name in (("email", email), ("phone", phone), ("username", username)):
            if name in (login, djoser.get("LOGIN_FIELD", login)):
                kinds.add(kind)
        return sorted(kinds)

    def settings_found(keys, own_key, highest):
        lines = []
        put = lambda line="": lines.append(line + "\n")
        put("# What export.py has found in the Django. Read it before you use it; remove what does not fit.")
        put()
        put("[tokens]")
        if keys:
            put(f"secret_file = {quoted(keys)}")
            put("accept_foreign = true")
        else:
            put("# the tokens are signed with a private key: see below")
        if own_key:
            put(f"django_secret_key_file = {quoted(own_key)}")
        put()
        put("[accounts]")
        if isinstance(highest, int):
            put(f"# The highest number there is {highest}. Leave room for accounts that it still makes.")
            put(f"first_id = {highest + max(100_000, highest // 2) + 1}")
        else:
            put("# Its ids are no numbers.")
            put("first_id = 1")
        put()
        for name, dialect, versions in found_apis():
            put("# The API of its apps with the versions of its libraries, in place of the built-in one, at the same paths:")
            put("# compare them with those below. Choose its name now: what it issues belongs to it.")
            put(f"[dialects.{dialect}]")
            put("enabled = false")
            put()
            put(f"[apis.{name}]")
            put(f"dialect = {quoted(dialect)}")
            put("# Add what backends of the project take besides:")
            put(f"signs_in_by = {json.dumps(signs_in_by(dialect))}")
            put()
            put(f"[apis.{name}.versions]")
            for library, found in versions.items():
                put(f"{library} = {quoted(found)}")
            put()
        put("# The paths of its views:")
        for path, view in paths():
            put("#   " + json.dumps(path, ensure_ascii=False) + "  " + view)
        put()
        put("# Its settings that clients can see:")
        visible = ("ACCESS_TOKEN_LIFETIME", "REFRESH_TOKEN_LIFETIME", "ROTATE_REFRESH_TOKENS", "BLACKLIST_AFTER_ROTATION",
                   "ALGORITHM", "AUDIENCE", "ISSUER", "JWK_URL", "LEEWAY", "AUTH_HEADER_TYPES", "AUTH_HEADER_NAME",
                   "USER_ID_FIELD", "USER_ID_CLAIM", "TOKEN_TYPE_CLAIM", "JTI_CLAIM", "CHECK_REVOKE_TOKEN")
        for name in visible:
            if name in simple_jwt:
                put(f"#   SIMPLE_JWT[{quoted(name)}] = {span(simple_jwt[name])!r}")
        for name in ("ACTIVATION_URL", "PASSWORD_RESET_CONFIRM_URL", "SEND_ACTIVATION_EMAIL", "LOGIN_FIELD", "USER_ID_FIELD"):
            if name in djoser:
                put(f"#   DJOSER[{quoted(name)}] = {djoser[name]!r}")
        put(f"#   the user model signs in by {login}; password hashers:")
        for hasher in settings.PASSWORD_HASHERS:
            put(f"#     {hasher}")
        return "".join(lines)

    def write_keys_of_django(folder):
        """The paths of the files with the key of the tokens, None if they are signed with a private key, and with
        SECRET_KEY, None if it is that of the tokens too."""
        signing = simple_jwt.get("SIGNING_KEY", settings.SECRET_KEY)
        signing = signing.decode() if isinstance(signing, bytes) else str(signing)
        path = os.path.join(folder, "django-signing-key")
        create_once(path, signing)
        own_key = None
        if signing != settings.SECRET_KEY:
            own_key = os.path.join(folder, "django-secret-key")
            create_once(own_key, str(settings.SECRET_KEY))
            say("tokens have a key apart from SECRET_KEY; SECRET_KEY is for links that the Django has mailed")
        is_shared = str(simple_jwt.get("ALGORITHM", "HS256")).startswith("HS")
        return path if is_shared else None, own_key

    # The user model, for the way back -------------------------------------------------------------------------------

    def user_table(vendor):
        """Where a row of the user model is, and what a new one needs. None: SQL alone cannot make it."""
        from django.db import models

        meta = user_model._meta
        column = lambda name: field(name).column if name and field(name) else None
        if meta.parents or not column("password") or not column(login):
            return None
        uuid_key = isinstance(meta.pk, models.UUIDField)
        number_key = isinstance(meta.pk, (models.IntegerField, models.AutoField))
        named = dict(id=meta.pk.column, login=column(login), email=column(email), phone=column(phone),
                     username=column(username), password=column("password"), is_active=column("is_active"),
                     last_login=column("last_login"), foreign_id=column(claimed))
        display_name = [column(name) for name in shown_fields]
        unique = {one.column for one in meta.concrete_fields if one.unique}
        for one in meta.constraints:
            if isinstance(one, models.UniqueConstraint) and len(one.fields) == 1 and not one.condition:
                unique.add(column(one.fields[0]))
        known = {name for name in named.values() if name} | set(display_name)
        if named["foreign_id"] and named["foreign_id"] not in (named["username"], named["email"], named["phone"]):
            known.discard(named["foreign_id"])
        times, uuids, others, unfilled = [], [], {}, []
        example = user_model()
        for one in meta.concrete_fields:
            if one.column in known or getattr(one, "generated", False):
                continue
            try:
                value = one.pre_save(example, True)
                if hasattr(value, "resolve_expression"):  # a default of the database
                    continue
                empty = value is None and one.null
                if isinstance(one, models.UUIDField) and not empty:
                    uuids.append(one.column)
                elif isinstance(one, models.DateTimeField) and value is not None:
                    times.append(one.column)
                elif empty:
                    continue
                elif one.column in unique:
                    raise ValueError("a value for one row alone")
                elif isinstance(value, (list, dict)) and not value and not isinstance(one, models.JSONField):
                    others[one.column] = "{}"  # an empty array of PostgreSQL
                else:
                    is_json = isinstance(one, models.JSONField)
                    value = json.dumps(value) if is_json else one.get_db_prep_save(value, connections[alias])
                    if value is None or isinstance(value, (bytes, list, dict)):
                        raise ValueError("no value that can be written")
                    others[one.column] = value if isinstance(value, (bool, int, float, str)) else str(value)
            except Exception:
                unfilled.append(one.column)
        return dict(
            {name: value for name, value in named.items() if value},
            engine=vendor,
            table=meta.db_table,
            id_form="uuid" if uuid_key else "number" if number_key else "text",
            display_name=display_name,
            times=times,
            uuids=uuids,
            others=others,
            unfilled=unfilled,
            unique=sorted(unique),
            nullable=[one.column for one in meta.concrete_fields if one.null],
            lengths={one.column: one.max_length for one in meta.concrete_fields if one.max_length},
        )

    # One snapshot ---------------------------------------------------------------------------------------------------

    def begin_snapshot(connection):
        """Makes the next statements see one state; False if this engine cannot."""
        statement = {"postgresql": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                     "oracle": "SET TRANSACTION READ ONLY", "sqlite": None}
        if connection.vendor in statement and statement[connection.vendor]:
            with connection.cursor() as cursor:
                cursor.execute(statement[connection.vendor])
        return connection.vendor in (*statement, "mysql")

    def write_all(file):
        connection = connections[alias]
        connection.ensure_connection()
        if connection.vendor == "mysql":  # for the transaction that begins next
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        with transaction.atomic(using=alias):
            if not begin_snapshot(connection):
                say(f"{connection.vendor}: not read as one state; let nothing write meanwhile")
            version = ".".join(str(part) for part in __import__("django").VERSION[:3])
            write(file, "start", format="propusk-import", version=1, source=f"Django {version}", taken_at=now,
                  django_link_seconds=getattr(settings, "PASSWORD_RESET_TIMEOUT", None),
                  # Its links have the local time.
                  django_utc_offset=calendar.timegm(time.localtime(now)) - now,
                  django_local_times=None if settings.USE_TZ else True,
                  django_users=user_table(connection.vendor))
            write_accounts(file)
            write_keys(file)
            write_signed(file)
            write_oauth(file)
            write_identities(file)
            write(file, "end", counts=counts)
            return users.using(alias).order_by("-pk").values_list("pk", flat=True).first()

    path = os.environ.get("PROPUSK_EXPORT")
    if not path:
        raise SystemExit("export.py: PROPUSK_EXPORT must name the file to create")
    folder = os.path.dirname(os.path.abspath(path))
    try:
        file = create(path)
        highest = write_all(file)
        close(file)
        keys, own_key = write_keys_of_django(folder)
        create_once(os.path.join(folder, "propusk.toml"), settings_found(keys, own_key, highest))
    except FileExistsError as error:
        for one in created:
            os.unlink(one)
        raise SystemExit(f"export.py: {error.filename} exists already; nothing is written over") from None
    except BaseException:
        # Half a file would be refused; without it nobody tries.
        for one in created:
            os.unlink(one)
        raise
    fields = dict(email=email, phone=phone, username=username, joined_at=joined, display_name=shown_fields or None)
    if proved == "active" and email == login:
        say("addresses of active accounts count as verified; if owners could change theirs without a mail, as djoser's "
            "set_email lets them, set SETTINGS['proved'] = 'never'")
    say("fields: " + ", ".join(f"{name} = {value}" for name, value in fields.items()) + f"; proved: {proved}")
    for app, name in (("knox", "AuthToken"), ("durin", "AuthToken"), ("trench", "MFAMethod"), ("otp_totp", "TOTPDevice")):
        table = find(app, name)
        if table:
            say(f"{table._default_manager.using(alias).count()} rows of {app} cannot be kept")
    for kind in sorted(counts):
        say(f"{counts[kind]:>9}  {kind}")
    say(f"written: {', '.join(created)}")


export()
