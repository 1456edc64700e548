//! Links that a replaced Django has mailed. Nothing is stored of them there: the token is computed
//! from the account, as Django's `PasswordResetTokenGenerator` does it from version 3.1 on.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::one_time_token::EPOCH;
use crate::auth::secrets::random::hex;

const SALT: &str = "django.contrib.auth.tokens.PasswordResetTokenGenerator";

/// The Django's `SECRET_KEY`; no `Debug`.
#[derive(Clone)]
pub struct DjangoLinkKey(Hmac<Sha256>);

/// What the token depends on, as the Django has it.
pub struct DjangoUser<'a> {
    pub id: i64,
    pub password: &'a str,
    pub last_sign_in_at: Option<i64>,
    pub email: &'a str,
}

impl DjangoLinkKey {
    pub fn new(secret: &[u8]) -> Self {
        let key = Sha256::new_with_prefix(SALT).chain_update(secret).finalize();
        DjangoLinkKey(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// When the token was made, by the Django's local time; `None` if it is not a token for the
    /// user as they are.
    pub fn made_at(&self, token: &str, user: &DjangoUser<'_>) -> Option<i64> {
        let (time, code) = token.split_once('-')?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        // Another spelling of the time would make another token of the same link.
        if !time.bytes().all(is_digit) || time.starts_with('0') {
            return None;
        }
        let seconds = i64::from_str_radix(time, 36).ok()?;
        let signed_in = user.last_sign_in_at.map_or_else(String::new, python_text);
        let DjangoUser { id, password, email, .. } = user;
        let value = format!("{id}{password}{signed_in}{seconds}{email}");
        let mac = self.0.clone().chain_update(value).finalize().into_bytes();
        let right: String = hex(&mac).chars().step_by(2).collect();
        let is_right = bool::from(code.as_bytes().ct_eq(right.as_bytes()));
        is_right.then(|| seconds.saturating_add(EPOCH))
    }
}

/// A time in UTC, as Python prints it.
fn python_text(seconds: i64) -> String {
    let Ok(instant) = OffsetDateTime::from_unix_timestamp(seconds) else {
        return String::new();
    };
    let (year, month, day) = (instant.year(), u8::from(instant.month()), instant.day());
    let (hour, minute, second) = instant.to_hms();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "oracle-signing-key-0123456789abcdef0123456789abcdef";
    const TOKEN: &str = "df9e68-f7f3cb75383889cacef92ac4dc4fe3ad";
    const TOKEN_AFTER_SIGN_IN: &str = "df9e68-12c1f9c3173095508e13535813f4a7e0";

    fn anna() -> DjangoUser<'static> {
        DjangoUser {
            id: 7,
            password: "md5$seasalt2$9a23937e2b8589427f13f89b6d66e9cd",
            last_sign_in_at: None,
            email: "Anna@example.com",
        }
    }

    /// The tokens were made by Django 4.2.
    #[test]
    fn tokens_of_a_real_django_are_recognised() {
        let key = DjangoLinkKey::new(SECRET.as_bytes());
        assert_eq!(key.made_at(TOKEN, &anna()), Some(1_790_000_000));
        let signed_in = DjangoUser { last_sign_in_at: Some(1_767_323_045), ..anna() };
        assert_eq!(key.made_at(TOKEN_AFTER_SIGN_IN, &signed_in), Some(1_790_000_000));
        assert_eq!(key.made_at(TOKEN, &signed_in), None);
    }

    #[test]
    fn token_of_another_user_key_or_spelling_is_none() {
        let key = DjangoLinkKey::new(SECRET.as_bytes());
        for other in [
            DjangoUser { id: 8, ..anna() },
            DjangoUser { password: "", ..anna() },
            DjangoUser { email: "anna@example.com", ..anna() },
        ] {
            assert_eq!(key.made_at(TOKEN, &other), None);
        }
        assert_eq!(DjangoLinkKey::new(b"another").made_at(TOKEN, &anna()), None);
        let code = TOKEN.trim_start_matches("df9e68");
        for time in ["0df9e68", "+df9e68", "DF9E68", "df9e69", ""] {
            assert_eq!(key.made_at(&format!("{time}{code}"), &anna()), None, "{time}");
        }
        assert_eq!(key.made_at("df9e68", &anna()), None);
    }
}
