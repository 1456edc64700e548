//! Stored passwords of other schemes than the one of the settings. Each is hashed anew after a sign-in
//! with it, once that is answered, so that the answer takes no longer. What an unknown name costs
//! follows the schemes that are stored.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::auth::domain::Auth;
use crate::auth::password::{Origin, Password, Tally};
use crate::error::{Error, Result};
use crate::store::accounts;

/// How many passwords are read at once.
const READ_AT_ONCE: i64 = 10_000;
/// How often the schemes are counted at most; counting takes one part in a hundred of the time.
const COUNTED_EVERY: Duration = Duration::from_secs(2);
const IDLE_PARTS: u32 = 100;
/// How long a start waits for the first count of many accounts.
const FIRST_COUNT: Duration = Duration::from_secs(5);

impl Auth {
    /// Hashes a password anew whose stored hash `was` it has just fitted; no request waits for it.
    pub(in crate::auth) fn rehash_later(&self, id: i64, was: String, password: Password) {
        let (hasher, store) = (self.hasher.clone(), self.store.clone());
        tokio::spawn(async move {
            let rehash = async {
                let new = hasher.hash_as_spelled(password, Origin::UPKEEP).await?;
                let new = new.as_str().to_owned();
                let replace = accounts::update_rehashed;
                store.write(move |tx| Box::pin(replace(tx, id, was, new))).await
            };
            match rehash.await {
                // The next sign-in with it tries again.
                Err(Error::Busy { .. }) => tracing::debug!("a password was not hashed anew"),
                Err(error) => tracing::warn!(%error, "a password was not hashed anew"),
                Ok(()) => {}
            }
        });
    }

    /// Counts the schemes before the first request. With very many accounts this goes on later.
    pub async fn count_schemes_first(&self) -> Result<()> {
        timeout(FIRST_COUNT, self.count_schemes(true)).await.unwrap_or(Ok(()))
    }

    /// Keeps up with the stored schemes for ever.
    pub async fn follow_schemes(&self) {
        let mut pause = COUNTED_EVERY;
        loop {
            sleep(pause).await;
            let began = Instant::now();
            if let Err(error) = self.count_schemes(false).await {
                tracing::debug!(%error, "the schemes of passwords could not be counted");
            }
            pause = COUNTED_EVERY.max(began.elapsed() * IDLE_PARTS);
        }
    }

    /// Counts the schemes; `in_steps`: what is known so far counts at once.
    async fn count_schemes(&self, in_steps: bool) -> Result<()> {
        let (mut tally, mut after) = (Tally::default(), i64::MIN);
        loop {
            let mut tx = self.store.read().await?;
            let read = accounts::passwords_after(&mut tx, after, READ_AT_ONCE).await?;
            drop(tx);
            for (_, password) in &read {
                tally.count(password);
            }
            let last = read.last().map(|(id, _)| *id);
            match last.filter(|_| read.len() == READ_AT_ONCE as usize) {
                Some(last) => after = last,
                None => {
                    self.hasher.set_tally(tally);
                    return Ok(());
                }
            }
            if in_steps {
                self.hasher.set_tally(tally.clone());
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
    async fn a_hash_is_replaced_only_while_it_is_the_stored_one() {
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
