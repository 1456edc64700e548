//! What apps send and receive about accounts, in every API.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use propusk_wire::Secret;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::unknown_members::UnknownMembers;

/// An operation that an API may or may not have.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Operation {
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
    /// End the session at the server. Without it, signing out only deletes the tokens on this
    /// device.
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

/// A new account. Which members are required depends on the API.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Registration {
    /// An e-mail address.
    pub email: Option<String>,
    /// A phone number.
    pub phone: Option<String>,
    /// A username.
    pub username: Option<String>,
    /// A display name.
    pub display_name: Option<String>,
    /// The password.
    pub password: Secret,
}

impl Registration {
    /// A registration with this password and no identifier.
    pub fn new(password: impl Into<Secret>) -> Self {
        Registration { password: password.into(), ..Registration::default() }
    }

    /// Sets the e-mail address.
    pub fn email(self, email: impl Into<String>) -> Self {
        Registration { email: Some(email.into()), ..self }
    }

    /// Sets the phone number.
    pub fn phone(self, phone: impl Into<String>) -> Self {
        Registration { phone: Some(phone.into()), ..self }
    }

    /// Sets the username.
    pub fn username(self, username: impl Into<String>) -> Self {
        Registration { username: Some(username.into()), ..self }
    }

    /// Sets the display name.
    pub fn display_name(self, name: impl Into<String>) -> Self {
        Registration { display_name: Some(name.into()), ..self }
    }
}

/// The result of a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Registered {
    /// The account can sign in.
    Active,
    /// The account can sign in after the mailed link was opened.
    ActivationRequired,
}

/// An account, as far as the API reports it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Profile {
    /// The server's id of the account.
    pub id: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether the e-mail address is verified; `None` if the API does not report it.
    pub email_verified: Option<bool>,
    /// The phone number.
    pub phone: Option<String>,
    /// The username.
    pub username: Option<String>,
    /// The display name.
    pub display_name: Option<String>,
    /// Whether the account has a password; `None` if the API does not report it.
    pub has_password: Option<bool>,
    #[serde(flatten)]
    pub(crate) unknown: UnknownMembers,
}

/// The contents of a mailed link.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MailedLink {
    /// The id of the account in mailed links.
    pub uid: String,
    /// The one-time token.
    pub token: Secret,
}

impl MailedLink {
    /// Contents that the app has taken from a link itself.
    pub fn new(uid: impl Into<String>, token: impl Into<Secret>) -> Self {
        MailedLink { uid: uid.into(), token: token.into() }
    }

    /// Reads a mailed link that was opened in the app. `uid` and `token` are read from the query,
    /// or from the last two parts of the path, or from the fragment after `#`. `None` if the link
    /// contains neither. The host is not checked, because the contents are sent only to the
    /// client's own server.
    pub fn parse(link: &str) -> Option<Self> {
        let link = Url::parse(link.trim()).ok()?;
        let fragment = link.fragment().and_then(|fragment| {
            Url::options().base_url(Some(&Url::parse("page:/").ok()?)).parse(fragment).ok()
        });
        let places = fragment.iter().chain([&link]);
        let mut found = places.filter_map(|place| named(place).or_else(|| last_two(place)));
        let (uid, token) = found.next()?;
        (is_uid(&uid) && is_visible(token.as_bytes())).then(|| MailedLink::new(uid, token))
    }
}

/// Whether this is an id as Django writes it into links: visible text in base64url.
fn is_uid(text: &str) -> bool {
    URL_SAFE_NO_PAD.decode(text).is_ok_and(|id| is_visible(&id))
}

fn is_visible(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_graphic)
}

fn named(link: &Url) -> Option<(String, String)> {
    let value = |name| {
        let mut pairs = link.query_pairs().filter(|(key, _)| key == name);
        let only = pairs.next().map(|(_, value)| value.into_owned());
        only.filter(|_| pairs.next().is_none())
    };
    Some((value("uid")?, value("token")?))
}

fn last_two(link: &Url) -> Option<(String, String)> {
    let mut parts = link.path().split('/').filter(|part| !part.is_empty()).rev();
    let (token, uid) = (parts.next()?, parts.next()?);
    Some((uid.to_owned(), token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailed_link_is_read_in_every_form() {
        for link in [
            "https://auth.example.org/auth/reset/MQ/abc-123",
            "https://auth.example.org/auth/reset/MQ/abc-123/",
            "https://app.example.org/#/password/reset/confirm/MQ/abc-123",
            "https://app.example.org/reset?uid=MQ&token=abc-123",
            "https://app.example.org/#/reset?token=abc-123&uid=MQ",
            "https://app.example.org/reset?lang=ru&uid=MQ&token=abc%2D123#top",
            "myapp://reset/MQ/abc-123",
            "myapp://reset?uid=MQ&token=abc-123",
            "com.example.app:/reset?uid=MQ&token=abc-123",
            " https://auth.example.org/auth/reset/MQ/abc-123\n",
        ] {
            let read = MailedLink::parse(link).expect(link);
            assert_eq!((read.uid.as_str(), read.token.expose()), ("MQ", "abc-123"), "{link}");
            assert!(!format!("{read:?}").contains("abc-123"));
        }
    }

    #[test]
    fn mailed_link_is_not_read_from_other_links() {
        for link in [
            "",
            "reset/MQ/abc",
            "https://app.example.org",
            "https://app.example.org/reset",
            "https://app.example.org/?uid=MQ",
            "https://app.example.org/?uid=MQ&token=",
            "https://app.example.org/?uid=MQ&token=a&token=b",
            "https://app.example.org/?uid=M%20Q&token=abc",
            "myapp:reset",
            "https://app.example.org/orders/12345",
            "https://app.example.org/orders/page?uid=orders&token=abc",
        ] {
            assert!(MailedLink::parse(link).is_none(), "{link}");
        }
    }
}
