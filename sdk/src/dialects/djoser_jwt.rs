//! djoser with SimpleJWT (`/api/auth/{users,jwt,logout}/…`).

use propusk_wire::{Secret, UpdateAccountRequest};
use serde::Deserialize;
use serde_json::{Map, json};

use super::drf::djoser::Users;
use super::drf::{refusal, simple_jwt};
use super::existing_tokens;
use super::reply::read;
use super::request::members_of;
use super::{App, Call, Credential, Renewal, Reply, Request, Scheme, Tokens, Wire};
use crate::account::{MailedLink, Operation, Profile, Registered, Registration};
use crate::error::{Error, Result};

pub(super) struct DjoserJwt;

const USERS: Users =
    Users { path: "/api/auth/users/", unauthorized: |_, reply| simple_jwt::unauthorized(reply) };

impl Wire for DjoserJwt {
    fn operations(&self) -> &'static [Operation] {
        &[
            Operation::Register,
            Operation::Adopt,
            Operation::Activate,
            Operation::ResendActivation,
            Operation::SignIn,
            Operation::Refresh,
            Operation::SignOut,
            Operation::Verify,
            Operation::Profile,
            Operation::UpdateProfile,
            Operation::ChangePassword,
            Operation::DeleteAccount,
            Operation::RequestReset,
            Operation::ConfirmReset,
        ]
    }

    fn can_rotate_refresh_tokens(&self) -> bool {
        true
    }

    fn adopt(&self, kept: &crate::existing_tokens::ExistingTokens, now: i64) -> Result<Tokens> {
        existing_tokens::jwt_pair(kept, Scheme::Bearer, now)
    }

    fn register(&self, new: &Registration) -> Result<Call<Registered>> {
        let mut body = members_of(new, &[("email", "email"), ("phone", "phone")])?;
        body.insert("password".to_owned(), json!(new.password));
        let request = Request::post(USERS.path, body.into());
        Ok(Call::new(request, |reply| read(reply, registered, |reply| refusal(reply, &[]))))
    }

    fn activate(&self, link: &MailedLink) -> Result<Call<()>> {
        Ok(USERS.activate(link))
    }

    fn resend_activation(&self, email: &str) -> Result<Call<()>> {
        Ok(USERS.resend_activation(email))
    }

    fn sign_in(&self, identifier: &str, password: &Secret, _: &App) -> Result<Call<Tokens>> {
        let (path, field) = ("/api/auth/jwt/create/", "username");
        Ok(simple_jwt::sign_in(path, field, identifier, password, Scheme::Bearer))
    }

    fn refresh(&self, renewal: &Renewal<'_>) -> Result<Call<Tokens>> {
        Ok(simple_jwt::refresh("/api/auth/jwt/refresh/", renewal))
    }

    fn sign_out(&self, _: &Credential, refresh: Option<&Secret>, _: &App) -> Result<Call<()>> {
        let refresh = refresh.ok_or_else(|| Error::unsupported(Operation::SignOut))?;
        Ok(simple_jwt::blacklist("/api/auth/logout/", refresh))
    }

    fn verify(&self, access: &Credential) -> Result<Call<bool>> {
        Ok(simple_jwt::verify("/api/auth/jwt/verify/", access))
    }

    fn profile(&self, access: &Credential) -> Result<Call<Profile>> {
        Ok(USERS.profile(access))
    }

    fn update_profile(
        &self,
        access: &Credential,
        changes: &UpdateAccountRequest,
    ) -> Result<Call<Profile>> {
        if changes.username.is_some() || changes.display_name.is_some() {
            return Err(Error::usage(
                "this API can change only the e-mail address and the phone number",
            ));
        }
        let mut members = Map::new();
        for (name, change) in [("email", &changes.email), ("phone", &changes.phone)] {
            if let Some(to) = change {
                members.insert(name.to_owned(), json!(to));
            }
        }
        Ok(USERS.change_profile(access, members.into()))
    }

    fn request_reset(&self, email: &str, _challenge: Option<String>) -> Result<Call<()>> {
        Ok(USERS.request_reset(email))
    }

    fn confirm_reset(
        &self,
        link: &MailedLink,
        new_password: &Secret,
        _verifier: Option<Secret>,
    ) -> Result<Call<()>> {
        Ok(USERS.confirm_reset(link, new_password))
    }

    fn change_password(
        &self,
        access: &Credential,
        current: Option<&Secret>,
        new: &Secret,
    ) -> Result<Call<()>> {
        USERS.change_password(access, current, new)
    }

    fn delete_account(&self, access: &Credential, current: Option<&Secret>) -> Result<Call<()>> {
        USERS.delete(access, current)
    }
}

/// The answer shows the account. An inactive account must be activated with the mailed link.
fn registered(reply: &Reply) -> Option<Registered> {
    #[derive(Deserialize)]
    struct Response {
        #[serde(rename = "id")]
        _id: serde_json::Number,
        is_active: Option<bool>,
    }
    Some(match reply.json::<Response>()?.is_active {
        Some(false) => Registered::ActivationRequired,
        Some(true) | None => Registered::Active,
    })
}
