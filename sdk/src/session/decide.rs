//! What is decided about a session, by what is in memory, what the vault holds and what the server has
//! answered. Nothing here waits, sends or writes, so that every combination can be tried.
//!
//! Three rules keep users signed in. Only the server's own word on the session signs out. A refresh
//! token is sent only while the vault holds it, so that there is always a start from which the answer
//! can be had again. And a renewed session that could not be written is kept in memory and written
//! before anything else.

use propusk_wire::Secret;

use super::record::StoredState;
use super::stored_session::Session;
use crate::clock::Moment;
use crate::dialects::Tokens;
use crate::error::{Error, SignOutReason};
use crate::vault_state::VaultState;

/// Where the session stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SessionState {
    /// The vault has not been read, or could not be.
    Unknown,
    SignedOut(SignOutReason),
    SignedIn(MemorySession),
}

/// A session in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MemorySession {
    pub session: Box<Session>,
    /// The vault holds it too.
    pub is_saved: bool,
}

/// Why there are no new tokens.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The server's own word: the session is over.
    Ended(SignOutReason),
    /// The refresh token had been spent.
    Spent,
    /// The refresh token works once the access token has expired.
    TooEarly,
    /// Nothing was said about the session.
    Inconclusive(Error),
}

/// What an answer leads to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// These are the tokens now, to be written.
    Renewed(Box<Session>),
    /// The session is over, to be written.
    Ended(SignOutReason),
    /// Meanwhile somebody else has changed what is held, which counts. The server is to be told that
    /// this session is over, which nobody holds.
    Superseded(Option<Box<Session>>),
    /// It is as it was.
    Unchanged(Verdict),
}

impl SessionState {
    pub fn of(held: StoredState) -> Self {
        match held {
            StoredState::SignedIn(session) => {
                SessionState::SignedIn(MemorySession { session, is_saved: true })
            }
            StoredState::SignedOut(reason) => SessionState::SignedOut(reason),
        }
    }

    /// What the vault should hold.
    pub fn held(&self) -> StoredState {
        match self {
            SessionState::SignedIn(kept) => StoredState::SignedIn(kept.session.clone()),
            SessionState::SignedOut(reason) => StoredState::SignedOut(*reason),
            SessionState::Unknown => StoredState::SignedOut(SignOutReason::VaultLost),
        }
    }

    pub fn session(&self) -> Option<&Session> {
        match self {
            SessionState::SignedIn(kept) => Some(&kept.session),
            SessionState::Unknown | SessionState::SignedOut(_) => None,
        }
    }
}

/// Where the session stands, by what is in memory and what the vault holds.
pub(crate) fn merged_state(
    memory: SessionState,
    stored: Result<StoredState, VaultState>,
) -> Result<SessionState, VaultState> {
    match (memory, stored) {
        (SessionState::SignedIn(ours), Ok(StoredState::SignedIn(theirs))) => {
            Ok(newest(ours, theirs))
        }
        // Another process had an older refresh token than this one, which could not be stored.
        (SessionState::SignedIn(ours), Ok(StoredState::SignedOut(SignOutReason::AnswerLost)))
            if !ours.is_saved =>
        {
            Ok(SessionState::SignedIn(ours))
        }
        // It was removed under a running app.
        (SessionState::SignedIn(_), Ok(StoredState::SignedOut(SignOutReason::NeverSignedIn))) => {
            Ok(SessionState::SignedOut(SignOutReason::VaultLost))
        }
        // Why nobody is signed in is known better here.
        (
            SessionState::SignedOut(reason),
            Ok(StoredState::SignedOut(SignOutReason::NeverSignedIn)),
        ) => Ok(SessionState::SignedOut(reason)),
        (_, Ok(held)) => Ok(SessionState::of(held)),
        // What was stored is lost, or somebody has put an older record back: what is in memory is not.
        (SessionState::SignedIn(ours), Err(VaultState::Unreadable | VaultState::RolledBack)) => {
            Ok(SessionState::SignedIn(MemorySession { is_saved: false, ..ours }))
        }
        (SessionState::SignedOut(reason), Err(VaultState::Unreadable | VaultState::RolledBack)) => {
            Ok(SessionState::SignedOut(reason))
        }
        (SessionState::Unknown, Err(VaultState::Unreadable)) => {
            Ok(SessionState::SignedOut(SignOutReason::VaultLost))
        }
        (_, Err(state)) => Err(state),
    }
}

/// Of the same sign-in the later renewal; another sign-in is newer than ours.
fn newest(ours: MemorySession, theirs: Box<Session>) -> SessionState {
    let is_behind =
        theirs.sign_in_id == ours.session.sign_in_id && theirs.generation < ours.session.generation;
    SessionState::SignedIn(match is_behind {
        true => MemorySession { is_saved: false, ..ours },
        false => MemorySession { session: theirs, is_saved: true },
    })
}

/// What the answer to a renewal of `asked` leads to, where `state` is how it stands by now. `lost` is
/// the sign-in that was given up because an answer was lost.
pub(crate) fn outcome_of(
    asked: &Session,
    state: &SessionState,
    lost: Option<&Secret>,
    answer: Result<Tokens, Verdict>,
    at: Moment,
) -> Outcome {
    let renewed = |tokens| Box::new(asked.clone().renewed(tokens, at));
    match (state, answer) {
        (SessionState::SignedIn(kept), answer) if is_same_renewal(asked, &kept.session) => {
            match answer {
                // What is held has the newest profile.
                Ok(tokens) => {
                    Outcome::Renewed(Box::new((*kept.session).clone().renewed(tokens, at)))
                }
                Err(Verdict::Ended(reason)) => Outcome::Ended(reason),
                Err(Verdict::Spent) => Outcome::Ended(SignOutReason::AnswerLost),
                Err(verdict) => Outcome::Unchanged(verdict),
            }
        }
        // Another process has renewed the same sign-in.
        (SessionState::SignedIn(kept), Ok(tokens))
            if kept.session.sign_in_id == asked.sign_in_id =>
        {
            let mut ours = renewed(tokens);
            // It has only asked about the access token, and has spent nothing.
            if kept.session.refresh == asked.refresh && ours.refresh != asked.refresh {
                ours.generation = kept.session.generation + 1;
            }
            match ours.generation > kept.session.generation {
                true => Outcome::Renewed(ours),
                false => Outcome::Superseded(None),
            }
        }
        // Another process has given up on the token whose answer has come after all.
        (SessionState::SignedOut(SignOutReason::AnswerLost), Ok(tokens))
            if lost.is_none_or(|lost| *lost == asked.sign_in_id) =>
        {
            Outcome::Renewed(renewed(tokens))
        }
        (_, Ok(tokens)) => Outcome::Superseded(Some(renewed(tokens))),
        (_, Err(_)) => Outcome::Superseded(None),
    }
}

/// Whether what is held is still what was asked about.
pub(crate) fn is_same_renewal(asked: &Session, held: &Session) -> bool {
    held.sign_in_id == asked.sign_in_id && held.generation == asked.generation
}

#[cfg(test)]
mod tests;
