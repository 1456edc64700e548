//! Refresh tokens that are derived, not stored: `pr1.` and base64url of key id, session, generation and a
//! MAC over these with a secret of the session. Neither the server's key nor the database alone makes
//! one, and the same session and generation always have the same one, so that it can be told again.

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

/// What refresh tokens are made with; no `Debug`.
#[derive(Clone)]
pub struct RefreshKey {
    key: Hmac<Sha256>,
    /// Changes with the key, so that a token of another one is known as such.
    id: [u8; KEY_ID],
}

/// A token as it was presented; nothing of it has been proved.
pub(in crate::auth) struct Presented {
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
    pub(in crate::auth) fn token(&self, session: i64, generation: i64, secret: &str) -> String {
        let mac = self.mac(session, generation, secret).finalize().into_bytes();
        let (session, generation) = (session.to_be_bytes(), generation.to_be_bytes());
        let parts = [self.id.as_slice(), &session, &generation, mac.as_slice()];
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(parts.concat()))
    }

    /// Whether a token was made with this key; one that was not may be of before a change of secret.
    pub(in crate::auth) fn has_made(&self, presented: &Presented) -> bool {
        presented.key_id == self.id
    }

    /// Whether a token is that of its session, whose secret this is; in constant time.
    pub(in crate::auth) fn fits(&self, presented: &Presented, secret: &str) -> bool {
        self.has_made(presented)
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

impl Presented {
    /// None: no text of this form.
    pub fn read(token: &str) -> Option<Self> {
        let mut bytes = [0; LENGTH];
        let text = token.strip_prefix(PREFIX)?;
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (key_id, rest) = bytes.split_first_chunk()?;
        let (session, rest) = rest.split_first_chunk()?;
        let (generation, mac) = rest.split_first_chunk()?;
        let presented = Presented {
            key_id: *key_id,
            session: i64::from_be_bytes(*session),
            generation: i64::from_be_bytes(*generation),
            mac: *mac.first_chunk()?,
        };
        (length == LENGTH).then_some(presented)
    }
}

/// What the tokens of one session are derived from.
pub(in crate::auth) fn new_secret() -> Result<String> {
    Ok(hex(&random::<32>()?))
}

/// What a client calls one attempt to refresh, however often it sends it; no `Debug`: whoever has it
/// and the token is taken for that client.
pub struct Attempt(String);

impl Attempt {
    /// At least 128 random bits: 22 to 128 letters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_sound = (22..=128).contains(&text.len()) && text.bytes().all(is_letter);
        is_sound.then(|| Attempt(text.to_owned()))
    }

    /// What is stored of it.
    pub(in crate::auth) fn hash(&self) -> String {
        crate::auth::secrets::random::hash(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_again_the_same_and_fits_its_own_session_only() {
        let key = RefreshKey::new([1; 32]);
        let token = key.token(7, 3, "secret");
        assert_eq!(token, key.token(7, 3, "secret"));
        let presented = Presented::read(&token).expect("whole");
        assert_eq!((presented.session, presented.generation), (7, 3));
        assert!(key.fits(&presented, "secret"));
        assert!(!key.fits(&presented, "other"));
        assert!(!RefreshKey::new([2; 32]).fits(&presented, "secret"));
        assert!(!RefreshKey::new([2; 32]).has_made(&presented));
    }

    #[test]
    fn a_token_of_which_anything_is_changed_fits_nothing() {
        let key = RefreshKey::new([1; 32]);
        let token = key.token(7, 3, "secret");
        for place in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[place] = if other[place] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("letters");
            let fits = Presented::read(&other).is_some_and(|read| key.fits(&read, "secret"));
            assert!(!fits, "{other}");
        }
        for broken in ["", "pr1.", "pr2.AAAA", &token[..token.len() - 1], &format!("{token}A"), "é"]
        {
            assert!(Presented::read(broken).is_none(), "{broken}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_read_without_a_panic(
            text in ".*",
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
        ) {
            let key = RefreshKey::new([1; 32]);
            for token in [format!("pr1.{}", URL_SAFE_NO_PAD.encode(bytes)), text] {
                let fits = Presented::read(&token).is_some_and(|read| key.fits(&read, "secret"));
                proptest::prop_assert!(!fits, "{}", token);
            }
        }
    }

    #[test]
    fn an_attempt_is_long_enough_to_be_random() {
        for (text, is_sound) in [
            ("a".repeat(22), true),
            ("-_09azAZ".repeat(16), true),
            ("a".repeat(21), false),
            ("a".repeat(129), false),
            (format!("{}+", "a".repeat(22)), false),
            ("é".repeat(22), false),
            (String::new(), false),
        ] {
            assert_eq!(Attempt::parse(&text).is_some(), is_sound, "{text}");
        }
    }
}
