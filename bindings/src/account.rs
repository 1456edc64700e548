//! What apps send and receive about accounts.

use std::sync::Arc;

/// An operation that an API may or may not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum ApiOperation {
    /// Create an account.
    Register,
    /// Confirm the e-mail address of a new account.
    Activate,
    /// Send the activation mail again.
    ResendActivation,
    /// Sign in with a password.
    SignIn,
    /// Adopt tokens that the app kept before it used this SDK.
    Adopt,
    /// Renew the access token.
    Refresh,
    /// End the session at the server.
    SignOut,
    /// Ask the server whether the access token works.
    Verify,
    /// Fetch the account.
    Profile,
    /// Change the account's identifiers or display name.
    UpdateProfile,
    /// Change the password.
    ChangePassword,
    /// Delete the account.
    DeleteAccount,
    /// Send a mail with a link that resets the password.
    RequestReset,
    /// Reset the password with a mailed link.
    ConfirmReset,
    /// Sign in with a provider through the browser.
    ProviderSignIn,
    /// Sign in with an access token that a provider has issued to the app.
    ProviderTokenSignIn,
    /// List and end sessions.
    Sessions,
    /// List, link and unlink identities at providers.
    Identities,
    /// List what has happened to the account.
    Events,
    /// Get everything that the server keeps of the account.
    Export,
}

impl ApiOperation {
    /// All operations, each with that of the SDK.
    const ALL: [(ApiOperation, propusk::Operation); 20] = {
        use propusk::Operation;
        [
            (ApiOperation::Register, Operation::Register),
            (ApiOperation::Activate, Operation::Activate),
            (ApiOperation::ResendActivation, Operation::ResendActivation),
            (ApiOperation::SignIn, Operation::SignIn),
            (ApiOperation::Adopt, Operation::Adopt),
            (ApiOperation::Refresh, Operation::Refresh),
            (ApiOperation::SignOut, Operation::SignOut),
            (ApiOperation::Verify, Operation::Verify),
            (ApiOperation::Profile, Operation::Profile),
            (ApiOperation::UpdateProfile, Operation::UpdateProfile),
            (ApiOperation::ChangePassword, Operation::ChangePassword),
            (ApiOperation::DeleteAccount, Operation::DeleteAccount),
            (ApiOperation::RequestReset, Operation::RequestReset),
            (ApiOperation::ConfirmReset, Operation::ConfirmReset),
            (ApiOperation::ProviderSignIn, Operation::ProviderSignIn),
            (ApiOperation::ProviderTokenSignIn, Operation::ProviderTokenSignIn),
            (ApiOperation::Sessions, Operation::Sessions),
            (ApiOperation::Identities, Operation::Identities),
            (ApiOperation::Events, Operation::Events),
            (ApiOperation::Export, Operation::Export),
        ]
    };

    /// Absent if this crate does not know the SDK's operation yet.
    pub(crate) fn of(operation: propusk::Operation) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == operation).map(|(ours, _)| ours)
    }

    pub(crate) fn to_sdk(self) -> Option<propusk::Operation> {
        Self::ALL.into_iter().find(|(ours, _)| *ours == self).map(|(_, operation)| operation)
    }
}

/// The identifiers of a new account. Which ones are required depends on the API.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct Registration {
    /// An e-mail address.
    #[uniffi(default)]
    pub email: Option<String>,
    /// A phone number.
    #[uniffi(default)]
    pub phone: Option<String>,
    /// A username.
    #[uniffi(default)]
    pub username: Option<String>,
    /// A display name.
    #[uniffi(default)]
    pub display_name: Option<String>,
}

impl Registration {
    pub(crate) fn with_password(self, password: String) -> propusk::Registration {
        let mut registration = propusk::Registration::new(password);
        registration.email = self.email;
        registration.phone = self.phone;
        registration.username = self.username;
        registration.display_name = self.display_name;
        registration
    }
}

/// The result of a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum Registered {
    /// The account can sign in.
    Active,
    /// The account can sign in after the mailed link was opened.
    ActivationRequired,
}

impl From<propusk::Registered> for Registered {
    fn from(registered: propusk::Registered) -> Self {
        match registered {
            propusk::Registered::Active => Registered::Active,
            _ => Registered::ActivationRequired,
        }
    }
}

/// An account, as far as the API reports it.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct Profile {
    /// The server's id of the account.
    pub id: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether the e-mail address is verified, if the API reports it.
    pub email_verified: Option<bool>,
    /// The phone number.
    pub phone: Option<String>,
    /// The username.
    pub username: Option<String>,
    /// The display name.
    pub display_name: Option<String>,
    /// Whether the account has a password, if the API reports it.
    pub has_password: Option<bool>,
}

impl From<propusk::Profile> for Profile {
    fn from(profile: propusk::Profile) -> Self {
        Profile {
            id: profile.id,
            email: profile.email,
            email_verified: profile.email_verified,
            phone: profile.phone,
            username: profile.username,
            display_name: profile.display_name,
            has_password: profile.has_password,
        }
    }
}

/// A change of one member of an account.
#[derive(Clone, Debug, Default, Eq, PartialEq, uniffi::Enum)]
pub enum ProfileChange {
    /// It stays as it is.
    #[default]
    Keep,
    /// It gets this value.
    Set {
        /// The value.
        value: String,
    },
    /// It is removed.
    Remove,
}

impl ProfileChange {
    fn to_sdk(&self) -> Option<Option<String>> {
        match self {
            ProfileChange::Keep => None,
            ProfileChange::Set { value } => Some(Some(value.clone())),
            ProfileChange::Remove => Some(None),
        }
    }
}

/// Changes of an account.
#[derive(Clone, Debug, Default, uniffi::Record)]
pub struct ProfileChanges {
    /// The e-mail address. A changed address is not verified.
    pub email: ProfileChange,
    /// The phone number.
    pub phone: ProfileChange,
    /// The username.
    pub username: ProfileChange,
    /// The display name.
    pub display_name: ProfileChange,
}

impl ProfileChanges {
    pub(crate) fn with_password(
        &self,
        current_password: Option<String>,
    ) -> propusk::UpdateAccountRequest {
        propusk::UpdateAccountRequest {
            email: self.email.to_sdk(),
            phone: self.phone.to_sdk(),
            username: self.username.to_sdk(),
            display_name: self.display_name.to_sdk(),
            current_password: current_password.map(propusk::Secret::from),
        }
    }
}

/// The contents of a mailed link.
#[derive(uniffi::Object)]
pub struct MailedLink(pub(crate) propusk::MailedLink);

#[uniffi::export]
impl MailedLink {
    /// Contents that the app has taken from a link itself.
    #[uniffi::constructor]
    pub fn new(uid: String, token: String) -> Arc<Self> {
        Arc::new(MailedLink(propusk::MailedLink::new(uid, token)))
    }

    /// The id of the account in mailed links.
    pub fn uid(&self) -> String {
        self.0.uid.clone()
    }

    /// The one-time token.
    pub fn token(&self) -> String {
        self.0.token.expose().to_owned()
    }
}

/// Reads a mailed link that was opened in the app: `uid` and `token` from the query, from the last
/// two parts of the path, or from the fragment. Absent if the link contains neither.
#[uniffi::export]
pub fn parse_mailed_link(link: String) -> Option<Arc<MailedLink>> {
    propusk::MailedLink::parse(&link).map(|link| Arc::new(MailedLink(link)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operation_is_the_same_in_both_directions() {
        for (ours, theirs) in ApiOperation::ALL {
            assert_eq!(ApiOperation::of(theirs), Some(ours));
            assert_eq!(ours.to_sdk(), Some(theirs));
            assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        }
    }
}
