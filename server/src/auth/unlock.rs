//! The stored limits of an account: listing them, and deleting them on an operator's order. Running
//! servers learn of that as they learn of revocations.

use crate::auth::domain::Auth;
use crate::auth::limits::{CountersOf, Target};
use crate::auth::mailing::one_time_token::Purpose;
use crate::auth::mailing::outbox::{MailCounter, mail_counters};
use crate::error::Result;
use crate::identifier::Kind;
use crate::store::events::{Event, NewEvent};
use crate::store::identifiers::{self, KeptIdentifier};
use crate::store::revocations::{self, Reason, Subject};
use crate::store::{Tx, accounts, limit_counts, outbox};

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
        Ok(self.counters(id, &Names::of(tx, id).await?))
    }

    fn counters(&self, id: i64, names: &Names) -> CountersOf {
        let targets: Vec<_> = names.held.iter().map(|one| Target::Name(&one.key)).collect();
        let mails = names.mails().into_iter();
        let mails: Vec<_> = mails.map(|(counter, address)| (counter.name, address)).collect();
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
        let names = Names::of(&mut tx, id).await?;
        let counters = self.counters(id, &names);
        let mut limits = Vec::new();
        let shown = names.held.iter().map(|one| Some(one.shown.clone())).chain([None]);
        for (name, (first, last)) in shown.zip(counters.ranges()) {
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
        for ((counter, address), key) in names.mails().into_iter().zip(counters.mail_keys()) {
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
    /// within a second. Mails that wait for these limits are sent now.
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
                        deleted +=
                            limit_counts::delete_between(tx, key.clone(), key.clone()).await?;
                        outbox::make_due(tx, key, now).await?;
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

/// What the counters of an account are for.
struct Names {
    held: Vec<KeptIdentifier>,
    /// A new address that waits for its confirmation.
    pending: Option<String>,
}

impl Names {
    async fn of(tx: &mut Tx, id: i64) -> Result<Names> {
        let held = identifiers::identifiers(tx, id).await?;
        let pending = accounts::account(tx, id).await?.and_then(|account| account.pending_email);
        let pending = pending.filter(|to| !held.iter().any(|one| one.shown == *to));
        Ok(Names { held, pending })
    }

    /// Every kind of mail to every address of the account. To one that waits only the mail that
    /// confirms it: another account may have it, and all other mails to it are of that account.
    fn mails(&self) -> Vec<(MailCounter, &str)> {
        let held = self.held.iter().filter(|one| one.kind == Kind::Email.as_str());
        let held = held.map(|one| (one.shown.as_str(), None));
        let confirm = Some(Purpose::EmailConfirm.as_str());
        let pending = self.pending.iter().map(move |to| (to.as_str(), confirm));
        let mails = held.chain(pending).flat_map(|(to, only)| {
            let counters = mail_counters().into_iter();
            let counters = counters.filter(move |one| only.is_none() || one.kind == only);
            counters.map(move |counter| (counter, to))
        });
        mails.collect()
    }
}
