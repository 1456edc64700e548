//! What an operator sees and does of one account's state: the overview, single sessions, and a mail
//! that resets the password.

use crate::auth::domain::Auth;
use crate::auth::events::ListedEvent;
use crate::auth::mailing::one_time_token::Purpose;
use crate::auth::mailing::outbox::NewLink;
use crate::auth::sessions::list::ListedSession;
use crate::auth::sessions::session::end_live_session;
use crate::auth::tokens::session_id::session_of_name;
use crate::auth::unlock::StoredLimit;
use crate::error::{Error, Result, TokenFault};
use crate::store::accounts::{self, Account};
use crate::store::events::{self, Ending, Event, NewEvent, Refusal, SignedInBy};
use crate::store::identifiers::{self, KeptIdentifier};
use crate::store::identities::{self, Identity};
use crate::store::outbox::{self, QueuedMail};
use crate::store::sessions;

/// How many of the last sign-ins, sent mails and refused attempts an overview has, and how many other
/// events.
const FEW: i64 = 5;
const EVENTS: i64 = 10;

/// Everything that helps to answer a question about one account.
pub struct Overview {
    pub account: Account,
    pub identifiers: Vec<KeptIdentifier>,
    pub identities: Vec<Identity>,
    pub sign_ins: Vec<ListedEvent>,
    pub sessions: Vec<ListedSession>,
    /// `None` if the server's secret is not known here.
    pub limits: Option<Vec<StoredLimit>>,
    /// Mails that wait or have failed.
    pub mails: Vec<QueuedMail>,
    pub sent: Vec<ListedEvent>,
    pub refused: Vec<ListedEvent>,
    /// Without refused attempts, which would hide the others.
    pub events: Vec<ListedEvent>,
}

/// The result of an operator's request for a mail that resets a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailedReset {
    /// For this address.
    Queued(String),
    /// The API is not served; these are.
    UnknownApi(Vec<&'static str>),
    Inactive,
    NoMailbox,
}

impl Auth {
    /// Everything that helps to answer a question about this account.
    pub async fn overview(&self, account: Account) -> Result<Overview> {
        let (id, now) = (account.id, self.clock.now());
        let limits = self.stored_limits(id).await?;
        let sessions = self.sessions_of_account(id).await?;
        let mut tx = self.store.read().await?;
        let signed_in = Event::SignedIn(SignedInBy::Password).as_str();
        let sign_ins = events::events_named(&mut tx, id, signed_in, FEW).await?;
        let sent = events::events_named(&mut tx, id, Event::MailSent.as_str(), FEW).await?;
        let refused = Event::Refused(Refusal::WrongPassword).as_str();
        let refused = events::events_named(&mut tx, id, refused, FEW).await?;
        let last = events::events_without_refused(&mut tx, id, EVENTS).await?;
        let listed = |found: Vec<events::StoredEvent>| found.into_iter().map(ListedEvent::from);
        Ok(Overview {
            account: account.as_of(now),
            identifiers: identifiers::identifiers(&mut tx, id).await?,
            identities: identities::identities(&mut tx, id).await?,
            sign_ins: listed(sign_ins).collect(),
            sessions,
            limits,
            mails: outbox::mails_of(&mut tx, id).await?,
            sent: listed(sent).collect(),
            refused: listed(refused).collect(),
            events: listed(last).collect(),
        })
    }

    /// All live sessions of the account, the last used first.
    pub async fn sessions_of_account(&self, id: i64) -> Result<Vec<ListedSession>> {
        let mut tx = self.store.read().await?;
        let found = sessions::live_sessions(&mut tx, id, self.clock.now()).await?;
        Ok(found.into_iter().map(|session| ListedSession::of(session, None)).collect())
    }

    /// Ends one session of the account; false if it has no live session with this name.
    pub async fn end_session_of_account(&self, id: i64, name: &str) -> Result<bool> {
        let Some(session_id) = session_of_name(name) else { return Ok(false) };
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let session = sessions::session(tx, session_id).await?;
                    let is_own = session
                        .is_some_and(|session| session.account_id == id && session.is_live(now));
                    if !is_own {
                        return Ok(false);
                    }
                    match end_live_session(tx, session_id, Ending::Operator, now).await {
                        // It ended in the meantime.
                        Err(Error::Token(TokenFault::Spent)) => Ok(false),
                        ended => ended.map(|()| true),
                    }
                })
            })
            .await
    }

    /// Queues a mail to the account's mailbox with a link that sets a new password at this API. The
    /// limits of mails do not apply to an operator.
    pub async fn mail_reset(&self, id: i64, api: &str) -> Result<MailedReset> {
        let Some(policy) = self.policies.iter().find(|policy| policy.name == api) else {
            let mut served: Vec<_> = self.policies.iter().map(|policy| policy.name).collect();
            served.sort_unstable();
            return Ok(MailedReset::UnknownApi(served));
        };
        let (outbox, now) = (self.outbox.for_policy(policy), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    accounts::lock_account(tx, id).await?;
                    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
                    if !account.is_active {
                        return Ok(MailedReset::Inactive);
                    }
                    let Some(to) = account.mailbox() else { return Ok(MailedReset::NoMailbox) };
                    let purpose = Purpose::PasswordReset;
                    let link = NewLink { purpose, to, by_password: false, kept_identities: None };
                    outbox.queue_admitted(tx, &account, link, None, None, now).await?;
                    tx.note(NewEvent::of(id, Event::ResetRequested, now));
                    Ok(MailedReset::Queued(to.to_owned()))
                })
            })
            .await
    }
}
