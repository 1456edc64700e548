//! What the page sends. Secrets are [`Secret`]s from the first moment, so that no log prints them.

use propusk::{ExistingTokens, MailedLink, Registration, Secret, UpdateAccountRequest};
use serde::{Deserialize, Deserializer};

use crate::error::CommandError;

/// A new account.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewAccount {
    password: Secret,
    email: Option<String>,
    phone: Option<String>,
    username: Option<String>,
    display_name: Option<String>,
}

impl From<NewAccount> for Registration {
    fn from(new: NewAccount) -> Self {
        let mut registration = Registration::new(new.password);
        registration.email = new.email;
        registration.phone = new.phone;
        registration.username = new.username;
        registration.display_name = new.display_name;
        registration
    }
}

/// Tokens that the app had before.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OldTokens {
    access: Option<Secret>,
    refresh: Option<Secret>,
    access_expires_at: Option<i64>,
}

impl From<OldTokens> for ExistingTokens {
    fn from(old: OldTokens) -> Self {
        ExistingTokens {
            access: old.access,
            refresh: old.refresh,
            access_expires_at: old.access_expires_at,
        }
    }
}

/// Changes of an account: an absent member stays, `null` removes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileChanges {
    #[serde(default, deserialize_with = "present")]
    email: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    phone: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    username: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    display_name: Option<Option<String>>,
}

impl ProfileChanges {
    pub fn with_password(self, current_password: Option<Secret>) -> UpdateAccountRequest {
        UpdateAccountRequest {
            email: self.email,
            phone: self.phone,
            username: self.username,
            display_name: self.display_name,
            current_password,
        }
    }
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// How the browser returns to the app.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    #[default]
    DeepLink,
    Loopback,
}

/// Reads a mailed link.
pub(crate) fn mailed_link(text: &Secret) -> Result<MailedLink, CommandError> {
    MailedLink::parse(text.expose())
        .ok_or_else(|| CommandError::of_user("mailed_link", "this is not a link from a mail"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_change_stays_and_null_removes() {
        let changes = r#"{"displayName": "Anna", "phone": null}"#;
        let changes: ProfileChanges = serde_json::from_str(changes).expect("changes");
        let request = changes.with_password(None);
        assert_eq!(request.display_name, Some(Some("Anna".to_owned())));
        assert_eq!((request.phone, request.email), (Some(None), None));
    }

    #[test]
    fn mailed_link_of_another_kind_is_refused() {
        let link = Secret::new("https://id.example.org/auth/activate/MQ/cd1b2f-00");
        assert_eq!(mailed_link(&link).expect("a link").uid, "MQ");
        let error = mailed_link(&Secret::new("https://id.example.org")).expect_err("none");
        assert_eq!((error.kind, error.code), ("usage", Some("mailed_link")));
    }
}
