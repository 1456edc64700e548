//! Safety after the restore of a backup, when the database goes back in time: the number of an
//! account that existed before is never given to another account, and tokens that were issued after
//! the backup are refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::auth::domain::Auth;
use crate::auth::numbers::file::{NumberFile, Recorded};
use crate::error::{Error, Result};
use crate::store::events::{Event, NewEvent};
use crate::store::revocations::{self, Reason, Subject};
use crate::store::{accounts, meta};

/// How many numbers are skipped after a restore: more than the accounts created since the backup.
const SKIPPED: i64 = 100_000;
/// JSON numbers are exact up to here in every client; a token with a higher number has no effect.
pub const HIGHEST_NUMBER: i64 = (1 << 53) - 1;
/// The name of the file in the data directory.
const FILE: &str = "numbers";

/// Why the number file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NumbersError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Domain(#[from] Error),
}

/// Checks the number file without changing it.
pub fn check_number_file(data_dir: &Path) -> std::result::Result<(), NumbersError> {
    let path = data_dir.join(FILE);
    NumberFile::check(&path).map_err(|error| NumbersError::File { path, error })
}

impl Auth {
    /// Records used numbers in the data directory from now on. A backup was restored if the
    /// directory has higher numbers than the database, or if the file is missing although the
    /// database, in the same directory, has had one. Then new numbers are above them, and tokens
    /// are checked in the database.
    pub async fn keep_numbers_in(
        &self,
        data_dir: &Path,
        has_database: bool,
    ) -> std::result::Result<(), NumbersError> {
        let path = data_dir.join(FILE);
        let is_new = !path.exists();
        let (file, recorded) =
            NumberFile::open(&path).map_err(|error| NumbersError::File { path, error })?;
        if has_database && self.had_number_file().await? && is_new {
            let above = self.restored(None).await?;
            tracing::warn!(
                "the database is in another data directory than before, as after the restore of a \
                 backup: new accounts get numbers above {above}"
            );
        }
        let last = self.last_number().await?;
        if last < recorded.given {
            tracing::warn!(
                "the database is older than this data directory, as after the restore of a backup: \
                 new accounts get numbers above {}",
                recorded.reserved
            );
            self.move_numbers(recorded.reserved).await?;
        } else if last < recorded.reserved {
            self.skip_reserved(recorded).await?;
        }
        // Only the first call sets it: there is one data directory.
        let _ = self.numbers.file.set(Arc::new(file));
        self.numbers.note(self.last_number().await?).await;
        Ok(())
    }

    /// Whether the database has had a number file; records that it has one from now on.
    async fn had_number_file(&self) -> Result<bool> {
        let kept = self.store.write(move |tx| {
            Box::pin(async move {
                let kept = meta::get(tx, meta::NUMBERS_KEPT).await?;
                meta::set(tx, meta::NUMBERS_KEPT, "yes".to_owned()).await?;
                Ok(kept)
            })
        });
        Ok(kept.await?.is_some())
    }

    /// Detects that the database was replaced by an older one while the server runs: then new
    /// numbers are above the known ones, and tokens are checked in the database. Otherwise records
    /// the numbers that other servers and the command line have used, so that each data directory
    /// can detect a restore.
    pub(in crate::auth) async fn compare_numbers(&self) -> Result<()> {
        // In this order: a number that is used in between is in the database already.
        let known = self.numbers.highest();
        let last = self.last_number().await?;
        if last < known {
            tracing::warn!(
                "the database is older than before, as after the restore of a backup: new accounts \
                 get numbers above {known}"
            );
            return self.move_numbers(known).await;
        }
        self.numbers.note(last).await;
        Ok(())
    }

    /// Skips reserved numbers: before a power cut some may have been used without being recorded.
    async fn skip_reserved(&self, recorded: Recorded) -> Result<()> {
        let reserved = recorded.reserved;
        self.store.write(move |tx| Box::pin(accounts::raise_sequence(tx, reserved))).await
    }

    /// Records that the server stops normally.
    pub fn close_numbers(&self) {
        let closed = self.numbers.file.get().map_or(Ok(()), |file| file.close());
        if let Err(error) = closed {
            tracing::warn!(%error, "the account number file could not be closed");
        }
    }

    async fn last_number(&self) -> Result<i64> {
        let mut tx = self.store.read().await?;
        accounts::last_number(&mut tx).await
    }

    /// Gives new accounts numbers above this one, by default 100 000 above the last one, and has
    /// tokens checked in the database that were issued before. Answers the number below the new
    /// ones.
    pub async fn restored(&self, above: Option<i64>) -> Result<i64> {
        let last = self.last_number().await?;
        let above = above.unwrap_or(last + SKIPPED).max(last);
        self.move_numbers(above).await?;
        Ok(above)
    }

    /// The same with an event of its own, for the end of all sessions.
    pub(in crate::auth) async fn skip_numbers(&self, why: Event) -> Result<()> {
        let above = self.last_number().await? + SKIPPED;
        self.move_noting(above, NewEvent::of_server(why, self.clock.now())).await
    }

    async fn move_numbers(&self, above: i64) -> Result<()> {
        let event = NewEvent::of_server(Event::Restored, self.clock.now());
        self.move_noting(above, event.about(above.to_string())).await
    }

    async fn move_noting(&self, above: i64, event: NewEvent) -> Result<()> {
        self.store
            .write(move |tx| {
                let now = event.at;
                tx.note(event);
                Box::pin(async move {
                    accounts::raise_sequence(tx, above).await?;
                    revocations::insert_revocation(tx, Subject::Everybody, Reason::Ended, now).await
                })
            })
            .await?;
        self.numbers.learn(above);
        Ok(())
    }

    /// Refuses a valid token of ours if its account number was never used in this database, and
    /// makes sure that no other account gets the number.
    pub(in crate::auth) async fn check_number(&self, account_id: i64) -> Result<()> {
        match self.numbers.knows(account_id) {
            true => Ok(()),
            false => Box::pin(self.check_unknown_number(account_id)).await,
        }
    }

    async fn check_unknown_number(&self, account_id: i64) -> Result<()> {
        let last = self.last_number().await?;
        self.numbers.learn(last);
        if account_id <= last {
            return Ok(());
        }
        if account_id <= HIGHEST_NUMBER {
            tracing::warn!(
                "a valid token names account {account_id}, which never existed in this database: it \
                 seems to be a restored backup, so new accounts get numbers above that"
            );
            self.move_numbers(account_id).await?;
        }
        Err(Error::AccountNotFound)
    }
}
