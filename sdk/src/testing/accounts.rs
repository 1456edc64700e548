//! Accounts of the fake server: registration, mailed links, passwords and changes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use propusk_wire::{
    Account, ActivateRequest, Activation, ChangePasswordRequest, ConfirmResetRequest,
    DeleteAccountRequest, EmailRequest, FieldCode, ProblemCode, RegisterRequest, RegisterResponse,
    RequestResetRequest, Secret, UpdateAccountRequest,
};

use super::records::{Purpose, StoredAccount, StoredLink};
use super::reply::{Handled, Refusal, Reply, accepted, no_content};
use super::sessions::Sender;
use super::store::Store;
use crate::account::MailedLink;
use crate::pkce;

/// The minimum length of a password.
const PASSWORD_CHARACTERS: usize = 8;

impl Store {
    pub fn register(&mut self, mut new: RegisterRequest) -> Handled {
        for name in [&mut new.email, &mut new.phone, &mut new.username] {
            *name = name.take().map(|name| name.trim().to_owned());
        }
        let names = [("email", &new.email), ("phone", &new.phone), ("username", &new.username)];
        if names.iter().all(|(_, name)| name.is_none()) {
            return Err(Refusal::of_field("email", FieldCode::Required));
        }
        check_email(new.email.as_deref())?;
        for (field, name) in names {
            self.check_free(field, name.as_deref(), None)?;
        }
        check_password("password", &new.password)?;
        let (email, is_new) = (new.email.clone(), self.awaits_activation && new.email.is_some());
        let id = self.insert_account(StoredAccount {
            email: new.email,
            phone: new.phone,
            username: new.username,
            display_name: new.display_name,
            password: Some(new.password),
            is_new,
            ..StoredAccount::default()
        });
        self.note(id, "registered", None);
        if let Some(email) = email.filter(|_| is_new) {
            self.mail_link(id, &email, Purpose::Activation);
        }
        let activation = if is_new { Activation::Mailed } else { Activation::Active };
        let response = RegisterResponse { activation, account: Some(self.account(id)?) };
        Ok(Reply::of_json(StatusCode::CREATED, &response))
    }

    pub fn activate(&mut self, request: &ActivateRequest) -> Handled {
        let is_for = |purpose: &Purpose| *purpose == Purpose::Activation;
        let link = self.take_link(&request.uid, &request.token, is_for)?;
        let account = self.stored(link.account)?;
        (account.is_new, account.email_verified) = (false, true);
        self.note(link.account, "activated", None);
        Ok(no_content())
    }

    /// 202 whether or not the account exists.
    pub fn resend_activation(&mut self, request: &EmailRequest) -> Handled {
        let waits = |store: &Store, id: &i64| store.accounts.get(id).is_some_and(|a| a.is_new);
        let account = self.account_by_email(&request.email).filter(|id| waits(self, id));
        if let Some(id) = account {
            self.mail_link(id, &request.email, Purpose::Activation);
        }
        Ok(accepted())
    }

    /// 202 whether or not the account exists.
    pub fn request_reset(&mut self, request: RequestResetRequest) -> Handled {
        let is_active = |store: &Store, id: &i64| {
            store.accounts.get(id).is_some_and(|account| !account.is_new && !account.is_suspended)
        };
        let account = self.account_by_email(&request.email);
        if let Some(id) = account.filter(|id| is_active(self, id)) {
            let purpose = Purpose::Reset { challenge: request.code_challenge };
            self.mail_link(id, &request.email, purpose);
        }
        Ok(accepted())
    }

    pub fn confirm_reset(&mut self, request: ConfirmResetRequest) -> Handled {
        check_password("new_password", &request.new_password)?;
        let challenge = request.code_verifier.as_ref().map(pkce::challenge);
        let is_for = |purpose: &Purpose| match purpose {
            Purpose::Activation => false,
            Purpose::Reset { challenge: None } => true,
            Purpose::Reset { challenge: bound } => *bound == challenge,
        };
        let link = self.take_link(&request.uid, &request.token, is_for)?;
        let account = self.stored(link.account)?;
        account.password = Some(request.new_password);
        account.email_verified = true;
        self.note(link.account, "password_changed", Some("mailed_link"));
        self.end_sessions_of(link.account, None, "password_changed");
        Ok(no_content())
    }

    pub fn show(&self, sender: &Sender) -> Handled {
        Ok(Reply::of_json(StatusCode::OK, &self.account(sender.account)?))
    }

    pub fn change(&mut self, sender: &Sender, changes: UpdateAccountRequest) -> Handled {
        let UpdateAccountRequest { email, phone, username, display_name, current_password } =
            changes;
        if email.is_some() || phone.is_some() || username.is_some() {
            self.reauthenticate(sender, current_password.as_ref())?;
        }
        check_email(email.as_ref().and_then(Option::as_deref))?;
        for (field, name) in [("email", &email), ("phone", &phone), ("username", &username)] {
            let name = name.as_ref().and_then(Option::as_deref);
            self.check_free(field, name, Some(sender.account))?;
        }
        let account = self.stored(sender.account)?;
        let mut changed = Vec::new();
        replace(&mut account.display_name, display_name, ["display_name"; 2], &mut changed);
        match email {
            // A new address is pending until it is confirmed.
            Some(Some(email)) if account.email.as_ref() != Some(&email) => {
                account.pending_email = Some(email);
                changed.push("email_pending");
            }
            Some(None) if account.email.is_some() => {
                (account.email, account.pending_email) = (None, None);
                changed.push("email_removed");
            }
            _ => {}
        }
        replace(&mut account.phone, phone, ["phone", "phone_removed"], &mut changed);
        let username_changes = ["username", "username_removed"];
        replace(&mut account.username, username, username_changes, &mut changed);
        for what in changed {
            self.note(sender.account, "names_changed", Some(what));
        }
        self.show(sender)
    }

    pub fn change_password(&mut self, sender: &Sender, request: ChangePasswordRequest) -> Handled {
        self.reauthenticate(sender, request.current_password.as_ref())?;
        check_password("new_password", &request.new_password)?;
        self.stored(sender.account)?.password = Some(request.new_password);
        let by = request.current_password.map_or("recent_sign_in", |_| "current_password");
        self.note(sender.account, "password_changed", Some(by));
        self.end_sessions_of(sender.account, Some(&sender.session), "password_changed");
        Ok(no_content())
    }

    pub fn delete_own_account(
        &mut self,
        sender: &Sender,
        request: &DeleteAccountRequest,
    ) -> Handled {
        self.reauthenticate(sender, request.current_password.as_ref())?;
        self.delete_account(sender.account);
        Ok(no_content())
    }

    pub fn delete_account(&mut self, id: i64) {
        self.sessions.retain(|_, session| session.account != id);
        self.accounts.remove(&id);
        self.links.retain(|link| link.account != id);
        self.events.retain(|stored| stored.account != id);
        self.identities.retain(|(account, _)| *account != id);
    }

    /// The account as its owner sees it.
    pub fn account(&self, id: i64) -> Result<Account, Refusal> {
        let account = self.accounts.get(&id).ok_or_else(gone)?;
        Ok(Account {
            id,
            email: account.email.clone(),
            email_verified: account.email_verified,
            pending_email: account.pending_email.clone(),
            phone: account.phone.clone(),
            username: account.username.clone(),
            display_name: account.display_name.clone(),
            has_password: account.password.is_some(),
            created_at: account.created_at,
        })
    }

    /// The newest valid link that was mailed to this address.
    pub fn link_in_mailbox(&self, email: &str) -> Option<MailedLink> {
        let mut links = self.links.iter().rev();
        let link = links.find(|link| link.email.eq_ignore_ascii_case(email))?;
        Some(MailedLink::new(uid(link.account), link.token.clone()))
    }

    pub fn stored(&mut self, id: i64) -> Result<&mut StoredAccount, Refusal> {
        self.accounts.get_mut(&id).ok_or_else(gone)
    }

    /// Takes a link, which works once. A link for another purpose is kept.
    fn take_link(
        &mut self,
        of: &str,
        token: &Secret,
        is_for: impl Fn(&Purpose) -> bool,
    ) -> Result<StoredLink, Refusal> {
        let is_it = |link: &StoredLink| {
            uid(link.account) == of && link.token == *token && is_for(&link.purpose)
        };
        let found = self.links.iter().position(is_it);
        let at = found.ok_or_else(|| Refusal::bad_request(ProblemCode::LinkInvalid))?;
        Ok(self.links.remove(at))
    }

    fn check_free(&self, field: &str, name: Option<&str>, own: Option<i64>) -> Result<(), Refusal> {
        match name.and_then(|name| self.account_by_identifier(name)) {
            Some(other) if Some(other) != own => {
                Err(Refusal::conflict(ProblemCode::IdentifierTaken).with(field, FieldCode::Taken))
            }
            _ => Ok(()),
        }
    }
}

/// The id of an account in mailed links.
fn uid(account: i64) -> String {
    URL_SAFE_NO_PAD.encode(account.to_string())
}

fn gone() -> Refusal {
    Refusal::unauthorized(ProblemCode::SessionEnded)
}

/// Changes a member, and notes what happens to it: it is set, or removed.
fn replace(
    member: &mut Option<String>,
    change: Option<Option<String>>,
    [set, removed]: [&'static str; 2],
    changed: &mut Vec<&'static str>,
) {
    if let Some(value) = change.filter(|value| value != member) {
        changed.push(if value.is_some() { set } else { removed });
        *member = value;
    }
}

fn check_email(email: Option<&str>) -> Result<(), Refusal> {
    match email {
        Some(email) if !email.contains('@') => Err(Refusal::of_field("email", FieldCode::Invalid)),
        _ => Ok(()),
    }
}

fn check_password(field: &str, password: &Secret) -> Result<(), Refusal> {
    if password.expose().trim().chars().count() >= PASSWORD_CHARACTERS {
        return Ok(());
    }
    let weak = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, ProblemCode::WeakPassword);
    Err(weak.with(field, FieldCode::TooShort))
}
