//! Sessions: what opens one is answered with, and its end.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Serialize;

use super::problem::{Refusal, failure};
use super::{Shared, read};
use crate::auth::{Account, Key};
use crate::drf::Context;

pub async fn sign_out(State(context): Shared, request: Request) -> Result<StatusCode, Refusal> {
    let who = read::signed_in(&context, request.headers()).await?;
    let Context { auth, policy, .. } = &*context;
    auth.sign_out_session(policy, &who).await.map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
pub struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    account: propusk_wire::Account,
}

impl From<(Key, Account)> for TokenResponse {
    fn from((key, account): (Key, Account)) -> Self {
        TokenResponse {
            access_token: key.expose().to_owned(),
            token_type: "Bearer",
            account: account.into(),
        }
    }
}
