//! Password hashes with an outdated scheme or cost are replaced after a sign-in, in the background,
//! so that the response takes no longer. The schemes that are stored are counted, to choose the
//! dummy hashes of unknown names.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::auth::domain::Auth;
use crate::auth::password::{Origin, Password, SchemeCounts};
use crate::error::{Error, Result};
use crate::store::accounts;

/// How many password hashes are read at once.
const PAGE: i64 = 10_000;
/// The shortest pause between two counts.
const COUNT_INTERVAL: Duration = Duration::from_secs(2);
/// The shortest pause, as a multiple of the time that the last count took.
const PAUSE_FACTOR: u32 = 100;
/// How long the server's start waits for the first count.
const FIRST_COUNT: Duration = Duration::from_secs(5);

impl Auth {
    /// Replaces the stored hash `was`, which this password has just matched; no request waits for
    /// it.
    pub(in crate::auth) fn rehash_later(&self, id: i64, was: String, password: Password) {
        let (hasher, store) = (self.hasher.clone(), self.store.clone());
        tokio::spawn(async move {
            let rehash = async {
                let new = hasher.hash_as_spelled(password, Origin::BACKGROUND).await?;
                let new = new.as_str().to_owned();
                let replace = accounts::update_rehashed;
                store.write(move |tx| Box::pin(replace(tx, id, was, new))).await
            };
            match rehash.await {
                // The next sign-in tries again.
                Err(Error::Busy { .. }) => tracing::debug!("a password was not rehashed"),
                Err(error) => tracing::warn!(%error, "a password was not rehashed"),
                Ok(()) => {}
            }
        });
    }

    /// Counts the schemes before the first request. If it takes too long, it stops with the counts
    /// so far, and [`Auth::follow_schemes`] counts again.
    pub async fn count_schemes_first(&self) -> Result<()> {
        timeout(FIRST_COUNT, self.count_schemes(true)).await.unwrap_or(Ok(()))
    }

    /// Counts the schemes again and again; never returns.
    pub async fn follow_schemes(&self) {
        let mut pause = COUNT_INTERVAL;
        loop {
            sleep(pause).await;
            let began = Instant::now();
            if let Err(error) = self.count_schemes(false).await {
                tracing::debug!(%error, "the schemes of passwords could not be counted");
            }
            pause = COUNT_INTERVAL.max(began.elapsed() * PAUSE_FACTOR);
        }
    }

    /// Counts the schemes; `in_steps`: the counts so far take effect after each page.
    async fn count_schemes(&self, in_steps: bool) -> Result<()> {
        let (mut counts, mut after) = (SchemeCounts::default(), i64::MIN);
        loop {
            let mut tx = self.store.read().await?;
            let read = accounts::passwords_after(&mut tx, after, PAGE).await?;
            drop(tx);
            for (_, password) in &read {
                counts.count(password);
            }
            let last = read.last().map(|(id, _)| *id);
            match last.filter(|_| read.len() == PAGE as usize) {
                Some(last) => after = last,
                None => {
                    self.hasher.set_scheme_counts(counts);
                    return Ok(());
                }
            }
            if in_steps {
                self.hasher.set_scheme_counts(counts.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::accounts::NewAccount;
    use crate::store::connect;

    #[tokio::test]
    async fn rehash_replaces_a_hash_only_while_it_is_the_stored_one() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = connect(None, dir.path()).await.expect("a new database");
        let new = NewAccount {
            password: Some("old".to_owned()),
            display_name: None,
            sign_up_name: None,
            is_superuser: false,
            awaits_activation: false,
            language: None,
            created_at: 0,
        };
        let id = store
            .write(move |tx| Box::pin(async move { accounts::insert_account(tx, &new).await }));
        let id = id.await.expect("an account");
        let rehash = async |was: &'static str, new: &'static str| {
            let replace = accounts::update_rehashed;
            let write = store.write(move |tx| Box::pin(replace(tx, id, was.into(), new.into())));
            write.await.expect("the database answers");
            let mut tx = store.read().await.expect("a connection");
            let stored = accounts::passwords_after(&mut tx, 0, 10).await.expect("passwords");
            stored.into_iter().map(|(_, password)| password).collect::<Vec<_>>()
        };
        assert_eq!(rehash("another", "new").await, ["old"]);
        assert_eq!(rehash("old", "new").await, ["new"]);
    }
}
