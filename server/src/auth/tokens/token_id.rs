//! The ids of our tokens: valid uuid4s in 32 hex digits. First half: the session (60 bits around
//! the version digit). Second half, after the variant bits: 4 bits policy, then 26 bits generation
//! and 32 bits MAC in a refresh token, 58 bits MAC in an access token. The MAC binds the id to
//! claims of its token. Its key is not the signing key, which other systems may have: a well-signed
//! token whose id has no valid MAC is foreign, that is, not issued by this server.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const GENERATION_BITS: u32 = 26;
/// Generations in ids are modulo this.
pub const GENERATIONS: u32 = 1 << GENERATION_BITS;
/// Session ids are below this.
pub const SESSION_IDS: u64 = 1 << 60;
/// The bits after variant and policy.
const LAST_BITS: u32 = 58;
const MAC_BITS: u32 = LAST_BITS - GENERATION_BITS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId {
    pub session: i64,
    pub policy: u8,
    /// 0 in an access token.
    pub generation: u32,
}

/// The claims of a token that its id is bound to.
#[derive(Clone, Copy)]
pub struct TokenBinding<'t> {
    pub kind: TokenType,
    /// When it was issued, or when it expires if its form has no time of issue.
    pub time: Option<i64>,
    pub subject: TokenSubject<'t>,
}

/// The subject that a token names.
#[derive(Clone, Copy)]
pub enum TokenSubject<'t> {
    Account(i64),
    UserName(&'t str),
    ForeignId(&'t str),
}

/// Writes and verifies ids; no `Debug`.
#[derive(Clone)]
pub struct TokenIdKey(Hmac<Sha256>);

impl TokenIdKey {
    pub fn new(key: &[u8; 32]) -> Self {
        TokenIdKey(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// This key mixed with a random value of the installation: the server's secret alone, which
    /// other systems may have, does not give it.
    pub fn mixed_with(&self, salt: &str) -> Self {
        let mixed: [u8; 32] = self.0.clone().chain_update(salt).finalize().into_bytes().into();
        TokenIdKey::new(&mixed)
    }

    /// The text of an id in a token with these claims.
    pub fn write(&self, id: TokenId, binding: TokenBinding) -> String {
        let session = id.session.cast_unsigned();
        let first = (session >> 12 << 16) | 0x4000 | (session & 0xfff);
        let policy = u64::from(id.policy & 0xf) << LAST_BITS;
        let last = match binding.kind {
            TokenType::Access => self.mac(id, binding) >> (64 - LAST_BITS),
            TokenType::Refresh => {
                u64::from(id.generation % GENERATIONS) << MAC_BITS
                    | self.mac(id, binding) >> (64 - MAC_BITS)
            }
        };
        format!("{first:016x}{:016x}", 2 << 62 | policy | last)
    }

    /// Reads an id that [`TokenIdKey::write`] wrote for the same claims; `None` for any other text.
    pub fn read(&self, text: &str, binding: TokenBinding) -> Option<TokenId> {
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let first = u64::from_str_radix(&text[..16], 16).ok()?;
        let second = u64::from_str_radix(&text[16..], 16).ok()?;
        let id = TokenId {
            session: i64::try_from((first >> 16 << 12) | (first & 0xfff)).ok()?,
            policy: u8::try_from(second >> LAST_BITS & 0xf).ok()?,
            generation: match binding.kind {
                TokenType::Access => 0,
                TokenType::Refresh => {
                    u32::try_from(second >> MAC_BITS & u64::from(GENERATIONS - 1)).ok()?
                }
            },
        };
        let is_ours = self.write(id, binding).as_bytes().ct_eq(text.as_bytes());
        bool::from(is_ours).then_some(id)
    }

    fn mac(&self, id: TokenId, binding: TokenBinding) -> u64 {
        let (subject_form, number, name) = match binding.subject {
            TokenSubject::Account(id) => (0, id, ""),
            TokenSubject::UserName(name) => (1, 0, name),
            TokenSubject::ForeignId(id) => (2, 0, id),
        };
        let kind = u8::from(binding.kind == TokenType::Refresh);
        let forms = [kind, id.policy, subject_form, u8::from(binding.time.is_some())];
        let mac = self
            .0
            .clone()
            .chain_update(forms)
            .chain_update(id.session.to_be_bytes())
            .chain_update(id.generation.to_be_bytes())
            .chain_update(binding.time.unwrap_or_default().to_be_bytes())
            .chain_update(number.to_be_bytes())
            .chain_update(name)
            .finalize()
            .into_bytes();
        mac.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}

/// The id in the usual form of a uuid, with hyphens.
pub fn hyphenated(id: &str) -> String {
    let (a, b, c, d, e) = (&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// The inverse of [`hyphenated`]; `None` for any other text.
pub fn without_hyphens(uuid: &str) -> Option<String> {
    let id = uuid.replace('-', "");
    (id.len() == 32 && id.is_ascii() && hyphenated(&id) == uuid).then_some(id)
}

/// The use of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    Access,
    Refresh,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS: TokenBinding =
        TokenBinding { kind: TokenType::Access, time: Some(9), subject: TokenSubject::Account(7) };
    const REFRESH: TokenBinding =
        TokenBinding { kind: TokenType::Refresh, time: None, subject: TokenSubject::Account(7) };

    fn key() -> TokenIdKey {
        TokenIdKey::new(&[7; 32])
    }

    #[test]
    fn token_id_is_a_uuid4_and_is_read_back() {
        for (session, policy, generation) in
            [(0, 0, 0), (1, 3, 9), ((1 << 60) - 1, 15, GENERATIONS - 1)]
        {
            for (binding, generation) in [(ACCESS, 0), (REFRESH, generation)] {
                let id = TokenId { session, policy, generation };
                let text = key().write(id, binding);
                assert_eq!(text.len(), 32);
                assert_eq!(text.as_bytes()[12], b'4');
                assert!(matches!(text.as_bytes()[16], b'8' | b'9' | b'a' | b'b'));
                assert_eq!(key().read(&text, binding), Some(id));
                assert_eq!(without_hyphens(&hyphenated(&text)), Some(text));
            }
        }
    }

    #[test]
    fn token_id_that_is_random_or_changed_is_foreign() {
        for binding in [ACCESS, REFRESH] {
            let text = key().write(TokenId { session: 77, policy: 2, generation: 0 }, binding);
            for place in 0..32 {
                let mut other = text.clone().into_bytes();
                other[place] = if other[place] == b'0' { b'1' } else { b'0' };
                assert_eq!(key().read(&String::from_utf8_lossy(&other), binding), None);
            }
            for foreign in
                ["", "00000000000000010000000000000001", "bc6aa02745ba4f7381d8f833f9ff350b", "é"]
            {
                assert_eq!(key().read(foreign, binding), None);
            }
        }
    }

    #[test]
    fn token_id_in_a_token_with_other_claims_is_foreign() {
        let id = TokenId { session: 77, policy: 2, generation: 0 };
        let name = TokenSubject::UserName("anna@example.com");
        let named = TokenBinding { subject: name, ..ACCESS };
        let foreign = TokenSubject::ForeignId("anna@example.com");
        let others = [
            ACCESS,
            REFRESH,
            named,
            TokenBinding { subject: foreign, ..ACCESS },
            TokenBinding { time: Some(10), ..ACCESS },
            TokenBinding { time: None, ..ACCESS },
            TokenBinding { subject: TokenSubject::Account(8), ..ACCESS },
            TokenBinding { subject: TokenSubject::Account(8), ..REFRESH },
            TokenBinding { subject: TokenSubject::UserName("bob@example.com"), ..named },
            TokenBinding { kind: TokenType::Refresh, ..named },
        ];
        for (place, binding) in others.into_iter().enumerate() {
            let text = key().write(id, binding);
            for (other_place, other) in others.into_iter().enumerate() {
                assert_eq!(key().read(&text, other).is_some(), place == other_place);
            }
        }
    }

    #[test]
    fn token_id_of_another_key_or_installation_is_foreign() {
        let text = key().write(TokenId { session: 77, policy: 2, generation: 0 }, ACCESS);
        for other in [TokenIdKey::new(&[8; 32]), key().mixed_with("installation")] {
            assert_eq!(other.read(&text, ACCESS), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn token_id_reading_never_panics(text in ".*", hex in "[0-9a-f]{32}") {
            for text in [text, hex] {
                proptest::prop_assert_eq!(key().read(&text, ACCESS), None);
                let _ = without_hyphens(&text);
            }
        }
    }
}
