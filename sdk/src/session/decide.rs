//! What is decided about a session, by what is in memory, what the vault holds and what the server has
//! answered. Nothing here waits, sends or writes, so that every combination can be tried.
//!
//! Three rules keep users signed in. Only the server's own word on the session signs out. A refresh
//! token is sent only while the vault holds it, so that there is always a start from which the answer
//! can be had again. And a renewed session that could not be written is kept in memory and written
//! before anything else.

use propusk_wire::Secret;

use super::record::Held;
use super::stored_session::Session;
use crate::clock::Moment;
use crate::dialects::Tokens;
use crate::error::{Error, SignOutReason};
use crate::vault_state::VaultState;

/// Where the session stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// The vault has not been read, or could not be.
    Unknown,
    SignedOut(SignOutReason),
    SignedIn(Kept),
}

/// A session in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub session: Box<Session>,
    /// The vault holds it too.
    pub is_saved: bool,
}

/// Why there are no new tokens.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The server's own word: the session is over.
    Over(SignOutReason),
    /// The refresh token had been spent.
    Spent,
    /// The refresh token works once the access token has expired.
    TooEarly,
    /// Nothing was said about the session.
    Passing(Error),
}

/// What an answer leads to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// These are the tokens now, to be written.
    Renewed(Box<Session>),
    /// The session is over, to be written.
    Over(SignOutReason),
    /// Meanwhile somebody else has changed what is held, which counts. The server is to be told that
    /// this session is over, which nobody holds.
    Overtaken(Option<Box<Session>>),
    /// It is as it was.
    Unchanged(Verdict),
}

impl State {
    pub fn of(held: Held) -> Self {
        match held {
            Held::SignedIn(session) => State::SignedIn(Kept { session, is_saved: true }),
            Held::SignedOut(reason) => State::SignedOut(reason),
        }
    }

    /// What the vault should hold.
    pub fn held(&self) -> Held {
        match self {
            State::SignedIn(kept) => Held::SignedIn(kept.session.clone()),
            State::SignedOut(reason) => Held::SignedOut(*reason),
            State::Unknown => Held::SignedOut(SignOutReason::VaultLost),
        }
    }

    pub fn session(&self) -> Option<&Session> {
        match self {
            State::SignedIn(kept) => Some(&kept.session),
            State::Unknown | State::SignedOut(_) => None,
        }
    }
}

/// Where the session stands, by what is in memory and what the vault holds.
pub(crate) fn merged(memory: State, stored: Result<Held, VaultState>) -> Result<State, VaultState> {
    match (memory, stored) {
        (State::SignedIn(ours), Ok(Held::SignedIn(theirs))) => Ok(newest(ours, theirs)),
        // Another process had an older refresh token than this one, which could not be stored.
        (State::SignedIn(ours), Ok(Held::SignedOut(SignOutReason::AnswerLost)))
            if !ours.is_saved =>
        {
            Ok(State::SignedIn(ours))
        }
        // It was removed under a running app.
        (State::SignedIn(_), Ok(Held::SignedOut(SignOutReason::NeverSignedIn))) => {
            Ok(State::SignedOut(SignOutReason::VaultLost))
        }
        // Why nobody is signed in is known better here.
        (State::SignedOut(reason), Ok(Held::SignedOut(SignOutReason::NeverSignedIn))) => {
            Ok(State::SignedOut(reason))
        }
        (_, Ok(held)) => Ok(State::of(held)),
        // What was stored is lost, or somebody has put an older record back: what is in memory is not.
        (State::SignedIn(ours), Err(VaultState::Foreign | VaultState::WentBack)) => {
            Ok(State::SignedIn(Kept { is_saved: false, ..ours }))
        }
        (State::SignedOut(reason), Err(VaultState::Foreign | VaultState::WentBack)) => {
            Ok(State::SignedOut(reason))
        }
        (State::Unknown, Err(VaultState::Foreign)) => {
            Ok(State::SignedOut(SignOutReason::VaultLost))
        }
        (_, Err(state)) => Err(state),
    }
}

/// Of the same sign-in the later renewal; another sign-in is newer than ours.
fn newest(ours: Kept, theirs: Box<Session>) -> State {
    let is_behind =
        theirs.lineage == ours.session.lineage && theirs.generation < ours.session.generation;
    State::SignedIn(match is_behind {
        true => Kept { is_saved: false, ..ours },
        false => Kept { session: theirs, is_saved: true },
    })
}

/// What the answer to a renewal of `asked` leads to, where `state` is how it stands by now. `lost` is
/// the sign-in that was given up because an answer was lost.
pub(crate) fn answered(
    asked: &Session,
    state: &State,
    lost: Option<&Secret>,
    answer: Result<Tokens, Verdict>,
    at: Moment,
) -> Outcome {
    let renewed = |tokens| Box::new(asked.clone().renewed(tokens, at));
    match (state, answer) {
        (State::SignedIn(kept), answer) if is_base(asked, &kept.session) => match answer {
            // What is held has the newest profile.
            Ok(tokens) => Outcome::Renewed(Box::new((*kept.session).clone().renewed(tokens, at))),
            Err(Verdict::Over(reason)) => Outcome::Over(reason),
            Err(Verdict::Spent) => Outcome::Over(SignOutReason::AnswerLost),
            Err(verdict) => Outcome::Unchanged(verdict),
        },
        // Another process has renewed the same sign-in.
        (State::SignedIn(kept), Ok(tokens)) if kept.session.lineage == asked.lineage => {
            let mut ours = renewed(tokens);
            // It has only asked about the access token, and has spent nothing.
            if kept.session.refresh == asked.refresh && ours.refresh != asked.refresh {
                ours.generation = kept.session.generation + 1;
            }
            match ours.generation > kept.session.generation {
                true => Outcome::Renewed(ours),
                false => Outcome::Overtaken(None),
            }
        }
        // Another process has given up on the token whose answer has come after all.
        (State::SignedOut(SignOutReason::AnswerLost), Ok(tokens))
            if lost.is_none_or(|lost| *lost == asked.lineage) =>
        {
            Outcome::Renewed(renewed(tokens))
        }
        (_, Ok(tokens)) => Outcome::Overtaken(Some(renewed(tokens))),
        (_, Err(_)) => Outcome::Overtaken(None),
    }
}

/// Whether what is held is still what was asked about.
pub(crate) fn is_base(asked: &Session, held: &Session) -> bool {
    held.lineage == asked.lineage && held.generation == asked.generation
}

#[cfg(test)]
mod tests;
