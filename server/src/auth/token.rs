//! Tokens in the shape of djangorestframework-simplejwt: claims, their checks in its order, and the
//! `jti`, which looks like any uuid4 and carries the session it belongs to. A `jti` that does not
//! is another server's: such a token is foreign.

use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::jwt::Hs256;
use crate::error::{Result, TokenFault};

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    Access,
    Refresh,
}

impl TokenType {
    fn as_str(self) -> &'static str {
        match self {
            TokenType::Access => "access",
            TokenType::Refresh => "refresh",
        }
    }
}

/// Signs and reads tokens.
#[derive(Clone)]
pub struct Tokens {
    key: Hs256,
}

/// A correctly signed payload whose times have been checked.
pub struct Claims {
    payload: Vec<u8>,
    token_type: Option<Value>,
    pub expires_at: Option<i64>,
    pub issued_at: Option<i64>,
    pub jti: Option<String>,
    pub account: AccountClaim,
}

/// The claim `user_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountClaim {
    Absent,
    /// There, but nothing that could be an id.
    Unknown,
    Id(i64),
}

impl Tokens {
    pub fn new(key: Hs256) -> Self {
        Tokens { key }
    }

    /// A token with these claims, of which type, times and id are set here.
    pub fn sign(
        &self,
        kind: TokenType,
        id: TokenId,
        mut claims: Map<String, Value>,
        now: i64,
        expires_at: i64,
    ) -> Result<String> {
        claims.insert("token_type".to_owned(), kind.as_str().into());
        claims.insert("jti".to_owned(), id.to_string().into());
        claims.insert("exp".to_owned(), expires_at.into());
        claims.insert("iat".to_owned(), now.into());
        Ok(self.key.sign(&serde_json::to_vec(&claims)?))
    }

    /// Checks signature and times: `exp` must lie ahead without any leeway, `iat` and `nbf` must not.
    pub fn read(&self, token: &str, now: i64) -> std::result::Result<Claims, TokenFault> {
        let payload = self.key.verify(token).ok_or(TokenFault::Malformed)?;
        let raw: RawClaims = serde_json::from_slice(&payload).map_err(|_| TokenFault::Malformed)?;
        let issued_at = raw.iat.map(|iat| seconds(&iat)).transpose()?;
        let not_before = raw.nbf.map(|nbf| seconds(&nbf)).transpose()?;
        let jti = raw.jti.map(|jti| text(jti).ok_or(TokenFault::Malformed)).transpose()?;
        // Another node of ours may be ahead by a moment; what it issued is none the worse for it.
        let is_own = jti.as_deref().and_then(TokenId::parse).is_some();
        let makes_sense = |from: &i64| *from >= 0 && (is_own || *from <= now);
        if !issued_at.iter().chain(&not_before).all(makes_sense) {
            return Err(TokenFault::Malformed);
        }
        let expires_at = raw.exp.map(|exp| seconds(&exp)).transpose()?;
        if expires_at.is_some_and(|exp| exp <= now) {
            return Err(TokenFault::Expired);
        }
        let account = account_claim(raw.user_id.as_ref());
        Ok(Claims { payload, token_type: raw.token_type, expires_at, issued_at, jti, account })
    }
}

impl Claims {
    /// The id and expiry that every token needs: exp first, then jti, as the library checks them.
    pub fn id_and_expiry(&self) -> std::result::Result<(&str, i64), TokenFault> {
        let expires_at = self.expires_at.ok_or(TokenFault::NoExp)?;
        Ok((self.jti.as_deref().ok_or(TokenFault::NoId)?, expires_at))
    }

    pub fn is(&self, kind: TokenType) -> bool {
        matches!(&self.token_type, Some(Value::String(text)) if text == kind.as_str())
    }

    /// Refuses every type but `kind`.
    pub fn expect(&self, kind: TokenType) -> std::result::Result<(), TokenFault> {
        match &self.token_type {
            None => Err(TokenFault::NoType),
            Some(_) if self.is(kind) => Ok(()),
            Some(_) => Err(TokenFault::WrongType),
        }
    }

    /// All claims in their order: what a rotated refresh token has.
    pub fn whole(&self) -> Result<Map<String, Value>> {
        Ok(serde_json::from_slice(&self.payload)?)
    }
}

const OWN_CLAIMS: [&str; 4] = ["token_type", "exp", "iat", "jti"];

/// The claims of a token that is made of a refresh token: the documented ones first, behind them
/// whatever else that token carries.
pub fn derived(of: &Map<String, Value>) -> Map<String, Value> {
    let own = OWN_CLAIMS.map(|name| (name.to_owned(), Value::Null));
    let carried = of.iter().filter(|(name, _)| !OWN_CLAIMS.contains(&name.as_str()));
    own.into_iter().chain(carried.map(|(name, value)| (name.clone(), value.clone()))).collect()
}

/// The claims of a new sign-in.
pub fn claims_of(account_id: i64) -> Map<String, Value> {
    derived(&Map::from_iter([("user_id".to_owned(), account_id.into())]))
}

#[derive(Deserialize)]
struct RawClaims {
    #[serde(default, deserialize_with = "present")]
    token_type: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    exp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    jti: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    user_id: Option<Value>,
}

/// A claim that is `null` is there, and wrong, rather than absent.
fn present<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// The last second of the year 9999; what claims to be later is no time.
const END_OF_TIME: f64 = 253_402_300_799.0;

/// A NumericDate (RFC 7519 section 2), its fraction cut.
fn seconds(claim: &Value) -> std::result::Result<i64, TokenFault> {
    match claim.as_f64() {
        // Any moment before 1970 is as good as the first.
        Some(seconds) if (-END_OF_TIME..0.0).contains(&seconds) => Ok(-1),
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked beside it")]
        Some(seconds) if (0.0..=END_OF_TIME).contains(&seconds) => Ok(seconds as i64),
        _ => Err(TokenFault::Malformed),
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn account_claim(claim: Option<&Value>) -> AccountClaim {
    let id = match claim {
        None => return AccountClaim::Absent,
        Some(Value::Number(number)) => number.as_i64(),
        Some(Value::String(digits)) => digits.parse().ok(),
        Some(_) => None,
    };
    id.map_or(AccountClaim::Unknown, AccountClaim::Id)
}

/// A token's `jti`: uuid4 in 32 hex digits. First half: the session (60 bits around the version
/// digit). Second half, behind the variant bits: 4 bits policy, 26 bits nonce, 32 bits check. The
/// check only tells our ids from random ones; what makes an id trustworthy is the token's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId {
    pub session: i64,
    pub policy: u8,
    /// The generation of a refresh token; random in an access token.
    pub nonce: u32,
}

const NONCE_BITS: u32 = 26;
/// Generations and nonces are counted modulo this.
pub const NONCES: u32 = 1 << NONCE_BITS;
/// Session ids lie below this.
pub const SESSION_IDS: u64 = 1 << 60;

impl TokenId {
    /// Reads an id that [`std::fmt::Display`] wrote; anything else is `None`.
    pub fn parse(jti: &str) -> Option<Self> {
        if jti.len() != 32 || !jti.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let first = u64::from_str_radix(&jti[..16], 16).ok()?;
        let second = u64::from_str_radix(&jti[16..], 16).ok()?;
        let id = TokenId {
            session: i64::try_from((first >> 16 << 12) | (first & 0xfff)).ok()?,
            policy: u8::try_from(second >> 58 & 0xf).ok()?,
            nonce: u32::try_from(second >> 32 & u64::from(NONCES - 1)).ok()?,
        };
        (id.halves() == (first, second)).then_some(id)
    }

    /// The id as a uuid is usually written, with hyphens.
    pub fn hyphenated(self) -> String {
        let id = self.to_string();
        let (a, b, c, d, e) = (&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]);
        format!("{a}-{b}-{c}-{d}-{e}")
    }

    /// Reads an id that [`TokenId::hyphenated`] wrote.
    pub fn parse_hyphenated(uuid: &str) -> Option<Self> {
        TokenId::parse(&uuid.replace('-', "")).filter(|id| id.hyphenated() == uuid)
    }

    fn halves(self) -> (u64, u64) {
        let session = self.session.cast_unsigned();
        let first = (session >> 12 << 16) | 0x4000 | (session & 0xfff);
        let open = (2 << 30)
            | (u64::from(self.policy & 0xf) << NONCE_BITS)
            | u64::from(self.nonce % NONCES);
        let digest = Sha256::new_with_prefix("propusk token id")
            .chain_update(first.to_be_bytes())
            .chain_update(open.to_be_bytes())
            .finalize();
        let check = digest.iter().take(4).fold(0, |check, byte| check << 8 | u64::from(*byte));
        (first, open << 32 | check)
    }
}

impl std::fmt::Display for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, second) = self.halves();
        write!(f, "{first:016x}{second:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(Hs256::new(&[7; 32]))
    }

    fn signed(claims: &Value) -> String {
        Hs256::new(&[7; 32]).sign(claims.to_string().as_bytes())
    }

    #[test]
    fn a_token_id_is_a_uuid4_and_comes_back_whole() {
        for (session, policy, nonce) in [(0, 0, 0), (1, 3, 9), ((1 << 60) - 1, 15, NONCES - 1)] {
            let id = TokenId { session, policy, nonce };
            let text = id.to_string();
            assert_eq!(text.len(), 32);
            assert_eq!(text.as_bytes()[12], b'4');
            assert!(matches!(text.as_bytes()[16], b'8' | b'9' | b'a' | b'b'));
            assert_eq!(TokenId::parse(&text), Some(id));
        }
    }

    #[test]
    fn a_random_or_changed_id_is_foreign() {
        let text = TokenId { session: 77, policy: 2, nonce: 5 }.to_string();
        for place in 0..32 {
            let mut other = text.clone().into_bytes();
            other[place] = if other[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(TokenId::parse(&String::from_utf8_lossy(&other)), None);
        }
        for foreign in
            ["", "00000000000000010000000000000001", "bc6aa02745ba4f7381d8f833f9ff350b", "é"]
        {
            assert_eq!(TokenId::parse(foreign), None);
        }
    }

    #[test]
    fn a_time_claim_of_another_type_or_out_of_range_is_never_accepted() {
        let wrong = [
            Value::Null,
            true.into(),
            "9999999999".into(),
            Value::Array(vec![]),
            Value::Object(Map::new()),
            (-1).into(),
            1e300.into(),
            u64::MAX.into(),
            (1_u64 << 63).into(),
        ];
        for claim in ["exp", "iat", "nbf"] {
            for value in &wrong {
                let mut claims = serde_json::json!({"exp": 1_000, "iat": 1, "jti": "x"});
                claims[claim] = value.clone();
                let read = tokens().read(&signed(&claims), 500);
                assert!(
                    matches!(read.err(), Some(TokenFault::Malformed | TokenFault::Expired)),
                    "{claim} {value}"
                );
            }
        }
    }

    #[test]
    fn a_token_ends_at_its_expiry_and_not_a_second_later() {
        let token = signed(&serde_json::json!({"exp": 1_000, "iat": 400}));
        assert!(tokens().read(&token, 999).is_ok());
        assert_eq!(tokens().read(&token, 1_000).err(), Some(TokenFault::Expired));
        assert_eq!(tokens().read(&token, 399).err(), Some(TokenFault::Malformed));
    }

    #[test]
    fn claims_that_are_not_ours_travel_on() {
        let token = signed(
            &serde_json::json!({"token_type": "refresh", "exp": 9, "jti": "x", "user_id": "1", "aud": "y"}),
        );
        let claims = tokens().read(&token, 1).expect("a good token");
        assert_eq!(claims.account, AccountClaim::Id(1));
        let id = TokenId { session: 7, policy: 1, nonce: 0 };
        let whole = claims.whole().expect("an object");
        let access = tokens().sign(TokenType::Access, id, derived(&whole), 1, 2).expect("JSON");
        let refresh = tokens().sign(TokenType::Refresh, id, whole, 1, 2).expect("JSON");
        let names = |token: &str| {
            let payload = Hs256::new(&[7; 32]).verify(token).expect("a good token");
            let claims: Map<String, Value> = serde_json::from_slice(&payload).expect("an object");
            claims.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&access), "token_type exp iat jti user_id aud");
        // As the library has it: in place, and what was missing at the end.
        assert_eq!(names(&refresh), "token_type exp jti user_id aud iat");
    }
}
