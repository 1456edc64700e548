//! The stored limits of an account: listing them, and deleting them on an operator's order. Running
//! servers learn of that as they learn of revocations.

use crate::auth::domain::Auth;
use crate::auth::limits::{CountersOf, Target};
use crate::auth::mailing::outbox::{MailCounter, mail_counters};
use crate::error::Result;
use crate::identifier::Kind;
use crate::store::events::{Event, NewEvent};
use crate::store::identifiers::{self, KeptIdentifier};
use crate::store::revocations::{self, Reason, Subject};
use crate::store::{Tx, limit_counts};

/// A stored count of a limit, with its end.
#[derive(Clone, Debug)]
pub struct StoredLimit {
    pub what: LimitedThing,
    pub count: i64,
    pub allowed: i64,
    pub ends_at: i64,
}

/// What a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitedThing {
    /// Failed sign-ins with a name, from all unknown networks or from one network.
    SignIns { name: String, from_everywhere: bool },
    /// Failed checks of the current password within a session.
    CurrentPassword { from_everywhere: bool },
    /// Mails of one kind to a mailbox.
    Mails { kind: &'static str, address: String },
    /// Notices of all kinds to a mailbox that is not proved.
    Notices { address: String },
}

impl StoredLimit {
    /// Whether further attempts are refused.
    pub fn is_full(&self) -> bool {
        self.count >= self.allowed
    }
}

impl Auth {
    /// The counters of an account. Those of an address of the client are not the account's.
    pub(in crate::auth) async fn counters_of(&self, tx: &mut Tx, id: i64) -> Result<CountersOf> {
        let held = identifiers::identifiers(tx, id).await?;
        Ok(self.counters(id, &held))
    }

    fn counters(&self, id: i64, held: &[KeptIdentifier]) -> CountersOf {
        let targets: Vec<_> = held.iter().map(|one| Target::Name(&one.key)).collect();
        let mails: Vec<_> =
            mails_to(held).map(|(counter, address)| (counter.name, address)).collect();
        self.limits.counters_of(&[&targets[..], &[Target::Account(id)]].concat(), &mails)
    }

    /// The limits of an account whose window has not ended; `None` if the server's secret, which
    /// hides their keys, is not known here.
    pub async fn stored_limits(&self, id: i64) -> Result<Option<Vec<StoredLimit>>> {
        if !self.has_secret {
            return Ok(None);
        }
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let held = identifiers::identifiers(&mut tx, id).await?;
        let counters = self.counters(id, &held);
        let mut limits = Vec::new();
        let names = held.iter().map(|one| Some(one.shown.clone())).chain([None]);
        for (name, (first, last)) in names.zip(counters.ranges()) {
            for row in limit_counts::open_between(&mut tx, first, last, now).await? {
                let (allowed, from_everywhere) = self.limits.limit_of_failures(&row);
                let what = match name.clone() {
                    Some(name) => LimitedThing::SignIns { name, from_everywhere },
                    None => LimitedThing::CurrentPassword { from_everywhere },
                };
                let (count, allowed) = (row.count, allowed.attempts.into());
                limits.push(StoredLimit { what, count, allowed, ends_at: row.ends_at });
            }
        }
        let allowed = self.limits.limit_of_mails().attempts.into();
        for ((counter, address), key) in mails_to(&held).zip(counters.mail_keys()) {
            for row in limit_counts::open_between(&mut tx, key.clone(), key, now).await? {
                let address = address.to_owned();
                let what = match counter.kind {
                    Some(kind) => LimitedThing::Mails { kind, address },
                    None => LimitedThing::Notices { address },
                };
                limits.push(StoredLimit { what, count: row.count, allowed, ends_at: row.ends_at });
            }
        }
        Ok(Some(limits))
    }

    /// Deletes the stored limits of an account and returns how many; running servers forget them
    /// within a second.
    pub async fn unlock(&self, id: i64) -> Result<u64> {
        let mut tx = self.store.read().await?;
        let counters = self.counters_of(&mut tx, id).await?;
        drop(tx);
        let now = self.clock.now();
        self.limits.forget(&counters);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let mut deleted = 0;
                    for (first, last) in counters.ranges() {
                        deleted += limit_counts::delete_between(tx, first, last).await?;
                    }
                    for key in counters.mail_keys() {
                        deleted += limit_counts::delete_between(tx, key.clone(), key).await?;
                    }
                    let subject = Subject::Account(id);
                    revocations::insert_revocation(tx, subject, Reason::Unlocked, now).await?;
                    if deleted > 0 {
                        tx.note(NewEvent::of(id, Event::Unlocked, now));
                    }
                    Ok(deleted)
                })
            })
            .await
    }
}

/// Every kind of mail to every address of the account.
fn mails_to(held: &[KeptIdentifier]) -> impl Iterator<Item = (MailCounter, &str)> {
    let addresses = held.iter().filter(|one| one.kind == Kind::Email.as_str());
    addresses
        .flat_map(|one| mail_counters().into_iter().map(|counter| (counter, one.shown.as_str())))
}
