//! djangorestframework-simplejwt 5.3 with rotation and blacklist (`/v1/creat_autor`, `/token…`).

use propusk_wire::Secret;
use serde::Deserialize;
use serde_json::json;

use super::drf::{refusal, simple_jwt};
use super::existing_tokens;
use super::reply::read;
use super::request::members_of;
use super::{App, Call, Credential, Renewal, Reply, Request, Scheme, Tokens, Wire};
use crate::account::{Operation, Registered, Registration};
use crate::error::Result;

pub(super) struct SimplejwtRotating;

impl Wire for SimplejwtRotating {
    fn operations(&self) -> &'static [Operation] {
        &[
            Operation::Register,
            Operation::Adopt,
            Operation::SignIn,
            Operation::Refresh,
            Operation::Verify,
        ]
    }

    fn refreshes_after_expiry(&self) -> bool {
        true
    }

    fn spends_refresh_tokens(&self) -> bool {
        true
    }

    fn adopt(&self, kept: &crate::existing_tokens::ExistingTokens, now: i64) -> Result<Tokens> {
        existing_tokens::jwt_pair(kept, Scheme::Bare, now)
    }

    fn register(&self, new: &Registration) -> Result<Call<Registered>> {
        let mut body = members_of(new, &[("display_name", "login"), ("email", "email")])?;
        body.insert("password".to_owned(), json!(new.password));
        let request = Request::post("/v1/creat_autor", body.into());
        Ok(Call::new(request, |reply| {
            read(reply, registered, |reply| refusal(reply, &[("login", "display_name")]))
        }))
    }

    fn sign_in(&self, identifier: &str, password: &Secret, _: &App) -> Result<Call<Tokens>> {
        Ok(simple_jwt::sign_in("/token", "email", identifier, password, Scheme::Bare))
    }

    fn refresh(&self, renewal: &Renewal<'_>) -> Result<Call<Tokens>> {
        Ok(simple_jwt::rotate("/token/refresh", renewal))
    }

    fn verify(&self, access: &Credential) -> Result<Call<bool>> {
        Ok(simple_jwt::verify("/token/verify", access))
    }
}

/// The answer repeats the request with a hash of the password, which is not needed.
fn registered(reply: &Reply) -> Option<Registered> {
    #[derive(Deserialize)]
    struct Response {
        #[serde(rename = "email")]
        _email: String,
    }
    reply.json::<Response>().map(|_| Registered::Active)
}
