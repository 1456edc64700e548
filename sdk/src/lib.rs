#![doc = include_str!("../docs/guide.md")]
#![warn(missing_docs)]

mod account;
mod api;
mod api_access;
mod client;
mod clock;
pub mod deeplink;
mod dialects;
mod error;
mod existing_tokens;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod http;
#[cfg(all(feature = "loopback", not(any(target_os = "android", target_os = "ios"))))]
mod loopback;
mod network;
mod pending_sign_in;
mod pkce;
mod redirect;
mod rejection;
mod session;
#[cfg(feature = "testing")]
pub mod testing;
mod unknown_members;
mod vault;
mod vault_state;

pub use account::{MailedLink, Operation, Profile, Registered, Registration};
#[cfg(feature = "tower")]
pub use api::{AccessTokenLayer, AccessTokenService};
pub use api::{Api, ApiRequest};
pub use client::{AccessToken, BoundClient, BrowserSignIn, Client, ClientBuilder, LinkOutcome};
pub use clock::Clock;
pub use dialects::Dialect;
pub use error::{Error, ErrorKind, Result, SignOutReason};
pub use existing_tokens::ExistingTokens;
#[cfg(all(feature = "loopback", not(any(target_os = "android", target_os = "ios"))))]
pub use loopback::Loopback;
pub use propusk_wire::{
    Event, EventsResponse, FieldCode, Identity, ProblemCode, Provider, Secret, Session,
    UpdateAccountRequest,
};
pub use redirect::RedirectUri;
pub use rejection::{FieldProblem, Rejection, RejectionCode};
pub use reqwest;
pub use session::{
    Adoption, OfflineIdentity, OfflinePolicy, Phase, SignOut, SignedInUser, Status, StatusChange,
    Trust,
};
pub use vault::{
    FileStorage, KeyStore, KeyStoreError, Storage, Vault, VaultError, VaultGuard, VaultKey,
    VaultSlots,
};
pub use vault_state::VaultState;

/// The program in the README, which is compiled as this one's documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
