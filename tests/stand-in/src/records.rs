//! The records of one provider: its clients, the user at the browser, and what it has issued.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::token::Refusal;
use crate::{Behaviour, Client, Consent, Endpoint, User};

/// The lifetime of a code at VK and Yandex.
const CODE_LIFETIME: Duration = Duration::from_secs(600);

pub(crate) struct Records {
    pub clients: Vec<Client>,
    pub user: User,
    pub consent: Consent,
    pub behaviours: HashMap<Endpoint, Behaviour>,
    /// The client to which the tokens of the recordings are issued.
    pub oracle: Option<String>,
    /// VK: the callback has one parameter `payload`.
    pub payload: bool,
    pub iss: Option<String>,
    codes: HashMap<String, Code>,
    access: HashMap<String, Grant>,
    refresh: HashMap<String, Grant>,
    agreed: HashSet<(String, String)>,
}

/// The consent of a user for a client.
#[derive(Clone)]
pub(crate) struct Grant {
    /// Shared by all tokens of this grant, and by no others.
    pub id: String,
    pub client_id: String,
    pub user: User,
    /// Separated by spaces.
    pub scope: String,
    pub device_id: String,
    pub nonce: Option<String>,
    /// Google only: a refresh token was requested and is due.
    pub offline: bool,
}

#[derive(Clone)]
pub(crate) struct Code {
    pub grant: Grant,
    /// The redirect of the authorization request.
    pub sent_to: String,
    pub challenge: Option<String>,
    expires: Instant,
    spent: bool,
}

impl Default for Records {
    fn default() -> Self {
        Records {
            clients: Vec::new(),
            user: User::new("greta"),
            consent: Consent::Grant,
            behaviours: HashMap::new(),
            oracle: None,
            payload: false,
            iss: None,
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            agreed: HashSet::new(),
        }
    }
}

impl Records {
    pub fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// Records the user's consent; returns whether it is the first one.
    pub fn agree(&mut self, client_id: &str, user: &User) -> bool {
        self.agreed.insert((client_id.to_owned(), user.id.clone()))
    }

    pub fn issue_code(
        &mut self,
        text: String,
        grant: Grant,
        sent_to: String,
        challenge: Option<String>,
    ) {
        let expires = Instant::now() + CODE_LIFETIME;
        let code = Code { grant, sent_to, challenge, expires, spent: false };
        self.codes.insert(text, code);
    }

    /// Spends a code, even if the rest of the request is wrong. A code that is reused also ends the
    /// tokens that were issued for it (RFC 6749, section 4.1.2).
    pub fn spend_code(&mut self, text: &str, client_id: &str) -> Result<Code, Refusal> {
        let code = self
            .codes
            .get_mut(text)
            .filter(|code| code.grant.client_id == client_id)
            .ok_or(Refusal::Code)?;
        if code.spent {
            let id = code.grant.id.clone();
            self.access.retain(|_, grant| grant.id != id);
            self.refresh.retain(|_, grant| grant.id != id);
            return Err(Refusal::Code);
        }
        code.spent = true;
        if code.expires <= Instant::now() {
            return Err(Refusal::Code);
        }
        Ok(code.clone())
    }

    pub fn device_id(&self, code: &str) -> Option<String> {
        self.codes.get(code).map(|code| code.grant.device_id.clone())
    }

    pub fn expire_codes(&mut self) {
        let now = Instant::now();
        self.codes.values_mut().for_each(|code| code.expires = now);
    }

    pub fn issue_access(&mut self, prefix: &str, grant: &Grant) -> String {
        let token = random(prefix, 48);
        self.access.insert(token.clone(), grant.clone());
        token
    }

    pub fn issue_refresh(&mut self, prefix: &str, grant: &Grant) -> String {
        let token = random(prefix, 48);
        self.refresh.insert(token.clone(), grant.clone());
        token
    }

    pub fn access(&self, token: &str) -> Option<&Grant> {
        self.access.get(token)
    }

    /// The existing access token of a grant.
    pub fn access_of(&self, grant: &Grant) -> Option<String> {
        let mut tokens = self.access.iter();
        tokens.find(|(_, other)| other.id == grant.id).map(|(token, _)| token.clone())
    }

    pub fn refresh(&self, token: &str, client_id: &str) -> Result<Grant, Refusal> {
        let grant = self.refresh.get(token).filter(|grant| grant.client_id == client_id);
        grant.cloned().ok_or(Refusal::RefreshToken)
    }

    pub fn end_refresh(&mut self, token: &str) {
        self.refresh.remove(token);
    }
}

impl Grant {
    pub fn new(client_id: &str, user: User, scope: &str) -> Self {
        Grant {
            id: random("", 16),
            client_id: client_id.to_owned(),
            user,
            scope: scope.to_owned(),
            device_id: random("", 48),
            nonce: None,
            offline: false,
        }
    }

    /// Whether one of these words is in the scope.
    pub fn has(&self, words: &[&str]) -> bool {
        self.scope.split(' ').any(|word| words.contains(&word))
    }
}

/// Cannot be guessed; safe in a URL.
pub(crate) fn random(prefix: &str, bytes: usize) -> String {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).expect("the system has random bytes");
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random))
}
