//! What apps send and show of accounts, whatever API is spoken.

use propusk_wire::Secret;
use serde::{Deserialize, Serialize};

/// An operation that an API may or may not have.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Make an account.
    Register,
    /// Prove the mailbox of a new account.
    Activate,
    /// Mail the activation link again.
    ResendActivation,
    /// Sign in with a password.
    SignIn,
    /// Renew the access token.
    Refresh,
    /// Tell the server that the session is over; without it, signing out only forgets the tokens.
    SignOut,
    /// Ask the server whether the access token works.
    Verify,
    /// Show the account.
    Profile,
    /// Change the account's identifiers or display name.
    UpdateProfile,
    /// Set another password.
    ChangePassword,
    /// Delete the account.
    DeleteAccount,
    /// Mail a link that sets a new password.
    RequestReset,
    /// Set a new password with a mailed link.
    ConfirmReset,
    /// Sign in with a provider through the browser.
    ProviderSignIn,
    /// Sign in with an access token that a provider has given the app.
    ProviderTokenSignIn,
    /// List the sessions and end them.
    Sessions,
    /// List, link and unlink what opens the account beside a password.
    Identities,
}

/// A new account. Which members are needed is the API's to say.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Registration {
    /// An e-mail address.
    pub email: Option<String>,
    /// A phone number.
    pub phone: Option<String>,
    /// A name to sign in by.
    pub username: Option<String>,
    /// A name to show.
    pub display_name: Option<String>,
    /// The password.
    pub password: Secret,
}

impl Registration {
    /// An account with this password and no identifier yet.
    pub fn new(password: impl Into<Secret>) -> Self {
        Registration { password: password.into(), ..Registration::default() }
    }

    /// With this e-mail address.
    pub fn email(self, email: impl Into<String>) -> Self {
        Registration { email: Some(email.into()), ..self }
    }

    /// With this phone number.
    pub fn phone(self, phone: impl Into<String>) -> Self {
        Registration { phone: Some(phone.into()), ..self }
    }

    /// With this name to sign in by.
    pub fn username(self, username: impl Into<String>) -> Self {
        Registration { username: Some(username.into()), ..self }
    }

    /// With this name to show.
    pub fn display_name(self, name: impl Into<String>) -> Self {
        Registration { display_name: Some(name.into()), ..self }
    }
}

/// What came of a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Registered {
    /// The account signs in.
    Active,
    /// It signs in once the mailed link has been opened.
    AwaitsActivation,
}

/// An account, as far as the API shows it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Profile {
    /// The server's own name for the account.
    pub id: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether its owner has shown to read mail there, where the API tells.
    pub email_verified: Option<bool>,
    /// The phone number.
    pub phone: Option<String>,
    /// The name to sign in by.
    pub username: Option<String>,
    /// The name to show.
    pub display_name: Option<String>,
    /// Whether a password opens it, where the API tells.
    pub has_password: Option<bool>,
}

/// What a mailed link carries.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MailedLink {
    /// Names the account.
    pub uid: String,
    /// Works once.
    pub token: Secret,
}

impl MailedLink {
    /// Of what stands in the link.
    pub fn new(uid: impl Into<String>, token: impl Into<Secret>) -> Self {
        MailedLink { uid: uid.into(), token: token.into() }
    }
}
