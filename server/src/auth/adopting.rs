//! Whether accounts of another system are being adopted. Until the operator says that they are
//! complete, an account, a key or a name that is unknown here may exist there, and what is wrong
//! here may be right there. Such a refusal becomes "later", so that no app takes it for the end of
//! its session.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::store::{Tx, accounts, adopted, meta, revocations};

/// When a client may ask again, in seconds.
const RETRY_AFTER: i64 = 30;

/// How far an adoption is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Files are stored.
    Open,
    /// The last file is stored.
    LastStored,
    /// The other system knows nothing that is not known here.
    Complete,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Phase::Open => "open",
            Phase::LastStored => "last file stored",
            Phase::Complete => "complete",
        }
    }
}

/// `None` if nothing was ever adopted.
pub async fn phase(tx: &mut Tx) -> Result<Option<Phase>> {
    let stored = meta::get(tx, meta::ADOPTION).await?;
    let all = [Phase::LastStored, Phase::Complete];
    // A word of a later version refuses nothing.
    Ok(stored.map(|stored| {
        all.into_iter().find(|phase| phase.as_str() == stored).unwrap_or(Phase::Open)
    }))
}

pub async fn set_phase(tx: &mut Tx, phase: Phase) -> Result<()> {
    meta::set(tx, meta::ADOPTION, phase.as_str().to_owned()).await
}

/// Whether an adoption is open, as this process knows it.
#[derive(Default)]
pub struct Adopting(AtomicBool);

impl Adopting {
    /// Whether this is a change.
    pub fn note(&self, phase: Option<Phase>) -> bool {
        let is_open = matches!(phase, Some(Phase::Open | Phase::LastStored));
        self.0.swap(is_open, Ordering::Relaxed) != is_open
    }

    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails while an adoption is open.
    pub fn check(&self) -> Result<()> {
        match self.is_open() {
            true => Err(Error::AdoptionOpen { retry_after: RETRY_AFTER }),
            false => Ok(()),
        }
    }

    /// The refusal, or "later" while an adoption is open.
    pub fn unless_open(&self, refusal: impl Into<Error>) -> Error {
        match self.check() {
            Err(later) => later,
            Ok(()) => refusal.into(),
        }
    }

    /// The same for an error that may be another: the other system may have changed a password or
    /// enabled an account since.
    pub fn doubt(&self, error: Error) -> Error {
        match error {
            Error::InvalidCredentials | Error::WrongPassword | Error::AccountInactive => {
                self.unless_open(error)
            }
            certain => certain,
        }
    }

    /// Why a token is refused whose hash no session has. If it has come with a file as a record of
    /// this kind, it was spent or ended here.
    pub async fn unknown_token(
        &self,
        tx: &mut Tx,
        kind: &'static str,
        hash: String,
        refusal: impl Into<Error>,
    ) -> Result<Error> {
        if self.is_open() && adopted::adopted(tx, kind, hash).await?.is_none() {
            return Ok(self.unless_open(refusal));
        }
        Ok(refusal.into())
    }

    /// Why a signed token of the other system is refused whose account is not here.
    pub async fn unknown_account(
        &self,
        tx: &mut Tx,
        account_id: i64,
        refusal: impl Into<Error>,
    ) -> Result<Error> {
        let is_known = self.is_open()
            && (accounts::is_number_of_ours(tx, account_id).await?
                || revocations::was_deleted(tx, account_id).await?);
        match is_known {
            true => Ok(refusal.into()),
            false => Ok(self.unless_open(refusal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::TokenFault;

    #[test]
    fn only_what_may_be_otherwise_there_is_doubted_while_an_adoption_is_open() {
        let adopting = Adopting::default();
        let is_later =
            |error: Error| matches!(error, Error::AdoptionOpen { retry_after: RETRY_AFTER });
        assert!(!is_later(adopting.doubt(Error::InvalidCredentials)));
        assert!(adopting.note(Some(Phase::Open)));
        assert!(!adopting.note(Some(Phase::LastStored)), "it is still open");
        for doubtful in [Error::InvalidCredentials, Error::WrongPassword, Error::AccountInactive] {
            assert!(is_later(adopting.doubt(doubtful)));
        }
        for certain in [TokenFault::Spent, TokenFault::Expired, TokenFault::Malformed] {
            assert!(!is_later(adopting.doubt(certain.into())));
        }
        for phase in [Some(Phase::Complete), None] {
            adopting.note(phase);
            assert!(!is_later(adopting.unless_open(Error::AccountNotFound)));
        }
    }
}
