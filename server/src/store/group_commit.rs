//! SQLite's writer: one task owns the writing connection, takes all waiting writes, runs them in one
//! `begin immediate`, commits once and then answers them all. So one fsync serves many writers, and no
//! writer gets "database is locked".
//!
//! Each command to the connection costs two switches between threads, so few are given. A write that
//! shares its commit has a savepoint, unless it is a single statement, which SQLite undoes by itself;
//! a single statement alone needs no transaction. Savepoints begin and end in the same command as
//! their neighbours.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::effects::{AfterCommit, Effects};
use super::{Extent, Handle, Tx, Work, run_with_events, sqlite};
use crate::error::{Error, Fault, Result, is_transient};
use crate::request_record::Cause;

/// How many writes may wait, and how many share one commit.
const QUEUE: usize = 4_096;
const BATCH: usize = 256;
/// How long a caller waits for its write; only a disk that hangs takes so long.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// Sends writes to the writing task; clones share it.
#[derive(Clone)]
pub struct Writer(mpsc::Sender<Message>);

enum Message {
    Write(Box<Write>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the writing task on its own connection.
    pub(super) fn start(lease: sqlite::Lease) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(run(Tx::new(Handle::Sqlite(lease.without_limit())), receiver));
        Writer(sender)
    }

    pub(super) async fn write(
        &self,
        extent: Extent,
        work: Work,
        after_commit: Option<AfterCommit>,
    ) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let write = Write {
            extent,
            work: Some(work),
            cause: Cause::current(),
            outcome: None,
            effects: Effects::default(),
            after_commit,
            answer,
        };
        let gone = || Error::Internal(Fault::WriterGone);
        let outcome = async {
            self.0.send(Message::Write(Box::new(write))).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        };
        // The write may still be committed, as after a lost connection.
        timeout(ANSWER_LIMIT, outcome).await.unwrap_or(Err(Error::Busy { retry_after: 1 }))
    }

    /// How many writes wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }

    /// Waits until all queued writes are committed, then ends the task.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.0.send(Message::Close(done)).await.is_ok() {
            // An error means that the task has ended already.
            closed.await.unwrap_or_default();
        }
    }
}

struct Write {
    extent: Extent,
    work: Option<Work>,
    cause: Cause,
    outcome: Option<Result<()>>,
    effects: Effects,
    after_commit: Option<AfterCommit>,
    answer: oneshot::Sender<Result<()>>,
}

impl Write {
    /// Whether it is a single statement.
    fn is_statement(&self) -> bool {
        matches!(self.extent, Extent::Statement(_))
    }

    /// False if it must be undone.
    async fn run(&mut self, tx: &mut Tx) -> bool {
        let Some(work) = self.work.take() else { return false };
        tx.cause = std::mem::take(&mut self.cause);
        let outcome = AssertUnwindSafe(run_with_events(tx, work)).catch_unwind().await;
        let outcome = outcome.unwrap_or(Err(Error::Internal(Fault::WriterGone)));
        let keep = outcome.is_ok();
        self.effects = std::mem::take(&mut tx.effects);
        self.outcome = Some(outcome);
        keep
    }

    /// Sends the outcome, or the failure of the commit.
    fn answer(self, commit: Result<()>) {
        let outcome = match (commit, self.outcome) {
            (Ok(()), Some(outcome)) | (Err(_), Some(outcome @ Err(_))) => outcome,
            (Ok(()), None) => Err(Error::Internal(Fault::WriterGone)),
            (Err(error), _) => Err(error),
        };
        let (effects, answer) = (self.effects, self.answer);
        match self.after_commit.filter(|_| outcome.is_ok() && !effects.is_empty()) {
            Some(after_commit) => {
                // In a task of its own, so that the next writes need not wait for it.
                tokio::spawn(async move {
                    after_commit(effects).await;
                    drop(answer.send(outcome));
                });
            }
            // The caller may have stopped waiting; the write is valid.
            None => drop(answer.send(outcome)),
        }
    }
}

async fn run(mut tx: Tx, mut queue: mpsc::Receiver<Message>) {
    let mut batch: Vec<Write> = Vec::with_capacity(BATCH);
    while let Some(first) = queue.recv().await {
        let mut close = take(first, &mut batch);
        while close.is_none() && batch.len() < BATCH {
            let Ok(next) = queue.try_recv() else { break };
            close = take(next, &mut batch);
        }
        let committed = commit(&mut tx, &mut batch).await;
        if let Err(error) = &committed {
            tracing::error!(%error, "a group of writes was not committed");
        }
        for write in batch.drain(..) {
            write.answer(committed.as_ref().map(|&()| ()).map_err(not_committed));
        }
        if let Some(done) = close {
            tx.close().await;
            // The caller may have stopped waiting; the task ends in any case.
            let _ = done.send(());
            return;
        }
    }
}

/// The error for every write of a group whose commit failed; none of them is stored.
fn not_committed(error: &sqlx::Error) -> Error {
    match is_transient(error) {
        true => Error::Busy { retry_after: 1 },
        false => Error::Internal(Fault::Commit(error.to_string())),
    }
}

fn take(message: Message, batch: &mut Vec<Write>) -> Option<oneshot::Sender<()>> {
    match message {
        Message::Write(write) => batch.push(*write),
        Message::Close(done) => return Some(done),
    }
    None
}

/// Runs the batch with one commit. After an error nothing of the batch is stored.
async fn commit(tx: &mut Tx, batch: &mut [Write]) -> sqlx::Result<()> {
    let outcome = match batch {
        [] => return Ok(()),
        [write] if write.is_statement() => {
            // It commits by itself. The caller learns from its outcome whether it failed.
            write.run(tx).await;
            return Ok(());
        }
        [write] => run_alone(tx, write).await,
        batch => run_all(tx, batch).await,
    };
    if outcome.is_err() {
        // SQLite may have rolled back by itself (disk full); this statement then fails, which is
        // harmless.
        drop(execute(tx, "rollback").await);
    }
    outcome
}

async fn run_alone(tx: &mut Tx, write: &mut Write) -> sqlx::Result<()> {
    execute(tx, "begin immediate").await?;
    let end = if write.run(tx).await { "commit" } else { "rollback" };
    execute(tx, end).await
}

/// How the previous write of the batch ended.
enum Before {
    Nothing,
    /// Its statement has no savepoint.
    Statement,
    Kept,
    Refused,
}

async fn run_all(tx: &mut Tx, batch: &mut [Write]) -> sqlx::Result<()> {
    let mut before = Before::Nothing;
    for write in batch {
        let is_statement = write.is_statement();
        let control = match (&before, is_statement) {
            (Before::Nothing, true) => Some("begin immediate"),
            (Before::Nothing, false) => Some("begin immediate; savepoint one"),
            (Before::Statement, true) => None,
            (Before::Statement, false) => Some("savepoint one"),
            (Before::Kept, true) => Some("release one"),
            (Before::Kept, false) => Some("release one; savepoint one"),
            (Before::Refused, true) => Some("rollback to one; release one"),
            // The savepoint is still there.
            (Before::Refused, false) => Some("rollback to one"),
        };
        if let Some(control) = control {
            execute(tx, control).await?;
        }
        before = match (write.run(tx).await, is_statement) {
            (true, true) => Before::Statement,
            (true, false) => Before::Kept,
            (false, false) => Before::Refused,
            // Such a statement fails only if the disk does, and SQLite may have rolled back.
            (false, true) => {
                return Err(sqlx::Error::Io(std::io::Error::other("a statement failed")));
            }
        };
    }
    let end = match before {
        Before::Refused => "rollback to one; commit",
        Before::Nothing | Before::Statement | Before::Kept => "commit",
    };
    execute(tx, end).await
}

async fn execute(tx: &mut Tx, statement: &'static str) -> sqlx::Result<()> {
    if let Handle::Sqlite(lease) = &mut tx.handle {
        sqlx::query(statement).execute(lease).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::{Repeat, Store, connect, meta};
    use super::*;

    async fn store() -> (Store, TempDir) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        (connect(None, dir.path()).await.expect("a new database"), dir)
    }

    async fn set(store: &Store, value: &'static str) -> Result<()> {
        store.write(move |tx| Box::pin(meta::set(tx, value, value.to_owned()))).await
    }

    async fn is_set(store: &Store, value: &'static str) -> bool {
        let found =
            store.write(move |tx| Box::pin(meta::get_or_insert(tx, value, "no".to_owned())));
        found.await.expect("the database answers") == value
    }

    async fn fail_after_writing(store: &Store, value: &'static str) -> Result<()> {
        store
            .write(move |tx| {
                Box::pin(async move {
                    meta::set(tx, value, value.to_owned()).await?;
                    Err(Error::InvalidCredentials)
                })
            })
            .await
    }

    #[tokio::test]
    async fn write_that_is_refused_stores_nothing_and_does_not_affect_its_group() {
        let (store, _dir) = store().await;
        let (one, refused, two) =
            tokio::join!(set(&store, "a"), fail_after_writing(&store, "b"), set(&store, "c"));
        assert!(one.is_ok() && two.is_ok());
        assert!(matches!(refused, Err(Error::InvalidCredentials)));
        assert!(is_set(&store, "a").await && is_set(&store, "c").await);
        assert!(!is_set(&store, "b").await);
    }

    #[tokio::test]
    async fn write_with_a_failed_statement_does_not_affect_its_group() {
        let (store, _dir) = store().await;
        let failing = store.write(|tx| {
            Box::pin(async move {
                meta::set(tx, "b", "b".to_owned()).await?;
                execute(tx, "insert into nowhere values (1)").await?;
                Ok(())
            })
        });
        let (one, failed, two) = tokio::join!(set(&store, "a"), failing, set(&store, "c"));
        assert!(one.is_ok() && failed.is_err() && two.is_ok());
        assert!(is_set(&store, "c").await && !is_set(&store, "b").await);
    }

    #[tokio::test]
    async fn write_that_panics_does_not_affect_its_group() {
        let (store, _dir) = store().await;
        let panicking = store.write::<(), _>(|_| Box::pin(async { panic!("on purpose") }));
        let (panicked, fine) = tokio::join!(panicking, set(&store, "a"));
        assert!(panicked.is_err() && fine.is_ok());
        assert!(is_set(&store, "a").await);
    }

    async fn set_by_statement(store: &Store, value: &'static str) -> Result<()> {
        store
            .write_then(
                Extent::Statement(Repeat::Harmless),
                move |tx| Box::pin(meta::set(tx, value, value.to_owned())),
                None,
            )
            .await
    }

    #[tokio::test]
    async fn statements_are_stored_before_and_after_any_write_of_their_group() {
        let (store, _dir) = store().await;
        let refused = || fail_after_writing(&store, "no");
        let (one, failed, two, three, four, also_failed, five) = tokio::join!(
            set_by_statement(&store, "a"),
            refused(),
            set_by_statement(&store, "b"),
            set_by_statement(&store, "c"),
            set(&store, "d"),
            refused(),
            set_by_statement(&store, "e"),
        );
        for outcome in [one, two, three, four, five] {
            outcome.expect("it is stored");
        }
        assert!(failed.is_err() && also_failed.is_err());
        for value in ["a", "b", "c", "d", "e"] {
            assert!(is_set(&store, value).await, "{value}");
        }
        set_by_statement(&store, "alone").await.expect("it is stored");
        assert!(is_set(&store, "alone").await);
    }

    /// It has no savepoint, so it cannot be undone alone.
    #[tokio::test]
    async fn statement_that_fails_stores_nothing_of_its_group() {
        let (store, _dir) = store().await;
        let failing = store.write_then(
            Extent::Statement(Repeat::Harmless),
            |tx| Box::pin(async { Ok(execute(tx, "insert into nowhere values (1)").await?) }),
            None,
        );
        let (one, failed, two) = tokio::join!(set(&store, "a"), failing, set(&store, "c"));
        assert!(one.is_err() && failed.is_err() && two.is_err());
        for value in ["a", "c"] {
            assert!(!is_set(&store, value).await, "{value}");
        }
        set(&store, "next").await.expect("the next group is stored");
    }

    #[tokio::test]
    async fn close_waits_for_queued_writes() {
        let (store, dir) = store().await;
        let (written, ()) = tokio::join!(set(&store, "a"), store.close());
        assert!(written.is_ok());
        assert!(set(&store, "b").await.is_err());
        let again = connect(None, dir.path()).await.expect("the database");
        assert!(is_set(&again, "a").await);
    }

    #[tokio::test]
    async fn write_without_an_answer_times_out() {
        let (store, _dir) = store().await;
        tokio::time::pause();
        let given_up = store.write::<(), _>(|_| Box::pin(std::future::pending())).await;
        assert!(matches!(given_up, Err(Error::Busy { .. })));
    }

    #[tokio::test]
    async fn write_continues_if_its_caller_is_gone() {
        let (store, _dir) = store().await;
        let (started, has_started) = oneshot::channel::<()>();
        let (go_on, may_go_on) = oneshot::channel::<()>();
        let writing = tokio::spawn({
            let store = store.clone();
            async move {
                let work = store.write(move |tx| {
                    Box::pin(async move {
                        started.send(()).expect("the test waits");
                        may_go_on.await.expect("the test goes on");
                        meta::set(tx, "a", "a".to_owned()).await
                    })
                });
                work.await
            }
        });
        has_started.await.expect("it starts");
        writing.abort();
        go_on.send(()).expect("the write waits");
        assert!(is_set(&store, "a").await);
    }
}
