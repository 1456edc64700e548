//! Tokens like those of djangorestframework-simplejwt: claims, and their checks in its order. The
//! `jti` is an id of ours (see [`crate::auth::tokens::token_id`]); a token whose `jti` is another
//! text, or is bound to other claims, is foreign.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::auth::tokens::hs256::Hs256;
use crate::auth::tokens::key_pair::TokenKeyPair;
use crate::auth::tokens::token_id::{TokenBinding, TokenId, TokenIdKey, TokenSubject, TokenType};
use crate::config::UserIdForm;
use crate::error::{Error, Fault, Result, TokenFault};

impl TokenType {
    fn as_str(self) -> &'static str {
        match self {
            TokenType::Access => "access",
            TokenType::Refresh => "refresh",
        }
    }
}

/// The key of tokens; no `Debug`.
#[derive(Clone)]
pub enum TokenKey {
    Secret(Hs256),
    Pair(Arc<TokenKeyPair>),
}

impl TokenKey {
    fn sign(&self, payload: &[u8]) -> Result<String> {
        match self {
            TokenKey::Secret(key) => Ok(key.sign(payload)),
            TokenKey::Pair(key) => key.sign(payload).ok_or(Error::Internal(Fault::NotSigned)),
        }
    }

    fn verify(&self, token: &str) -> Option<Vec<u8>> {
        match self {
            TokenKey::Secret(key) => key.verify(token),
            TokenKey::Pair(key) => key.verify(token),
        }
    }
}

/// Signs and verifies tokens.
#[derive(Clone)]
pub struct Tokens {
    key: TokenKey,
    ids: TokenIdKey,
}

/// The values of a token to be signed that are ours to set; its other claims are passed separately.
#[derive(Clone, Copy)]
pub struct NewToken {
    pub kind: TokenType,
    pub id: TokenId,
    pub account_id: i64,
    /// The form of `user_id` if the passed claims do not decide that. They have the foreign id.
    pub user_id: UserIdForm,
    pub now: i64,
    pub expires_at: i64,
}

/// A correctly signed payload whose times have been checked.
pub struct Claims {
    payload: Vec<u8>,
    token_type: Option<Value>,
    pub expires_at: Option<i64>,
    pub issued_at: Option<i64>,
    pub jti: Option<String>,
    /// The content of a `jti` of ours, which proves that the account is the one of the session.
    /// `None`: a foreign token.
    pub id: Option<TokenId>,
    pub account: AccountClaim,
    /// `user_id` if it is a foreign id, or may be one in a foreign token.
    pub foreign_id: Option<String>,
    audience: Option<Value>,
    issuer: Option<Value>,
    /// The token has the form of `sign_in::user_name_tokens` instead.
    pub is_user_name_token: bool,
}

/// The claim `user_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountClaim {
    Absent,
    /// Present, but not an id.
    Unknown,
    Id(i64),
}

impl Tokens {
    pub fn new(key: TokenKey, ids: TokenIdKey) -> Self {
        Tokens { key, ids }
    }

    /// Signs a token with these claims; type, times, id and account are set here.
    pub fn sign(&self, token: NewToken, mut claims: Map<String, Value>) -> Result<String> {
        let NewToken { kind, id, account_id, user_id: form, now, expires_at } = token;
        let (user_id, jti) = match (form, claims.get("user_id")) {
            (UserIdForm::Foreign, Some(Value::String(foreign_id))) => {
                let subject = TokenSubject::ForeignId(foreign_id);
                let jti = self.ids.write(id, binding(kind, subject, Some(now)));
                (Value::String(foreign_id.clone()), jti)
            }
            (form, claim) => {
                let user_id: Value = match (claim, form) {
                    // The type of the refresh token that the claims come from.
                    (Some(Value::Number(_)), _) => account_id.into(),
                    (Some(Value::String(_)), _) => account_id.to_string().into(),
                    (_, UserIdForm::Number) => account_id.into(),
                    (_, UserIdForm::Text | UserIdForm::Foreign) => account_id.to_string().into(),
                };
                let subject = TokenSubject::Account(account_id);
                (user_id, self.ids.write(id, binding(kind, subject, Some(now))))
            }
        };
        claims.insert("token_type".to_owned(), kind.as_str().into());
        claims.insert("jti".to_owned(), jti.into());
        claims.insert("exp".to_owned(), expires_at.into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert("user_id".to_owned(), user_id);
        self.key.sign(&serde_json::to_vec(&claims)?)
    }

    /// Verifies signature and times: `exp` must be in the future without any leeway, `iat` and
    /// `nbf` must not.
    pub fn read(&self, token: &str, now: i64) -> std::result::Result<Claims, TokenFault> {
        let payload = self.key.verify(token).ok_or(TokenFault::Malformed)?;
        let raw: RawClaims = serde_json::from_slice(&payload).map_err(|_| TokenFault::Malformed)?;
        let issued_at = raw.iat.map(|iat| seconds(&iat)).transpose()?;
        let not_before = raw.nbf.map(|nbf| seconds(&nbf)).transpose()?;
        let jti = raw.jti.map(|jti| text(jti).ok_or(TokenFault::Malformed)).transpose()?;
        let account = account_claim(raw.user_id.as_ref());
        let user_id = raw.user_id.and_then(text);
        let own_id =
            |subject| self.own_id(jti.as_deref(), raw.token_type.as_ref(), subject, issued_at);
        let by_number = match account {
            AccountClaim::Id(id) => own_id(TokenSubject::Account(id)),
            AccountClaim::Absent | AccountClaim::Unknown => None,
        };
        let by_foreign_id = match &user_id {
            Some(user_id) if by_number.is_none() => own_id(TokenSubject::ForeignId(user_id)),
            _ => None,
        };
        let id = by_number.or(by_foreign_id);
        // The clock of another node may be slightly ahead: its tokens are accepted here too.
        let is_own = id.is_some();
        let makes_sense = |from: &i64| *from >= 0 && (is_own || *from <= now);
        if !issued_at.iter().chain(&not_before).all(makes_sense) {
            return Err(TokenFault::Malformed);
        }
        let expires_at = raw.exp.map(|exp| seconds(&exp)).transpose()?;
        if expires_at.is_some_and(|exp| exp <= now) {
            return Err(TokenFault::Expired);
        }
        let is_user_name_token = raw.mode.is_some() && raw.token_type.is_none();
        let token_type = raw.token_type;
        Ok(Claims {
            payload,
            token_type,
            expires_at,
            issued_at,
            jti,
            id,
            account,
            foreign_id: user_id.filter(|_| by_number.is_none()),
            audience: raw.aud,
            issuer: raw.iss,
            is_user_name_token,
        })
    }

    /// The id of a token that is ours: its `jti` is bound to this type, account and time of issue.
    fn own_id(
        &self,
        jti: Option<&str>,
        token_type: Option<&Value>,
        subject: TokenSubject<'_>,
        issued_at: Option<i64>,
    ) -> Option<TokenId> {
        let kind = [TokenType::Access, TokenType::Refresh]
            .into_iter()
            .find(|kind| token_type.and_then(Value::as_str) == Some(kind.as_str()))?;
        self.ids.read(jti?, binding(kind, subject, issued_at))
    }
}

/// The claims that the id of such a token is bound to; the time of issue only in an access token.
fn binding(kind: TokenType, subject: TokenSubject<'_>, issued_at: Option<i64>) -> TokenBinding<'_> {
    let time = issued_at.filter(|_| kind == TokenType::Access);
    TokenBinding { kind, time, subject }
}

impl Claims {
    /// The id and expiry that every token must have, checked in the library's order.
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

    /// Whether the token is for an API with these settings: a foreign one needs both claims, as in
    /// the library. One of ours is known by its id.
    pub fn is_meant_for(&self, audience: Option<&str>, issuer: Option<&str>) -> bool {
        let names_audience = |expected: &str| match &self.audience {
            Some(Value::String(one)) => one == expected,
            Some(Value::Array(all)) => {
                all.iter().all(Value::is_string) && all.iter().any(|one| one == expected)
            }
            Some(_) | None => false,
        };
        let names_issuer =
            |expected: &str| self.issuer.as_ref().is_some_and(|issuer| issuer == expected);
        self.id.is_some()
            || (audience.is_none_or(names_audience) && issuer.is_none_or(names_issuer))
    }

    /// All claims in their order, to be repeated in a rotated refresh token.
    pub fn whole(&self) -> Result<Map<String, Value>> {
        Ok(serde_json::from_slice(&self.payload)?)
    }
}

const OWN_CLAIMS: [&str; 4] = ["token_type", "exp", "iat", "jti"];

/// The claims of an access token that a refresh token is exchanged for: the documented ones first,
/// then all others of the refresh token.
pub fn derived_claims(of: &Map<String, Value>) -> Map<String, Value> {
    let own = OWN_CLAIMS.map(|name| (name.to_owned(), Value::Null));
    let carried = of.iter().filter(|(name, _)| !OWN_CLAIMS.contains(&name.as_str()));
    own.into_iter().chain(carried.map(|(name, value)| (name.clone(), value.clone()))).collect()
}

/// The claims of a new sign-in, with empty values.
pub fn sign_in_claims() -> Map<String, Value> {
    derived_claims(&Map::from_iter([("user_id".to_owned(), Value::Null)]))
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
    aud: Option<Value>,
    iss: Option<Value>,
    mode: Option<serde::de::IgnoredAny>,
}

/// Reads a claim that is `null` as present, and so as wrong, instead of absent.
fn present<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// The last second of the year 9999; a later time is refused.
const END_OF_TIME: f64 = 253_402_300_799.0;

/// A NumericDate (RFC 7519 section 2) without its fraction.
fn seconds(claim: &Value) -> std::result::Result<i64, TokenFault> {
    match claim.as_f64() {
        // All times before 1970 have the same effect.
        Some(seconds) if (-END_OF_TIME..0.0).contains(&seconds) => Ok(-1),
        #[expect(clippy::cast_possible_truncation, reason = "the guard checks the range")]
        Some(seconds) if (0.0..=END_OF_TIME).contains(&seconds) => Ok(seconds as i64),
        _ => Err(TokenFault::Malformed),
    }
}

pub fn text(value: Value) -> Option<String> {
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

/// A refresh token that has passed all checks that need no database.
pub struct RefreshToken {
    pub claims: Claims,
    /// What it is known by if it is foreign.
    pub jti: String,
    pub expires_at: i64,
    /// `None`: a foreign token.
    pub id: Option<TokenId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new(TokenKey::Secret(Hs256::new(&[7; 32])), TokenIdKey::new(&[8; 32]))
    }

    fn signed(claims: &Value) -> String {
        Hs256::new(&[7; 32]).sign(claims.to_string().as_bytes())
    }

    #[test]
    fn time_claim_of_another_type_or_out_of_range_is_refused() {
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
    fn token_expires_at_its_expiry_and_not_a_second_later() {
        let token = signed(&serde_json::json!({"exp": 1_000, "iat": 400}));
        assert!(tokens().read(&token, 999).is_ok());
        assert_eq!(tokens().read(&token, 1_000).err(), Some(TokenFault::Expired));
        assert_eq!(tokens().read(&token, 399).err(), Some(TokenFault::Malformed));
    }

    #[test]
    fn token_with_a_foreign_id_is_bound_to_it() {
        let id = TokenId { session: 7, policy: 7, generation: 0 };
        let token = NewToken {
            kind: TokenType::Access,
            id,
            account_id: 1,
            user_id: UserIdForm::Foreign,
            now: 1,
            expires_at: 9,
        };
        // A foreign id may look like the number of another account.
        for foreign_id in ["6f0b7c1e-0f6a-4b58-9c3f-0a1b2c3d4e5f", "2", "anna"] {
            let mut claims = sign_in_claims();
            claims.insert("user_id".to_owned(), foreign_id.into());
            let text = tokens().sign(token, claims).expect("JSON");
            let read = tokens().read(&text, 2).expect("a good token");
            assert_eq!((read.id, read.foreign_id.as_deref()), (Some(id), Some(foreign_id)));
            let mut other = read.whole().expect("an object");
            other.insert("user_id".to_owned(), "bob".into());
            let other = tokens().read(&signed(&other.into()), 2).expect("a good signature");
            assert_eq!((other.id, other.foreign_id.as_deref()), (None, Some("bob")));
        }
        let by_number = NewToken { user_id: UserIdForm::Text, ..token };
        let text = tokens().sign(by_number, sign_in_claims()).expect("JSON");
        let read = tokens().read(&text, 2).expect("a good token");
        assert_eq!((read.id, read.account, read.foreign_id), (Some(id), AccountClaim::Id(1), None));
    }

    #[test]
    fn claims_of_others_are_carried_over() {
        let token = signed(
            &serde_json::json!({"token_type": "refresh", "exp": 9, "jti": "x", "user_id": "1", "aud": "y"}),
        );
        let claims = tokens().read(&token, 1).expect("a good token");
        assert_eq!(claims.account, AccountClaim::Id(1));
        let id = TokenId { session: 7, policy: 1, generation: 0 };
        let whole = claims.whole().expect("an object");
        let token = NewToken {
            kind: TokenType::Access,
            id,
            account_id: 1,
            user_id: UserIdForm::Number,
            now: 1,
            expires_at: 2,
        };
        let access = tokens().sign(token, derived_claims(&whole)).expect("JSON");
        let refresh = NewToken { kind: TokenType::Refresh, ..token };
        let refresh = tokens().sign(refresh, whole).expect("JSON");
        let names = |token: &str| {
            let payload = Hs256::new(&[7; 32]).verify(token).expect("a good token");
            let claims: Map<String, Value> = serde_json::from_slice(&payload).expect("an object");
            claims.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&access), "token_type exp iat jti user_id aud");
        // Like the library: claims keep their place, new ones are last.
        assert_eq!(names(&refresh), "token_type exp jti user_id aud iat");
    }
}
