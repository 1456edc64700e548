//! The Propusk SDK for Kotlin, Swift and Python. Nothing is decided here: each object calls the
//! crate `propusk` and converts what goes in and comes out.
//!
//! Secrets are parameters or objects, never members of records, because generated records print
//! their members.

mod access_token;
mod account;
mod browser;
mod cancellation;
mod client;
mod deep_link;
mod error;
mod event;
mod listener;
mod options;
mod rejection;
mod runtime;
mod secure_storage;
mod session;
mod status;
mod time;
mod vault;
mod vault_state;

pub use access_token::AccessToken;
pub use account::{
    ApiOperation, MailedLink, Profile, ProfileChange, ProfileChanges, Registered, Registration,
    parse_mailed_link,
};
pub use browser::{Browser, BrowserSignIn, LinkOutcome};
pub use cancellation::Cancellation;
pub use client::{BoundClient, Client};
pub use deep_link::{DeepLink, LinkProblem, parse_deep_link};
pub use error::{CallbackError, PropuskError, Result};
pub use event::{AccountEvent, AccountEvents};
pub use listener::{SessionListener, StatusWatch};
pub use options::{ClientOptions, Dialect, Secret};
pub use rejection::{FieldProblem, Rejection};
pub use runtime::shut_down;
pub use secure_storage::{SecureStorage, SecureStorageError};
pub use session::{Adoption, Identity, OfflineIdentity, Provider, Session, SignOut, Trust};
pub use status::{Phase, SignOutReason, SignedInUser, Status, StatusChange};
pub use vault::{Vault, generate_vault_key};
pub use vault_state::VaultState;

uniffi::setup_scaffolding!("propusk");
