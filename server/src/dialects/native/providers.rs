//! Signing in with a provider: the list of them, the beginning and the end of an app's sign-in.

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use propusk_wire::{
    CompleteSignInRequest, Provider, ProvidersResponse, StartSignInRequest, StartSignInResponse,
};

use super::problem::failure;
use super::reply::Reply;
use super::sessions::TokenResponse;
use super::{Answer, Shared, read};
use crate::auth::{AppLeg, Begun};
use crate::drf::Context;

pub async fn list(State(context): Shared) -> Reply<ProvidersResponse> {
    let providers = context.auth.providers().map(|provider| Provider {
        name: provider.name.to_owned(),
        title: provider.title.to_owned(),
    });
    Reply(ProvidersResponse { providers: providers.collect() })
}

pub async fn start(
    State(context): Shared,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Answer<StartSignInResponse> {
    let from = read::client(&context, &request);
    let name = parameters.ok().and_then(|all| all.iter().next().map(|(_, name)| name.to_owned()));
    let StartSignInRequest { redirect, code_challenge, .. } = read::json(request).await?;
    let app = Some(AppLeg { redirect, challenge: code_challenge });
    let begun = context.auth.begin_sign_in(&name.unwrap_or_default(), app, from).await;
    Ok(Reply(begun.map_err(failure)?.into()))
}

pub async fn complete(State(context): Shared, request: Request) -> Answer<TokenResponse> {
    let from = read::client(&context, &request);
    let CompleteSignInRequest { code, code_verifier, .. } = read::json(request).await?;
    let Context { auth, policy, .. } = &*context;
    let signed_in =
        auth.complete_sign_in(policy, code.expose(), code_verifier.expose(), from).await;
    Ok(Reply(signed_in.map_err(failure)?.into()))
}

impl From<Begun> for StartSignInResponse {
    fn from(begun: Begun) -> Self {
        let Begun { authorize_url, state, expires_in } = begun;
        StartSignInResponse { authorize_url, state, expires_in }
    }
}
