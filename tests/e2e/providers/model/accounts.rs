//! What is expected: accounts as the rules have them, and who is alone in which.

use std::collections::BTreeMap;

use super::act::{Address, Claims, Identity, Person, Way};

pub type Id = i64;

/// An account, and its sessions' fate in `era`.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub email: Option<Address>,
    /// Somebody has shown to read its mailbox.
    pub is_proved: bool,
    pub password: Option<String>,
    /// The password was set in such an act.
    pub is_password_proved: bool,
    pub is_active: bool,
    pub awaits_activation: bool,
    pub identities: Vec<(Identity, Person)>,
    /// Whoever has proved the mailbox by a reset or a believed provider, since when nothing but the
    /// password was changed: nobody else gets in.
    pub alone: Option<Person>,
    /// Counts what ended all sessions.
    pub era: usize,
}

/// What comes of a provider's word.
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

    pub fn is_mailed_resets(&self, address: Address) -> bool {
        let account = self.holder(address).and_then(|id| self.0.get(&id));
        account.is_some_and(|account| {
            account.is_active && (account.password.is_some() || !account.is_proved)
        })
    }

    /// Whether the password opens the account of the address.
    pub fn opens(&self, address: Address, password: &str) -> bool {
        let account = self.holder(address).and_then(|id| self.0.get(&id));
        account.is_some_and(|account| {
            account.is_active && account.password.as_deref() == Some(password)
        })
    }

    /// What comes of an identity whose provider tells this.
    pub fn entered(&self, by: (Identity, Person), claims: Claims, way: Way) -> Entered {
        let known = self.0.iter().find(|(_, account)| account.identities.contains(&by));
        if let Some((id, account)) = known {
            let enters = account.is_active && way != Way::Registration;
            return if enters { Entered::Account(*id) } else { Entered::Refused };
        }
        let holder = claims.told(by.1).and_then(|address| self.holder(address));
        let Some((id, account)) = holder.and_then(|id| Some((id, self.0.get(&id)?))) else {
            return if way == Way::Login { Entered::Refused } else { Entered::New };
        };
        let no_strangers = account.password.is_none() || account.is_password_proved;
        let is_believed = claims == Claims::Proved;
        match is_believed && account.is_active && no_strangers && way != Way::Registration {
            true => Entered::Account(id),
            false => Entered::Refused,
        }
    }

    pub fn made_by(&mut self, id: Id, by: (Identity, Person), claims: Claims) {
        let is_proved = claims == Claims::Proved;
        let account = Account {
            email: claims.told(by.1),
            is_proved,
            is_active: true,
            identities: vec![by],
            alone: is_proved.then_some(by.1),
            ..Account::default()
        };
        self.0.insert(id, account);
    }

    /// An identity enters; the first proof of the mailbox ends what others had.
    pub fn enter(&mut self, id: Id, by: (Identity, Person), claims: Claims) -> Result<(), String> {
        let account = self.change(id)?;
        if !account.identities.contains(&by) {
            account.identities.push(by);
        }
        if claims != Claims::Proved || account.email != Some(by.1) {
            return Ok(());
        }
        if !account.is_proved {
            account.identities = vec![by];
            account.password = None;
            account.is_password_proved = false;
            account.is_proved = true;
            account.era += 1;
        }
        account.alone = Some(by.1);
        Ok(())
    }

    /// The account that an identity opens.
    pub fn opened_by(&self, by: (Identity, Person)) -> Option<Id> {
        let found = self.0.iter().find(|(_, account)| account.identities.contains(&by));
        found.map(|(id, _)| *id)
    }

    /// An identity is linked from within: it may prove the mailbox, and takes nothing away.
    pub fn link(&mut self, id: Id, by: (Identity, Person), claims: Claims) -> Result<(), String> {
        if self.opened_by(by).is_some_and(|holder| holder != id) {
            return Err("one identity opens two accounts".to_owned());
        }
        let account = self.change(id)?;
        if !account.identities.contains(&by) {
            account.identities.push(by);
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

    pub fn reset(&mut self, id: Id, who: Person, password: String) -> Result<(), String> {
        let account = self.change(id)?;
        if !account.is_active {
            return Err("a suspended account's password is reset".to_owned());
        }
        if !account.is_proved {
            account.identities.clear();
        }
        account.is_proved = true;
        account.password = Some(password);
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

    pub fn move_to(&mut self, id: Id, to: Address) -> Result<(), String> {
        if self.holder(to).is_some_and(|holder| holder != id) {
            return Err("two accounts have one address".to_owned());
        }
        let account = self.change(id)?;
        if account.email != Some(to) {
            account.email = Some(to);
            account.is_proved = false;
            account.is_password_proved = false;
            account.alone = None;
        }
        Ok(())
    }

    pub fn set_active(&mut self, id: Id, is_active: bool) -> Result<(), String> {
        let account = self.change(id)?;
        account.is_active = is_active;
        account.awaits_activation = false;
        Ok(())
    }
}
