//! Decisions about a session, from what is in memory, what the vault contains and what the server
//! has answered. Nothing here waits, sends or writes, so every combination can be tested.
//!
//! Three rules keep users signed in. Only an explicit answer of the server about the session signs
//! out. A refresh token is sent only while the vault contains it, so that a lost answer can be
//! requested again. A renewed session that could not be written stays in memory and is written
//! before anything else.

use propusk_wire::Secret;

use super::record::StoredState;
use super::stored_session::Session;
use super::verdict::Verdict;
use crate::dialects::Tokens;
use crate::error::SignOutReason;
use crate::vault_state::VaultState;

/// The state of the session in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SessionState {
    /// The vault has not been read yet, or cannot be read.
    Unknown,
    SignedOut(SignOutReason),
    SignedIn(MemorySession),
}

/// A session in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MemorySession {
    pub session: Box<Session>,
    /// Whether the vault contains the same session.
    pub is_saved: bool,
}

/// What to do after the answer to a renewal.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Store the renewed session.
    Renewed(Box<Session>),
    /// Store that the session has ended.
    Ended(SignOutReason),
    /// Another sign-in or sign-out has replaced the session that was renewed, and stays. If there
    /// is a session here, no record contains its new tokens: end it at the server.
    Superseded(Option<Box<Session>>),
    /// Nothing has changed.
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

    /// What the vault should contain.
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

/// Combines the state in memory with what the vault contains. The error is a vault state in which
/// nothing can be decided.
pub(crate) fn merged_state(
    memory: SessionState,
    stored: Result<StoredState, VaultState>,
) -> Result<SessionState, VaultState> {
    match (memory, stored) {
        (SessionState::SignedIn(ours), Ok(StoredState::SignedIn(theirs))) => {
            Ok(newest(ours, theirs))
        }
        // Another process gave up with an older refresh token than ours, which could not be stored.
        (SessionState::SignedIn(ours), Ok(StoredState::SignedOut(SignOutReason::AnswerLost)))
            if !ours.is_saved =>
        {
            Ok(SessionState::SignedIn(ours))
        }
        // The file was removed while the app runs.
        (SessionState::SignedIn(_), Ok(StoredState::SignedOut(SignOutReason::NeverSignedIn))) => {
            Ok(SessionState::SignedOut(SignOutReason::VaultLost))
        }
        // The reason in memory is more specific.
        (
            SessionState::SignedOut(reason),
            Ok(StoredState::SignedOut(SignOutReason::NeverSignedIn)),
        ) => Ok(SessionState::SignedOut(reason)),
        (_, Ok(held)) => Ok(SessionState::of(held)),
        // The stored record is lost, or an older one was restored. The state in memory is still
        // valid.
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

/// Of one sign-in keeps the later renewal; of two keeps the stored one.
fn newest(ours: MemorySession, theirs: Box<Session>) -> SessionState {
    let is_behind =
        theirs.sign_in_id == ours.session.sign_in_id && theirs.generation < ours.session.generation;
    SessionState::SignedIn(match is_behind {
        true => MemorySession { is_saved: false, ..ours },
        false => MemorySession { session: theirs, is_saved: true },
    })
}

/// Decides what follows from the answer to a renewal of `asked`. `state` is what memory
/// and vault contain when the answer arrives; `lost` is the sign-in that was given up because an answer was lost.
pub(crate) fn outcome_of(
    asked: &Session,
    state: &SessionState,
    lost: Option<&Secret>,
    answer: Result<Tokens, Verdict>,
    clock_offset: i64,
) -> Outcome {
    let renewed = |tokens| Box::new(asked.clone().renewed(tokens, clock_offset));
    match (state, answer) {
        (SessionState::SignedIn(kept), answer) if is_same_renewal(asked, &kept.session) => {
            match answer {
                // The session in memory has the latest profile.
                Ok(tokens) => Outcome::Renewed(Box::new(
                    (*kept.session).clone().renewed(tokens, clock_offset),
                )),
                Err(verdict) => match verdict.end() {
                    Some(reason) => Outcome::Ended(reason),
                    None => Outcome::Unchanged(verdict),
                },
            }
        }
        // Another process has renewed the same sign-in.
        (SessionState::SignedIn(kept), Ok(tokens))
            if kept.session.sign_in_id == asked.sign_in_id =>
        {
            let mut ours = renewed(tokens);
            // The other process only verified the access token and did not spend the refresh token.
            if kept.session.refresh == asked.refresh && ours.refresh != asked.refresh {
                ours.generation = kept.session.generation + 1;
            }
            match ours.generation > kept.session.generation {
                true => Outcome::Renewed(ours),
                false => Outcome::Superseded(None),
            }
        }
        // Another process gave up on this refresh token, but its answer has arrived after all.
        (SessionState::SignedOut(SignOutReason::AnswerLost), Ok(tokens))
            if lost.is_none_or(|lost| *lost == asked.sign_in_id) =>
        {
            Outcome::Renewed(renewed(tokens))
        }
        (_, Ok(tokens)) => Outcome::Superseded(Some(renewed(tokens))),
        (_, Err(_)) => Outcome::Superseded(None),
    }
}

/// Whether `held` is the same sign-in with the same tokens as `asked`. Two processes may have the same
/// number of renewals but different tokens: one of them has only verified adopted tokens.
pub(crate) fn is_same_renewal(asked: &Session, held: &Session) -> bool {
    held.sign_in_id == asked.sign_in_id
        && held.generation == asked.generation
        && held.credential.token == asked.credential.token
        && held.refresh == asked.refresh
}

#[cfg(test)]
mod tests;
