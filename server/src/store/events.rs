//! Table `events`: what has happened, to which account, and what caused it. Statements and use
//! cases *note* an event in their transaction, and the write stores all noted events just before
//! its commit: an event is stored exactly if its change is. Refused attempts are the exception:
//! they are counted in memory, one row for each account, network, reason and hour. The sweeper
//! deletes rows after `events.keep_days`; the rows of a deleted account are deleted with it, in
//! batches and not by a foreign key, because there may be very many. Only the line that an account
//! was deleted stays.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use super::{Tx, from_row, on};
use crate::address_privacy::KeptAddress;
use crate::error::Result;
use crate::request_record;

const HOUR: i64 = 3_600;

/// What caused the writes of a request or command.
#[derive(Clone, Debug, Default)]
pub struct Cause {
    /// The API that received the request.
    pub dialect: Option<&'static str>,
    /// What is kept of the client's address.
    pub address: Option<KeptAddress>,
    /// The operating system's user who runs a command.
    pub operator: Option<Arc<str>>,
}

tokio::task_local! {
    /// The cause of all writes of the present task. Implicit, so that no use case can leave it out.
    static CAUSE: Cause;
}

impl Cause {
    /// Runs `work` with this cause.
    pub async fn during<T>(self, work: impl Future<Output = T>) -> T {
        CAUSE.scope(self, work).await
    }

    /// The cause of the present task; none for background work of the server.
    pub fn current() -> Self {
        CAUSE.try_with(Cause::clone).unwrap_or_default()
    }
}

/// What has happened. The texts are stored and shown, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    Registered(Registered),
    Activated,
    SignedIn(SignedInBy),
    /// One session ended.
    SessionEnded(Ending),
    /// All sessions of the account ended, except the one that the event names.
    SessionsEnded(Ending),
    PasswordChanged(PasswordBy),
    PasswordRemoved(PasswordBy),
    NamesChanged(NameChange),
    Linked(LinkedBy),
    Unlinked(LinkedBy),
    /// The reason is the kind of the mail.
    MailQueued,
    MailSent,
    /// The mail server refused it, or its link expired before it could be sent.
    MailGivenUp,
    Exported,
    /// Attempts that were refused; the row has a count.
    Refused(Refusal),
    Disabled,
    Enabled,
    Unlocked,
    AccountDeleted,
    /// An operator asked for a mail that resets the password.
    ResetRequested,
    ClientCreated,
    ClientDeleted,
    /// A key that the start of a server made, because there was none to sign.
    KeyCreated,
    KeyRotated,
    KeyRevoked,
    ProviderMoved,
    MailsRetried,
    AllSessionsEnded,
    Restored,
    /// A setting has another value than at the last start.
    SettingChanged,
    /// Nothing has happened: costs as much as an event, and is never shown.
    Decoy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Registered {
    /// By its owner, or by an operator if the event has one.
    WithName,
    ByProvider,
    Imported,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignedInBy {
    Password,
    /// A sign-in of the owner with a provider.
    Provider,
    /// A provider's token that an app has sent.
    ProviderToken,
    Registration,
    /// A refresh token of a replaced server.
    ReplacedServer,
}

/// Why sessions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// By the session itself.
    SignedOut,
    /// By another session of the owner.
    SignedOutElsewhere,
    /// A refresh token was used twice: a copy of it exists.
    Reused,
    PasswordChanged,
    /// A newer session needed its place.
    Cap,
    Operator,
    /// The owner of the mailbox became the only owner.
    Ownership,
    /// The owner of the former mailbox took back a change of the address.
    EmailReturned,
    /// The account's sessions of an OAuth client ended.
    Client,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PasswordBy {
    CurrentPassword,
    RecentSignIn,
    MailedLink,
    Operator,
    Ownership,
    EmailReturned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameChange {
    Email,
    /// A new address waits for its confirmation.
    EmailPending,
    EmailConfirmed,
    EmailReturned,
    EmailRemoved,
    Phone,
    PhoneRemoved,
    Username,
    UsernameRemoved,
    DisplayName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkedBy {
    /// A session of the owner.
    Owner,
    /// A sign-in with a provider that has verified the account's address.
    Address,
    Ownership,
    EmailReturned,
}

/// Why an attempt was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refusal {
    WrongPassword,
    Inactive,
    TooManyAttempts,
    /// The current password, for a sensitive change.
    WrongCurrentPassword,
    /// A mail was not queued, because its mailbox had enough of them.
    MailLimit,
}

/// Gives the events their names, in one list.
macro_rules! name_events {
    ($($event:pat => $name:literal,)*) => {
        /// The names of all events that are shown.
        pub const EVENT_NAMES: &[&str] = &[$($name),*];

        impl Event {
            pub fn as_str(self) -> &'static str {
                match self {
                    $($event => $name,)*
                    Event::Decoy => "decoy",
                }
            }
        }
    };
}

name_events! {
    Event::Registered(_) => "registered",
    Event::Activated => "activated",
    Event::SignedIn(_) => "signed_in",
    Event::SessionEnded(_) => "session_ended",
    Event::SessionsEnded(_) => "sessions_ended",
    Event::PasswordChanged(_) => "password_changed",
    Event::PasswordRemoved(_) => "password_removed",
    Event::NamesChanged(_) => "names_changed",
    Event::Linked(_) => "linked",
    Event::Unlinked(_) => "unlinked",
    Event::MailQueued => "mail_queued",
    Event::MailSent => "mail_sent",
    Event::MailGivenUp => "mail_given_up",
    Event::Exported => "exported",
    Event::Refused(_) => "refused",
    Event::Disabled => "disabled",
    Event::Enabled => "enabled",
    Event::Unlocked => "unlocked",
    Event::AccountDeleted => "account_deleted",
    Event::ResetRequested => "reset_requested",
    Event::ClientCreated => "client_created",
    Event::ClientDeleted => "client_deleted",
    Event::KeyCreated => "key_created",
    Event::KeyRotated => "key_rotated",
    Event::KeyRevoked => "key_revoked",
    Event::ProviderMoved => "provider_moved",
    Event::MailsRetried => "mails_retried",
    Event::AllSessionsEnded => "all_sessions_ended",
    Event::Restored => "restored",
    Event::SettingChanged => "setting_changed",
}

impl Event {
    /// Why or how it happened, if that is part of the event.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Event::Registered(how) => match how {
                Registered::WithName => None,
                Registered::ByProvider => Some("provider"),
                Registered::Imported => Some("imported"),
            },
            Event::SignedIn(by) => Some(by.as_str()),
            Event::SessionEnded(why) | Event::SessionsEnded(why) => Some(why.as_str()),
            Event::PasswordChanged(by) | Event::PasswordRemoved(by) => Some(by.as_str()),
            Event::NamesChanged(what) => Some(what.as_str()),
            Event::Linked(by) | Event::Unlinked(by) => Some(by.as_str()),
            Event::Refused(why) => Some(why.as_str()),
            _ => None,
        }
    }
}

impl SignedInBy {
    pub fn as_str(self) -> &'static str {
        match self {
            SignedInBy::Password => "password",
            SignedInBy::Provider => "provider",
            SignedInBy::ProviderToken => "provider_token",
            SignedInBy::Registration => "registration",
            SignedInBy::ReplacedServer => "replaced_server",
        }
    }
}

impl Ending {
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::SignedOut => "signed_out",
            Ending::SignedOutElsewhere => "signed_out_elsewhere",
            Ending::Reused => "reused",
            Ending::PasswordChanged => "password_changed",
            Ending::Cap => "cap",
            Ending::Operator => "operator",
            Ending::Ownership => "ownership",
            Ending::EmailReturned => "email_returned",
            Ending::Client => "client",
        }
    }
}

impl PasswordBy {
    fn as_str(self) -> &'static str {
        match self {
            PasswordBy::CurrentPassword => "current_password",
            PasswordBy::RecentSignIn => "recent_sign_in",
            PasswordBy::MailedLink => "mailed_link",
            PasswordBy::Operator => "operator",
            PasswordBy::Ownership => "ownership",
            PasswordBy::EmailReturned => "email_returned",
        }
    }
}

impl NameChange {
    fn as_str(self) -> &'static str {
        match self {
            NameChange::Email => "email",
            NameChange::EmailPending => "email_pending",
            NameChange::EmailConfirmed => "email_confirmed",
            NameChange::EmailReturned => "email_returned",
            NameChange::EmailRemoved => "email_removed",
            NameChange::Phone => "phone",
            NameChange::PhoneRemoved => "phone_removed",
            NameChange::Username => "username",
            NameChange::UsernameRemoved => "username_removed",
            NameChange::DisplayName => "display_name",
        }
    }
}

impl LinkedBy {
    fn as_str(self) -> &'static str {
        match self {
            LinkedBy::Owner => "owner",
            LinkedBy::Address => "address",
            LinkedBy::Ownership => "ownership",
            LinkedBy::EmailReturned => "email_returned",
        }
    }
}

impl Refusal {
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::WrongPassword => "wrong_password",
            Refusal::Inactive => "inactive",
            Refusal::TooManyAttempts => "too_many_attempts",
            Refusal::WrongCurrentPassword => "wrong_current_password",
            Refusal::MailLimit => "mail_limit",
        }
    }
}

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

/// Notes a change of the account's names.
pub fn note_change(tx: &mut Tx, account_id: i64, what: NameChange, at: i64) {
    tx.note(NewEvent::of(account_id, Event::NamesChanged(what), at));
}

/// Notes a change of the display name, at most once an hour: it needs no password, so a stolen access
/// token could fill the table and hide other events.
pub async fn note_display_name(tx: &mut Tx, account_id: i64, at: i64) -> Result<()> {
    let what = NameChange::DisplayName;
    let known: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "select id from events
         where account_id = $1 and at > $2 and event = 'names_changed' and reason = $3
         limit 1",
    ).bind(account_id).bind(at - HOUR).bind(what.as_str()).fetch_optional(db).await)?;
    if known.is_none() {
        note_change(tx, account_id, what, at);
    }
    Ok(())
}

impl Tx {
    /// Notes an event; it is stored just before the commit of this write.
    pub fn note(&mut self, event: NewEvent) {
        if let (Event::Registered(_) | Event::SignedIn(_), Some(id)) =
            (event.event, event.account_id)
        {
            request_record::note_session(id, event.session_id);
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

    /// Forgets the noted events of an account that is being deleted.
    pub(super) fn forget_noted(&mut self, account_id: i64) {
        self.effects.events.retain(|event| event.account_id != Some(account_id));
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
    let Cause { dialect, address, operator } = tx.cause.clone();
    // The line that stays after a deletion says nothing of the person.
    let address = address.filter(|_| new.event != Event::AccountDeleted);
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
    .bind(dialect)
    .bind(address.map(|address| address.to_string()))
    .bind(operator.as_deref())
    .bind(new.detail)
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
    pub dialect: Option<&'static str>,
    pub address: Option<KeptAddress>,
    pub count: i64,
}

/// Adds refused attempts to the row of their hour; an account that was deleted gets no row.
pub async fn add_refused(tx: &mut Tx, refused: Refused) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into events (at, event, reason, account_id, dialect, address, count)
         select $1, 'refused', $2, id, $4, $5, $6 from accounts where id = $3
         on conflict (account_id, at, reason, address) where event = 'refused'
         do update set count = events.count + excluded.count",
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

/// Up to `limit` events of all accounts with ids below `before`, the newest first.
pub async fn events_before(tx: &mut Tx, before: i64, limit: i64) -> Result<Vec<StoredEvent>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_event!("where id < $1 and event <> 'decoy' order by id desc limit $2"),
    ).bind(before).bind(limit).fetch_all(db).await)?)
}

/// Up to `limit` events of all accounts with ids from `first` on, the oldest first.
pub async fn events_from(tx: &mut Tx, first: i64, limit: i64) -> Result<Vec<StoredEvent>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_event!("where id >= $1 and event <> 'decoy' order by id limit $2"),
    ).bind(first).bind(limit).fetch_all(db).await)?)
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

/// Deletes the events of up to `limit` accounts that were created before `at` and never activated,
/// in the order in which they are deleted.
pub async fn delete_of_never_activated(tx: &mut Tx, at: i64, limit: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from events where account_id in (
             select id from accounts
             where awaits_activation = true and created_at < $1
             order by created_at, id
             limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|_| ()))?;
    Ok(())
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

    async fn store() -> (Store, TempDir) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        (connect(None, dir.path()).await.expect("a new database"), dir)
    }

    fn note(tx: &mut Tx, account_id: i64) {
        tx.note(NewEvent::of(account_id, Event::Activated, 100));
    }

    async fn stored(store: &Store) -> Vec<StoredEvent> {
        let mut tx = store.read().await.expect("a connection");
        events_from(&mut tx, 0, 100).await.expect("the database answers")
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
        let cause = Cause { dialect: Some("native"), address, operator: Some("root".into()) };
        let write = |account_id| {
            store.write(move |tx| {
                note(tx, account_id);
                Box::pin(async { Ok(()) })
            })
        };
        let (caused, plain) = tokio::join!(cause.during(write(1)), write(2));
        assert!(caused.is_ok() && plain.is_ok());
        let mut found = stored(&store).await;
        found.sort_by_key(|event| event.account_id);
        let causes = |event: &StoredEvent| {
            [&event.dialect, &event.address, &event.operator].map(|text| text.clone())
        };
        let expected = ["native", "192.0.2.7", "root"].map(|text| Some(text.to_owned()));
        assert_eq!(causes(&found[0]), expected);
        assert_eq!(causes(&found[1]), [None, None, None]);
    }
}
