//! Everything that is kept of an account, for its owner: the list of events, and the export (articles
//! 15 and 20 of the GDPR), without secrets, their hashes, and data of others.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::auth::accounts::attributes::attributes_of;
use crate::auth::domain::Auth;
use crate::auth::events::ListedEvent;
use crate::auth::mailing::one_time_token::Purpose;
use crate::auth::mailing::outbox::MailKind;
use crate::auth::requester::SignedIn;
use crate::auth::secrets::cursor::{open_cursor, seal_cursor};
use crate::auth::sessions::list::ListedSession;
use crate::auth::sessions::reauthentication::Reauthentication;
use crate::error::{Error, Result};
use crate::store::accounts::{self, Account};
use crate::store::events::{self, Event, NewEvent, Refusal, StoredEvent};
use crate::store::identifiers::{self, KeptIdentifier};
use crate::store::identities::{self, Identity};
use crate::store::one_time_tokens::{self, MailedLink};
use crate::store::outbox::QueuedMail;
use crate::store::{Tx, known_places, outbox, sessions};

/// How many events one page has, and how many sessions and events an export has at most.
const PAGE: i64 = 50;
const EXPORTED_SESSIONS: i64 = 10_000;
const EXPORTED_EVENTS: usize = 100_000;
/// How many events an export reads at once. Others get the connection in between.
const EVENTS_AT_ONCE: i64 = 1_000;
/// How long an export waits for its turn: a server makes one at a time, because they are large.
const TURN: Duration = Duration::from_secs(10);
/// Seconds.
const TURN_RETRY: i64 = 10;

/// A page of an account's events.
pub struct OwnEvents {
    pub events: Vec<ListedEvent>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// Everything that is kept of an account.
pub struct Kept {
    pub at: i64,
    pub account: Account,
    pub identifiers: Vec<KeptIdentifier>,
    pub identities: Vec<Identity>,
    pub attributes: Map<String, Value>,
    pub sessions: Vec<ListedSession>,
    /// Until when each known network is known.
    pub places: Vec<i64>,
    pub links: Vec<MailedLink>,
    pub mails: Vec<QueuedMail>,
    pub events: Vec<ListedEvent>,
}

impl Auth {
    /// The id of the event at which a page ended, by the cursor that the page had; `None` if it is
    /// not a cursor of this account.
    pub fn event_of_cursor(&self, who: &SignedIn, cursor: &str) -> Option<i64> {
        open_cursor(&self.digest_key, who.account_id, cursor)
    }

    /// The events of the account of a credential with ids below `before`, the newest first. Not for
    /// a credential of an OAuth client, or one that was sent in a URL.
    pub async fn own_events(&self, who: &SignedIn, before: Option<i64>) -> Result<OwnEvents> {
        refuse_lent(who)?;
        self.account(who).await?;
        let before = before.unwrap_or(i64::MAX);
        let mut tx = self.store.read().await?;
        let mut found = events::own_events(&mut tx, who.account_id, before, PAGE + 1).await?;
        let has_more = i64::try_from(found.len()).is_ok_and(|found| found > PAGE);
        if has_more {
            found.pop();
        }
        let cursor = |last: &StoredEvent| seal_cursor(&self.digest_key, who.account_id, last.id);
        let next = found.last().filter(|_| has_more).map(cursor);
        Ok(OwnEvents { events: found.into_iter().map(ListedEvent::from).collect(), next })
    }

    /// Everything that is kept of the account, after re-authentication. The owner gets a mail.
    pub async fn export(&self, proof: &Reauthentication) -> Result<Kept> {
        refuse_lent(&proof.who)?;
        self.check_recent(proof).await?;
        self.account(&proof.who).await?;
        let busy = Error::Busy { retry_after: TURN_RETRY };
        let turn = timeout(TURN, self.exports.acquire()).await;
        let _turn = turn.ok().and_then(|turn| turn.ok()).ok_or(busy)?;
        let (id, now) = (proof.who.account_id, self.clock.now());
        let within_limit = self.limits.count_export(id, now);
        within_limit.inspect_err(|_| self.count_refused(Some(id), Refusal::TooManyAttempts))?;
        let (proof, outbox) = (proof.clone(), self.outbox.clone());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    proof.verify(tx, now).await?;
                    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
                    outbox.queue(tx, MailKind::DataExported, &account, None, now).await?;
                    tx.note(NewEvent::of(id, Event::Exported, now).session(proof.who.session));
                    Ok(())
                })
            })
            .await?;
        let events = self.exported_events(id).await?;
        let mut tx = self.store.read().await?;
        kept_of(&mut tx, id, events, now).await?.ok_or(Error::AccountNotFound)
    }

    async fn exported_events(&self, id: i64) -> Result<Vec<ListedEvent>> {
        let (mut found, mut before) = (Vec::new(), i64::MAX);
        while found.len() < EXPORTED_EVENTS {
            let mut tx = self.store.read().await?;
            let page = events::own_events(&mut tx, id, before, EVENTS_AT_ONCE).await?;
            let Some(last) = page.last() else { break };
            before = last.id;
            found.extend(page.into_iter().map(ListedEvent::from));
        }
        Ok(found)
    }
}

/// Refuses a credential that others may have.
fn refuse_lent(who: &SignedIn) -> Result<()> {
    match who.is_lent() {
        true => Err(Error::CredentialNotAllowed),
        false => Ok(()),
    }
}

async fn kept_of(tx: &mut Tx, id: i64, events: Vec<ListedEvent>, at: i64) -> Result<Option<Kept>> {
    let Some(account) = accounts::account(tx, id).await? else { return Ok(None) };
    let found = sessions::sessions_of(tx, id, EXPORTED_SESSIONS).await?;
    let mut mails = outbox::mails_of(tx, id).await?;
    let mut links = one_time_tokens::links_of(tx, id).await?;
    // As in the list of events: whether such a mail was sent, and when such a link was made, would
    // reveal whether another account has the address.
    mails.retain(|mail| mail.message != Purpose::EmailConfirm.as_str());
    links.retain(|link| link.purpose != Purpose::EmailConfirm.as_str());
    Ok(Some(Kept {
        at,
        account: account.as_of(at),
        identifiers: identifiers::identifiers(tx, id).await?,
        identities: identities::identities(tx, id).await?,
        attributes: attributes_of(tx, id).await?,
        sessions: found.into_iter().map(|row| ListedSession::of(row, None)).collect(),
        places: known_places::places(tx, id).await?,
        links,
        mails,
        events,
    }))
}
