//! What has happened to an account of the fake server: the list for its owner, and the export of
//! everything that is kept.

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use propusk_wire::{
    Event, EventsResponse, ExportRequest, ExportResponse, ExportedAccount, ExportedIdentifier,
    ExportedIdentity, ExportedSession, FieldCode, Identity, ProblemCode,
};

use super::records::{StoredAccount, StoredEvent, StoredSession};
use super::reply::{Handled, Refusal, Reply};
use super::script::ReceivedRequest;
use super::sessions::Sender;
use super::store::Store;

/// How many events a page has.
const PAGE: usize = 50;
const HOUR: i64 = 3_600;
/// What a server keeps of `127.0.0.1` by default.
const NETWORK: &str = "127.0.0.0/24";

impl Store {
    /// Notes what a request has changed, with the names of the real server.
    pub fn note(&mut self, account: i64, event: &str, reason: Option<&str>) -> &mut Event {
        let event = Event {
            api: Some("native".to_owned()),
            address: Some(NETWORK.to_owned()),
            ..self.event(event, reason)
        };
        self.insert_event(account, event)
    }

    /// Notes what an operator has changed.
    pub fn note_by_operator(&mut self, account: i64, event: &str) {
        let event = Event { by_operator: true, ..self.event(event, None) };
        self.insert_event(account, event);
    }

    /// Counts a refused attempt: one event for each reason and hour.
    pub fn count_refused(&mut self, account: i64, reason: &str) {
        let hour = self.now() - self.now().rem_euclid(HOUR);
        let is_same = |stored: &&mut StoredEvent| {
            let event = &stored.event;
            stored.account == account
                && event.event == "refused"
                && event.reason.as_deref() == Some(reason)
                && event.at == hour
        };
        match self.events.iter_mut().find(is_same) {
            Some(stored) => stored.event.count += 1,
            None => self.note(account, "refused", Some(reason)).at = hour,
        }
    }

    fn event(&self, event: &str, reason: Option<&str>) -> Event {
        Event {
            event: event.to_owned(),
            at: self.now(),
            reason: reason.map(str::to_owned),
            session_id: None,
            api: None,
            client: None,
            address: None,
            provider: None,
            by_operator: false,
            count: 1,
        }
    }

    pub fn list_events(&self, sender: &Sender, received: &ReceivedRequest) -> Handled {
        let before = before(received)?;
        let page = self.events_of(sender.account).filter(|stored| stored.id < before);
        let mut page: Vec<_> = page.take(PAGE + 1).collect();
        let has_more = page.len() > PAGE;
        page.truncate(PAGE);
        let next = page.last().filter(|_| has_more).map(|last| cursor(last.id));
        let events = page.into_iter().map(|stored| stored.event.clone()).collect();
        Ok(Reply::of_json(StatusCode::OK, &EventsResponse { events, next }))
    }

    /// Without mailed links, mails and known networks: the fake server keeps less of them.
    pub fn export(&mut self, sender: &Sender, request: &ExportRequest) -> Handled {
        self.reauthenticate(sender, request.current_password.as_ref())?;
        let id = sender.account;
        self.note(id, "exported", None).session_id = Some(sender.session.clone());
        let ended = || Refusal::unauthorized(ProblemCode::SessionEnded);
        let account = self.accounts.get(&id).ok_or_else(ended)?;
        let sessions = self.sessions.iter().filter(|(_, session)| session.account == id);
        let sessions: Vec<_> =
            sessions.map(|(id, session)| exported_session(id, session)).collect();
        let identities = self.identities.iter().filter(|(account, _)| *account == id);
        let response = ExportResponse {
            exported_at: self.now(),
            account: ExportedAccount {
                last_sign_in_at: sessions.iter().map(|session| session.created_at).max(),
                ..exported_account(id, account)
            },
            identifiers: identifiers(account),
            identities: identities.map(|(_, identity)| exported_identity(identity)).collect(),
            attributes: Vec::new(),
            sessions,
            known_networks: Vec::new(),
            links: Vec::new(),
            mails: Vec::new(),
            events: self.events_of(id).map(|stored| stored.event.clone()).collect(),
        };
        let reply = Reply::of_json(StatusCode::OK, &response);
        Ok(reply.with(CACHE_CONTROL, HeaderValue::from_static("no-store")))
    }

    /// The newest first.
    fn events_of(&self, account: i64) -> impl Iterator<Item = &StoredEvent> {
        self.events.iter().rev().filter(move |stored| stored.account == account)
    }
}

/// Not a bare number, which the real server refuses.
const CURSOR: &str = "cursor-";

fn cursor(id: i64) -> String {
    format!("{CURSOR}{id}")
}

/// The `before` of a request: events with lower ids are listed.
fn before(received: &ReceivedRequest) -> Result<i64, Refusal> {
    let pairs = url::form_urlencoded::parse(received.query().as_bytes());
    match pairs.filter(|(name, _)| name == "before").last() {
        Some((_, given)) => {
            let id = given.strip_prefix(CURSOR).and_then(|id| id.parse().ok());
            id.ok_or_else(|| Refusal::of_field("before", FieldCode::Invalid))
        }
        None => Ok(i64::MAX),
    }
}

fn exported_account(id: i64, account: &StoredAccount) -> ExportedAccount {
    ExportedAccount {
        id,
        foreign_id: None,
        display_name: account.display_name.clone(),
        sign_up_name: None,
        pending_email: account.pending_email.clone(),
        language: None,
        active: !account.is_inactive(),
        awaits_activation: account.is_new,
        has_password: account.password.is_some(),
        password_proved: false,
        password_voided: false,
        password_by_sign_in_at: None,
        superuser: false,
        imported: false,
        joined_at: None,
        created_at: account.created_at,
        last_sign_in_at: None,
    }
}

/// As old as the account, because their own times are not stored.
fn identifiers(account: &StoredAccount) -> Vec<ExportedIdentifier> {
    let names = [
        ("email", &account.email, account.email_verified),
        ("phone", &account.phone, false),
        ("username", &account.username, false),
    ];
    let exported = |(kind, value, is_verified): (&str, &Option<String>, bool)| {
        Some(ExportedIdentifier {
            kind: kind.to_owned(),
            value: value.clone()?,
            imported_as: None,
            created_at: account.created_at,
            verified_at: is_verified.then_some(account.created_at),
            owned_at: None,
            left_at: None,
        })
    };
    names.into_iter().filter_map(exported).collect()
}

fn exported_identity(identity: &Identity) -> ExportedIdentity {
    ExportedIdentity {
        provider: identity.provider.clone(),
        subject: identity.subject.clone(),
        email: identity.email.clone(),
        email_verified: true,
        name: identity.name.clone(),
        avatar_url: identity.avatar_url.clone(),
        phone: None,
        created_at: identity.created_at,
        last_used_at: identity.last_used_at,
        linked_by_sign_in_at: None,
    }
}

fn exported_session(id: &str, session: &StoredSession) -> ExportedSession {
    ExportedSession {
        id: id.to_owned(),
        device_name: session.device_name.clone(),
        api: "native".to_owned(),
        client: None,
        scope: None,
        created_at: session.created_at,
        signed_in_at: Some(session.created_at),
        last_used_at: session.last_used_at,
        access_expires_at: session.expires_at,
        expires_at: session.expires_at,
        absolute_expires_at: None,
        ended: session.is_ended,
        ended_at: None,
    }
}
