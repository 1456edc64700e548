//! Providers of the fake server: sign-in with the fake browser, and identities.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use hyper::header::{HeaderValue, LOCATION};
use propusk_wire::{
    CompleteSignInRequest, Event, FieldCode, IdentitiesResponse, Identity, LinkRequest,
    ProblemCode, Provider, ProvidersResponse, Secret, StartSignInRequest, StartSignInResponse,
    UnlinkRequest,
};

use super::records::{Flow, Grant, StoredAccount};
use super::reply::{Handled, Refusal, Reply, no_content};
use super::script::ReceivedRequest;
use super::sessions::Sender;
use super::store::{Store, random};
use crate::pkce;
use crate::redirect::RedirectUri;

/// The page that the browser opens.
pub(super) const AUTHORIZE: &str = "/testing/authorize";
/// How long a sign-in waits for the browser, in seconds.
const FLOW_SECONDS: i64 = 600;
/// How long a code waits for the app, in seconds.
const CODE_SECONDS: i64 = 60;
/// Characters of a S256 challenge.
const CHALLENGE_CHARACTERS: usize = 43;

const PROVIDERS: [(&str, &str); 4] =
    [("google", "Google"), ("vk", "VK ID"), ("yandex", "Yandex"), ("mail_ru", "Mail.ru")];

pub(super) fn list_providers() -> Reply {
    let providers = PROVIDERS
        .map(|(name, title)| Provider { name: name.to_owned(), title: title.to_owned() })
        .to_vec();
    Reply::of_json(StatusCode::OK, &ProvidersResponse { providers })
}

impl Store {
    pub fn start(
        &mut self,
        provider: &str,
        request: StartSignInRequest,
        received: &ReceivedRequest,
    ) -> Handled {
        if !PROVIDERS.iter().any(|(name, _)| *name == provider) {
            return Err(Refusal::not_found());
        }
        if request.code_challenge.len() != CHALLENGE_CHARACTERS {
            return Err(Refusal::of_field("code_challenge", FieldCode::Invalid));
        }
        if RedirectUri::parse(&request.redirect).is_err() {
            return Err(Refusal::forbidden(ProblemCode::RedirectNotAllowed));
        }
        let links = match request.link {
            true => Some(self.linking_account(received, request.current_password.as_ref())?),
            false => None,
        };
        let state = random().expose().to_owned();
        let flow = Flow {
            provider: provider.to_owned(),
            redirect: request.redirect,
            challenge: request.code_challenge,
            links,
            expires_at: self.now() + FLOW_SECONDS,
        };
        self.flows.insert(state.clone(), flow);
        let authorize_url = format!("{}{AUTHORIZE}?flow={state}", self.url);
        let response = StartSignInResponse { authorize_url, state, expires_in: FLOW_SECONDS };
        Ok(Reply::of_json(StatusCode::OK, &response))
    }

    /// The provider's page. `as` is the address of the user who approves, `error` the error instead
    /// of a code.
    pub fn authorize(&mut self, received: &ReceivedRequest) -> Handled {
        let parameter = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(received.query().as_bytes());
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let state = parameter("flow").unwrap_or_default();
        let now = self.now();
        let flow = self.flows.remove(&state).filter(|flow| now < flow.expires_at);
        let flow = flow.ok_or_else(Refusal::not_found)?;
        let redirect = flow.redirect.clone();
        let outcome = match parameter("as") {
            Some(email) => ("code", self.grant(flow, email)),
            None => ("error", parameter("error").unwrap_or_else(|| "access_denied".to_owned())),
        };
        let link = link_to(&redirect, &[outcome, ("state", state)]);
        let location = HeaderValue::try_from(link)
            .map_err(|_| Refusal::forbidden(ProblemCode::RedirectNotAllowed))?;
        Ok(Reply::new(StatusCode::FOUND).with(LOCATION, location))
    }

    pub fn complete(&mut self, request: CompleteSignInRequest) -> Handled {
        let CompleteSignInRequest { code, code_verifier, device_name } = request;
        let grant = self.take_grant(&code, &code_verifier, None)?;
        let account = self.account_at_provider(&grant)?;
        self.open_session(account, device_name, "provider")
    }

    pub fn link(&mut self, sender: &Sender, request: &LinkRequest) -> Handled {
        let LinkRequest { code, code_verifier } = request;
        let grant = self.take_grant(code, code_verifier, Some(sender.account))?;
        match self.account_of_identity(&grant) {
            Some(other) if other != sender.account => {
                Err(Refusal::conflict(ProblemCode::IdentityTaken))
            }
            known => {
                if known.is_none() {
                    self.note_identity(sender.account, "linked", "owner", &grant.provider);
                }
                let identity = self.add_identity(sender.account, &grant);
                Ok(Reply::of_json(StatusCode::CREATED, &identity))
            }
        }
    }

    pub fn list_identities(&self, sender: &Sender) -> Handled {
        let own = self.identities.iter().filter(|(account, _)| *account == sender.account);
        let identities = own.map(|(_, identity)| identity.clone()).collect();
        Ok(Reply::of_json(StatusCode::OK, &IdentitiesResponse { identities }))
    }

    pub fn unlink(
        &mut self,
        sender: &Sender,
        provider: &str,
        subject: &str,
        request: &UnlinkRequest,
    ) -> Handled {
        self.reauthenticate(sender, request.current_password.as_ref())?;
        let is_it = |(account, identity): &(i64, Identity)| {
            *account == sender.account
                && identity.provider == provider
                && identity.subject == subject
        };
        let at = self.identities.iter().position(is_it).ok_or_else(Refusal::not_found)?;
        let is_last =
            self.identities.iter().filter(|(account, _)| *account == sender.account).count() == 1;
        if is_last && self.stored(sender.account)?.password.is_none() {
            return Err(Refusal::conflict(ProblemCode::NothingToSignInBy));
        }
        self.identities.remove(at);
        let unlinked = self.note_identity(sender.account, "unlinked", "owner", provider);
        unlinked.session_id = Some(sender.session.clone());
        Ok(no_content())
    }

    fn note_identity(&mut self, account: i64, event: &str, by: &str, provider: &str) -> &mut Event {
        let noted = self.note(account, event, Some(by));
        noted.provider = Some(provider.to_owned());
        noted
    }

    fn linking_account(
        &mut self,
        received: &ReceivedRequest,
        current: Option<&Secret>,
    ) -> Result<i64, Refusal> {
        let sender = self.sender(received)?;
        self.reauthenticate(&sender, current)?;
        Ok(sender.account)
    }

    /// Issues a code for the app.
    fn grant(&mut self, flow: Flow, email: String) -> String {
        let Flow { provider, challenge, links, .. } = flow;
        let (code, expires_at) = (random().expose().to_owned(), self.now() + CODE_SECONDS);
        let grant = Grant { provider, email, challenge, links, expires_at };
        self.grants.insert(code.clone(), grant);
        code
    }

    /// Takes a code. An attempt with a wrong verifier also spends it.
    fn take_grant(
        &mut self,
        code: &Secret,
        verifier: &Secret,
        links: Option<i64>,
    ) -> Result<Grant, Refusal> {
        let now = self.now();
        let grant = self.grants.remove(code.expose()).filter(|grant| {
            now < grant.expires_at
                && grant.links == links
                && grant.challenge == pkce::challenge(verifier)
        });
        grant.ok_or_else(|| Refusal::bad_request(ProblemCode::SignInUnknown))
    }

    /// As in the real server: a known identity opens its account; a new one is linked to an account
    /// with the same address and without a password, or to a new account.
    fn account_at_provider(&mut self, grant: &Grant) -> Result<i64, Refusal> {
        if let Some(account) = self.account_of_identity(grant) {
            return Ok(account);
        }
        let account = match self.account_by_email(&grant.email) {
            Some(id) if self.stored(id)?.password.is_some() => {
                return Err(Refusal::conflict(ProblemCode::AccountInUse));
            }
            Some(id) => {
                self.note_identity(id, "linked", "address", &grant.provider);
                id
            }
            None => {
                let id = self.insert_account(StoredAccount {
                    email: Some(grant.email.clone()),
                    email_verified: true,
                    ..StoredAccount::default()
                });
                self.note(id, "registered", Some("provider"));
                id
            }
        };
        self.add_identity(account, grant);
        Ok(account)
    }

    fn account_of_identity(&self, grant: &Grant) -> Option<i64> {
        let subject = subject_of(&grant.email);
        let mut known = self.identities.iter();
        let found = known.find(|(_, identity)| {
            identity.provider == grant.provider && identity.subject == subject
        });
        found.map(|(account, _)| *account)
    }

    fn add_identity(&mut self, account: i64, grant: &Grant) -> Identity {
        let identity = Identity {
            provider: grant.provider.clone(),
            subject: subject_of(&grant.email),
            email: Some(grant.email.clone()),
            name: None,
            avatar_url: None,
            created_at: self.now(),
            last_used_at: self.now(),
        };
        if self.account_of_identity(grant).is_none() {
            self.identities.push((account, identity.clone()));
        }
        identity
    }
}

/// The provider's id of the user with this address.
fn subject_of(email: &str) -> String {
    URL_SAFE_NO_PAD.encode(email)
}

/// The redirect with these parameters. Their values need no escaping.
fn link_to(redirect: &str, parameters: &[(&str, String)]) -> String {
    let mut link = redirect.to_owned();
    for (name, value) in parameters {
        let separator = match link.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        link.push_str(&format!("{separator}{name}={value}"));
    }
    link
}
