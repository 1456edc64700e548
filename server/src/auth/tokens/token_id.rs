//! The ids of our tokens: any uuid4 in 32 hex digits. First half: the session (60 bits around the version
//! digit). Second half, behind the variant bits: 4 bits policy, then 26 bits generation and 32 bits MAC
//! in a refresh token, 58 bits MAC in an access token. The MAC binds the id to what its token says. Its key
//! is not the one that signs, which other systems may have: who signs a token of our form without it has
//! made a foreign token.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const GENERATION_BITS: u32 = 26;
/// Generations are counted modulo this.
pub const GENERATIONS: u32 = 1 << GENERATION_BITS;
/// Session ids lie below this.
pub const SESSION_IDS: u64 = 1 << 60;
/// The bits behind variant and policy.
const LAST_BITS: u32 = 58;
const MAC_BITS: u32 = LAST_BITS - GENERATION_BITS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId {
    pub session: i64,
    pub policy: u8,
    /// Of a refresh token; 0 in an access token.
    pub generation: u32,
}

/// What a token says, to which its id is bound.
#[derive(Clone, Copy)]
pub struct Says<'t> {
    pub kind: TokenType,
    /// When it was issued, or when it expires, where its form does not say the former.
    pub time: Option<i64>,
    pub owner: Owner<'t>,
}

/// Whose a token says that it is.
#[derive(Clone, Copy)]
pub enum Owner<'t> {
    Account(i64),
    UserName(&'t str),
}

/// Makes and checks ids; no `Debug`.
#[derive(Clone)]
pub struct TokenIdKey(Hmac<Sha256>);

impl TokenIdKey {
    pub fn new(key: &[u8; 32]) -> Self {
        TokenIdKey(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The same with a value of the installation in it, which does not follow from the server's secret.
    pub fn mixed_with(&self, salt: &str) -> Self {
        let mixed: [u8; 32] = self.0.clone().chain_update(salt).finalize().into_bytes().into();
        TokenIdKey::new(&mixed)
    }

    /// The id in a token that says this.
    pub fn write(&self, id: TokenId, says: Says) -> String {
        let session = id.session.cast_unsigned();
        let first = (session >> 12 << 16) | 0x4000 | (session & 0xfff);
        let policy = u64::from(id.policy & 0xf) << LAST_BITS;
        let last = match says.kind {
            TokenType::Access => self.mac(id, says) >> (64 - LAST_BITS),
            TokenType::Refresh => {
                u64::from(id.generation % GENERATIONS) << MAC_BITS
                    | self.mac(id, says) >> (64 - MAC_BITS)
            }
        };
        format!("{first:016x}{:016x}", 2 << 62 | policy | last)
    }

    /// Reads an id that [`TokenIdKey::write`] wrote in a token that says this; anything else is `None`.
    pub fn read(&self, text: &str, says: Says) -> Option<TokenId> {
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let first = u64::from_str_radix(&text[..16], 16).ok()?;
        let second = u64::from_str_radix(&text[16..], 16).ok()?;
        let id = TokenId {
            session: i64::try_from((first >> 16 << 12) | (first & 0xfff)).ok()?,
            policy: u8::try_from(second >> LAST_BITS & 0xf).ok()?,
            generation: match says.kind {
                TokenType::Access => 0,
                TokenType::Refresh => {
                    u32::try_from(second >> MAC_BITS & u64::from(GENERATIONS - 1)).ok()?
                }
            },
        };
        let is_ours = self.write(id, says).as_bytes().ct_eq(text.as_bytes());
        bool::from(is_ours).then_some(id)
    }

    fn mac(&self, id: TokenId, says: Says) -> u64 {
        let (owner_form, number, name) = match says.owner {
            Owner::Account(id) => (0, id, ""),
            Owner::UserName(name) => (1, 0, name),
        };
        let kind = u8::from(says.kind == TokenType::Refresh);
        let forms = [kind, id.policy, owner_form, u8::from(says.time.is_some())];
        let mac = self
            .0
            .clone()
            .chain_update(forms)
            .chain_update(id.session.to_be_bytes())
            .chain_update(id.generation.to_be_bytes())
            .chain_update(says.time.unwrap_or_default().to_be_bytes())
            .chain_update(number.to_be_bytes())
            .chain_update(name)
            .finalize()
            .into_bytes();
        mac.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}

/// The id as a uuid is usually written, with hyphens.
pub fn hyphenated(id: &str) -> String {
    let (a, b, c, d, e) = (&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// What [`hyphenated`] was made of; `None` when it is written otherwise.
pub fn without_hyphens(uuid: &str) -> Option<String> {
    let id = uuid.replace('-', "");
    (id.len() == 32 && id.is_ascii() && hyphenated(&id) == uuid).then_some(id)
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    Access,
    Refresh,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS: Says = Says { kind: TokenType::Access, time: Some(9), owner: Owner::Account(7) };
    const REFRESH: Says = Says { kind: TokenType::Refresh, time: None, owner: Owner::Account(7) };

    fn key() -> TokenIdKey {
        TokenIdKey::new(&[7; 32])
    }

    #[test]
    fn an_id_is_a_uuid4_and_comes_back_whole() {
        for (session, policy, generation) in
            [(0, 0, 0), (1, 3, 9), ((1 << 60) - 1, 15, GENERATIONS - 1)]
        {
            for (says, generation) in [(ACCESS, 0), (REFRESH, generation)] {
                let id = TokenId { session, policy, generation };
                let text = key().write(id, says);
                assert_eq!(text.len(), 32);
                assert_eq!(text.as_bytes()[12], b'4');
                assert!(matches!(text.as_bytes()[16], b'8' | b'9' | b'a' | b'b'));
                assert_eq!(key().read(&text, says), Some(id));
                assert_eq!(without_hyphens(&hyphenated(&text)), Some(text));
            }
        }
    }

    #[test]
    fn a_random_or_changed_id_is_foreign() {
        for says in [ACCESS, REFRESH] {
            let text = key().write(TokenId { session: 77, policy: 2, generation: 0 }, says);
            for place in 0..32 {
                let mut other = text.clone().into_bytes();
                other[place] = if other[place] == b'0' { b'1' } else { b'0' };
                assert_eq!(key().read(&String::from_utf8_lossy(&other), says), None);
            }
            for foreign in
                ["", "00000000000000010000000000000001", "bc6aa02745ba4f7381d8f833f9ff350b", "é"]
            {
                assert_eq!(key().read(foreign, says), None);
            }
        }
    }

    #[test]
    fn an_id_in_a_token_that_says_something_else_is_foreign() {
        let id = TokenId { session: 77, policy: 2, generation: 0 };
        let name = Owner::UserName("anna@example.com");
        let named = Says { owner: name, ..ACCESS };
        let others = [
            ACCESS,
            REFRESH,
            named,
            Says { time: Some(10), ..ACCESS },
            Says { time: None, ..ACCESS },
            Says { owner: Owner::Account(8), ..ACCESS },
            Says { owner: Owner::Account(8), ..REFRESH },
            Says { owner: Owner::UserName("bob@example.com"), ..named },
            Says { kind: TokenType::Refresh, ..named },
        ];
        for (place, says) in others.into_iter().enumerate() {
            let text = key().write(id, says);
            for (other_place, other) in others.into_iter().enumerate() {
                assert_eq!(key().read(&text, other).is_some(), place == other_place);
            }
        }
    }

    #[test]
    fn an_id_of_another_key_or_installation_is_foreign() {
        let text = key().write(TokenId { session: 77, policy: 2, generation: 0 }, ACCESS);
        for other in [TokenIdKey::new(&[8; 32]), key().mixed_with("installation")] {
            assert_eq!(other.read(&text, ACCESS), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_is_read_without_a_panic(text in ".*", hex in "[0-9a-f]{32}") {
            for text in [text, hex] {
                proptest::prop_assert_eq!(key().read(&text, ACCESS), None);
                let _ = without_hyphens(&text);
            }
        }
    }
}
