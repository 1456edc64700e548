//! Refresh tokens that are derived, not stored: `pr1.` and base64url of key id, session, generation
//! and a MAC over these and a secret of the session. To forge one takes the server's key and the
//! database. A session and generation always have the same token, so a retry gets the same answer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::auth::secrets::random::{hex, random};
use crate::error::Result;

const PREFIX: &str = "pr1.";
const KEY_ID: usize = 4;
const NUMBER: usize = 8;
const MAC: usize = 32;
const LENGTH: usize = KEY_ID + 2 * NUMBER + MAC;

/// Derives refresh tokens; no `Debug`.
#[derive(Clone)]
pub struct RefreshKey {
    key: Hmac<Sha256>,
    /// Derived from the key, to recognise a token of another key.
    id: [u8; KEY_ID],
}

/// The parts of a presented token, not verified.
pub struct ParsedRefreshToken {
    key_id: [u8; KEY_ID],
    pub session: i64,
    pub generation: i64,
    mac: [u8; MAC],
}

impl RefreshKey {
    pub fn new(key: [u8; 32]) -> Self {
        let key: Hmac<Sha256> = Hmac::new_from_slice(&key).expect("HMAC takes keys of any length");
        let made_of: [u8; 32] = key.clone().chain_update("id").finalize().into_bytes().into();
        let [a, b, c, d, ..] = made_of;
        RefreshKey { key, id: [a, b, c, d] }
    }

    /// The token of one generation of a session.
    pub fn token(&self, session: i64, generation: i64, secret: &str) -> String {
        let mac = self.mac(session, generation, secret).finalize().into_bytes();
        let (session, generation) = (session.to_be_bytes(), generation.to_be_bytes());
        let parts = [self.id.as_slice(), &session, &generation, mac.as_slice()];
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(parts.concat()))
    }

    /// Whether a token claims to be of this key; if not, it may be of an earlier server secret.
    pub fn is_key_of(&self, presented: &ParsedRefreshToken) -> bool {
        presented.key_id == self.id
    }

    /// Whether a token is the one of its session, which has this secret; in constant time.
    pub fn verifies(&self, presented: &ParsedRefreshToken, secret: &str) -> bool {
        self.is_key_of(presented)
            && self
                .mac(presented.session, presented.generation, secret)
                .verify_slice(&presented.mac)
                .is_ok()
    }

    fn mac(&self, session: i64, generation: i64, secret: &str) -> Hmac<Sha256> {
        self.key
            .clone()
            .chain_update("token")
            .chain_update(self.id)
            .chain_update(session.to_be_bytes())
            .chain_update(generation.to_be_bytes())
            .chain_update(secret)
    }
}

impl ParsedRefreshToken {
    /// `None` if the text does not have this form.
    pub fn parse(token: &str) -> Option<Self> {
        let mut bytes = [0; LENGTH];
        let text = token.strip_prefix(PREFIX)?;
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (key_id, rest) = bytes.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk()?;
        let (generation, mac) = rest.split_first_chunk()?;
        let presented = ParsedRefreshToken {
            key_id: *key_id,
            session: i64::from_be_bytes(*session),
            generation: i64::from_be_bytes(*generation),
            mac: *mac.first_chunk()?,
        };
        (length == LENGTH).then_some(presented)
    }
}

/// A new secret of a session, to derive its tokens from.
pub fn new_secret() -> Result<String> {
    Ok(hex(&random::<32>()?))
}

/// A client's own name for one attempt to refresh; retries of the attempt send it again. No
/// `Debug`: with the spent token it is enough to get the new one.
pub struct RefreshAttempt(String);

impl RefreshAttempt {
    /// At least 128 random bits: 22 to 128 letters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_sound = (22..=128).contains(&text.len()) && text.bytes().all(is_letter);
        is_sound.then(|| RefreshAttempt(text.to_owned()))
    }

    /// The text that is stored in its place.
    pub fn hash(&self) -> String {
        crate::auth::secrets::random::hash(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refresh_token_is_derived_the_same_again_and_verifies_for_its_session_only() {
        let key = RefreshKey::new([1; 32]);
        let token = key.token(7, 3, "secret");
        assert_eq!(token, key.token(7, 3, "secret"));
        let presented = ParsedRefreshToken::parse(&token).expect("whole");
        assert_eq!((presented.session, presented.generation), (7, 3));
        assert!(key.verifies(&presented, "secret"));
        assert!(!key.verifies(&presented, "other"));
        assert!(!RefreshKey::new([2; 32]).verifies(&presented, "secret"));
        assert!(!RefreshKey::new([2; 32]).is_key_of(&presented));
    }

    #[test]
    fn refresh_token_with_any_change_does_not_verify() {
        let key = RefreshKey::new([1; 32]);
        let token = key.token(7, 3, "secret");
        for place in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[place] = if other[place] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("letters");
            assert!(!is_accepted(&key, &other), "{other}");
        }
        for broken in ["", "pr1.", "pr2.AAAA", &token[..token.len() - 1], &format!("{token}A"), "é"]
        {
            assert!(ParsedRefreshToken::parse(broken).is_none(), "{broken}");
        }
    }

    fn is_accepted(key: &RefreshKey, token: &str) -> bool {
        ParsedRefreshToken::parse(token).is_some_and(|parsed| key.verifies(&parsed, "secret"))
    }

    proptest::proptest! {
        #[test]
        fn refresh_token_parsing_never_panics(
            text in ".*",
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
        ) {
            let key = RefreshKey::new([1; 32]);
            for token in [format!("pr1.{}", URL_SAFE_NO_PAD.encode(bytes)), text] {
                proptest::prop_assert!(!is_accepted(&key, &token), "{}", token);
            }
        }
    }

    #[test]
    fn refresh_attempt_is_long_enough_to_be_random() {
        for (text, is_sound) in [
            ("a".repeat(22), true),
            ("-_09azAZ".repeat(16), true),
            ("a".repeat(21), false),
            ("a".repeat(129), false),
            (format!("{}+", "a".repeat(22)), false),
            ("é".repeat(22), false),
            (String::new(), false),
        ] {
            assert_eq!(RefreshAttempt::parse(&text).is_some(), is_sound, "{text}");
        }
    }
}
