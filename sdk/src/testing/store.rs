//! The state of the fake server, in memory and by its own clock: accounts, sessions, tokens, mailed
//! links, pending sign-ins and events.

use std::collections::{BTreeMap, HashMap};

use propusk_wire::{Event, Identity, Secret};

use super::records::{
    AccessToken, Flow, Grant, Purpose, RefreshToken, StoredAccount, StoredEvent, StoredLink,
    StoredSession,
};
use crate::clock::Clock;
use crate::pkce;

/// The state of the fake server.
pub(super) struct Store {
    pub clock: Clock,
    pub url: String,
    pub awaits_activation: bool,
    pub accounts: BTreeMap<i64, StoredAccount>,
    pub sessions: BTreeMap<String, StoredSession>,
    pub access_tokens: HashMap<String, AccessToken>,
    pub refresh_tokens: HashMap<String, RefreshToken>,
    /// In the order in which they were mailed.
    pub links: Vec<StoredLink>,
    /// By their state.
    pub flows: HashMap<String, Flow>,
    /// By their code.
    pub grants: HashMap<String, Grant>,
    /// With their accounts.
    pub identities: Vec<(i64, Identity)>,
    /// The oldest first.
    pub events: Vec<StoredEvent>,
    last_account: i64,
    last_event: i64,
}

impl Store {
    pub fn new(clock: Clock, url: String) -> Self {
        Store {
            clock,
            url,
            awaits_activation: false,
            accounts: BTreeMap::new(),
            sessions: BTreeMap::new(),
            access_tokens: HashMap::new(),
            refresh_tokens: HashMap::new(),
            links: Vec::new(),
            flows: HashMap::new(),
            grants: HashMap::new(),
            identities: Vec::new(),
            events: Vec::new(),
            last_account: 0,
            last_event: 0,
        }
    }

    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    pub fn insert_account(&mut self, account: StoredAccount) -> i64 {
        self.last_account += 1;
        let created_at = self.now();
        self.accounts.insert(self.last_account, StoredAccount { created_at, ..account });
        self.last_account
    }

    pub fn insert_event(&mut self, account: i64, event: Event) -> &mut Event {
        self.last_event += 1;
        self.events.push(StoredEvent { id: self.last_event, account, event });
        &mut self.events.last_mut().expect("it was just added").event
    }

    /// Finds an account by e-mail address, in any case.
    pub fn account_by_email(&self, email: &str) -> Option<i64> {
        let has = |account: &StoredAccount| {
            account.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(email))
        };
        self.accounts.iter().find(|(_, account)| has(account)).map(|(id, _)| *id)
    }

    /// Finds an account by e-mail address, phone number or username.
    pub fn account_by_identifier(&self, identifier: &str) -> Option<i64> {
        let is_it = |name: &Option<String>| name.as_deref() == Some(identifier);
        self.account_by_email(identifier).or_else(|| {
            let has = |account: &StoredAccount| is_it(&account.phone) || is_it(&account.username);
            self.accounts.iter().find(|(_, account)| has(account)).map(|(id, _)| *id)
        })
    }

    /// Mails a link. It replaces the earlier link with the same purpose.
    pub fn mail_link(&mut self, account: i64, email: &str, purpose: Purpose) {
        let is_same = |link: &StoredLink| {
            let kinds = [&link.purpose, &purpose].map(std::mem::discriminant);
            link.account == account && kinds[0] == kinds[1]
        };
        self.links.retain(|link| !is_same(link));
        let email = email.to_owned();
        self.links.push(StoredLink { email, account, token: random(), purpose });
    }
}

/// 43 characters of base64url.
pub(super) fn random() -> Secret {
    pkce::verifier().expect("random bytes of the system")
}
