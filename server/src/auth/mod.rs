//! The domain: all rules about accounts, sign-ins, sessions and tokens. It does not depend on HTTP
//! or on an API; each API describes itself in a [`Policy`].

mod accounts;
mod after_commit;
mod clock_watch;
mod delivery;
mod domain;
mod events;
mod federation;
mod follow;
mod kept;
mod limits;
mod mailing;
mod names;
mod numbers;
mod oauth_clients;
mod operator;
pub mod password;
mod policy;
mod refused;
mod requester;
mod restored;
mod revoked;
mod secret;
mod secrets;
mod sessions;
mod sign_in;
mod signing_keys;
mod sweeper;
mod tokens;
mod unlock;

pub use crate::store::accounts::Account;
pub use crate::store::identities::Identity;
pub use accounts::identifiers::{Change, NewNames};
pub use accounts::import::{Import, NumberConflict, find_conflict};
pub use accounts::recovery::Requested;
pub use accounts::registration::{NewPassword, Registration};
pub use domain::{Auth, EventRules, Parts};
pub use events::{Cause, ListedEvent, Refusal};
pub use federation::answer::Callback;
pub use federation::flow::{
    AppLeg, CODE_LIFETIME, CallbackFailure, CallbackResult, ProviderName, SIGN_IN_LIFETIME,
    StartedSignIn, has_changed_issuer,
};
pub use federation::handle::ProviderTokens;
pub use federation::sign_in_or_register::SignInMode;
pub use follow::HEARD_WITHIN;
pub use kept::{Kept, KeptSession, OwnEvents};
pub use limits::network_key::Network;
pub use limits::{Allowed, LimitRules};
pub use mailing::link_urls::Links;
pub use mailing::one_time_token::{LinkState, Purpose, link_challenge};
pub use mailing::outbox::QueuedMail;
pub use oauth_clients::introspection::Introspected;
pub use oauth_clients::pairs::OpaquePair;
pub use oauth_clients::registry::{ClientName, MIN_CLIENT_SECRET, NewClient, OAuthClient};
pub use operator::COUNTED_SESSIONS;
pub use policy::{Policy, RESET_PATH, ResetPage, TokenForm};
pub use refused::RefusalCount;
pub use requester::{Requester, SignedIn};
pub use restored::{HIGHEST_NUMBER, NumbersError, check_number_file};
pub use secret::{SecretError, ServerSecret};
pub use sessions::list::LiveSession;
pub use sessions::reauthentication::Reauthentication;
pub use sessions::session::Pair;
pub use sign_in::credentials::RefreshedTokens;
pub use sign_in::device::{DeviceName, Issued};
pub use sign_in::user_name_tokens::UserNameToken;
pub use tokens::derived_refresh::RefreshAttempt;
pub use tokens::hs256::Hs256;
pub use tokens::opaque::ApiToken;
pub use tokens::signing::access_token::{Issuer, OWN_APPS};
pub use tokens::signing::key::Jwk;
pub use tokens::signing::keys::SigningSettings;
pub use tokens::signing::rotation::{KeyRevocation, KeyState, ListedKey, sealed_key};
pub use unlock::{LimitedThing, StoredLimit};
