//! What a provider answered: kept sealed until the app asks for it, and opened for the app or client that
//! may have it.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::auth::secrets::flow_key::{FlowKey, challenge_of};
use crate::auth::secrets::random::hash;
use crate::error::Error;
use crate::providers::{Grant, Profile, Provider, ProviderError};
use crate::store::pending_sign_ins::PendingSignIn;

/// What a provider told, until the app asks for it.
#[derive(Deserialize, Serialize)]
pub(in crate::auth) struct Told {
    pub profile: Profile,
    pub grant: Grant,
    pub device_id: Option<String>,
}

/// A refusal of a code that the provider itself has sent, which a mistake in the settings can be
/// behind.
pub(in crate::auth) fn code_refused(provider: &Provider, error: &ProviderError) -> Error {
    if !matches!(error, ProviderError::Refused(_)) {
        return told(provider, error);
    }
    tracing::warn!(provider = provider.name(), %error, "a provider refused its code");
    Error::Provider(error.into())
}

/// What a provider's failure is called here; the log has the rest.
pub(in crate::auth) fn told(provider: &Provider, error: &ProviderError) -> Error {
    let name = provider.name();
    match error {
        ProviderError::Refused(_) | ProviderError::Foreign => {
            tracing::info!(provider = name, %error, "a provider's code or token is not honoured");
        }
        _ => tracing::warn!(provider = name, %error, "a provider does not answer as it should"),
    }
    Error::Provider(error.into())
}

/// What was told, for who has the verifier of the challenge.
pub(in crate::auth) fn told_to_app(
    key: &FlowKey,
    spent: &PendingSignIn,
    code: &str,
    verifier: &str,
) -> Option<Told> {
    let expected = spent.challenge.as_deref()?;
    let is_apps = challenge_of(verifier).as_bytes().ct_eq(expected.as_bytes());
    match bool::from(is_apps) && is_verifier(verifier) {
        true => key.open(code, spent.sealed.as_deref()?),
        false => None,
    }
}

/// What was told, for who has the code of a sign-in with this provider that no app waits for, and
/// whatever else of it has been sent along is right.
pub(in crate::auth) fn told_by_code(
    key: &FlowKey,
    provider: &str,
    binds_device: bool,
    spent: &PendingSignIn,
    sent: &Callback,
) -> Option<Told> {
    let is_of_state = sent.state.as_deref().is_none_or(|state| hash(state) == spent.state_hash);
    let is_fetched = spent.redirect.is_none() && spent.provider == provider;
    if !is_of_state || !is_fetched {
        return None;
    }
    let told: Told = key.open(sent.code.as_deref()?, spent.sealed.as_deref()?)?;
    (!binds_device || told.device_id == sent.device_id).then_some(told)
}

/// RFC 7636 section 4.1.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

/// What a browser brings back from a provider; no `Debug`.
#[derive(Clone, Default)]
pub struct Callback {
    pub code: Option<String>,
    pub state: Option<String>,
    pub device_id: Option<String>,
    pub iss: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}
