//! Sessions of the fake server: sign-in, refresh with rotation, access tokens, and the list of
//! sessions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use propusk_wire::{
    EndSessionsRequest, ProblemCode, RefreshRequest, Secret, Session, SessionsResponse,
    SignInRequest, TokenResponse,
};
use serde_json::json;

use super::records::{AccessToken, RefreshToken, Spent, StoredSession};
use super::reply::{Handled, Refusal, Reply, no_content};
use super::script::ReceivedRequest;
use super::store::{Store, random};

/// The lifetime of an access token, in seconds.
const ACCESS_SECONDS: i64 = 900;
/// The lifetime of a session without a refresh, in seconds.
const REFRESH_SECONDS: i64 = 5_184_000;
/// For this many seconds after a sign-in, the current password is not needed.
const RECENT_SECONDS: i64 = 300;

/// The account and session of a request's access token.
pub(super) struct Sender {
    pub account: i64,
    pub session: String,
}

impl Store {
    pub fn sign_in(&mut self, request: SignInRequest) -> Handled {
        let wrong = || Refusal::unauthorized(ProblemCode::InvalidCredentials);
        let id = self.account_by_identifier(request.identifier.trim()).ok_or_else(wrong)?;
        let account = self.accounts.get(&id).ok_or_else(wrong)?;
        if account.password.as_ref() != Some(&request.password) {
            self.count_refused(id, "wrong_password");
            return Err(wrong());
        }
        self.open_session(id, request.device_name, "password")
    }

    /// Opens a session, unless the account is inactive.
    pub fn open_session(&mut self, account: i64, device_name: Option<String>, by: &str) -> Handled {
        if let Err(refusal) = self.check_active(account) {
            self.count_refused(account, "inactive");
            return Err(refusal);
        }
        let id: String = random().expose().chars().take(16).collect();
        let current = self.issue_refresh_token(&id);
        let now = self.now();
        let session = StoredSession {
            account,
            device_name,
            created_at: now,
            last_used_at: now,
            expires_at: now + REFRESH_SECONDS,
            current: current.clone(),
            is_ended: false,
        };
        self.sessions.insert(id.clone(), session);
        self.note(account, "signed_in", Some(by)).session_id = Some(id.clone());
        self.tokens(account, &id, &current)
    }

    /// As in the real server: a token works once; the same token with the same attempt returns the
    /// same successor until that is used; any other use of a spent token ends the session.
    pub fn refresh(&mut self, request: &RefreshRequest) -> Handled {
        let token = self.refresh_tokens.get(request.refresh_token.expose());
        let token = token.ok_or_else(|| Refusal::unauthorized(ProblemCode::InvalidCredentials))?;
        let id = token.session.clone();
        let session = self.live(&id).ok_or_else(ended)?;
        let (account, current) = (session.account, session.current.clone());
        self.check_active(account)?;
        let successor = match &token.spent {
            None => self.rotate(request, &id),
            Some(spent) if spent.successor == current && spent.is_by(request) => current,
            Some(_) => {
                self.end(&id, "reused");
                return Err(Refusal::unauthorized(ProblemCode::TokenReused));
            }
        };
        self.tokens(account, &id, &successor)
    }

    pub fn list_sessions(&self, sender: &Sender) -> Handled {
        let sessions = self.sessions_of(sender.account, Some(&sender.session));
        Ok(Reply::of_json(StatusCode::OK, &SessionsResponse { sessions }))
    }

    /// The sessions of an account that have not ended, the last used first.
    pub fn sessions_of(&self, account: i64, current: Option<&str>) -> Vec<Session> {
        let live = self
            .sessions
            .iter()
            .filter(|(_, session)| session.account == account && session.is_live(self.now()));
        let mut sessions: Vec<_> = live
            .map(|(id, session)| Session {
                id: id.clone(),
                device_name: session.device_name.clone(),
                api: "native".to_owned(),
                client: None,
                created_at: session.created_at,
                last_used_at: session.last_used_at,
                expires_at: session.expires_at,
                current: current == Some(id.as_str()),
            })
            .collect();
        sessions.sort_by_key(|session| -session.last_used_at);
        sessions
    }

    pub fn sign_out(&mut self, sender: &Sender) -> Handled {
        self.end(&sender.session, "signed_out");
        Ok(no_content())
    }

    pub fn end_one(&mut self, sender: &Sender, id: &str, request: &EndSessionsRequest) -> Handled {
        let is_own = id == sender.session;
        if !is_own {
            self.reauthenticate(sender, request.current_password.as_ref())?;
        }
        match self.live(id).map(|session| session.account) {
            Some(account) if account == sender.account => {
                self.end(id, if is_own { "signed_out" } else { "signed_out_elsewhere" });
                Ok(no_content())
            }
            _ => Err(Refusal::not_found()),
        }
    }

    pub fn end_others(&mut self, sender: &Sender, request: &EndSessionsRequest) -> Handled {
        self.reauthenticate(sender, request.current_password.as_ref())?;
        self.end_sessions_of(sender.account, Some(&sender.session), "signed_out_elsewhere");
        Ok(no_content())
    }

    /// Ends all sessions of an account except this one. If none was live, no event is noted.
    pub fn end_sessions_of(&mut self, account: i64, except: Option<&str>, why: &str) {
        let mut has_ended = false;
        for (id, session) in &mut self.sessions {
            if session.account == account && except != Some(id.as_str()) {
                has_ended |= !session.is_ended;
                session.is_ended = true;
            }
        }
        if has_ended {
            self.note(account, "sessions_ended", Some(why)).session_id = except.map(str::to_owned);
        }
    }

    /// Ends a session. Returns whether it existed.
    pub fn end(&mut self, id: &str, why: &str) -> bool {
        let Some(session) = self.sessions.get_mut(id) else { return false };
        let account = session.account;
        if !std::mem::replace(&mut session.is_ended, true) {
            self.note(account, "session_ended", Some(why)).session_id = Some(id.to_owned());
        }
        true
    }

    /// The sender of a request, or a refusal if the access token is not valid.
    pub fn sender(&self, request: &ReceivedRequest) -> Result<Sender, Refusal> {
        let unknown = || Refusal::unauthorized(ProblemCode::InvalidCredentials);
        let token = request.bearer().and_then(|bearer| self.access_tokens.get(bearer));
        let token = token.filter(|token| !token.is_revoked).ok_or_else(unknown)?;
        if token.expires_at <= self.now() {
            return Err(Refusal::unauthorized(ProblemCode::TokenExpired));
        }
        let account = self.live(&token.session).ok_or_else(ended)?.account;
        self.check_active(account)?;
        Ok(Sender { account, session: token.session.clone() })
    }

    /// Requires the current password, or a sign-in within the last five minutes.
    pub fn reauthenticate(
        &mut self,
        sender: &Sender,
        current: Option<&Secret>,
    ) -> Result<(), Refusal> {
        let password = self.accounts.get(&sender.account).and_then(|a| a.password.as_ref());
        let since = self.live(&sender.session).map(|session| session.created_at);
        match current {
            Some(current) if password == Some(current) => Ok(()),
            Some(_) => {
                self.count_refused(sender.account, "wrong_current_password");
                Err(Refusal::forbidden(ProblemCode::WrongPassword))
            }
            None if since.is_some_and(|since| self.now() - since < RECENT_SECONDS) => Ok(()),
            None => Err(Refusal::forbidden(ProblemCode::ReauthenticationRequired)),
        }
    }

    fn check_active(&self, account: i64) -> Result<(), Refusal> {
        let account = self.accounts.get(&account).ok_or_else(ended)?;
        match account.is_inactive() {
            true => Err(Refusal::forbidden(ProblemCode::AccountInactive)),
            false => Ok(()),
        }
    }

    fn live(&self, id: &str) -> Option<&StoredSession> {
        self.sessions.get(id).filter(|session| session.is_live(self.now()))
    }

    /// Spends the token of the request and returns its successor.
    fn rotate(&mut self, request: &RefreshRequest, id: &str) -> String {
        let successor = self.issue_refresh_token(id);
        if let Some(token) = self.refresh_tokens.get_mut(request.refresh_token.expose()) {
            let attempt = request.attempt.clone();
            token.spent = Some(Spent { attempt, successor: successor.clone() });
        }
        let now = self.now();
        if let Some(session) = self.sessions.get_mut(id) {
            session.current.clone_from(&successor);
            (session.last_used_at, session.expires_at) = (now, now + REFRESH_SECONDS);
        }
        successor
    }

    fn issue_refresh_token(&mut self, session: &str) -> String {
        let token = format!("pr1.{}", random().expose());
        let stored = RefreshToken { session: session.to_owned(), spent: None };
        self.refresh_tokens.insert(token.clone(), stored);
        token
    }

    fn tokens(&mut self, account: i64, session: &str, refresh: &str) -> Handled {
        let response = TokenResponse {
            session_id: session.to_owned(),
            access_token: self.issue_access_token(account, session),
            token_type: "Bearer".to_owned(),
            expires_in: ACCESS_SECONDS,
            refresh_token: refresh.into(),
            refresh_expires_in: REFRESH_SECONDS,
            account: self.account(account)?,
        };
        Ok(Reply::of_json(StatusCode::OK, &response))
    }

    /// A token with the claims of a real one, for apps that show them, and a random signature.
    fn issue_access_token(&mut self, account: i64, session: &str) -> Secret {
        let (now, id, signature) = (self.now(), random(), random());
        let expires_at = now + ACCESS_SECONDS;
        let header = json!({"typ": "at+jwt", "alg": "ES256", "kid": "testing"});
        let claims = json!({
            "iss": self.url, "aud": self.url, "sub": account.to_string(), "sid": session,
            "jti": id.expose(), "client_id": "propusk", "iat": now, "exp": expires_at,
        });
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let token = format!("{header}.{claims}.{}", signature.expose());
        let session = session.to_owned();
        self.access_tokens
            .insert(token.clone(), AccessToken { session, expires_at, is_revoked: false });
        token.into()
    }
}

fn ended() -> Refusal {
    Refusal::unauthorized(ProblemCode::SessionEnded)
}
