//! djangorestframework-simplejwt 5.5 (`/api/auth/{login,token/refresh,profile,register,password/…}/`).

use propusk_wire::Secret;
use serde_json::{Map, Value, json};

use super::drf::simple_jwt;
use super::drf::{problem, profile, refusal};
use super::existing_tokens;
use super::reply::{read, rejection};
use super::request::members_of;
use super::{App, Call, Credential, Refusal, Renewal, Reply, Request, Scheme, Tokens, Wire};
use crate::account::{MailedLink, Operation, Profile, Registered, Registration};
use crate::error::Result;
use crate::rejection::{Rejection, RejectionCode};

pub(super) struct Simplejwt;

const REGISTER: &str = "/api/auth/register/";
const RESET: &str = "/api/auth/password/reset/";
const CONFIRM: &str = "/api/auth/password/reset/confirm/";

impl Wire for Simplejwt {
    fn operations(&self) -> &'static [Operation] {
        &[
            Operation::Register,
            Operation::Adopt,
            Operation::SignIn,
            Operation::Refresh,
            Operation::Verify,
            Operation::Profile,
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
        let mut body = members_of(new, &[("username", "username"), ("email", "email")])?;
        body.insert("password".to_owned(), json!(new.password));
        Ok(own_view(Request::post(REGISTER, body.into())).map(|()| Registered::Active))
    }

    fn sign_in(&self, identifier: &str, password: &Secret, _: &App) -> Result<Call<Tokens>> {
        let (path, field) = ("/api/auth/login/", "username");
        Ok(simple_jwt::sign_in(path, field, identifier, password, Scheme::Bearer))
    }

    fn refresh(&self, renewal: &Renewal<'_>) -> Result<Call<Tokens>> {
        Ok(simple_jwt::refresh("/api/auth/token/refresh/", renewal))
    }

    fn verify(&self, access: &Credential) -> Result<Call<bool>> {
        Ok(self.profile(access)?.into_verification())
    }

    fn profile(&self, access: &Credential) -> Result<Call<Profile>> {
        let request = Request::get("/api/auth/profile/").credential(access);
        Ok(Call::new(request, |reply| simple_jwt::read_signed_in(reply, profile, &[])))
    }

    fn request_reset(&self, email: &str, _challenge: Option<String>) -> Result<Call<()>> {
        Ok(own_view(Request::post(RESET, json!({ "email": email }))))
    }

    /// The parts of the link are in the query, as the document requires.
    fn confirm_reset(
        &self,
        link: &MailedLink,
        new_password: &Secret,
        _verifier: Option<Secret>,
    ) -> Result<Call<()>> {
        let request = Request::post(CONFIRM, json!({ "new_password": new_password }))
            .query("uid", &link.uid.as_str().into())
            .query("token", &link.token);
        Ok(own_view(request))
    }
}

/// A view of the document itself, not of the library. It answers with `message` or `error`.
fn own_view(request: Request) -> Call<()> {
    Call::new(request, |reply| read(reply, |reply| text(reply, "message").map(|_| ()), own_refusal))
}

fn text(reply: &Reply, member: &str) -> Option<String> {
    match reply.json::<Map<String, Value>>()?.remove(member)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn own_refusal(reply: &Reply) -> Refusal {
    let said = (reply.status == 400).then(|| text(reply, "error")).flatten();
    said.map_or_else(|| refusal(reply, &[]), |said| Refusal::Rejected(own_rejection(said)))
}

fn own_rejection(said: String) -> Rejection {
    let (code, field) = match said.as_str() {
        "Username already exists." => (RejectionCode::IdentifierTaken, Some("username")),
        "Email already exists." => (RejectionCode::IdentifierTaken, Some("email")),
        "Email is required" | "Enter a valid email address." => {
            (RejectionCode::InvalidFields, Some("email"))
        }
        "User with this email does not exist" => (RejectionCode::NotFound, None),
        "Invalid uid" | "Invalid or expired token" => (RejectionCode::LinkInvalid, None),
        _ => (RejectionCode::InvalidFields, None),
    };
    let mut rejection = rejection(code, said.as_str());
    rejection.fields.extend(field.map(|field| (field.to_owned(), vec![problem(said)])));
    rejection
}
