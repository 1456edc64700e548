//! Effects of a write after its commit. Statements record them in the transaction, and the write
//! itself carries them out before it returns: a caller cannot forget them, and a cancelled request
//! cannot skip them. `auth/after_commit.rs` supplies [`AfterCommit`]: what memory does.

use std::sync::Arc;

use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;

use super::announcements::Announcements;
use super::events::NewEvent;
use super::revocations::Revocation;
use super::webhooks::NewWebhook;
use super::{BoxFuture, Connections, Extent, Repeat, Store, Tx};
use crate::error::Result;

/// What a write stored that memory and background tasks need to know.
#[derive(Default)]
pub struct Effects {
    /// Memory must refuse the access tokens of these sessions and accounts.
    pub revocations: Vec<Revocation>,
    /// The mail worker has to wake.
    pub has_queued_mail: bool,
    /// The highest account number that the response may contain.
    pub account_number: Option<i64>,
    /// What has happened; stored with the write.
    pub events: Vec<NewEvent>,
    /// What the operator's service is to be sent; stored with the write.
    pub webhooks: Vec<NewWebhook>,
    /// Whether such a service is configured.
    pub has_receiver: bool,
    /// The dialect of each session that was refreshed.
    pub refreshes: Vec<Option<&'static str>>,
    /// The dialect that asked for the write.
    pub dialect: Option<&'static str>,
}

impl Effects {
    pub(super) fn note_account(&mut self, number: i64) {
        self.account_number = self.account_number.max(Some(number));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.revocations.is_empty()
            && !self.has_queued_mail
            && self.account_number.is_none()
            && self.events.is_empty()
            && self.webhooks.is_empty()
            && self.refreshes.is_empty()
    }
}

/// Carries out effects; the write returns after it.
pub type AfterCommit = Arc<dyn Fn(Effects) -> BoxFuture<'static, ()> + Send + Sync>;

/// How long work has waited for the database, in seconds; clones share the counts.
#[derive(Clone, Debug)]
pub struct Waits {
    /// For a connection to read with.
    pub read: Histogram,
    /// Until a write has begun.
    pub write: Histogram,
}

/// In seconds: from a free connection to the time limit of a request.
const BOUNDS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

impl Default for Waits {
    fn default() -> Self {
        Waits { read: Histogram::new(BOUNDS), write: Histogram::new(BOUNDS) }
    }
}

/// A store whose writes carry out their effects.
#[derive(Clone)]
pub struct EffectfulStore {
    store: Store,
    after_commit: AfterCommit,
    /// Whether webhooks are queued.
    has_receiver: bool,
    waits: Waits,
}

impl EffectfulStore {
    pub fn new(store: Store, after_commit: AfterCommit, has_receiver: bool) -> Self {
        EffectfulStore { store, after_commit, has_receiver, waits: Waits::default() }
    }

    /// As [`Store::read`].
    pub async fn read(&self) -> Result<Tx> {
        let asked = Instant::now();
        let tx = self.store.read().await;
        // Also a wait that ended at its limit.
        self.waits.read.observe(asked.elapsed().as_secs_f64());
        tx
    }

    /// As [`Store::write`], and then carries out the effects.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.write_of(Extent::Transaction, work).await
    }

    /// The same for one statement: it costs one trip to the database, and no transaction. `work`
    /// fails only if its statement does, and notes no event: that would be another statement.
    pub async fn write_one<T, F>(&self, repeat: Repeat, statement: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.write_of(Extent::Statement(repeat), statement).await
    }

    async fn write_of<T, F>(&self, extent: Extent, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let (asked, waited) = (Instant::now(), self.waits.write.clone());
        let has_receiver = self.has_receiver;
        let after_commit = Some(Arc::clone(&self.after_commit));
        let written = self.store.write_then(
            extent,
            move |tx| {
                waited.observe(asked.elapsed().as_secs_f64());
                tx.effects.has_receiver = has_receiver;
                work(tx)
            },
            after_commit,
        );
        written.await
    }

    /// How long work has waited.
    pub fn waits(&self) -> &Waits {
        &self.waits
    }

    /// As [`Store::connections`].
    pub fn connections(&self) -> Connections {
        self.store.connections()
    }

    /// As [`Store::commands`].
    pub fn commands(&self) -> u64 {
        self.store.commands()
    }

    /// As [`Store::ping`].
    pub async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    /// As [`Store::name`].
    pub fn name(&self) -> String {
        self.store.name()
    }

    /// As [`Store::announcements`].
    pub fn announcements(&self) -> Announcements {
        self.store.announcements()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tempfile::TempDir;
    use tokio::sync::oneshot;

    use super::*;
    use crate::error::Error;
    use crate::request_record::{self, Cause, RequestId, RequestRecord};
    use crate::store::accounts::{self, NewAccount};
    use crate::store::connect;

    /// A store, and the account numbers that its writes have reported.
    async fn recorded() -> (EffectfulStore, Arc<Mutex<Vec<i64>>>, TempDir) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = connect(None, dir.path()).await.expect("a new database");
        let reported = Arc::new(Mutex::new(Vec::new()));
        let report = Arc::clone(&reported);
        let after_commit: AfterCommit = Arc::new(move |effects| {
            report.lock().expect("no panic").extend(effects.account_number);
            Box::pin(std::future::ready(()))
        });
        (EffectfulStore::new(store, after_commit, false), reported, dir)
    }

    async fn insert_account(tx: &mut Tx) -> Result<i64> {
        let new = NewAccount {
            password: None,
            display_name: None,
            sign_up_name: None,
            is_superuser: false,
            awaits_activation: false,
            language: None,
            created_at: 0,
        };
        accounts::insert_account(tx, &new).await
    }

    #[tokio::test]
    async fn effects_are_carried_out_before_the_answer_and_only_for_what_is_stored() {
        let (store, reported, _dir) = recorded().await;
        let refused = store.write(|tx| {
            Box::pin(async move {
                insert_account(tx).await?;
                Err::<(), _>(Error::InvalidCredentials)
            })
        });
        let panicking = store.write::<(), _>(|tx| {
            Box::pin(async move {
                insert_account(tx).await?;
                panic!("on purpose")
            })
        });
        // In one batch: what one write leaves must not reach the next.
        let silent = store.write::<(), _>(|_| Box::pin(async { Ok(()) }));
        let (refused, panicked, silent) = tokio::join!(refused, panicking, silent);
        assert!(refused.is_err() && panicked.is_err() && silent.is_ok());
        assert!(reported.lock().expect("no panic").is_empty());
        let id = store.write(|tx| Box::pin(insert_account(tx))).await.expect("an account");
        assert_eq!(*reported.lock().expect("no panic"), [id]);
    }

    #[tokio::test]
    async fn write_is_a_part_of_the_request_that_asks_for_it() {
        let (store, ..) = recorded().await;
        let record = RequestRecord::new(RequestId::new(), None);
        let writing = store.write(|_| {
            Box::pin(async {
                request_record::note_refusal("noted in the write");
                Ok(())
            })
        });
        Cause::Request(Arc::clone(&record)).during(writing).await.expect("a write");
        assert_eq!(record.known().refusal, Some("noted in the write"));
    }

    #[tokio::test]
    async fn effects_are_carried_out_when_the_caller_has_gone() {
        let (store, reported, _dir) = recorded().await;
        let (started, has_started) = oneshot::channel::<()>();
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let writing = tokio::spawn({
            let store = store.clone();
            async move {
                let work = store.write(move |tx| {
                    Box::pin(async move {
                        started.send(()).expect("the test waits");
                        may_go_on.await.expect("the test continues");
                        insert_account(tx).await
                    })
                });
                work.await
            }
        });
        has_started.await.expect("it starts");
        writing.abort();
        go_on.send(()).expect("the write waits");
        // Its own effects are carried out after those of the write before it.
        let id = store.write(|tx| Box::pin(insert_account(tx))).await.expect("an account");
        assert_eq!(*reported.lock().expect("no panic"), [id - 1, id]);
    }
}
