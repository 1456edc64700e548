//! Which names of an import file find their accounts here. A name that is unreadable, or that an
//! account with a better claim has, is parked: the account comes without it, and nobody is refused.
//! The same file has the same result, in whatever order it is read.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use crate::auth::password::is_unusable;
use crate::identifier::{Identifier, Kind};
use crate::import_file::{Account, Record, SourceId};

/// What becomes of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It finds the account.
    Kept,
    /// It is the address or phone of the account, which finds it already.
    Repeated,
    /// No name here has this form.
    Unreadable,
    /// A username that has the form of an address or a phone number which is not the account's own.
    LooksLikeAddress,
    /// An account with a better claim has it: that of this line.
    Claimed { line: u64 },
}

/// The best claim to each name, by a digest of its key: all names of a large file fit into memory.
#[derive(Default)]
pub struct Claims(HashMap<[u8; 16], Claim>);

/// The order of claims, with the line of the account in its low bits; the lowest claim is the best.
/// The highest bit says whether another account claims the name too.
#[derive(Clone, Copy)]
struct Claim(u64);

impl Claim {
    const CONTESTED: u64 = 1 << 63;
    /// Anybody can write another person's address into an account.
    const UNVERIFIED: u64 = 1 << 62;
    /// The name is not spelled as its key.
    const RESPELLED: u64 = 1 << 61;
    const INACTIVE: u64 = 1 << 60;
    const WITHOUT_PASSWORD: u64 = 1 << 59;
    const LINE: u64 = Self::WITHOUT_PASSWORD - 1;

    fn new(account: &Account, line: u64, identifier: &Identifier, text: &str) -> Claim {
        // The separators of a phone number are no spelling.
        let is_key = identifier.kind() == Kind::Phone || identifier.key() == text;
        let has_password = account.password.as_deref().is_some_and(|hash| !is_unusable(hash));
        let flaws = [
            (!is_verified(account, identifier.kind()), Self::UNVERIFIED),
            (!is_key, Self::RESPELLED),
            (!account.is_active, Self::INACTIVE),
            (!has_password, Self::WITHOUT_PASSWORD),
        ];
        let flaws = flaws.into_iter().filter(|(holds, _)| *holds);
        Claim(flaws.fold(line & Self::LINE, |claim, (_, flaw)| claim | flaw))
    }

    fn order(self) -> u64 {
        self.0 & !Self::CONTESTED
    }

    fn line(self) -> u64 {
        self.0 & Self::LINE
    }

    /// The better claim of two accounts.
    fn or(self, other: Claim) -> Claim {
        Claim(self.order().min(other.order()) | Self::CONTESTED)
    }
}

/// What becomes of the names of a record; only accounts have any.
#[derive(Default)]
pub struct JudgedNames {
    pub names: Vec<JudgedName>,
    /// Whether it keeps a name that another account claims too.
    pub keeps_contested: bool,
}

pub struct JudgedName {
    pub kind: Kind,
    pub fate: Fate,
    /// `None` if the name cannot be kept, even if no other account claims it.
    pub identifier: Option<Identifier>,
}

impl Claims {
    /// Notes the names of the account in this line.
    pub fn note(&mut self, account: &Account, line: u64) {
        let own = OwnNames::of(account);
        for (kind, text) in names(account) {
            let Ok(identifier) = own.read(kind, text) else { continue };
            let claim = Claim::new(account, line, &identifier, text);
            self.0
                .entry(digest(&identifier))
                .and_modify(|best| *best = best.or(claim))
                .or_insert(claim);
        }
    }

    /// What becomes of the names of the record in this line, after all accounts were noted.
    pub fn judge(&self, record: &Record, line: u64) -> JudgedNames {
        let Record::Account(account) = record else { return JudgedNames::default() };
        let own = OwnNames::of(account);
        let mut judged = JudgedNames::default();
        for (kind, text) in names(account) {
            let (fate, identifier) = match own.read(kind, text) {
                Err(fate) => (fate, None),
                Ok(identifier) => (self.fate(&identifier, line, &mut judged), Some(identifier)),
            };
            judged.names.push(JudgedName { kind, fate, identifier });
        }
        judged
    }

    fn fate(&self, identifier: &Identifier, line: u64, judged: &mut JudgedNames) -> Fate {
        match self.0.get(&digest(identifier)) {
            Some(best) if best.line() != line => Fate::Claimed { line: best.line() },
            Some(best) => {
                judged.keeps_contested |= best.0 & Claim::CONTESTED != 0;
                Fate::Kept
            }
            None => Fate::Kept,
        }
    }
}

/// The names of an account with their kinds.
pub fn names(account: &Account) -> impl Iterator<Item = (Kind, &str)> {
    let names = [
        (Kind::Email, &account.email),
        (Kind::Phone, &account.phone),
        (Kind::Username, &account.username),
    ];
    names.into_iter().filter_map(|(kind, text)| Some((kind, text.as_deref()?)))
}

/// Whether the other system has verified the account's name of this kind.
pub fn is_verified(account: &Account, kind: Kind) -> bool {
    match kind {
        Kind::Email => account.email_verified,
        Kind::Phone => account.phone_verified,
        Kind::Username => false,
    }
}

/// The number of an account here: that in the other system, if it is one.
pub fn number(id: &SourceId) -> Option<i64> {
    match id {
        SourceId::Number(number) => Some(*number),
        SourceId::Text(_) => None,
    }
}

/// The address and phone of an account, which its username may repeat.
struct OwnNames<'a> {
    account: &'a Account,
    email: Option<Identifier>,
    phone: Option<Identifier>,
}

impl<'a> OwnNames<'a> {
    fn of(account: &'a Account) -> Self {
        let read = |text: Option<&str>, kind| Identifier::parse_as(text?, &[kind]);
        OwnNames {
            account,
            email: read(account.email.as_deref(), Kind::Email),
            phone: read(account.phone.as_deref(), Kind::Phone),
        }
    }

    /// Reads a name of the account; the error says why it cannot be kept.
    fn read(&self, kind: Kind, text: &str) -> Result<Identifier, Fate> {
        match kind {
            Kind::Email => self.email.clone().ok_or(Fate::Unreadable),
            Kind::Phone => self.phone.clone().ok_or(Fate::Unreadable),
            Kind::Username if self.repeats(text) => Err(Fate::Repeated),
            Kind::Username => Identifier::parse_as(text, &[Kind::Username]).ok_or_else(|| {
                match Identifier::parse_as(text, &[Kind::Email, Kind::Phone]) {
                    Some(_) => Fate::LooksLikeAddress,
                    None => Fate::Unreadable,
                }
            }),
        }
    }

    /// Whether the username repeats one of them, in whatever spelling.
    fn repeats(&self, username: &str) -> bool {
        let repeats = |text: &Option<String>, own: &Option<Identifier>| {
            let reads_as = |own: &Identifier| {
                let read = Identifier::parse_as(username, &[own.kind()]);
                read.is_some_and(|read| read.key() == own.key())
            };
            text.as_deref() == Some(username) || own.as_ref().is_some_and(reads_as)
        };
        repeats(&self.account.email, &self.email) || repeats(&self.account.phone, &self.phone)
    }
}

fn digest(identifier: &Identifier) -> [u8; 16] {
    let digest = Sha256::digest(identifier.key());
    std::array::from_fn(|place| digest[place])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::import_file::ImportFile;

    /// The accounts of a file with these members, each with the line that it has.
    fn accounts(members: &[Value]) -> Vec<(u64, Account)> {
        let start =
            json!({"kind": "start", "format": "propusk-import", "version": 1, "taken_at": 0});
        let lines = members.iter().zip(1..).map(|(members, id)| {
            let mut line = json!({"kind": "account", "id": id});
            let members = members.as_object().expect("an object").clone();
            line.as_object_mut().expect("an object").extend(members);
            line.to_string()
        });
        let lines: Vec<_> = std::iter::once(start.to_string()).chain(lines).collect();
        let text = lines.join("\n");
        let mut file = ImportFile::open(text.as_bytes()).expect("a first line");
        let account = |line| match file.next_record() {
            Ok(Some(Record::Account(account))) => (line, *account),
            _ => panic!("no account in line {line}"),
        };
        (2..).take(members.len()).map(account).collect()
    }

    /// What becomes of each name, account by account.
    fn fates(members: &[Value]) -> Vec<Vec<Fate>> {
        let accounts = accounts(members);
        let mut claims = Claims::default();
        // The order does not count.
        accounts.iter().rev().for_each(|(line, account)| claims.note(account, *line));
        let fates = |(line, account): (u64, Account)| -> Vec<Fate> {
            let judged = claims.judge(&Record::Account(Box::new(account)), line);
            judged.names.into_iter().map(|name| name.fate).collect()
        };
        accounts.into_iter().map(fates).collect()
    }

    #[test]
    fn contested_name_belongs_to_the_account_that_spells_it_as_its_key() {
        let fates = fates(&[
            json!({"email": "Anna@example.com", "password": "x"}),
            json!({"email": "anna@example.com", "is_active": false}),
            json!({"email": "ANNA@example.com", "password": "x"}),
            json!({"username": "fix"}),
            json!({"username": "ﬁx", "password": "x"}),
        ]);
        let to_second = vec![Fate::Claimed { line: 3 }];
        let kept = vec![Fate::Kept];
        let to_fourth = vec![Fate::Claimed { line: 5 }];
        assert_eq!(fates, [to_second.clone(), kept.clone(), to_second, kept, to_fourth]);
    }

    #[test]
    fn contested_name_belongs_to_the_account_that_has_verified_it() {
        let fates = fates(&[
            json!({"email": "anna@example.com", "password": "x"}),
            json!({"email": "Anna@example.com", "verified": ["email"], "is_active": false}),
            json!({"phone": "+79991230017", "password": "x", "verified": ["email"]}),
            json!({"phone": "+79991230017", "verified": ["phone"]}),
        ]);
        let lost = |line| vec![Fate::Claimed { line }];
        assert_eq!(fates, [lost(3), vec![Fate::Kept], lost(5), vec![Fate::Kept]]);
    }

    #[test]
    fn contested_name_belongs_to_an_active_account_then_one_with_a_password_then_the_first() {
        let shared = |more: Value| {
            let mut members = json!({"email": "shared@example.com"});
            members
                .as_object_mut()
                .expect("an object")
                .extend(more.as_object().cloned().expect("an object"));
            members
        };
        let (active, disabled) =
            (json!({"password": "x"}), json!({"password": "x", "is_active": false}));
        for (first, second, winner) in [
            (disabled.clone(), json!({}), 3),
            (json!({}), active.clone(), 3),
            (json!({"password": "!x"}), active.clone(), 3),
            (active.clone(), active, 2),
            (disabled.clone(), disabled, 2),
        ] {
            let fates = fates(&[shared(first), shared(second)]);
            let lost = Fate::Claimed { line: winner };
            let expected = if winner == 2 { [Fate::Kept, lost] } else { [lost, Fate::Kept] };
            assert_eq!(fates, expected.map(|fate| vec![fate]));
        }
    }

    #[test]
    fn phone_numbers_that_differ_in_separators_belong_to_the_first() {
        let fates = fates(&[
            json!({"phone": "+7 999 123-00-17", "password": "x"}),
            json!({"phone": "+79991230017", "password": "x"}),
            json!({"phone": "89991230016"}),
        ]);
        let lost = Fate::Claimed { line: 2 };
        assert_eq!(fates, [[Fate::Kept], [lost], [Fate::Unreadable]].map(Vec::from));
    }

    #[test]
    fn username_that_is_an_address_is_the_own_one_or_parked() {
        let fates = fates(&[
            json!({"email": "Anna@example.com", "username": "anna@example.com"}),
            json!({"phone": "+7 999 123-00-17", "username": "+79991230017"}),
            json!({"phone": "89991230016", "username": "89991230016"}),
            json!({"username": "anna@example.com"}),
            json!({"username": "+79991230017"}),
            json!({"username": "zero\u{200b}width"}),
        ]);
        let own = vec![Fate::Kept, Fate::Repeated];
        let parked = vec![Fate::Unreadable, Fate::Repeated];
        let others = vec![Fate::LooksLikeAddress];
        let expected = [own.clone(), own, parked, others.clone(), others, vec![Fate::Unreadable]];
        assert_eq!(fates, expected);
    }

    #[test]
    fn only_the_account_that_keeps_a_shared_name_has_a_contested_one() {
        let accounts = accounts(&[
            json!({"email": "shared@example.com"}),
            json!({"email": "shared@example.com"}),
            json!({"email": "other@example.com"}),
        ]);
        let mut claims = Claims::default();
        accounts.iter().for_each(|(line, account)| claims.note(account, *line));
        let contested = accounts.into_iter().map(|(line, account)| {
            claims.judge(&Record::Account(Box::new(account)), line).keeps_contested
        });
        assert_eq!(contested.collect::<Vec<_>>(), [true, false, false]);
    }
}
