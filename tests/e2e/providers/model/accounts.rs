//! The expected state: accounts by the rules, and which of them have a single owner.

use std::collections::BTreeMap;

use super::act::{Address, Claims, Identity, Person, Way};

pub type Id = i64;

/// A previous address, removed without the password, that may take the account back.
#[derive(Clone, Debug)]
pub struct Former {
    pub address: Address,
    is_proved: bool,
    is_owned: bool,
    alone: Option<Person>,
}

/// The right of a mailbox to take its account back with the mail that offers it.
#[derive(Clone, Debug)]
pub struct Offer {
    address: Address,
    kept: Vec<(Identity, Person)>,
    until: i64,
}

/// How long an offer is valid, in seconds.
const RETURNS_FOR: i64 = 7 * 24 * 3_600;

/// An account; `era` counts the ends of all its sessions.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub email: Option<Address>,
    /// Its mailbox was proved.
    pub is_proved: bool,
    /// Proved by an act that ended all other access.
    pub is_owned: bool,
    /// The oldest first.
    pub formers: Vec<Former>,
    pub offers: Vec<Offer>,
    /// The address that waits for its confirmation, and whether the password was given.
    pub pending: Option<(Address, bool)>,
    pub has_phone: bool,
    /// The password is void until a mailed link sets another.
    pub is_voided: bool,
    pub password: Option<String>,
    /// The password was set in such an act.
    pub is_password_proved: bool,
    pub is_active: bool,
    pub awaits_activation: bool,
    pub identities: Vec<(Identity, Person)>,
    /// Identities linked without the password, with the time.
    pub linked_by_sign_in: Vec<((Identity, Person), i64)>,
    /// The person who proved the mailbox by a reset or a trusted provider, if only the password was
    /// changed since: no other person has access.
    pub alone: Option<Person>,
    /// Counts the ends of all sessions.
    pub era: usize,
}

/// The result of a sign-in with a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    Account(Id),
    New,
    Refused,
}

#[derive(Default)]
pub struct Accounts(pub BTreeMap<Id, Account>);

impl Accounts {
    pub fn holder(&self, address: Address) -> Option<Id> {
        self.0.iter().find(|(_, account)| account.email == Some(address)).map(|(id, _)| *id)
    }

    pub fn get(&self, id: Id) -> Result<&Account, String> {
        self.0.get(&id).ok_or_else(|| format!("account {id} should not be there"))
    }

    pub fn change(&mut self, id: Id) -> Result<&mut Account, String> {
        self.0.get_mut(&id).ok_or_else(|| format!("account {id} should not be there"))
    }

    /// The account that holds this address against all others.
    pub fn claimant(&self, address: Address) -> Option<Id> {
        let claims = |account: &Account| {
            let left = |former: &Former| former.address == address && former.is_proved;
            account.email == Some(address) || account.formers.iter().any(left)
        };
        self.0.iter().find(|(_, account)| claims(account)).map(|(id, _)| *id)
    }

    /// The account whose mail goes to this address.
    pub fn mailed_to(&self, address: Address) -> Option<Id> {
        self.0.iter().find(|(_, account)| account.mailbox() == Some(address)).map(|(id, _)| *id)
    }

    /// The account that a reset for this address is about, if one is mailed.
    fn gets_reset(&self, address: Address) -> Option<Id> {
        let (id, account) = self.claimant(address).and_then(|id| Some((id, self.0.get(&id)?)))?;
        let is_named = [account.email, account.mailbox()].contains(&Some(address));
        let is_proved = account.is_proved || account.mailbox() != account.email;
        let had_password = account.password.is_some() || account.is_voided;
        let gets = had_password || !is_proved || account.identities.is_empty();
        (is_named && account.is_active && gets).then_some(id)
    }

    /// Whether a reset for this address is mailed to it.
    pub fn is_mailed_resets(&self, address: Address) -> bool {
        let account = self.gets_reset(address).and_then(|id| self.0.get(&id));
        account.is_some_and(|account| account.mailbox() == Some(address))
    }

    /// A reset that goes to the old address reminds the new one to confirm.
    pub fn ask_for_reset(&mut self, address: Address) {
        let Some(account) = self.gets_reset(address).and_then(|id| self.0.get_mut(&id)) else {
            return;
        };
        if let Some(new) = account.email.filter(|_| account.mailbox() != account.email)
            && account.pending.is_none_or(|(to, _)| to != new)
        {
            account.pending = Some((new, false));
        }
    }

    /// Whether the mailbox may confirm this account's new address now.
    pub fn may_confirm(&self, id: Id, who: Address) -> bool {
        let is_free = self.claimant(who).is_none_or(|claimant| claimant == id);
        let account = self.0.get(&id);
        is_free
            && account.is_some_and(|account| {
                account.is_active && account.pending.is_some_and(|(to, _)| to == who)
            })
    }

    /// Whether the mailbox may take the account back now.
    pub fn may_bring_back(&self, id: Id, who: Address, now: i64) -> bool {
        self.0.get(&id).is_some_and(|account| {
            let offered = |offer: &Offer| offer.address == who && now < offer.until;
            let left = |former: &Former| former.address == who;
            account.is_active
                && account.offers.iter().any(offered)
                && (account.email == Some(who) || account.formers.iter().any(left))
        })
    }

    /// Whether the password opens the account of the address.
    pub fn opens(&self, address: Address, password: &str) -> bool {
        let account = self.holder(address).and_then(|id| self.0.get(&id));
        account.is_some_and(|account| {
            account.is_active && account.password.as_deref() == Some(password)
        })
    }

    /// The result for an identity with these claims.
    pub fn entered(&self, by: (Identity, Person), claims: Claims, way: Way) -> Entered {
        let known = self.0.iter().find(|(_, account)| account.identities.contains(&by));
        if let Some((id, account)) = known {
            let enters = account.is_active && way != Way::Registration;
            return if enters { Entered::Account(*id) } else { Entered::Refused };
        }
        let holder = claims.address_of(by.1).and_then(|address| self.claimant(address));
        let Some((id, account)) = holder.and_then(|id| Some((id, self.0.get(&id)?))) else {
            return if way == Way::Login { Entered::Refused } else { Entered::New };
        };
        let no_strangers = account.password.is_none() || account.is_password_proved;
        let is_believed =
            claims == Claims::Proved && account.email == Some(by.1) && account.is_home();
        match is_believed && account.is_active && no_strangers && way != Way::Registration {
            true => Entered::Account(id),
            false => Entered::Refused,
        }
    }

    pub fn made_by(&mut self, id: Id, by: (Identity, Person), claims: Claims) {
        let is_proved = claims == Claims::Proved;
        if let Some(address) = claims.address_of(by.1) {
            self.drop_unproved(address, id);
        }
        let account = Account {
            email: claims.address_of(by.1),
            is_proved,
            is_owned: is_proved,
            is_active: true,
            identities: vec![by],
            alone: is_proved.then_some(by.1),
            ..Account::default()
        };
        self.0.insert(id, account);
    }

    /// An identity signs in; the first proof of the mailbox ends all other access.
    pub fn enter(&mut self, id: Id, by: (Identity, Person), claims: Claims) -> Result<(), String> {
        let account = self.change(id)?;
        let is_known = account.identities.contains(&by);
        if !is_known {
            account.identities.push(by);
            account.linked_by_sign_in.retain(|(other, _)| *other != by);
        }
        if claims != Claims::Proved || account.email != Some(by.1) {
            return Ok(());
        }
        let is_first = if is_known { !account.is_proved } else { !account.is_owned };
        let takes_over = is_first && account.is_home();
        if takes_over {
            account.own();
            account.identities = vec![by];
            account.password = None;
            account.is_password_proved = false;
            (account.is_proved, account.is_owned) = (true, true);
            account.era += 1;
            account.alone = Some(by.1);
        }
        Ok(())
    }

    /// The account that an identity opens.
    pub fn opened_by(&self, by: (Identity, Person)) -> Option<Id> {
        let found = self.0.iter().find(|(_, account)| account.identities.contains(&by));
        found.map(|(id, _)| *id)
    }

    /// An identity is linked in a session: it may prove the mailbox, and removes nothing.
    pub fn link(
        &mut self,
        id: Id,
        by: (Identity, Person),
        claims: Claims,
        by_sign_in: Option<i64>,
    ) -> Result<(), String> {
        if self.opened_by(by).is_some_and(|holder| holder != id) {
            return Err("one identity opens two accounts".to_owned());
        }
        let account = self.change(id)?;
        if !account.identities.contains(&by) {
            account.identities.push(by);
            account.linked_by_sign_in.retain(|(other, _)| *other != by);
            account.linked_by_sign_in.extend(by_sign_in.map(|at| (by, at)));
            account.is_proved |= claims == Claims::Proved && account.email == Some(by.1);
        }
        Ok(())
    }

    pub fn unlink(&mut self, id: Id, by: (Identity, Person)) -> Result<(), String> {
        let account = self.change(id)?;
        account.identities.retain(|other| *other != by);
        let is_open = account.password.is_some() && account.email.is_some();
        match is_open || !account.identities.is_empty() {
            true => Ok(()),
            false => Err("the last way in is gone".to_owned()),
        }
    }

    /// The mailbox sets a password. The first time all other access ends, and again if another
    /// address was not proved: that address is dropped, and the old one returns.
    pub fn reset(&mut self, id: Id, who: Person, password: String) -> Result<(), String> {
        let account = self.change(id)?;
        if !account.is_active {
            return Err("a suspended account's password is reset".to_owned());
        }
        let is_present = account.email == Some(who);
        if !is_present || !account.is_owned {
            account.own();
            account.identities.clear();
        }
        if !is_present {
            account.email = None;
            if !account.return_to(who) {
                return Err(format!("{who} is no former address"));
            }
            account.offers.retain(|offer| offer.address != who);
        }
        (account.is_proved, account.is_owned) = (true, true);
        account.pending = None;
        account.password = Some(password);
        account.is_voided = false;
        account.is_password_proved = true;
        account.era += 1;
        account.alone = Some(who);
        Ok(())
    }

    pub fn activate(&mut self, id: Id) -> Result<(), String> {
        let account = self.change(id)?;
        if !account.awaits_activation {
            return Err("it did not wait to be activated".to_owned());
        }
        account.awaits_activation = false;
        account.is_active = true;
        account.is_proved = true;
        Ok(())
    }

    /// Changes to another address at once.
    pub fn move_to(&mut self, id: Id, to: Address, by: bool, now: i64) -> Result<(), String> {
        if self.claimant(to).is_some_and(|holder| holder != id) {
            return Err("two accounts have one address".to_owned());
        }
        self.drop_unproved(to, id);
        let account = self.change(id)?;
        if account.email == Some(to) {
            account.repeat(to, by);
            return Ok(());
        }
        if !by {
            account.offer(now);
        }
        account.leave_for(to, true);
        account.pending =
            (!account.is_proved && account.mailbox() != account.email).then_some((to, by));
        Ok(())
    }

    /// Requests a confirmation from another address.
    pub fn ask_to_move(&mut self, id: Id, to: Address, by: bool, now: i64) -> Result<(), String> {
        let account = self.change(id)?;
        if account.email == Some(to) {
            account.repeat(to, by);
            return Ok(());
        }
        account.pending = Some((to, by));
        if !by {
            account.offer(now);
        }
        Ok(())
    }

    /// Whether this is already the account's address, and no other one waits.
    pub fn is_named_again(&self, id: Id, to: Address) -> bool {
        self.0.get(&id).is_some_and(|account| {
            account.email == Some(to) && account.pending.is_none_or(|(waiting, _)| waiting == to)
        })
    }

    /// The mailbox confirms a new address.
    pub fn confirm(&mut self, id: Id, who: Address, now: i64) -> Result<(), String> {
        if self.claimant(who).is_some_and(|holder| holder != id) {
            return Err("two accounts have one address".to_owned());
        }
        self.drop_unproved(who, id);
        let account = self.change(id)?;
        let Some((to, by)) = account.pending.take().filter(|(to, _)| *to == who) else {
            return Err(format!("{who} confirms what was not asked for"));
        };
        if account.email != Some(to) {
            if !by {
                account.prolong(now);
            }
            account.leave_for(to, !by);
        } else {
            let (offers, open) = (&account.offers, |offer: &&Offer| now < offer.until);
            account.formers.retain(|former| {
                offers.iter().filter(open).any(|offer| offer.address == former.address)
            });
        }
        account.is_proved = true;
        Ok(())
    }

    /// The old mailbox takes its address back: its single owner is restored.
    pub fn bring_back(&mut self, id: Id, who: Address, now: i64) -> Result<(), String> {
        let account = self.change(id)?;
        let offer = account.offers.iter().find(|offer| offer.address == who).cloned();
        let Some(offer) = offer.filter(|offer| now < offer.until) else {
            return Err(format!("{who} brings back what was not left"));
        };
        if account.email != Some(who) && !account.return_to(who) {
            return Err(format!("{who} is no former address"));
        }
        account.is_proved = true;
        account.identities.retain(|identity| offer.kept.contains(identity));
        account.offers.retain(|offer| offer.address != who);
        (account.password, account.is_password_proved, account.is_voided) = (None, false, true);
        account.pending = None;
        account.era += 1;
        Ok(())
    }

    /// Drops a previous address that was never proved.
    fn drop_unproved(&mut self, address: Address, but: Id) {
        for (_, account) in self.0.iter_mut().filter(|(id, _)| **id != but) {
            account.formers.retain(|former| former.address != address || former.is_proved);
        }
    }

    pub fn registered(&mut self, id: Id, account: Account) {
        if let Some(address) = account.email {
            self.drop_unproved(address, id);
        }
        self.0.insert(id, account);
    }

    pub fn set_active(&mut self, id: Id, is_active: bool) -> Result<(), String> {
        let account = self.change(id)?;
        account.is_active = is_active;
        account.pending = None;
        account.awaits_activation = false;
        Ok(())
    }
}

impl Account {
    /// The address of its mail.
    pub fn mailbox(&self) -> Option<Address> {
        let former = self.formers.iter().rev().find(|former| former.is_proved);
        former.filter(|_| !self.is_proved).map(|former| former.address).or(self.email)
    }

    /// No previous address may take it back.
    fn is_home(&self) -> bool {
        self.mailbox() == self.email
    }

    /// Removes everything that others may have added, except the username.
    fn own(&mut self) {
        (self.has_phone, self.pending) = (false, None);
        for offer in &mut self.offers {
            offer.kept.clear();
        }
    }

    /// The present address is named again: that cancels one that waits, and does nothing else.
    fn repeat(&mut self, present: Address, by: bool) {
        if self.pending.is_some_and(|(waiting, _)| waiting != present) {
            let goes_elsewhere = self.mailbox() != self.email;
            self.pending = goes_elsewhere.then_some((present, by));
        }
    }

    /// Offers the account back to its mailbox.
    fn offer(&mut self, now: i64) {
        let Some(address) = self.mailbox() else { return };
        let open = |offer: &&Offer| now < offer.until;
        let kept = self.offers.iter().find(open).map(|offer| offer.kept.clone());
        let kept = kept.unwrap_or_else(|| {
            let is_new = |by| {
                self.linked_by_sign_in.iter().any(|(new, at)| new == by && now < at + RETURNS_FOR)
            };
            self.identities.iter().filter(|by| !is_new(*by)).copied().collect()
        });
        self.offers.retain(|offer| now < offer.until);
        match self.offers.iter_mut().find(|offer| offer.address == address) {
            Some(offer) => offer.until = now + RETURNS_FOR + 1,
            None => self.offers.push(Offer { address, kept, until: now + RETURNS_FOR + 1 }),
        }
    }

    fn prolong(&mut self, now: i64) {
        let mailbox = self.mailbox();
        let open = |offer: &&mut Offer| Some(offer.address) == mailbox && now < offer.until;
        self.offers.iter_mut().filter(open).for_each(|offer| offer.until = now + RETURNS_FOR + 1);
    }

    fn leave_for(&mut self, to: Address, keeps_old: bool) {
        if let (true, Some(address)) = (keeps_old, self.email)
            && self.mailbox() == self.email
        {
            let Account { is_proved, is_owned, alone, .. } = *self;
            self.formers.push(Former { address, is_proved, is_owned, alone });
        }
        self.email = None;
        if self.return_to(to) {
            self.offers.retain(|offer| offer.address != to);
        } else {
            self.email = Some(to);
            (self.is_proved, self.is_owned, self.alone) = (false, false, None);
        }
        self.is_password_proved = false;
        self.pending = None;
    }

    /// Returns to a previous address, and forgets later ones; false if it is none.
    fn return_to(&mut self, address: Address) -> bool {
        let Some(place) = self.formers.iter().position(|former| former.address == address) else {
            return false;
        };
        for former in self.formers.split_off(place) {
            self.offers
                .retain(|offer| offer.address != former.address || former.address == address);
            if former.address == address {
                self.email = Some(address);
                (self.is_proved, self.is_owned) = (former.is_proved, former.is_owned);
                self.alone = former.alone;
            }
        }
        true
    }
}
