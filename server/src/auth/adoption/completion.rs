//! How far an adoption is: what this process knows of it, and its end.

use crate::auth::adopting::{Phase, phase, set_phase};
use crate::auth::domain::Auth;
use crate::error::Result;

impl Auth {
    /// Fails while accounts of another system are adopted: what is unknown here may be known there.
    pub fn check_adopted(&self) -> Result<()> {
        self.adopting.check()
    }

    /// Reads whether an adoption is open; answers whether this has changed.
    pub(in crate::auth) async fn load_adopting(&self) -> Result<bool> {
        let mut tx = self.store.read().await?;
        Ok(self.adopting.note(phase(&mut tx).await?))
    }

    pub(in crate::auth) fn log_adoption(&self) {
        match self.adopting.is_open() {
            true => self.warn_while_adopting(),
            false => tracing::info!("the adoption is complete"),
        }
    }

    /// Warns if an adoption is open.
    pub fn warn_while_adopting(&self) {
        if self.adopting.is_open() {
            tracing::warn!(
                "an adoption is open: until `propusk adopt --complete`, names, keys and tokens that \
                 are unknown here, wrong passwords and registrations are answered 503"
            );
        }
    }

    /// Declares that the other system knows nothing that is not known here, which takes its last file
    /// as a whole. Answers how far the adoption was; only one whose last file is stored is completed.
    pub async fn complete_adoption(&self) -> Result<Option<Phase>> {
        let completing = self.store.write(|tx| {
            Box::pin(async move {
                let before = phase(tx).await?;
                if before == Some(Phase::LastStored) {
                    set_phase(tx, Phase::Complete).await?;
                }
                Ok(before)
            })
        });
        let before = completing.await?;
        self.load_adopting().await?;
        Ok(before)
    }
}
