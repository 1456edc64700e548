//! What the token endpoints share: client authentication, and the checks before a code is spent.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Client;
use crate::records::{Code, Grant, Records, random};
use crate::request::Request;

/// Why no token is issued; each provider has its own error text for it.
pub(crate) enum Refusal {
    /// A parameter is missing or wrong.
    Request(String),
    GrantType,
    UnknownClient,
    SecretMissing,
    SecretWrong,
    /// Unknown, spent, expired, or another client's.
    Code,
    /// Not the redirect of the authorization request.
    Redirect,
    VerifierMissing,
    VerifierWrong,
    /// The authorization request had no challenge.
    VerifierUnasked,
    /// Not the device to which VK issued the code or token.
    Device,
    RefreshToken,
}

/// How to treat credentials in both the header and the form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Both {
    /// Only one of them is allowed (RFC 6749, section 2.3).
    Refused,
    HeaderCounts,
}

/// The client, authenticated by a Basic header or by the form.
pub(crate) fn authenticate(
    records: &Records,
    request: &Request,
    both: Both,
) -> Result<Client, Refusal> {
    let (id, secret) = match request.header("authorization") {
        Some(_) => {
            let (id, secret) = basic(request)
                .ok_or_else(|| Refusal::Request("Malformed Authorization header".to_owned()))?;
            let in_form = request.in_form("client_id").is_some_and(|other| other != id)
                || request.in_form("client_secret").is_some();
            if in_form && both == Both::Refused {
                return Err(Refusal::Request("credentials in header and form".to_owned()));
            }
            (id, Some(secret))
        }
        None => (
            request.needed("client_id")?.to_owned(),
            request.in_form("client_secret").map(str::to_owned),
        ),
    };
    let client = records.client(&id).ok_or(Refusal::UnknownClient)?;
    match (&client.secret, secret) {
        (Some(_), None) => Err(Refusal::SecretMissing),
        (known, given) if *known == given => Ok(client.clone()),
        _ => Err(Refusal::SecretWrong),
    }
}

fn basic(request: &Request) -> Option<(String, String)> {
    let decoded = STANDARD.decode(request.authorization("Basic")?).ok()?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// The grant type, if no parameter is repeated.
pub(crate) fn grant_type(request: &Request) -> Result<&str, Refusal> {
    match request.repeated() {
        Some(name) => Err(Refusal::Request(format!("{name} is given more than once"))),
        None => request.needed("grant_type"),
    }
}

/// Spends the code and checks that the client may have it.
pub(crate) fn spend_code(
    records: &mut Records,
    request: &Request,
    client: &Client,
    redirect: impl Fn(&Code, Option<&str>) -> bool,
) -> Result<Grant, Refusal> {
    let code = records.spend_code(request.needed("code")?, &client.id)?;
    if !redirect(&code, request.in_form("redirect_uri")) {
        return Err(Refusal::Redirect);
    }
    check_verifier(code.challenge.as_deref(), request.in_form("code_verifier"))?;
    Ok(code.grant)
}

/// The redirect must be repeated.
pub(crate) fn same_redirect(code: &Code, given: Option<&str>) -> bool {
    given == Some(&code.sent_to)
}

fn check_verifier(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), Refusal> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Refusal::VerifierUnasked),
        (Some(_), None) => Err(Refusal::VerifierMissing),
        (Some(challenge), Some(verifier)) => {
            let right = is_verifier(verifier)
                && URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == challenge;
            if right { Ok(()) } else { Err(Refusal::VerifierWrong) }
        }
    }
}

/// RFC 7636, section 4.1.
fn is_verifier(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&text.len()) && text.bytes().all(allowed)
}

/// A JWT whose signature cannot be checked: the keys are not published.
pub(crate) fn id_token(issuer: &str, grant: &Grant, more: &Value) -> String {
    let now = unix_now();
    let mut claims = json!({
        "iss": issuer, "azp": grant.client_id, "aud": grant.client_id, "sub": grant.user.id,
        "iat": now, "exp": now + 3600,
    });
    let nonce = grant.nonce.iter().map(|nonce| ("nonce".to_owned(), json!(nonce)));
    let more = more.as_object().cloned().unwrap_or_default();
    if let Some(claims) = claims.as_object_mut() {
        claims.extend(nonce.chain(more));
    }
    let header = json!({"alg": "RS256", "kid": "stand-in", "typ": "JWT"});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&header), part(&claims), random("", 256))
}

#[expect(clippy::disallowed_methods, reason = "a provider goes by a clock of its own")]
pub(crate) fn unix_now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("the clock is past 1970").as_secs()
}
