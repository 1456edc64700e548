//! Any OpenID Connect provider, by its issuer alone: endpoints from its discovery document, the
//! user from a fully validated id token (OpenID Connect Core 1.0 section 3.1.3.7), details from its
//! userinfo.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use oauth2::AuthType;
use reqwest::Url;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;

use super::google;
use super::oauth::{self, Code, Grant};
use super::outbound::ProviderRequest;
use super::profile::{Fields, Profile};
use super::{Authorize, Provider, ProviderError, bearer};

/// How long discovered data is cached, in seconds.
const CACHED_FOR: i64 = 3_600;
/// The minimum time between two lookups of an unknown key, in seconds.
const REFETCH_AFTER: i64 = 60;
/// The tolerated difference of the provider's clock, in seconds (id tokens only).
const LEEWAY: i64 = 30;
/// The year 10000: a later time claim is invalid.
const END_OF_TIME: f64 = 253_402_300_800.0;
/// Asymmetric algorithms only: with a symmetric one, the public key could be used as the secret.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Cached discovery and keys, single-flight: concurrent callers share one fetch and its failure.
#[derive(Default)]
pub(super) struct Oidc {
    discovered: Mutex<Option<(i64, Discovered)>>,
    keys: Mutex<Option<(i64, JwkSet)>>,
    failures: AtomicU64,
}

/// The used parts of a discovery document (OpenID Connect Discovery 1.0 section 3).
#[derive(Clone)]
pub(super) struct Discovered {
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    pub userinfo_endpoint: Option<Url>,
    pub jwks_uri: Url,
    /// RFC 9207: the provider always sends `iss`, so a callback without it is refused.
    pub promises_iss: bool,
    auth_type: AuthType,
}

pub(super) fn authorize<'a>(
    provider: &'a Provider,
    ask: &Authorize<'a>,
) -> Vec<(&'a str, &'a str)> {
    vec![
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("redirect_uri", ask.redirect_uri.unwrap_or(&provider.redirect_uri)),
        ("scope", &provider.scope),
        ("state", ask.state),
        ("nonce", ask.nonce),
        ("code_challenge", ask.challenge),
        ("code_challenge_method", "S256"),
    ]
}

impl Oidc {
    pub async fn discovered(
        &self,
        provider: &Provider,
        now: i64,
    ) -> Result<Discovered, ProviderError> {
        let failures = self.failures();
        let mut known = self.discovered.lock().await;
        if let Some((at, discovered)) = &*known
            && is_fresh(*at, now, CACHED_FOR)
        {
            return Ok(discovered.clone());
        }
        self.unless_failed_since(failures)?;
        let discovered = discover(provider).await.inspect_err(|_| self.count_failure())?;
        *known = Some((now, discovered.clone()));
        Ok(discovered)
    }

    pub async fn exchange(
        &self,
        provider: &Provider,
        code: &Code<'_>,
        now: i64,
    ) -> Result<Grant, ProviderError> {
        let Discovered { token_endpoint, auth_type, .. } = self.discovered(provider, now).await?;
        oauth::exchange_at(provider, token_endpoint, auth_type, code, &[]).await
    }

    /// The user in the id token, with the details of userinfo.
    pub async fn owner(
        &self,
        provider: &Provider,
        grant: &Grant,
        nonce: &str,
        now: i64,
    ) -> Result<Profile, ProviderError> {
        let token = grant.id_token.as_deref().ok_or(ProviderError::Unusable("no id_token"))?;
        let key = self.key_of(provider, token, now).await?;
        let claims = verified_claims(token, &key)?;
        check(&claims, provider, nonce, now)?;
        let mut user = Fields::new(claims);
        let subject = subject_of(&user);
        let mut proved = user.verified_email();
        if let Some(url) = self.discovered(provider, now).await?.userinfo_endpoint {
            let mut ask = ProviderRequest::get(url);
            ask.headers.extend(bearer("Bearer", &grant.access_token)?);
            let more = Fields::of(&provider.outbound.send(ask).await?)?;
            // OpenID Connect Core 1.0 section 5.3.2: an answer about another subject is ignored.
            if subject_of(&more) != subject {
                return Err(ProviderError::Foreign);
            }
            if user.value("email_verified").is_none() {
                proved = more.verified_email();
            }
            user.complete(more);
        }
        let person = user.profile(&provider.name, subject)?;
        let is_proved = person.email.is_some() && person.email == proved;
        let is_believed = person.email.as_deref().is_some_and(|email| {
            let is_google = provider.issuer.as_deref() == Some(google::ISSUER);
            provider.is_trusted_about(email) && (!is_google || google::hosts_mailbox(email, &user))
        });
        Ok(person
            .with_verified_email(is_proved && is_believed)
            .with_name(user.text("name").or_else(|| user.text("preferred_username")))
            .with_avatar(user.text("picture"))
            .with_phone(user.text("phone_number")))
    }

    /// The key that a token names; if it is unknown, the keys are fetched again.
    async fn key_of(
        &self,
        provider: &Provider,
        token: &str,
        now: i64,
    ) -> Result<Jwk, ProviderError> {
        let header = decode_header(token).map_err(|_| bad("a malformed id token"))?;
        let kid = header.kid.as_deref();
        let failures = self.failures();
        let mut known = self.keys.lock().await;
        if let Some((at, keys)) = &*known {
            let found = find(keys, kid);
            if found.is_some() && is_fresh(*at, now, CACHED_FOR)
                || is_fresh(*at, now, REFETCH_AFTER)
            {
                return found.ok_or(bad("an id token of an unknown key"));
            }
        }
        self.unless_failed_since(failures)?;
        let url = self.discovered(provider, now).await?.jwks_uri;
        let keys = fetch_keys(provider, url).await.inspect_err(|_| self.count_failure())?;
        let found = find(&keys, kid);
        *known = Some((now, keys));
        found.ok_or(bad("an id token of an unknown key"))
    }

    fn failures(&self) -> u64 {
        self.failures.load(Ordering::SeqCst)
    }

    fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::SeqCst);
    }

    fn unless_failed_since(&self, failures: u64) -> Result<(), ProviderError> {
        match self.failures() == failures {
            true => Ok(()),
            false => {
                Err(ProviderError::Unreachable("it failed for a concurrent request".to_owned()))
            }
        }
    }
}

/// Compared exactly: one more blank is another subject.
fn subject_of(user: &Fields) -> Option<String> {
    let subject = user.value("sub")?.as_str()?;
    (!subject.trim().is_empty()).then(|| subject.to_owned())
}

/// A clock that was set back must not extend the cache.
fn is_fresh(at: i64, now: i64, seconds: i64) -> bool {
    (at..at + seconds).contains(&now)
}

fn bad(problem: &'static str) -> ProviderError {
    ProviderError::Unusable(problem)
}

async fn discover(provider: &Provider) -> Result<Discovered, ProviderError> {
    let issuer = provider.issuer.as_deref().unwrap_or_default();
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let url = url.parse().map_err(|_| bad("no issuer"))?;
    let document = Fields::of(&provider.outbound.send(ProviderRequest::get(url)).await?)?;
    if document.text("issuer").as_deref() != Some(issuer) {
        return Err(bad("a discovery document of another issuer"));
    }
    let endpoint = |configured: &Option<Url>, name| match configured {
        Some(url) => Some(url.clone()),
        None => document.text(name).and_then(|url| Url::from_str(&url).ok()),
    };
    let configured = &provider.endpoints;
    let missing = || bad("a discovery document without its endpoints");
    let methods = document.texts("token_endpoint_auth_methods_supported");
    let takes = |method: &str| methods.iter().any(|taken| taken == method);
    Ok(Discovered {
        authorization_endpoint: endpoint(&configured.authorize, "authorization_endpoint")
            .filter(|url| is_for_browsers(provider, url))
            .ok_or_else(missing)?,
        token_endpoint: endpoint(&configured.token, "token_endpoint").ok_or_else(missing)?,
        userinfo_endpoint: endpoint(&configured.userinfo, "userinfo_endpoint"),
        jwks_uri: endpoint(&None, "jwks_uri").ok_or_else(missing)?,
        promises_iss: document.is_true("authorization_response_iss_parameter_supported"),
        // Basic is the default if no method is named.
        auth_type: match takes("client_secret_post") && !takes("client_secret_basic") {
            true => AuthType::RequestBody,
            false => AuthType::BasicAuth,
        },
    })
}

/// Whether a browser may be sent there: encrypted, or the operator configured the issuer without
/// encryption.
fn is_for_browsers(provider: &Provider, url: &Url) -> bool {
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let issuer = provider.issuer.as_deref().and_then(|issuer| Url::from_str(issuer).ok());
    let is_issuers = || issuer.is_some_and(|issuer| issuer.origin() == url.origin());
    is_plain && url.has_host() && (url.scheme() == "https" || is_issuers())
}

async fn fetch_keys(provider: &Provider, url: Url) -> Result<JwkSet, ProviderError> {
    let document = Fields::of(&provider.outbound.send(ProviderRequest::get(url)).await?)?;
    let keys = document.value("keys").and_then(Value::as_array).ok_or(bad("no keys"))?;
    // Keys of unknown kinds are ignored.
    let keys = keys.iter().filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
    Ok(JwkSet { keys: keys.collect() })
}

/// The key with this id; without an id there must be only one. A key for another use does not sign.
fn find(keys: &JwkSet, kid: Option<&str>) -> Option<Jwk> {
    let found = match (kid, keys.keys.as_slice()) {
        (Some(kid), _) => keys.find(kid),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let signs =
        |key: &&Jwk| matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    found.filter(signs).cloned()
}

/// The claims of a token with a valid signature of the key.
fn verified_claims(token: &str, key: &Jwk) -> Result<Map<String, Value>, ProviderError> {
    let header = decode_header(token).map_err(|_| bad("a malformed id token"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(bad("an id token with an unsupported algorithm"));
    }
    // RFC 7515 section 4.1.11: no critical extension is supported.
    if header.crit.is_some() {
        return Err(bad("an id token with critical extensions"));
    }
    let key = DecodingKey::from_jwk(key).map_err(|_| bad("an invalid key"))?;
    let mut validation = Validation::new(header.alg);
    // Checked below, by the server's clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let token =
        decode(token, &key, &validation).map_err(|_| bad("an id token with a wrong signature"))?;
    Ok(token.claims)
}

fn check(
    claims: &Map<String, Value>,
    provider: &Provider,
    nonce: &str,
    now: i64,
) -> Result<(), ProviderError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| {
        let time = claims.get(name).and_then(Value::as_f64);
        time.filter(|time| (0.0..END_OF_TIME).contains(time))
    };
    let sent = text("nonce").unwrap_or_default();
    if text("iss") != provider.issuer.as_deref() {
        return Err(bad("an id token of another issuer"));
    }
    if !is_audience(claims, &provider.client_id) {
        return Err(ProviderError::Foreign);
    }
    #[expect(clippy::cast_precision_loss, reason = "a time has far fewer than 52 bits")]
    let now = now as f64;
    #[expect(clippy::cast_precision_loss, reason = "as above")]
    let leeway = LEEWAY as f64;
    if !time("exp").is_some_and(|exp| exp > now - leeway) {
        return Err(bad("an expired id token"));
    }
    let is_past = |name: &str| {
        claims.get(name).is_none_or(|_| time(name).is_some_and(|at| at <= now + leeway))
    };
    if !claims.contains_key("iat") || !is_past("iat") || !is_past("nbf") {
        return Err(bad("an id token issued in the future"));
    }
    if !bool::from(sent.as_bytes().ct_eq(nonce.as_bytes())) {
        return Err(bad("an id token of another sign-in"));
    }
    Ok(())
}

/// Whether the token is for this client only; other audiences might not be trustworthy.
fn is_audience(claims: &Map<String, Value>, client_id: &str) -> bool {
    let is_ours = match claims.get("aud") {
        Some(Value::String(audience)) => audience == client_id,
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == client_id),
        _ => false,
    };
    let is_shared = claims.get("aud").and_then(Value::as_array).is_some_and(|list| list.len() > 1);
    match claims.get("azp") {
        Some(party) => is_ours && party == client_id,
        None => is_ours && !is_shared,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::ProviderSettings;
    use crate::providers::settings::provider;

    const NOW: i64 = 1_790_000_000;

    fn example() -> Provider {
        let settings = ProviderSettings {
            client_id: Some("client".to_owned()),
            issuer: Some("https://id.example.com".to_owned()),
            ..ProviderSettings::default()
        };
        provider("corp", &settings, &crate::config::Outbound::default(), "https://auth.example.com")
            .expect("sound settings")
    }

    fn accepts(change: impl FnOnce(&mut Value)) -> bool {
        let mut claims = json!({
            "iss": "https://id.example.com", "sub": "1", "aud": "client", "exp": NOW + 300, "iat": NOW,
            "nonce": "n",
        });
        change(&mut claims);
        let Value::Object(claims) = claims else { panic!("an object") };
        check(&claims, &example(), "n", NOW).is_ok()
    }

    #[test]
    fn id_token_is_for_this_sign_in_of_this_client() {
        assert!(accepts(|_| {}));
        assert!(accepts(|claims| claims["aud"] = json!(["client"])));
        assert!(accepts(|claims| {
            claims["aud"] = json!(["client", "other"]);
            claims["azp"] = json!("client");
        }));
        for (name, values) in [
            ("iss", json!(["https://id.example.com/", "https://evil.example.com", "", null, 1])),
            (
                "aud",
                json!(["other", "", null, [], ["other"], ["client", "other"], {"client": 1}, 1]),
            ),
            ("azp", json!(["other", "", null, ["client"]])),
            ("nonce", json!(["other", "", null, "nn", ["n"], 1])),
            ("exp", json!([NOW - 30, 0, -1, 1e300, 1_u64 << 63, null, "1790000300", [], true])),
            ("iat", json!([NOW + 31, 1e300, null, "1790000000", []])),
            ("nbf", json!([NOW + 31, 1e300, null, "1", {}])),
        ] {
            for value in values.as_array().expect("a list") {
                assert!(!accepts(|claims| claims[name] = value.clone()), "{name} {value}");
            }
        }
        for name in ["iss", "aud", "exp", "iat", "nonce"] {
            assert!(
                !accepts(|claims| drop(claims.as_object_mut().map(|map| map.remove(name)))),
                "{name}"
            );
        }
        assert!(accepts(|claims| claims["exp"] = json!(NOW - 29)), "clocks differ");
        assert!(accepts(|claims| claims["iat"] = json!(NOW + 30)));
    }

    #[test]
    fn discovery_is_cached_for_its_time_and_not_after_the_clock_was_set_back() {
        assert!(is_fresh(100, 100, 10) && is_fresh(100, 109, 10));
        assert!(!is_fresh(100, 110, 10) && !is_fresh(100, 99, 10));
    }
}
