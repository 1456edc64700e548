//! Sessions: signing in with a password, refreshing, and listing and ending sessions.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use propusk_wire::{
    EndSessionsRequest, FieldCode, RefreshRequest, Session, SessionsResponse, SignInRequest,
    TokenResponse,
};

use super::problem::{Refusal, failure};
use super::reply::Reply;
use super::{Answer, read};
use crate::api::{Context, Shared};
use crate::auth::{DeviceName, Issued, ListedSession, Reauthentication, RefreshAttempt};
use crate::http::path::{self, Parameters};

pub async fn sign_in(State(context): Shared, request: Request) -> Answer<TokenResponse> {
    let from = context.client(&request);
    let SignInRequest { identifier, password, device_name } = read::json(request).await?;
    let device = device(device_name)?;
    let Context { auth, policy, .. } = &*context;
    // As in the registration: phone keyboards add a space after a completed word.
    let who = identifier.trim();
    let issued = auth.sign_in_native(policy, who, password.expose(), device, from).await;
    Ok(Reply(issued.map_err(failure)?.into()))
}

pub async fn refresh(State(context): Shared, request: Request) -> Answer<TokenResponse> {
    let from = context.client(&request);
    let RefreshRequest { refresh_token, attempt } = read::json(request).await?;
    let attempt = attempt.map(|text| {
        RefreshAttempt::parse(text.expose())
            .ok_or_else(|| Refusal::of_field("attempt", FieldCode::Invalid))
    });
    let attempt = attempt.transpose()?;
    let Context { auth, policy, .. } = &*context;
    let issued = auth.refresh_native(policy, refresh_token.expose(), attempt.as_ref(), from).await;
    Ok(Reply(issued.map_err(failure)?.into()))
}

pub async fn list(State(context): Shared, request: Request) -> Answer<SessionsResponse> {
    let (who, _) = read::sender(&context, &request).await?;
    let sessions = context.auth.live_sessions(&who).await.map_err(failure)?;
    Ok(Reply(SessionsResponse { sessions: sessions.into_iter().map(Session::from).collect() }))
}

pub async fn sign_out(State(context): Shared, request: Request) -> Result<StatusCode, Refusal> {
    let (who, _) = read::sender(&context, &request).await?;
    context.auth.end_current_session(&who).await.map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn end_one(
    State(context): Shared,
    parameters: Parameters,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let id = path::parameter(&parameters, "id");
    let proof = proof(&context, request).await?;
    let ended = context.auth.end_one_session(&proof, &id).await;
    match ended.map_err(failure)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::not_found()),
    }
}

pub async fn end_others(State(context): Shared, request: Request) -> Result<StatusCode, Refusal> {
    let proof = proof(&context, request).await?;
    context.auth.end_other_sessions(&proof).await.map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn proof(context: &Context, request: Request) -> Result<Reauthentication, Refusal> {
    let (who, from) = read::sender(context, &request).await?;
    let EndSessionsRequest { current_password } = read::json_if_any(request).await?;
    read::proof(context, &who, current_password.as_ref(), from).await
}

/// The device name of a request.
pub fn device(name: Option<String>) -> Result<Option<DeviceName>, Refusal> {
    let parsed = name.map(|name| {
        DeviceName::parse(&name).ok_or_else(|| Refusal::of_field("device_name", FieldCode::Invalid))
    });
    parsed.transpose()
}

impl From<Issued> for TokenResponse {
    fn from(issued: Issued) -> Self {
        TokenResponse {
            session_id: issued.session_id,
            access_token: issued.access_token.into(),
            token_type: "Bearer".to_owned(),
            expires_in: issued.expires_in,
            refresh_token: issued.refresh_token.into(),
            refresh_expires_in: issued.refresh_expires_in,
            account: issued.account.into(),
        }
    }
}

impl From<ListedSession> for Session {
    fn from(session: ListedSession) -> Self {
        Session {
            id: session.id,
            device_name: session.device_name,
            api: session.api,
            client: session.client,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
            current: session.is_current,
        }
    }
}
