//! What must hold when the database goes back in time because a backup was restored: an account number
//! that may be known outside is never given to another account, and tokens that the database has
//! not heard of open nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::auth::domain::Auth;
use crate::auth::numbers::file::{NumberFile, Recorded};
use crate::error::{Error, Result};
use crate::store::revocations::{self, Reason, Subject};
use crate::store::{Tx, accounts, meta};

/// How many numbers are left out after a restore, in case as many accounts were made since the backup.
const LEFT_OUT: i64 = 100_000;
/// JSON numbers are exact up to here in every client; a token that names a higher one moves nothing.
pub const HIGHEST_NUMBER: i64 = (1 << 53) - 1;
/// The name of the file in the data directory.
const FILE: &str = "numbers";

/// Why the file of numbers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NumbersError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: std::io::Error },
    #[error(transparent)]
    Domain(#[from] Error),
}

/// Reads the file of numbers without changing it.
pub fn check_number_file(data_dir: &Path) -> std::result::Result<(), NumbersError> {
    let path = data_dir.join(FILE);
    NumberFile::check(&path).map_err(|error| NumbersError::File { path, error })
}

impl Auth {
    /// Notes given numbers in the data directory from now on. If the directory knows higher ones than
    /// the database, a backup was restored: the numbers go on above them, and tokens are looked up. So
    /// it is where the file has gone from beside a database that lies in the same directory.
    pub async fn keep_numbers_in(
        &self,
        data_dir: &Path,
        is_beside_database: bool,
    ) -> std::result::Result<(), NumbersError> {
        let path = data_dir.join(FILE);
        let is_new = !path.exists();
        let (file, recorded) =
            NumberFile::open(&path).map_err(|error| NumbersError::File { path, error })?;
        if is_beside_database && self.keeps_numbers().await? && is_new {
            let above = self.restored(None).await?;
            tracing::warn!(
                "the database was put into another data directory, as after the restore of a backup: \
                 new accounts get numbers above {above}"
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
            self.leave_out(recorded).await?;
        }
        // The first one is kept: there is one data directory.
        let _ = self.numbers.file.set(Arc::new(file));
        self.numbers.note(self.last_number().await?).await;
        Ok(())
    }

    /// Whether there was a file beside this database before; there is one from now on.
    async fn keeps_numbers(&self) -> Result<bool> {
        let kept = self.store.write(move |tx| {
            Box::pin(async move {
                let kept = meta::get(tx, meta::NUMBERS_KEPT).await?;
                meta::set(tx, meta::NUMBERS_KEPT, "yes".to_owned()).await?;
                Ok(kept)
            })
        });
        Ok(kept.await?.is_some())
    }

    /// If the database has taken the place of one that had given more numbers, as a restored backup
    /// does, the numbers go on above them, and tokens are looked up. Else notes those that other
    /// servers and the command line have given, so that any data directory knows an older database.
    pub(in crate::auth) async fn compare_numbers(&self) -> Result<()> {
        // In this order: a number that is given meanwhile is in the database.
        let known = self.numbers.highest();
        let last = self.last_number().await?;
        if last < known {
            tracing::warn!(
                "the database has become an older one, as by the restore of a backup: new accounts \
                 get numbers above {known}"
            );
            return self.move_numbers(known).await;
        }
        self.numbers.note(last).await;
        Ok(())
    }

    /// After a power cut numbers may have been given out that were not noted.
    async fn leave_out(&self, recorded: Recorded) -> Result<()> {
        let reserved = recorded.reserved;
        self.store.write(move |tx| Box::pin(accounts::raise_sequence(tx, reserved))).await
    }

    /// Writes down that the server ends in order.
    pub fn close_numbers(&self) {
        let closed = self.numbers.file.get().map_or(Ok(()), |file| file.close());
        if let Err(error) = closed {
            tracing::warn!(%error, "the file of account numbers could not be closed");
        }
    }

    async fn last_number(&self) -> Result<i64> {
        let mut tx = self.store.read().await?;
        accounts::last_number(&mut tx).await
    }

    /// Makes new accounts get numbers above this one, or above 100 000 further ones, and has tokens
    /// looked up that were issued before. Answers the number above which they are.
    pub async fn restored(&self, above: Option<i64>) -> Result<i64> {
        let last = self.last_number().await?;
        let above = above.unwrap_or(last + LEFT_OUT).max(last);
        self.move_numbers(above).await?;
        Ok(above)
    }

    async fn move_numbers(&self, above: i64) -> Result<()> {
        let now = self.clock.now();
        self.store
            .write(move |tx| Box::pin(async move { move_above(tx, above, now).await }))
            .await?;
        self.numbers.learn(above);
        Ok(())
    }

    /// Refuses a well-signed token of ours if it names a number that this database has never given to
    /// an account: another account must not get it later.
    pub(in crate::auth) async fn check_number(&self, account_id: i64) -> Result<()> {
        if self.numbers.knows(account_id) {
            return Ok(());
        }
        let last = self.last_number().await?;
        self.numbers.learn(last);
        if account_id <= last {
            return Ok(());
        }
        if account_id <= HIGHEST_NUMBER {
            tracing::warn!(
                "a good token names account {account_id}, which this database has not made: it \
                 seems to be a restored backup, and new accounts get numbers above that"
            );
            self.move_numbers(account_id).await?;
        }
        Err(Error::AccountNotFound)
    }
}

async fn move_above(tx: &mut Tx, above: i64, now: i64) -> Result<()> {
    accounts::raise_sequence(tx, above).await?;
    revocations::insert_revocation(tx, Subject::Everybody, Reason::Ended, now).await
}
