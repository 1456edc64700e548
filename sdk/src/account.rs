//! What apps send and show of accounts, whatever API is spoken.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use propusk_wire::Secret;
use serde::{Deserialize, Serialize};
use url::Url;

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
    /// Take over tokens that the app has kept until now.
    Adopt,
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
    ActivationRequired,
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

    /// Of a link that a mail has brought to the app: `uid` and `token` in its query, or the last two
    /// parts of its path; either may stand behind a `#`, where web pages have them. `None` for a link
    /// that carries nothing like it. Its host is not looked at: what it carries is sent to the
    /// client's own server alone.
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

/// A number or another id as Django writes it into links: in base64url.
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
    fn mailed_links_of_all_forms_are_read() {
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
    fn other_links_carry_nothing() {
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
