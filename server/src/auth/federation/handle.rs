//! Handles: tokens of ours that stand for a provider's tokens for ten minutes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::auth::domain::Auth;
use crate::auth::federation::answer::Told;
use crate::auth::secrets::flow_key::FlowKey;
use crate::auth::secrets::random::{hash, random};
use crate::error::{Error, ProviderFault, Result, SignInFault};
use crate::providers::{Grant, Profile};
use crate::store::{Tx, pending_sign_ins};

/// How a token begins that stands for a provider's, and is ours.
pub(in crate::auth) const HANDLE: &str = "ph1.";

pub(in crate::auth) fn is_handle(token: &str) -> bool {
    token.starts_with(HANDLE)
}

/// How long a handle stands for a provider's token, in seconds.
const HANDLE_LIFETIME: i64 = 600;

/// The provider's tokens, or a handle that stands for them from now on.
pub(in crate::auth) async fn given_out(
    tx: &mut Tx,
    key: &FlowKey,
    by_handle: bool,
    state_hash: String,
    told: Told,
    now: i64,
) -> Result<ProviderTokens> {
    if !by_handle {
        let Grant { access_token, refresh_token, expires_in, .. } = told.grant;
        return Ok(ProviderTokens { access_token, refresh_token, expires_in });
    }
    let handle = format!("{HANDLE}{}", URL_SAFE_NO_PAD.encode(random::<32>()?));
    let (hash, sealed, until) = (hash(&handle), key.seal(&handle, &told)?, now + HANDLE_LIFETIME);
    match pending_sign_ins::update_handle(tx, state_hash, hash, sealed, until).await? {
        true => Ok(ProviderTokens {
            access_token: handle,
            refresh_token: None,
            expires_in: Some(HANDLE_LIFETIME),
        }),
        false => Err(SignInFault::Unknown.into()),
    }
}

impl Auth {
    /// The person behind a handle; none: it is none.
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
        let told: Option<Told> = found.and_then(|found| self.flow_key.open(token, &found.sealed?));
        match told {
            Some(told) => Ok(Some(told.profile)),
            None => Err(Error::Provider(ProviderFault::Refused)),
        }
    }
}

/// A provider's tokens, or a handle in their place; no `Debug`.
pub struct ProviderTokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// In seconds.
    pub expires_in: Option<i64>,
}
