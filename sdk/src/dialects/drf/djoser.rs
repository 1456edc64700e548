//! djoser's views: users, mailed links and passwords.

use propusk_wire::Secret;
use serde_json::{Value, json};

use super::{LINK, Names, profile, refusal};
use crate::account::{MailedLink, Profile};
use crate::dialects::reply::read;
use crate::dialects::{Call, Credential, Reading, Refusal, Reply, Request, Scheme};
use crate::error::{Error, Result};
use crate::rejection::{Rejection, RejectionCode};

const NEW_PASSWORD: Names = &[("new_password", "password")];
const OF_LINK: Names = &[("uid", LINK), ("token", LINK), ("new_password", "password")];

/// Where an API has djoser's views, and how it refuses a credential.
pub struct Users {
    /// With the slash at its end.
    pub path: &'static str,
    /// Reads a 401.
    pub unauthorized: fn(Scheme, &Reply) -> Refusal,
}

impl Users {
    pub fn activate(&self, link: &MailedLink) -> Call<()> {
        let body = json!({ "uid": link.uid, "token": link.token });
        self.anonymous("activation/", body, OF_LINK)
    }

    /// If there is nothing to activate, the refusal has no body.
    pub fn resend_activation(&self, email: &str) -> Call<()> {
        let request = Request::post(self.at("resend_activation/"), json!({ "email": email }));
        Call::new(request, |reply| {
            read(reply, Reply::done, |reply| match (reply.status, reply.body.is_empty()) {
                (400, true) => Refusal::Rejected(Rejection::new(RejectionCode::NotFound)),
                _ => refusal(reply, &[]),
            })
        })
    }

    pub fn request_reset(&self, email: &str) -> Call<()> {
        self.anonymous("reset_password/", json!({ "email": email }), &[])
    }

    pub fn confirm_reset(&self, link: &MailedLink, new_password: &Secret) -> Call<()> {
        let body = json!({ "uid": link.uid, "token": link.token, "new_password": new_password });
        self.anonymous("reset_password_confirm/", body, OF_LINK)
    }

    pub fn profile(&self, access: &Credential) -> Call<Profile> {
        self.authorized(Request::get(self.at("me/")), access, profile, &[])
    }

    pub fn change_profile(&self, access: &Credential, changes: Value) -> Call<Profile> {
        self.authorized(Request::patch(self.at("me/"), changes), access, profile, &[])
    }

    pub fn change_password(
        &self,
        access: &Credential,
        current: Option<&Secret>,
        new: &Secret,
    ) -> Result<Call<()>> {
        let body = json!({ "new_password": new, "current_password": needed(current)? });
        let request = Request::post(self.at("set_password/"), body);
        Ok(self.authorized(request, access, Reply::done, NEW_PASSWORD))
    }

    pub fn delete(&self, access: &Credential, current: Option<&Secret>) -> Result<Call<()>> {
        let body = json!({ "current_password": needed(current)? });
        let request = Request::delete(self.at("me/")).body(body);
        Ok(self.authorized(request, access, Reply::done, &[]))
    }

    /// A call with a credential.
    fn authorized<T: 'static>(
        &self,
        request: Request,
        access: &Credential,
        success: fn(&Reply) -> Option<T>,
        names: Names,
    ) -> Call<T> {
        let (unauthorized, scheme) = (self.unauthorized, access.scheme);
        Call::new(request.credential(access), move |reply| -> Reading<T> {
            read(reply, success, |reply| match reply.status {
                401 => unauthorized(scheme, reply),
                _ => refusal(reply, names),
            })
        })
    }

    /// A call without a credential, whose success has no content.
    fn anonymous(&self, path: &str, body: Value, names: Names) -> Call<()> {
        let request = Request::post(self.at(path), body);
        Call::new(request, move |reply| read(reply, Reply::done, |reply| refusal(reply, names)))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.path)
    }
}

fn needed(current: Option<&Secret>) -> Result<&Secret> {
    current.ok_or_else(|| Error::usage("this API needs the current password"))
}
