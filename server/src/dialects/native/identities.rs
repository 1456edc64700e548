//! The identities of an account: listing, linking and unlinking.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::StatusCode;
use propusk_wire::{IdentitiesResponse, LinkRequest, Secret, UnlinkRequest};

use super::problem::{Refusal, failure};
use super::reply::{Created, Reply};
use super::{Answer, read};
use crate::api::Shared;
use crate::auth::Identity;

pub async fn list(State(context): Shared, request: Request) -> Answer<IdentitiesResponse> {
    let (who, _) = read::sender(&context, &request).await?;
    let identities = context.auth.own_identities(&who).await.map_err(failure)?;
    let identities = identities.into_iter().map(Into::into).collect();
    Ok(Reply(IdentitiesResponse { identities }))
}

/// Completes what [`start`](super::providers::start) began with `link`.
pub async fn link(
    State(context): Shared,
    request: Request,
) -> Result<Created<propusk_wire::Identity>, Refusal> {
    let (who, from) = read::sender(&context, &request).await?;
    let LinkRequest { code, code_verifier } = read::json(request).await?;
    let auth = &context.auth;
    let linked = auth.complete_link(&who, code.expose(), code_verifier.expose(), from).await;
    Ok(Created(linked.map_err(failure)?.into()))
}

pub async fn unlink(
    State(context): Shared,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (who, from) = read::sender(&context, &request).await?;
    // A path that is not UTF-8 names no identity.
    let parameters = parameters.map_err(|_| Refusal::not_found())?;
    let [provider, subject] = ["provider", "subject"].map(|wanted| {
        let found = parameters.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.to_owned()).unwrap_or_default()
    });
    let UnlinkRequest { current_password } = read::json_if_any(request).await?;
    let current = current_password.as_ref().map(Secret::expose);
    let proof = context.auth.prove(&who, current, from).await.map_err(failure)?;
    match context.auth.unlink(&proof, &provider, &subject).await.map_err(failure)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::not_found()),
    }
}

impl From<Identity> for propusk_wire::Identity {
    fn from(identity: Identity) -> Self {
        propusk_wire::Identity {
            provider: identity.provider,
            subject: identity.subject,
            email: identity.email,
            name: identity.name,
            avatar_url: identity.avatar_url,
            created_at: identity.created_at,
            last_used_at: identity.last_used_at,
        }
    }
}
