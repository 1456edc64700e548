"""Sign-in for native apps: register, sign in with a password or a provider, and stay signed in.

Access tokens are renewed automatically. The session is in a sealed file, with its key in the
operating system's key store. Errors are variants of `PropuskError`, one for each reaction of an app.
"""

import atexit

from . import _ffi
from ._blocking import blocking
from ._client import AccessToken, BoundClient, BrowserSignIn, Client
from ._ffi import (
    AccountEvent,
    AccountEvents,
    Adoption,
    ApiOperation,
    Browser,
    CallbackError,
    DeepLink,
    Dialect,
    FieldProblem,
    Identity,
    LinkOutcome,
    LinkProblem,
    MailedLink,
    OfflineIdentity,
    Phase,
    Profile,
    ProfileChange,
    ProfileChanges,
    PropuskError,
    Provider,
    Registered,
    Rejection,
    SecureStorage,
    SecureStorageError,
    Session,
    SignedInUser,
    SignOut,
    SignOutReason,
    Status,
    StatusChange,
    Trust,
    Vault,
    VaultState,
    generate_vault_key,
    parse_deep_link,
    parse_mailed_link,
)

# Threads of the SDK must not call Python while it exits.
atexit.register(_ffi.shut_down)

__all__ = [
    "AccessToken",
    "AccountEvent",
    "AccountEvents",
    "Adoption",
    "ApiOperation",
    "BoundClient",
    "Browser",
    "BrowserSignIn",
    "CallbackError",
    "Client",
    "DeepLink",
    "Dialect",
    "FieldProblem",
    "Identity",
    "LinkOutcome",
    "LinkProblem",
    "MailedLink",
    "OfflineIdentity",
    "Phase",
    "Profile",
    "ProfileChange",
    "ProfileChanges",
    "PropuskError",
    "Provider",
    "Registered",
    "Rejection",
    "SecureStorage",
    "SecureStorageError",
    "Session",
    "SignOut",
    "SignOutReason",
    "SignedInUser",
    "Status",
    "StatusChange",
    "Trust",
    "Vault",
    "VaultState",
    "blocking",
    "generate_vault_key",
    "parse_deep_link",
    "parse_mailed_link",
]
