//! Table `events`: what has happened, to which account, and what caused it. Statements and use
//! cases *note* an event in their transaction, and the write stores all noted events just before
//! its commit: an event is stored exactly if its change is. Refused attempts are the exception:
//! they are counted in memory, one row for each account, network, reason and hour. The sweeper
//! deletes rows after `events.keep_days`; the rows of a deleted account are deleted with it, in
//! batches and not by a foreign key, because there may be very many. Only the line that an account
//! was deleted stays.

use std::borrow::Cow;

pub use super::event_names::{
    AccountChange, EVENT_NAMES, EVENT_REASONS, Ending, Event, LinkedBy, NameChange, PasswordBy,
    Refusal, Registered, SignedInBy,
};
use super::{Tx, from_row, on};
use crate::address_privacy::KeptAddress;
use crate::error::Result;
use crate::request_record::{self, Cause};

const HOUR: i64 = 3_600;

/// An event to be stored with the write that notes it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event: Event,
    pub at: i64,
    pub account_id: Option<i64>,
    pub session_id: Option<i64>,
    /// The OAuth client of the session.
    pub client_id: Option<String>,
    reason: Option<Cow<'static, str>>,
    detail: Option<String>,
}

impl NewEvent {
    /// Something that happened to an account.
    pub fn of(account_id: i64, event: Event, at: i64) -> Self {
        NewEvent { account_id: Some(account_id), ..NewEvent::of_server(event, at) }
    }

    /// Something that happened to no account in particular.
    pub fn of_server(event: Event, at: i64) -> Self {
        let reason = event.reason().map(Cow::Borrowed);
        NewEvent {
            event,
            at,
            account_id: None,
            session_id: None,
            client_id: None,
            reason,
            detail: None,
        }
    }

    pub fn session(self, id: Option<i64>) -> Self {
        NewEvent { session_id: id, ..self }
    }

    pub fn client(self, id: Option<String>) -> Self {
        NewEvent { client_id: id, ..self }
    }

    /// A reason that is no part of [`Event`], such as the kind of a mail.
    pub fn because(self, reason: impl Into<Cow<'static, str>>) -> Self {
        NewEvent { reason: Some(reason.into()), ..self }
    }

    /// A name that belongs to the event: a provider, a key, a setting.
    pub fn about(self, detail: impl Into<String>) -> Self {
        NewEvent { detail: Some(detail.into()), ..self }
    }
}

/// How many of the account's last events are looked at, so that a change of a name costs no more on an
/// account with very many.
const LOOKED_AT: i64 = 1_000;

/// Notes a change of the account's names, of each kind at most once an hour by requests from one
/// network: by changing a name back and forth somebody could fill the table and hide other events.
/// What an operator does and what a mailed link does is always noted: it says who has the account.
pub async fn note_change(tx: &mut Tx, account_id: i64, what: NameChange, at: i64) -> Result<()> {
    let is_by_link = matches!(what, NameChange::EmailConfirmed | NameChange::EmailReturned);
    let is_free = tx.cause.operator().is_none() && !is_by_link;
    let event = Event::NamesChanged(what);
    if !(is_free && is_known(tx, account_id, what, at).await?) {
        tx.note(NewEvent::of(account_id, event, at));
    } else if let Some(change) = AccountChange::of(event) {
        // The service is sent every change.
        tx.note_webhook(account_id, change, at);
    }
    Ok(())
}

/// Whether a request from this network has made a change of this kind within the last hour.
async fn is_known(tx: &mut Tx, account_id: i64, what: NameChange, at: i64) -> Result<bool> {
    let address = tx.cause.address_text();
    Ok(on!(tx, db => sqlx::query_scalar(
        "select exists (
             select 1 from (
                 select at, event, reason, address, operator from events
                 where account_id = $1
                 order by id desc
                 limit $2) newest
             where at > $3 and event = 'names_changed' and reason = $4
               and address is not distinct from $5 and operator is null)",
    )
    .bind(account_id)
    .bind(LOOKED_AT)
    .bind(at - HOUR)
    .bind(what.as_str())
    .bind(address)
    .fetch_one(db).await)?)
}

impl Tx {
    /// Notes an event; it is stored just before the commit of this write.
    pub fn note(&mut self, event: NewEvent) {
        if let (Event::Registered(_) | Event::SignedIn(_), Some(id)) =
            (event.event, event.account_id)
        {
            request_record::note_session(id, event.session_id);
        }
        if let Some((change, id)) = AccountChange::of(event.event).zip(event.account_id) {
            self.note_webhook(id, change, event.at);
        }
        self.effects.events.push(event);
    }

    /// What caused this write.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Notes a row that costs as much as an event, so that the time of an answer does not show
    /// whether there is an account. The next sweep deletes it: its instant is long ago.
    pub fn note_decoy(&mut self) {
        self.note(NewEvent::of_server(Event::Decoy, 0));
    }

    /// Forgets the noted events and webhooks of an account that is being deleted.
    pub(super) fn forget_noted(&mut self, account_id: i64) {
        self.effects.events.retain(|event| event.account_id != Some(account_id));
        self.effects.webhooks.retain(|webhook| !webhook.is_about(account_id));
    }
}

/// Stores the events that the write has noted. They stay noted, for the effects.
pub(super) async fn insert_noted(tx: &mut Tx) -> Result<()> {
    let events = std::mem::take(&mut tx.effects.events);
    for event in &events {
        insert_event(tx, event.clone()).await?;
    }
    tx.effects.events = events;
    Ok(())
}

async fn insert_event(tx: &mut Tx, new: NewEvent) -> Result<()> {
    let cause = tx.cause.clone();
    // The line that stays after a deletion says nothing of the person.
    let address = cause.address_text().filter(|_| new.event != Event::AccountDeleted);
    on!(tx, db => sqlx::query(
        "insert into events (at, event, reason, account_id, session_id, client_id, dialect,
                             address, operator, detail, count)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)",
    )
    .bind(new.at)
    .bind(new.event.as_str())
    .bind(new.reason.as_deref())
    .bind(new.account_id)
    .bind(new.session_id)
    .bind(new.client_id)
    .bind(cause.dialect())
    .bind(address)
    .bind(cause.operator())
    .bind(new.detail)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Stores an event for each live session among the first `limit` of an OAuth client, which is being
/// deleted. One statement, because there may be very many.
pub async fn insert_ends_of_client(
    tx: &mut Tx,
    client_id: String,
    at: i64,
    limit: i64,
) -> Result<()> {
    let event = Event::SessionEnded(Ending::ClientDeleted);
    let cause = tx.cause.clone();
    on!(tx, db => sqlx::query(
        "insert into events (at, event, reason, account_id, session_id, client_id, dialect,
                             address, operator, count)
         select $3, $4, $5, account_id, id, client_id, $6, $7, $8, 1
         from sessions
         where id in (select id from sessions where client_id = $1 order by id limit $2)
           and ended_at is null and expires_at > $3 and exists (
               select 1 from accounts
               where accounts.id = sessions.account_id
                 and accounts.session_generation = sessions.account_generation)",
    )
    .bind(client_id)
    .bind(limit)
    .bind(at)
    .bind(event.as_str())
    .bind(event.reason())
    .bind(cause.dialect())
    .bind(cause.address_text())
    .bind(cause.operator())
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The same for each of the accounts from `first` to `last` that has live sessions, all of which are
/// being ended.
pub async fn insert_ends_of_range(tx: &mut Tx, first: i64, last: i64, at: i64) -> Result<()> {
    let event = Event::SessionsEnded(Ending::Operator);
    let cause = tx.cause.clone();
    on!(tx, db => sqlx::query(
        "insert into events (at, event, reason, account_id, dialect, address, operator, count)
         select $3, $4, $5, id, $6, $7, $8, 1
         from accounts
         where id >= $1 and id <= $2 and exists (
             select 1 from sessions
             where sessions.account_id = accounts.id
               and sessions.account_generation = accounts.session_generation
               and ended_at is null and expires_at > $3)",
    )
    .bind(first)
    .bind(last)
    .bind(at)
    .bind(event.as_str())
    .bind(event.reason())
    .bind(cause.dialect())
    .bind(cause.address_text())
    .bind(cause.operator())
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Refused attempts of one hour.
#[derive(Clone, Debug)]
pub struct Refused {
    pub account_id: i64,
    /// The start of the hour.
    pub hour: i64,
    pub refusal: Refusal,
    /// `None` also if they came by several dialects.
    pub dialect: Option<&'static str>,
    pub address: Option<KeptAddress>,
    pub count: i64,
}

/// Adds refused attempts to the row of their hour; an account that was deleted gets no row. The row
/// names a dialect only if all of them came by it.
pub async fn add_refused(tx: &mut Tx, refused: Refused) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into events (at, event, reason, account_id, dialect, address, count)
         select $1, 'refused', $2, id, $4, $5, $6 from accounts where id = $3
         on conflict (at, account_id, reason, address) where event = 'refused'
         do update set count = events.count + excluded.count,
                       dialect = case when events.dialect = excluded.dialect
                                      then events.dialect end",
    )
    .bind(refused.hour)
    .bind(refused.refusal.as_str())
    .bind(refused.account_id)
    .bind(refused.dialect)
    // Not null: null values do not conflict with each other.
    .bind(refused.address.map_or_else(String::new, |address| address.to_string()))
    .bind(refused.count)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// A stored event.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    pub id: i64,
    /// The start of the hour, for refused attempts.
    pub at: i64,
    pub event: String,
    pub reason: Option<String>,
    pub account_id: Option<i64>,
    pub session_id: Option<i64>,
    pub client_id: Option<String>,
    pub dialect: Option<String>,
    pub address: Option<String>,
    pub operator: Option<String>,
    pub detail: Option<String>,
    pub count: i64,
}

from_row!(StoredEvent {
    id,
    at,
    event,
    reason,
    account_id,
    session_id,
    client_id,
    dialect,
    address,
    operator,
    detail,
    count,
});

/// The columns of [`StoredEvent`], with the rest of the statement.
macro_rules! select_event {
    ($rest:literal) => {
        concat!(
            "select id, at, event, reason, account_id, session_id, client_id, dialect,
                    nullif(address, '') as address, operator, detail, count
             from events
             ",
            $rest
        )
    };
}

/// Up to `limit` events of an account with ids below `before`, the newest first.
pub async fn events_of(
    tx: &mut Tx,
    account_id: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<StoredEvent>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_event!("where account_id = $1 and id < $2 order by id desc limit $3"),
    ).bind(account_id).bind(before).bind(limit).fetch_all(db).await)?)
}

/// The same for the owner. Mails that confirm a new address are left out: whether one was sent would
/// reveal whether another account has the address.
pub async fn own_events(
    tx: &mut Tx,
    account_id: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<StoredEvent>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_event!(
            "where account_id = $1 and id < $2
               and not (event in ('mail_queued', 'mail_sent', 'mail_given_up')
                        and reason = 'email_confirm')
             order by id desc
             limit $3"
        ),
    ).bind(account_id).bind(before).bind(limit).fetch_all(db).await)?)
}

/// Up to `limit` events of an account, the newest first, without refused attempts, which may be very
/// many.
pub async fn events_without_refused(
    tx: &mut Tx,
    account_id: i64,
    limit: i64,
) -> Result<Vec<StoredEvent>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_event!(
            "where account_id = $1 and event <> 'refused' order by id desc limit $2"
        ),
    ).bind(account_id).bind(limit).fetch_all(db).await)?)
}

/// Up to `limit` events of an account with this name, the newest first.
pub async fn events_named(
    tx: &mut Tx,
    account_id: i64,
    event: &'static str,
    limit: i64,
) -> Result<Vec<StoredEvent>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_event!("where account_id = $1 and event = $2 order by id desc limit $3"),
    ).bind(account_id).bind(event).bind(limit).fetch_all(db).await)?)
}

/// Which events of all accounts are read, and in which order.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    /// Those with ids below this one, the newest first.
    Below(i64),
    /// Those with ids from this one on, the oldest first.
    From(i64),
    /// The counts of refused attempts of hours that begin at this time or later, the newest first.
    CountsSince(i64),
}

/// Up to `limit` events of all accounts.
pub async fn events_in(tx: &mut Tx, span: Span, limit: i64) -> Result<Vec<StoredEvent>> {
    let (statement, first) = match span {
        Span::Below(id) => {
            (select_event!("where id < $1 and event <> 'decoy' order by id desc limit $2"), id)
        }
        Span::From(id) => {
            (select_event!("where id >= $1 and event <> 'decoy' order by id limit $2"), id)
        }
        Span::CountsSince(at) => {
            (select_event!("where at >= $1 and event = 'refused' order by id desc limit $2"), at)
        }
    };
    Ok(on!(tx, db => sqlx::query_as(statement).bind(first).bind(limit).fetch_all(db).await)?)
}

/// Deletes up to `limit` events from before `at` and returns how many.
pub async fn delete_before(tx: &mut Tx, at: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from events where id in (
             select id from events where at < $1 limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Deletes up to `limit` events of an account and returns how many.
pub async fn delete_of_account(tx: &mut Tx, account_id: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from events where id in (
             select id from events where account_id = $1 limit $2)",
    ).bind(account_id).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Deletes up to `limit` events of the first `limit` accounts that were created before `at` and never
/// activated, in the order in which the accounts are deleted; returns how many.
pub async fn delete_of_never_activated(tx: &mut Tx, at: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from events where id in (
             select id from events
             where account_id in (
                 select id from accounts
                 where awaits_activation = true and created_at < $1 and imported = false
                 order by created_at, id
                 limit $2)
             limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Deletes up to `limit` events of deleted accounts whose revocations still matter at `since`, and
/// returns how many.
pub async fn delete_orphans(tx: &mut Tx, since: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from events where id in (
             select id from events
             where account_id in (
                 select account_id from revocations where reason = 'deleted' and until >= $1)
               and event <> 'account_deleted'
             limit $2)",
    ).bind(since).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::{Store, connect};
    use super::*;
    use crate::address_privacy::AddressPrivacy;
    use crate::error::Error;
    use crate::request_record::{RequestId, RequestRecord};
    use crate::store::accounts::{self, NewAccount};

    async fn store() -> (Store, TempDir) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        (connect(None, dir.path()).await.expect("a new database"), dir)
    }

    fn note(tx: &mut Tx, account_id: i64) {
        tx.note(NewEvent::of(account_id, Event::Activated, 100));
    }

    async fn stored(store: &Store) -> Vec<StoredEvent> {
        let mut tx = store.read().await.expect("a connection");
        events_in(&mut tx, Span::From(0), 100).await.expect("the database answers")
    }

    #[tokio::test]
    async fn event_is_stored_with_its_write_and_not_without() {
        let (store, _dir) = store().await;
        let refused = store.write(|tx| {
            Box::pin(async move {
                note(tx, 1);
                Err::<(), _>(Error::InvalidCredentials)
            })
        });
        let panicking = store.write::<(), _>(|tx| {
            note(tx, 2);
            Box::pin(async { panic!("on purpose") })
        });
        // In one group: what one write leaves must not reach the next.
        let silent = store.write(|_| Box::pin(async { Ok(()) }));
        let done = store.write(|tx| {
            note(tx, 3);
            Box::pin(async { Ok(()) })
        });
        let (refused, panicked, silent, done) = tokio::join!(refused, panicking, silent, done);
        assert!(refused.is_err() && panicked.is_err() && silent.is_ok() && done.is_ok());
        let accounts: Vec<_> = stored(&store).await.iter().map(|one| one.account_id).collect();
        assert_eq!(accounts, [Some(3)]);
    }

    #[tokio::test]
    async fn event_has_the_cause_of_its_own_write() {
        let (store, _dir) = store().await;
        let address = AddressPrivacy::Full.keep("192.0.2.7".parse().expect("an address"));
        let write = |account_id| {
            store.write(move |tx| {
                note(tx, account_id);
                Box::pin(async { Ok(()) })
            })
        };
        let requested = Cause::Request(RequestRecord::new(RequestId::new(), address));
        let requested = requested.during(async {
            request_record::note_dialect("native");
            write(1).await
        });
        let commanded = Cause::Operator("root".into()).during(write(2));
        let (requested, commanded, plain) = tokio::join!(requested, commanded, write(3));
        assert!(requested.is_ok() && commanded.is_ok() && plain.is_ok());
        let mut found = stored(&store).await;
        found.sort_by_key(|event| event.account_id);
        let causes: Vec<_> =
            found.into_iter().map(|one| [one.dialect, one.address, one.operator]).collect();
        let text = |text: &str| Some(text.to_owned());
        let of_request = [text("native"), text("192.0.2.7"), None];
        assert_eq!(causes, [of_request, [None, None, text("root")], [None, None, None]]);
    }

    #[tokio::test]
    async fn name_changes_by_an_operator_or_a_mailed_link_are_all_noted() {
        let (store, _dir) = store().await;
        let change = |what| store.write(move |tx| Box::pin(note_change(tx, 1, what, 100)));
        for _ in 0..2 {
            for what in [NameChange::Email, NameChange::EmailConfirmed, NameChange::EmailReturned] {
                change(what).await.expect("the database answers");
            }
            let commanded = Cause::Operator("root".into()).during(change(NameChange::Phone));
            commanded.await.expect("the database answers");
        }
        // A change by an operator hides none of the owner.
        change(NameChange::Phone).await.expect("the database answers");
        let found = stored(&store).await;
        let count = |what: NameChange| {
            found.iter().filter(|one| one.reason.as_deref() == Some(what.as_str())).count()
        };
        assert_eq!(count(NameChange::Email), 1);
        assert_eq!(count(NameChange::EmailConfirmed), 2);
        assert_eq!(count(NameChange::EmailReturned), 2);
        assert_eq!(count(NameChange::Phone), 3);
    }

    /// One statement for all of them could exceed the time limit of the database.
    #[tokio::test]
    async fn events_of_accounts_never_activated_are_deleted_in_batches() {
        let (store, _dir) = store().await;
        let new = NewAccount {
            password: None,
            display_name: None,
            sign_up_name: None,
            is_superuser: false,
            awaits_activation: true,
            language: None,
            created_at: 0,
        };
        let written = store.write(move |tx| {
            Box::pin(async move {
                let id = accounts::insert_account(tx, &new).await?;
                (0..25).for_each(|_| note(tx, id));
                Ok(())
            })
        });
        written.await.expect("the database answers");
        let delete = || {
            store.write(|tx| Box::pin(async move { delete_of_never_activated(tx, 1, 10).await }))
        };
        for expected in [10, 10, 5, 0] {
            assert_eq!(delete().await.expect("the database answers"), expected);
        }
    }
}
