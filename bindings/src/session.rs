//! Sessions, identities and providers of an account, and what ends and begins a session.

use std::time::SystemTime;

use crate::account::Profile;
use crate::status::SignedInUser;
use crate::time;

/// Whether the server knows of a sign-out.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum SignOut {
    /// The server has ended the session.
    Confirmed,
    /// The server could not be reached within 5 s. The vault keeps the sign-out and sends it later.
    Pending,
    /// The tokens are deleted on this device and stay valid at the server until they expire.
    LocalOnly,
}

impl From<propusk::SignOut> for SignOut {
    fn from(result: propusk::SignOut) -> Self {
        match result {
            propusk::SignOut::Confirmed => SignOut::Confirmed,
            propusk::SignOut::Pending => SignOut::Pending,
            _ => SignOut::LocalOnly,
        }
    }
}

/// The result of an adoption.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum Adoption {
    /// The tokens are in the vault now.
    Adopted,
    /// The same tokens were adopted before.
    AlreadyAdopted,
}

impl From<propusk::Adoption> for Adoption {
    fn from(adoption: propusk::Adoption) -> Self {
        match adoption {
            propusk::Adoption::AlreadyAdopted => Adoption::AlreadyAdopted,
            _ => Adoption::Adopted,
        }
    }
}

/// A session of the account.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct Session {
    /// The server's id of the session.
    pub id: String,
    /// The name that the device gave itself.
    pub device_name: Option<String>,
    /// The API that opened the session.
    pub api: String,
    /// The OAuth client for which the session was opened.
    pub client: Option<String>,
    /// When the session was opened.
    pub created_at: SystemTime,
    /// When the session was opened or last refreshed.
    pub last_used_at: SystemTime,
    /// When the session ends if it is not used.
    pub expires_at: SystemTime,
    /// Whether this is the session of this app.
    pub current: bool,
}

impl From<propusk::Session> for Session {
    fn from(session: propusk::Session) -> Self {
        Session {
            id: session.id,
            device_name: session.device_name,
            api: session.api,
            client: session.client,
            created_at: time::from_seconds(session.created_at),
            last_used_at: time::from_seconds(session.last_used_at),
            expires_at: time::from_seconds(session.expires_at),
            current: session.current,
        }
    }
}

/// An account at a provider that signs in to this account.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct Identity {
    /// The name of the provider, such as `google`.
    pub provider: String,
    /// The provider's id of the user.
    pub subject: String,
    /// The address that the provider reports, verified or not.
    pub email: Option<String>,
    /// The name that the provider reports.
    pub name: Option<String>,
    /// The address of a picture.
    pub avatar_url: Option<String>,
    /// When the identity was linked.
    pub created_at: SystemTime,
    /// When the identity last signed in.
    pub last_used_at: SystemTime,
}

impl From<propusk::Identity> for Identity {
    fn from(identity: propusk::Identity) -> Self {
        Identity {
            provider: identity.provider,
            subject: identity.subject,
            email: identity.email,
            name: identity.name,
            avatar_url: identity.avatar_url,
            created_at: time::from_seconds(identity.created_at),
            last_used_at: time::from_seconds(identity.last_used_at),
        }
    }
}

/// A provider of the server.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct Provider {
    /// The name for programs, such as `google`.
    pub name: String,
    /// The name for users.
    pub title: String,
}

impl From<propusk::Provider> for Provider {
    fn from(provider: propusk::Provider) -> Self {
        Provider { name: provider.name, title: provider.title }
    }
}

/// The signed-in user, as far as it is known without a request to the server.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct OfflineIdentity {
    /// The signed-in user.
    pub user: SignedInUser,
    /// The account as it was last fetched, if it was ever fetched.
    pub profile: Option<Profile>,
    /// Whether this identity can be trusted.
    pub trust: Trust,
}

/// Whether an identity can be trusted without a request to the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum Trust {
    /// The access token has not expired.
    Fresh,
    /// The access token has expired; the app's own limit trusts the session until this time.
    TrustedUntil {
        /// By the server's clock.
        until: SystemTime,
    },
    /// The last confirmation is too old, or the device's clock was set back. The app must contact
    /// the server.
    MustGoOnline,
}

impl From<propusk::OfflineIdentity> for OfflineIdentity {
    fn from(identity: propusk::OfflineIdentity) -> Self {
        OfflineIdentity {
            user: identity.user.into(),
            profile: identity.profile.map(Profile::from),
            trust: match identity.trust {
                propusk::Trust::Fresh => Trust::Fresh,
                propusk::Trust::TrustedUntil(until) => {
                    Trust::TrustedUntil { until: time::from_seconds(until) }
                }
                _ => Trust::MustGoOnline,
            },
        }
    }
}
