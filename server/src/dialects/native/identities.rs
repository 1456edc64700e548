//! The identities of an account: listing, linking and unlinking.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use propusk_wire::{IdentitiesResponse, LinkRequest, UnlinkRequest};

use super::problem::{Refusal, failure};
use super::reply::{Created, Reply};
use super::{Answer, read};
use crate::api::Shared;
use crate::auth::Identity;
use crate::http::path::{self, Parameters};

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
    parameters: Parameters,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let (who, from) = read::sender(&context, &request).await?;
    if parameters.is_err() {
        return Err(Refusal::not_found());
    }
    let [provider, subject] =
        ["provider", "subject"].map(|name| path::parameter(&parameters, name));
    let UnlinkRequest { current_password } = read::json_if_any(request).await?;
    let proof = read::proof(&context, &who, current_password.as_ref(), from).await?;
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
