//! What an account is called, and which address is its mailbox.

use serde_json::Value;

use crate::identifier::{Email, stand_in};
use crate::readable::may_become_a_link;
use crate::store::accounts::Account;

impl Account {
    /// The account as of `now`: a pending address whose time to be confirmed has passed is left
    /// out.
    pub fn as_of(self, now: i64) -> Self {
        let is_pending = self.pending_email_until.is_some_and(|until| until > now);
        let is_other = self.pending_email != self.email;
        Account { pending_email: self.pending_email.filter(|_| is_pending && is_other), ..self }
    }

    /// The id that an API shows, of an account that [`crate::auth::Auth::shown_at`] has prepared for
    /// it.
    pub fn shown_id(&self) -> Value {
        match &self.foreign_id {
            Some(foreign_id) => foreign_id.clone().into(),
            None => self.id.into(),
        }
    }

    /// A name of the account where an address is expected: its e-mail address, else its phone, else
    /// a stand-in that is unique and never changes.
    pub fn user_name(&self) -> String {
        let address = self.email.clone().or_else(|| self.phone.clone());
        address.unwrap_or_else(|| stand_in(self.id))
    }

    /// The username, or what is shown in its place; a stand-in for an account without any name.
    pub fn display_username(&self) -> String {
        self.chosen_name().map_or_else(|| stand_in(self.id), str::to_owned)
    }

    /// The username; else the name that the account registered with, if it is still an identifier
    /// of the account; else its e-mail address or phone.
    pub fn chosen_name(&self) -> Option<&str> {
        let held = [&self.email, &self.phone].into_iter().find(|held| **held == self.sign_up_name);
        [&self.username, held.unwrap_or(&None), &self.email, &self.phone]
            .into_iter()
            .find_map(Option::as_deref)
    }

    /// The name of an account or of its device, if a mail may contain it. Anyone can register an
    /// address of another person: until its owner has proved it, a mail to it contains no name that
    /// a mail program would turn into a link.
    pub fn name_for_mail<'n>(&self, name: &'n str) -> Option<&'n str> {
        let is_harmless = self.is_email_proved()
            || self.email.as_deref() == Some(name)
            || !may_become_a_link(name);
        is_harmless.then_some(name)
    }

    /// Where mail about the account goes: its address, or the former, proved one while the new
    /// address is not proved yet.
    pub fn mailbox(&self) -> Option<&str> {
        let former = self.former_email.as_ref().filter(|_| !self.is_email_proved());
        former.or(self.email.as_ref()).map(String::as_str)
    }

    /// Whether the account's owner has proved that they read the mailbox.
    pub fn is_mailbox_proved(&self) -> bool {
        self.is_email_proved() || self.former_email.is_some()
    }

    pub fn is_email_proved(&self) -> bool {
        self.email_verified_at.is_some()
    }

    /// Whether another address may still be confirmed or cancelled; of an account
    /// [as of now](Account::as_of).
    pub fn waits_for_confirmation(&self) -> bool {
        self.pending_email.is_some()
    }

    /// Whether the account has a password and an identifier to use it with.
    pub fn can_sign_in_with_password(&self) -> bool {
        let named = [&self.email, &self.phone, &self.username].into_iter().any(Option::is_some);
        self.has_password && named
    }
}

/// Whether this is the account's address, in any spelling.
pub fn has_address(account: &Account, email: &Email) -> bool {
    let own = account.email.as_deref().and_then(Email::parse);
    own.is_some_and(|own| own.key() == email.key())
}
