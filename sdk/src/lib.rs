//! Sign-in for native apps.

#![warn(missing_docs)]

mod account;
mod clock;
mod dialects;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod session;
mod vault;

pub use account::{MailedLink, Operation, Profile, Registered, Registration};
pub use clock::Clock;
pub use dialects::Dialect;
pub use error::{Error, Kind, Rejection, Result, SignOutReason};
pub use propusk_wire::Secret;
pub use vault::{
    FileStorage, KeyStore, KeyStoreError, Storage, Vault, VaultError, VaultGuard, VaultKey,
    VaultState,
};
