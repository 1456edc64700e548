//! Propusk's own API, `/propusk/v1/…`, with the types of `propusk-wire`. Operations that no other
//! API has (sessions, events, identities, sign-in with a provider in the browser) are functions of
//! this module.

use propusk_wire::{
    Account, ActivateRequest, Activation, ChangePasswordRequest, CompleteSignInRequest,
    ConfirmResetRequest, DeleteAccountRequest, EmailRequest, EndSessionsRequest, EventsResponse,
    ExportRequest, FieldCode, IdentitiesResponse, Identity, LinkRequest, Problem, ProblemCode,
    Provider, ProvidersResponse, RefreshRequest, RegisterRequest, RegisterResponse,
    RequestResetRequest, Secret, Session, SessionsResponse, SignInRequest, StartSignInRequest,
    StartSignInResponse, TokenResponse, UnlinkRequest, UpdateAccountRequest,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::existing_tokens;
use super::jwt::lifetime;
use super::reply::{is_sendable, read};
use super::request::segment;
use super::{App, Call, Credential, Refusal, Renewal, Reply, Request, Scheme, Tokens, Wire};
use crate::account::{MailedLink, Operation, Profile, Registered, Registration};
use crate::error::{Error, Result, SignOutReason};
use crate::rejection::{FieldProblem, Rejection};

pub(super) struct Native;

const ACCOUNT: &str = "/propusk/v1/account";
const SESSIONS: &str = "/propusk/v1/sessions";
const PROVIDERS: &str = "/propusk/v1/providers";
const IDENTITIES: &str = "/propusk/v1/account/identities";
/// The longest device name that is sent.
const DEVICE_NAME_CHARACTERS: usize = 100;

impl Wire for Native {
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
            Operation::ProviderSignIn,
            Operation::Sessions,
            Operation::Identities,
            Operation::Events,
            Operation::Export,
        ]
    }

    fn adopt(&self, kept: &crate::existing_tokens::ExistingTokens, now: i64) -> Result<Tokens> {
        existing_tokens::marked_pair(kept, "pr1.", now)
    }

    fn register(&self, new: &Registration) -> Result<Call<Registered>> {
        let body = json(&RegisterRequest {
            email: new.email.clone(),
            phone: new.phone.clone(),
            username: new.username.clone(),
            password: new.password.clone(),
            display_name: new.display_name.clone(),
        })?;
        let call = anonymous(Request::post("/propusk/v1/accounts", body), Reply::json);
        Ok(call.map(|response: RegisterResponse| match response.activation {
            Activation::Active => Registered::Active,
            Activation::Mailed => Registered::ActivationRequired,
        }))
    }

    fn activate(&self, link: &MailedLink) -> Result<Call<()>> {
        let body = ActivateRequest { uid: link.uid.clone(), token: link.token.clone() };
        Ok(anonymous(Request::post("/propusk/v1/accounts/activate", json(&body)?), Reply::done))
    }

    fn resend_activation(&self, email: &str) -> Result<Call<()>> {
        mail("/propusk/v1/accounts/resend", email)
    }

    fn sign_in(&self, identifier: &str, password: &Secret, app: &App) -> Result<Call<Tokens>> {
        let body = json(&SignInRequest {
            identifier: identifier.to_owned(),
            password: password.clone(),
            device_name: device_name(app),
        })?;
        Ok(anonymous(Request::post(SESSIONS, body), tokens))
    }

    fn refresh(&self, renewal: &Renewal<'_>) -> Result<Call<Tokens>> {
        let body = json(&RefreshRequest {
            refresh_token: renewal.refresh.clone(),
            attempt: Some(renewal.attempt.clone()),
        })?;
        let request = Request::post("/propusk/v1/sessions/refresh", body);
        Ok(Call::new(request, |reply| read(reply, tokens, refresh_refusal)))
    }

    fn sign_out(&self, access: &Credential, _: Option<&Secret>, _: &App) -> Result<Call<()>> {
        let request = Request::delete("/propusk/v1/sessions/current");
        Ok(authorized(request, access, Reply::done).or_already_ended())
    }

    fn verify(&self, access: &Credential) -> Result<Call<bool>> {
        Ok(self.profile(access)?.into_verification())
    }

    fn profile(&self, access: &Credential) -> Result<Call<Profile>> {
        Ok(authorized(Request::get(ACCOUNT), access, profile))
    }

    fn update_profile(
        &self,
        access: &Credential,
        changes: &UpdateAccountRequest,
    ) -> Result<Call<Profile>> {
        Ok(authorized(Request::patch(ACCOUNT, json(changes)?), access, profile))
    }

    fn binds_reset_links(&self) -> bool {
        true
    }

    fn request_reset(&self, email: &str, challenge: Option<String>) -> Result<Call<()>> {
        let body = RequestResetRequest { email: email.to_owned(), code_challenge: challenge };
        Ok(anonymous(Request::post("/propusk/v1/password/reset", json(&body)?), Reply::done))
    }

    fn confirm_reset(
        &self,
        link: &MailedLink,
        new_password: &Secret,
        verifier: Option<Secret>,
    ) -> Result<Call<()>> {
        let body = json(&ConfirmResetRequest {
            uid: link.uid.clone(),
            token: link.token.clone(),
            new_password: new_password.clone(),
            code_verifier: verifier,
        })?;
        Ok(anonymous(Request::post("/propusk/v1/password/reset/confirm", body), Reply::done))
    }

    fn change_password(
        &self,
        access: &Credential,
        current: Option<&Secret>,
        new: &Secret,
    ) -> Result<Call<()>> {
        let body = json(&ChangePasswordRequest {
            new_password: new.clone(),
            current_password: current.cloned(),
        })?;
        let request = Request::post("/propusk/v1/account/password", body);
        Ok(authorized(request, access, Reply::done))
    }

    fn delete_account(&self, access: &Credential, current: Option<&Secret>) -> Result<Call<()>> {
        let body = json(&DeleteAccountRequest { current_password: current.cloned() })?;
        Ok(authorized(Request::delete(ACCOUNT).body(body), access, Reply::done))
    }
}

/// The sessions of the account, the newest first.
pub(crate) fn sessions(access: &Credential) -> Call<Vec<Session>> {
    let call = authorized(Request::get(SESSIONS), access, Reply::json);
    call.map(|response: SessionsResponse| response.sessions)
}

/// Ends one session of the account.
pub(crate) fn end_session(
    access: &Credential,
    id: &str,
    current: Option<&Secret>,
) -> Result<Call<()>> {
    let path = format!("{SESSIONS}/{}", segment(id)?);
    let body = json(&EndSessionsRequest { current_password: current.cloned() })?;
    Ok(authorized(Request::delete(path).body(body), access, Reply::done))
}

/// Ends all other sessions of the account.
pub(crate) fn end_other_sessions(
    access: &Credential,
    current: Option<&Secret>,
) -> Result<Call<()>> {
    let body = json(&EndSessionsRequest { current_password: current.cloned() })?;
    Ok(authorized(Request::delete(SESSIONS).body(body), access, Reply::done))
}

/// A page of the account's events: the first one, or the one that begins at `before`.
pub(crate) fn events(access: &Credential, before: Option<&str>) -> Call<EventsResponse> {
    let request = Request::get("/propusk/v1/account/events");
    let request = match before {
        Some(before) => request.query("before", &before.into()),
        None => request,
    };
    authorized(request, access, Reply::json)
}

/// Everything that is kept of the account, as JSON text.
pub(crate) fn export(access: &Credential, current: Option<&Secret>) -> Result<Call<String>> {
    let body = json(&ExportRequest { current_password: current.cloned() })?;
    let request = Request::post("/propusk/v1/account/export", body).with_long_answer();
    Ok(authorized(request, access, Reply::json_text::<Exported>))
}

/// What shows that an answer is an export. Its other members are for the app, also those that this
/// version does not know.
#[derive(Deserialize)]
struct Exported {
    #[serde(rename = "exported_at")]
    _exported_at: IgnoredAny,
    #[serde(rename = "account")]
    _account: IgnoredAny,
}

/// The identities with which the account signs in.
pub(crate) fn identities(access: &Credential) -> Call<Vec<Identity>> {
    let call = authorized(Request::get(IDENTITIES), access, Reply::json);
    call.map(|response: IdentitiesResponse| response.identities)
}

/// Completes what [`start`] has started with `link`.
pub(crate) fn link(access: &Credential, link: &LinkRequest) -> Result<Call<Identity>> {
    Ok(authorized(Request::post(IDENTITIES, json(link)?), access, Reply::json))
}

/// Removes an identity from the account.
pub(crate) fn unlink(
    access: &Credential,
    provider: &str,
    subject: &str,
    current: Option<&Secret>,
) -> Result<Call<()>> {
    let path = format!("{IDENTITIES}/{}/{}", segment(provider)?, segment(subject)?);
    let body = json(&UnlinkRequest { current_password: current.cloned() })?;
    Ok(authorized(Request::delete(path).body(body), access, Reply::done))
}

/// The providers that are configured.
pub(crate) fn providers() -> Call<Vec<Provider>> {
    let call = anonymous(Request::get(PROVIDERS), Reply::json);
    call.map(|response: ProvidersResponse| response.providers)
}

/// Starts a sign-in in a browser. With an access token it links an identity to that account.
pub(crate) fn start(
    access: Option<&Credential>,
    provider: &str,
    start: &StartSignInRequest,
) -> Result<Call<StartSignInResponse>> {
    let path = format!("{PROVIDERS}/{}/start", segment(provider)?);
    let request = Request::post(path, json(start)?);
    Ok(match access {
        Some(access) => authorized(request, access, Reply::json),
        None => anonymous(request, Reply::json),
    })
}

/// Completes what [`start`] has started.
pub(crate) fn complete(code: &Secret, verifier: &Secret, app: &App) -> Result<Call<Tokens>> {
    let body = json(&CompleteSignInRequest {
        code: code.clone(),
        code_verifier: verifier.clone(),
        device_name: device_name(app),
    })?;
    Ok(anonymous(Request::post("/propusk/v1/providers/complete", body), tokens))
}

fn mail(path: &str, email: &str) -> Result<Call<()>> {
    let body = EmailRequest { email: email.to_owned() };
    Ok(anonymous(Request::post(path, json(&body)?), Reply::done))
}

/// A call without an access token.
fn anonymous<T: 'static>(request: Request, success: fn(&Reply) -> Option<T>) -> Call<T> {
    Call::new(request, move |reply| read(reply, success, refusal))
}

/// A call with an access token.
fn authorized<T: 'static>(
    request: Request,
    access: &Credential,
    success: fn(&Reply) -> Option<T>,
) -> Call<T> {
    Call::new(request.credential(access), move |reply| read(reply, success, session_refusal))
}

fn device_name(app: &App) -> Option<String> {
    let name = app.device_name.as_deref()?;
    let shown = name.chars().filter(|c| !is_control_or_bidi(*c)).take(DEVICE_NAME_CHARACTERS);
    let name: String = shown.collect();
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Characters that the server refuses in a name. They are removed, so that an unusual device name
/// does not prevent a sign-in.
fn is_control_or_bidi(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn json(body: &impl Serialize) -> Result<Value> {
    serde_json::to_value(body).map_err(|error| Error::usage(error.to_string()))
}

fn tokens(reply: &Reply) -> Option<Tokens> {
    let response: TokenResponse = reply.json()?;
    let is_whole = [&response.access_token, &response.refresh_token]
        .into_iter()
        .all(|token| is_sendable(token.expose()));
    is_whole.then(|| Tokens {
        answered_at: reply.server_now,
        access: Credential::new(Scheme::Bearer, response.access_token),
        access_lifetime: Some(lifetime(response.expires_in)),
        refresh: Some(response.refresh_token),
        refresh_lifetime: Some(lifetime(response.refresh_expires_in)),
        session_id: Some(response.session_id),
        profile: Some(response.account.into()),
    })
}

fn profile(reply: &Reply) -> Option<Profile> {
    reply.json::<Account>().map(Profile::from)
}

impl From<Account> for Profile {
    fn from(account: Account) -> Self {
        Profile {
            id: Some(account.id.to_string()),
            email: account.email,
            email_verified: Some(account.email_verified),
            phone: account.phone,
            username: account.username,
            display_name: account.display_name,
            has_password: Some(account.has_password),
            ..Profile::default()
        }
    }
}

/// The problem document of an answer with the same status.
fn problem(reply: &Reply) -> Option<Problem> {
    reply.json::<Problem>().filter(|problem| problem.status == reply.status)
}

fn refusal(reply: &Reply) -> Refusal {
    problem(reply).map_or(Refusal::Unexpected, rejected)
}

/// Reads the refusal of a call with an access token.
fn session_refusal(reply: &Reply) -> Refusal {
    let Some(problem) = problem(reply) else { return Refusal::Unexpected };
    match problem.code {
        ProblemCode::TokenExpired | ProblemCode::InvalidCredentials if reply.status == 401 => {
            Refusal::Unauthorized
        }
        _ => verdict(&problem.code).unwrap_or_else(|| rejected(problem)),
    }
}

fn refresh_refusal(reply: &Reply) -> Refusal {
    let Some(problem) = problem(reply) else { return Refusal::Unexpected };
    match problem.code {
        // The refresh token is unknown to this server: another attempt cannot succeed.
        ProblemCode::InvalidCredentials | ProblemCode::TokenExpired if reply.status == 401 => {
            Refusal::SignedOut(SignOutReason::Ended)
        }
        _ => verdict(&problem.code).unwrap_or_else(|| rejected(problem)),
    }
}

fn verdict(code: &ProblemCode) -> Option<Refusal> {
    let reason = match code {
        ProblemCode::SessionEnded => SignOutReason::Ended,
        ProblemCode::TokenReused => SignOutReason::TokenReused,
        ProblemCode::AccountInactive => SignOutReason::AccountInactive,
        _ => return None,
    };
    Some(Refusal::SignedOut(reason))
}

/// A failure of the server itself says nothing about the request.
fn rejected(problem: Problem) -> Refusal {
    if problem.status >= 500 && problem.code != ProblemCode::ProviderUnavailable {
        return Refusal::Unexpected;
    }
    let coded = |codes: Vec<FieldCode>| {
        codes.into_iter().map(|code| FieldProblem::new(code, None)).collect()
    };
    let fields = problem.fields.into_iter().map(|(name, codes)| (our_name(name), coded(codes)));
    Refusal::Rejected(Rejection { fields: fields.collect(), ..Rejection::new(problem.code) })
}

fn our_name(name: String) -> String {
    match name.as_str() {
        "new_password" => "password".to_owned(),
        _ => name,
    }
}
