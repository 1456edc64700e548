//! djoser with opaque tokens, and the OAuth pairs of drf-social-oauth2 (`/auth/…`).
//!
//! A sign-in with a password returns an API token that does not expire and cannot be renewed. A
//! sign-in with a provider's token returns an OAuth pair that can ([`oauth`]). The scheme of a
//! credential shows which of them it is.

mod oauth;

use propusk_wire::Secret;
use serde::Deserialize;
use serde_json::json;

use super::drf::djoser::Users;
use super::drf::{self, Names, refusal};
use super::existing_tokens;
use super::reply::{Token, read};
use super::request::members_of;
use super::{App, Call, Credential, Refusal, Renewal, Reply, Request, Scheme, Tokens, Wire};
use crate::account::{MailedLink, Operation, Profile, Registered, Registration};
use crate::error::{Result, SignOutReason};

pub(super) struct DjoserToken;

const USERS: Users = Users { path: "/auth/users/", unauthorized };
const REPEATED: Names = &[("re_password", "password")];
const SIGN_IN: Names = &[("username", "identifier")];

impl Wire for DjoserToken {
    fn operations(&self) -> &'static [Operation] {
        &[
            Operation::Register,
            Operation::Adopt,
            Operation::Activate,
            Operation::ResendActivation,
            Operation::SignIn,
            Operation::ProviderTokenSignIn,
            Operation::Refresh,
            Operation::SignOut,
            Operation::Verify,
            Operation::Profile,
            Operation::ChangePassword,
            Operation::DeleteAccount,
            Operation::RequestReset,
            Operation::ConfirmReset,
        ]
    }

    fn spends_refresh_tokens(&self) -> bool {
        true
    }

    fn adopt(&self, kept: &crate::existing_tokens::ExistingTokens, now: i64) -> Result<Tokens> {
        existing_tokens::opaque(kept, now)
    }

    fn register(&self, new: &Registration) -> Result<Call<Registered>> {
        let mut body = members_of(new, &[("email", "email")])?;
        for member in ["password", "re_password"] {
            body.insert(member.to_owned(), json!(new.password));
        }
        let request = Request::post(USERS.path, body.into());
        Ok(Call::new(request, |reply| {
            read(reply, activation_required, |reply| refusal(reply, REPEATED))
        }))
    }

    fn activate(&self, link: &MailedLink) -> Result<Call<()>> {
        Ok(USERS.activate(link))
    }

    fn resend_activation(&self, email: &str) -> Result<Call<()>> {
        Ok(USERS.resend_activation(email))
    }

    fn sign_in(&self, identifier: &str, password: &Secret, _: &App) -> Result<Call<Tokens>> {
        let body = json!({ "username": identifier, "password": password });
        let request = Request::post("/auth/token/login/", body);
        Ok(Call::new(request, |reply| read(reply, key, |reply| refusal(reply, SIGN_IN))))
    }

    fn sign_in_with_token(
        &self,
        provider: &str,
        token: &Secret,
        app: &App,
    ) -> Result<Call<Tokens>> {
        oauth::convert(provider, token, app)
    }

    fn refresh(&self, renewal: &Renewal<'_>) -> Result<Call<Tokens>> {
        oauth::refresh(renewal)
    }

    fn sign_out(
        &self,
        access: &Credential,
        refresh: Option<&Secret>,
        app: &App,
    ) -> Result<Call<()>> {
        match access.scheme {
            Scheme::Bearer => oauth::revoke(access, refresh, app),
            Scheme::Token | Scheme::Bare => Ok(drop_key(access)),
        }
    }

    fn verify(&self, access: &Credential) -> Result<Call<bool>> {
        Ok(USERS.profile(access).into_verification())
    }

    fn profile(&self, access: &Credential) -> Result<Call<Profile>> {
        Ok(USERS.profile(access))
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

fn drop_key(access: &Credential) -> Call<()> {
    let request = Request::post("/auth/token/logout/", json!({})).credential(access);
    let scheme = access.scheme;
    let call = Call::new(request, move |reply| {
        read(reply, Reply::done, |reply| match reply.status {
            401 => unauthorized(scheme, reply),
            _ => refusal(reply, &[]),
        })
    });
    call.or_already_ended()
}

/// `{"auth_token": …}`
fn key(reply: &Reply) -> Option<Tokens> {
    #[derive(Deserialize)]
    struct Response {
        auth_token: Token,
    }
    let Token(token) = reply.json::<Response>()?.auth_token;
    Some(Tokens {
        answered_at: reply.server_now,
        access: Credential::new(Scheme::Token, token),
        access_lifetime: None,
        refresh: None,
        refresh_lifetime: None,
        session_id: None,
        profile: None,
    })
}

/// The answer shows the account, which must be activated with the mailed link.
fn activation_required(reply: &Reply) -> Option<Registered> {
    drf::profile(reply).map(|_| Registered::ActivationRequired)
}

/// A refusal of an API token is final. After a refusal of an access token, only its refresh can
/// show whether the session has ended; a suspended account may still be refreshed.
fn unauthorized(scheme: Scheme, reply: &Reply) -> Refusal {
    match (reply.detail().as_deref(), scheme) {
        (Some("User inactive or deleted."), Scheme::Bearer) => Refusal::AccountInactive,
        (Some("User inactive or deleted."), _) => {
            Refusal::SignedOut(SignOutReason::AccountInactive)
        }
        (Some("Invalid token."), Scheme::Token) => Refusal::SignedOut(SignOutReason::Ended),
        (Some(_), Scheme::Bearer) => Refusal::Unauthorized,
        _ => Refusal::Unexpected,
    }
}
