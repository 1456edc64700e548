//! What the fake server knows: accounts, sessions, tokens, mailed links and sign-ins that are under
//! way, all in memory and by its own clock.

use std::collections::{BTreeMap, HashMap};

use hyper::StatusCode;
use propusk_wire::{FieldCode, Identity, ProblemCode, Secret};

use super::answer::Reply;
use super::federation::{Flow, Grant};
use super::sessions::{AccessToken, RefreshToken, StoredSession};
use crate::Clock;
use crate::pkce;

/// What a request comes to.
pub(super) type Handled = Result<Reply, Refusal>;

/// Everything.
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
    /// With the account that each opens.
    pub identities: Vec<(i64, Identity)>,
    last_account: i64,
}

/// An account.
#[derive(Default)]
pub(super) struct StoredAccount {
    pub email: Option<String>,
    pub email_verified: bool,
    pub pending_email: Option<String>,
    pub phone: Option<String>,
    pub username: Option<String>,
    pub display_name: Option<String>,
    pub password: Option<Secret>,
    pub created_at: i64,
    /// It waits for its activation.
    pub is_new: bool,
    pub is_suspended: bool,
}

/// A link that was mailed, as long as it works.
pub(super) struct StoredLink {
    pub email: String,
    pub account: i64,
    pub token: Secret,
    pub purpose: Purpose,
}

/// What a mailed link is for.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum Purpose {
    Activation,
    /// With the challenge of the app that has asked for it.
    Reset {
        challenge: Option<String>,
    },
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub code: ProblemCode,
    pub fields: BTreeMap<String, Vec<FieldCode>>,
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
            last_account: 0,
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

    /// By e-mail address, in whatever case.
    pub fn account_by_email(&self, email: &str) -> Option<i64> {
        let has = |account: &StoredAccount| {
            account.email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(email))
        };
        self.accounts.iter().find(|(_, account)| has(account)).map(|(id, _)| *id)
    }

    /// By e-mail address, phone number or username.
    pub fn account_by_identifier(&self, identifier: &str) -> Option<i64> {
        let is_it = |name: &Option<String>| name.as_deref() == Some(identifier);
        self.account_by_email(identifier).or_else(|| {
            let has = |account: &StoredAccount| is_it(&account.phone) || is_it(&account.username);
            self.accounts.iter().find(|(_, account)| has(account)).map(|(id, _)| *id)
        })
    }

    /// What lies in a mailbox is replaced: the newest link of each purpose works.
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

impl StoredAccount {
    pub fn is_inactive(&self) -> bool {
        self.is_new || self.is_suspended
    }
}

impl Refusal {
    pub fn new(status: StatusCode, code: ProblemCode) -> Self {
        Refusal { status, code, fields: BTreeMap::new() }
    }

    pub fn unauthorized(code: ProblemCode) -> Self {
        Refusal::new(StatusCode::UNAUTHORIZED, code)
    }

    pub fn forbidden(code: ProblemCode) -> Self {
        Refusal::new(StatusCode::FORBIDDEN, code)
    }

    pub fn conflict(code: ProblemCode) -> Self {
        Refusal::new(StatusCode::CONFLICT, code)
    }

    pub fn bad_request(code: ProblemCode) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, code)
    }

    pub fn not_found() -> Self {
        Refusal::new(StatusCode::NOT_FOUND, ProblemCode::NotFound)
    }

    /// A member of the request that is not what it has to be.
    pub fn of_field(name: &str, code: FieldCode) -> Self {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, ProblemCode::InvalidFields).with(name, code)
    }

    pub fn with(mut self, field: &str, code: FieldCode) -> Self {
        self.fields.insert(field.to_owned(), vec![code]);
        self
    }
}

/// 43 characters of base64url.
pub(super) fn random() -> Secret {
    pkce::verifier().expect("random bytes of the system")
}

pub(super) fn no_content() -> Reply {
    Reply::new(StatusCode::NO_CONTENT)
}

pub(super) fn accepted() -> Reply {
    Reply::new(StatusCode::ACCEPTED)
}
