//! Handles: our tokens that replace a provider's tokens for ten minutes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::auth::domain::Auth;
use crate::auth::federation::answer::ProviderAnswer;
use crate::auth::secrets::flow_key::FlowKey;
use crate::auth::secrets::random::{hash, random};
use crate::error::{Error, ProviderFault, Result, SignInFault};
use crate::providers::{Grant, Profile};
use crate::store::{Tx, pending_sign_ins};

const HANDLE_PREFIX: &str = "ph1.";

/// In seconds.
const HANDLE_LIFETIME: i64 = 600;

/// A provider's tokens, or a handle in their place; no `Debug`.
pub struct ProviderTokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// In seconds.
    pub expires_in: Option<i64>,
}

impl Auth {
    /// The profile behind a `ph1.` handle; `None` if the text is not a handle.
    pub(in crate::auth) async fn profile_of_handle(
        &self,
        provider: &str,
        token: &str,
    ) -> Result<Option<Profile>> {
        if !is_handle(token) {
            return Ok(None);
        }
        let mut tx = self.store.read().await?;
        let (hash, now) = (hash(token), self.clock.now());
        let found =
            pending_sign_ins::pending_by_handle(&mut tx, hash, provider.to_owned(), now).await?;
        let answer: Option<ProviderAnswer> =
            found.and_then(|found| self.flow_key.open(token, &found.sealed?));
        match answer {
            Some(answer) => Ok(Some(answer.profile)),
            None => Err(Error::Provider(ProviderFault::Refused)),
        }
    }
}

/// The provider's tokens, or a new handle for them.
pub async fn issue_provider_tokens(
    tx: &mut Tx,
    key: &FlowKey,
    by_handle: bool,
    state_hash: String,
    answer: ProviderAnswer,
    now: i64,
) -> Result<ProviderTokens> {
    if !by_handle {
        let Grant { access_token, refresh_token, expires_in, .. } = answer.grant;
        return Ok(ProviderTokens { access_token, refresh_token, expires_in });
    }
    let handle = format!("{HANDLE_PREFIX}{}", URL_SAFE_NO_PAD.encode(random::<32>()?));
    let (hash, sealed) = (hash(&handle), key.seal(&handle, &answer)?);
    let until = now + HANDLE_LIFETIME;
    match pending_sign_ins::update_handle(tx, state_hash, hash, sealed, until).await? {
        true => Ok(ProviderTokens {
            access_token: handle,
            refresh_token: None,
            expires_in: Some(HANDLE_LIFETIME),
        }),
        false => Err(SignInFault::Unknown.into()),
    }
}

pub fn is_handle(token: &str) -> bool {
    token.starts_with(HANDLE_PREFIX)
}
