//! The answer of a provider: stored encrypted with the code that this server issues, and opened for the app or client that
//! may have it.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::auth::secrets::flow_key::{FlowKey, challenge_of};
use crate::auth::secrets::random::hash;
use crate::error::Error;
use crate::providers::{Grant, Profile, Provider, ProviderError};
use crate::store::pending_sign_ins::PendingSignIn;

/// The query of a callback from a provider; no `Debug`.
#[derive(Clone, Default)]
pub struct Callback {
    pub code: Option<String>,
    pub state: Option<String>,
    pub device_id: Option<String>,
    pub iss: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}

/// What a provider answered to the exchange of its code.
#[derive(Deserialize, Serialize)]
pub struct ProviderAnswer {
    pub profile: Profile,
    pub grant: Grant,
    pub device_id: Option<String>,
}

/// The provider's answer, if the app has the code verifier of the challenge.
pub fn open_for_app(
    key: &FlowKey,
    spent: &PendingSignIn,
    code: &str,
    verifier: &str,
) -> Option<ProviderAnswer> {
    let expected = spent.challenge.as_deref()?;
    let is_apps = challenge_of(verifier).as_bytes().ct_eq(expected.as_bytes());
    match bool::from(is_apps) && is_verifier(verifier) {
        true => key.open(code, spent.sealed.as_deref()?),
        false => None,
    }
}

/// The provider's answer, if the sign-in has no redirect to an app and everything that came with
/// the code (provider, state, device id) matches it.
pub fn open_for_client(
    key: &FlowKey,
    provider: &str,
    binds_device: bool,
    spent: &PendingSignIn,
    sent: &Callback,
) -> Option<ProviderAnswer> {
    let is_of_state = sent.state.as_deref().is_none_or(|state| hash(state) == spent.state_hash);
    let is_fetched = spent.redirect.is_none() && spent.provider == provider;
    if !is_of_state || !is_fetched {
        return None;
    }
    let answer: ProviderAnswer = key.open(sent.code.as_deref()?, spent.sealed.as_deref()?)?;
    (!binds_device || answer.device_id == sent.device_id).then_some(answer)
}

/// The error of a failed exchange of a code. A refusal is logged as a warning: the provider itself
/// sent the code, so the settings may be wrong.
pub fn exchange_error(provider: &Provider, error: &ProviderError) -> Error {
    if !matches!(error, ProviderError::Refused(_)) {
        return provider_error(provider, error);
    }
    tracing::warn!(provider = provider.name(), %error, "the provider refused its own code");
    Error::Provider(error.into())
}

/// The error of a failed request to a provider; its details go to the log only.
pub fn provider_error(provider: &Provider, error: &ProviderError) -> Error {
    let name = provider.name();
    match error {
        ProviderError::Refused(_) | ProviderError::Foreign => {
            tracing::info!(provider = name, %error, "the provider's code or token is not accepted");
        }
        _ => tracing::warn!(provider = name, %error, "the request to the provider failed"),
    }
    Error::Provider(error.into())
}

/// The format of a code verifier (RFC 7636 section 4.1).
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}
