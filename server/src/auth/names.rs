//! What an account is called, and which address is its mailbox.

use crate::identifier::{Email, stand_in};
use crate::readable::may_become_a_link;
use crate::store::accounts::Account;

impl Account {
    /// The account as it is now: a new address that was not confirmed in time does not wait.
    pub(in crate::auth) fn at(self, now: i64) -> Self {
        let waits = self.pending_email_until.is_some_and(|until| until > now);
        let is_other = self.pending_email != self.email;
        Account { pending_email: self.pending_email.filter(|_| waits && is_other), ..self }
    }

    /// What names the account where an address is expected: its e-mail, else phone, else a name that
    /// is nobody else's and never changes.
    pub fn user_name(&self) -> String {
        let address = self.email.clone().or_else(|| self.phone.clone());
        address.unwrap_or_else(|| stand_in(self.id))
    }

    /// Where mail about the account goes: its address, but while that one waits to be proved, the
    /// proved one that it had before.
    pub fn mailbox(&self) -> Option<&str> {
        let former = self.former_email.as_ref().filter(|_| !self.is_email_proved());
        former.or(self.email.as_ref()).map(String::as_str)
    }

    /// Whether another address than the present one may still be confirmed, or called off; of the
    /// account as it is [now](Account::at).
    pub(in crate::auth) fn waits_for_confirmation(&self) -> bool {
        self.pending_email.is_some()
    }

    pub(in crate::auth) fn is_email_proved(&self) -> bool {
        self.email_verified_at.is_some()
    }

    /// Whether the account's owner has shown to read mail there.
    pub fn is_mailbox_proved(&self) -> bool {
        self.is_email_proved() || self.former_email.is_some()
    }

    /// Whether there is a password, and something to send with it.
    pub fn is_opened_by_password(&self) -> bool {
        let named = [&self.email, &self.phone, &self.username].into_iter().any(Option::is_some);
        self.has_password && named
    }

    /// The username, or what is shown in its place; an account without any name has a stand-in.
    pub fn username_shown(&self) -> String {
        self.chosen_name().map_or_else(|| stand_in(self.id), str::to_owned)
    }

    /// The username, or what the account registered with, as long as that is still its own, else its
    /// e-mail address or phone.
    pub fn chosen_name(&self) -> Option<&str> {
        let held = [&self.email, &self.phone].into_iter().find(|held| **held == self.sign_up_name);
        [&self.username, held.unwrap_or(&None), &self.email, &self.phone]
            .into_iter()
            .find_map(Option::as_deref)
    }

    /// A name of the account or of one of its devices, where a mail may have it. Anybody can register
    /// an address that is not theirs: until its owner has proved it, no name goes there that a mail
    /// program would make a link of.
    pub(in crate::auth) fn mailed_name<'n>(&self, name: &'n str) -> Option<&'n str> {
        let is_harmless = self.email_verified_at.is_some()
            || self.email.as_deref() == Some(name)
            || !may_become_a_link(name);
        is_harmless.then_some(name)
    }
}

/// Whether this is the account's address, however it is spelled.
pub(in crate::auth) fn holds(account: &Account, email: &Email) -> bool {
    let own = account.email.as_deref().and_then(Email::parse);
    own.is_some_and(|own| own.key() == email.key())
}
