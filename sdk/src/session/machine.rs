//! The session as a state machine: [`step`] takes a state and what has happened, and gives the next
//! state and what to do now. It does nothing itself, so that every order of events can be tried.
//!
//! ```text
//!                    Read                       EnterWanted
//!   Unknown ───────────────► SignedOut ◄──────────────────────► Entering
//!      │ Read                   ▲    ▲                    Check · Ask · Lock · Keep
//!      ▼      LeaveWanted       │    │ the server's own word          │
//!   SignedIn ─────────────► Leaving  └──────────┐                     │ Written
//!    ▲ │  ▲    Lock · Keep · Ask                │                     ▼
//!    │ │  └─────────────────────────────────────┼──────────────── SignedIn
//!    │ │ TokenWanted and not fresh, TokenRefused│
//!    │ ▼                                        │
//!   Renewing: Lock ─► (Save) ─► Ask ─► Keep
//!      └── another process was first, network, 5xx, 429, a locked vault: back, still signed in
//! ```
//!
//! Three rules keep users signed in. Only the server's own word on the session leads to `SignedOut`.
//! A refresh token is sent only while the vault holds it, so that there is always a start from which
//! the answer can be had again. And a renewed session that could not be written is kept in memory
//! and written before anything else.

use propusk_wire::Secret;

use super::record::{Held, Session};
use crate::VaultState;
use crate::clock::Moment;
use crate::dialects::{Credential, Tokens};
use crate::error::{Kind, SignOutReason};

/// Where a session stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// The vault has not been read, or could not be.
    Unknown,
    SignedOut(SignOutReason),
    SignedIn(Kept),
    Renewing {
        kept: Kept,
        is_refused: bool,
        step: Renewing,
    },
    Entering {
        before: Box<State>,
        step: Entering,
    },
    Leaving {
        step: Leaving,
    },
}

/// A session in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub session: Box<Session>,
    /// The vault holds it too.
    pub is_saved: bool,
}

/// What a renewal waits for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Renewing {
    Lock,
    /// A session that could not be written before.
    Save,
    Ask,
    Keep,
    /// That the session is over.
    End(SignOutReason),
}

/// What a sign-in waits for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entering {
    /// The vault must be there before a password is sent.
    Check,
    Ask,
    Lock(Box<Session>),
    Keep(Box<Session>),
}

/// What a sign-out waits for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Leaving {
    Lock(Option<Box<Session>>),
    /// That nothing is stored any more: a process that is killed now stays signed out.
    Keep(Option<Box<Session>>),
    Ask(Result<(), VaultState>),
}

/// What has happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// An access token is wanted.
    TokenWanted,
    /// A server has refused this access token.
    TokenRefused(Secret),
    /// A renewal is wanted though the token is good.
    RenewalWanted,
    /// A session that could not be written may be written now.
    SaveWanted,
    /// Somebody wants to sign in.
    EnterWanted,
    /// Somebody wants to sign out.
    LeaveWanted,
    /// What the vault holds.
    Read(Result<Held, VaultState>),
    /// The vault is ours among processes, and this is what it holds.
    Locked(Result<Held, VaultState>),
    /// What was to be written is, or is not.
    Written(Result<(), VaultState>),
    /// The answer to a refresh.
    Renewed(Result<Tokens, Verdict>),
    /// The answer to a sign-in.
    Entered(Result<Box<Session>, Kind>),
    /// The server has been told of a sign-out, or could not be.
    Left,
}

/// Why there are no new tokens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The server's own word: the session is over.
    Over(SignOutReason),
    /// The refresh token had been spent.
    Spent,
    /// The refresh token works once the access token has expired.
    TooEarly,
    /// Nothing was said about the session.
    Passing(Kind),
}

/// What is to be done; each but the last three is answered by an event.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    Read,
    Lock,
    Write(Held),
    /// Renew with this session's refresh token.
    Renew(Box<Session>),
    /// Send the sign-in that is wanted.
    Enter,
    /// Tell the server that this session is over.
    Leave(Box<Session>),
    /// The same, for a session that could not be kept; nobody waits for it.
    Abandon(Box<Session>),
    Unlock,
    /// Tell whoever asked.
    Answer(Result<Option<Credential>, Kind>),
}

/// The next state, and what to do now. An event that the state does not wait for changes nothing.
pub(crate) fn step(state: State, event: Event, at: Moment) -> (State, Vec<Action>) {
    match (state, event) {
        (State::Renewing { kept, is_refused, step }, event) => {
            Renewal { kept, is_refused, at }.step(step, event)
        }
        (State::Entering { before, step }, event) => enter(before, step, event),
        (State::Leaving { step }, event) => leave(step, event),
        (State::Unknown | State::SignedOut(_), Event::Read(Ok(held))) => (State::of(held), vec![]),
        (State::Unknown, Event::Read(Err(VaultState::Foreign))) => {
            (State::SignedOut(SignOutReason::VaultLost), vec![])
        }
        (state, Event::EnterWanted) => {
            (State::Entering { before: Box::new(state), step: Entering::Check }, vec![Action::Read])
        }
        (state, Event::LeaveWanted) => {
            (State::Leaving { step: Leaving::Lock(state.session()) }, vec![Action::Lock])
        }
        (
            State::SignedOut(reason),
            Event::TokenWanted | Event::RenewalWanted | Event::SaveWanted | Event::TokenRefused(_),
        ) => (State::SignedOut(reason), vec![Action::Answer(Err(Kind::SignedOut { reason }))]),
        (State::SignedIn(kept), event) => wanted(kept, event, at),
        (state, _) => (state, vec![]),
    }
}

impl State {
    fn of(held: Held) -> Self {
        match held {
            Held::SignedIn(session) => State::SignedIn(Kept { session, is_saved: true }),
            Held::SignedOut(reason) => State::SignedOut(reason),
        }
    }

    /// What the vault should hold.
    pub fn held(&self) -> Held {
        match (self.session(), self) {
            (Some(session), _) => Held::SignedIn(session),
            (None, State::SignedOut(reason)) => Held::SignedOut(*reason),
            (None, _) => Held::SignedOut(SignOutReason::VaultLost),
        }
    }

    /// Whether somebody waits for an event.
    pub fn is_under_way(&self) -> bool {
        !matches!(self, State::Unknown | State::SignedOut(_) | State::SignedIn(_))
    }

    /// What is left of a run that was cut short: its runtime has gone, or what the app supplied has
    /// panicked. As after the end of a process, the vault is looked at before anything is sent.
    pub fn interrupted(self) -> Self {
        match self {
            State::Renewing { kept, .. } => State::SignedIn(kept),
            State::Entering { before, .. } => before.interrupted(),
            State::Leaving { step: Leaving::Lock(Some(session)) } => {
                State::SignedIn(Kept { session, is_saved: false })
            }
            State::Leaving { .. } => State::Unknown,
            rests => rests,
        }
    }

    /// The session that is in memory.
    pub fn session(&self) -> Option<Box<Session>> {
        match self {
            State::SignedIn(kept) | State::Renewing { kept, .. } => Some(kept.session.clone()),
            State::Entering { before, .. } => before.session(),
            State::Leaving { step: Leaving::Lock(session) } => session.clone(),
            State::Unknown | State::SignedOut(_) | State::Leaving { .. } => None,
        }
    }
}

/// Somebody is signed in, and a token is wanted.
fn wanted(kept: Kept, event: Event, at: Moment) -> (State, Vec<Action>) {
    let session = &kept.session;
    let is_refused = match event {
        Event::TokenWanted if session.is_fresh(at.server) => return given(kept),
        Event::SaveWanted if kept.is_saved => return given(kept),
        Event::TokenWanted | Event::SaveWanted => false,
        Event::TokenRefused(token) if token != session.credential.token => return given(kept),
        // Where a token has to expire first, the server knows whether it has: this device's clock may
        // have been moved since the server was last heard.
        Event::TokenRefused(_) | Event::RenewalWanted => true,
        _ => return (State::SignedIn(kept), vec![]),
    };
    (State::Renewing { kept, is_refused, step: Renewing::Lock }, vec![Action::Lock])
}

fn given(kept: Kept) -> (State, Vec<Action>) {
    let answer = Action::Answer(Ok(Some(kept.session.credential.clone())));
    (State::SignedIn(kept), vec![answer])
}

/// A renewal under way.
struct Renewal {
    kept: Kept,
    /// The access token that is held is of no use: a server has refused it, or another is wanted.
    is_refused: bool,
    at: Moment,
}

impl Renewal {
    fn step(self, step: Renewing, event: Event) -> (State, Vec<Action>) {
        match (step, event) {
            (Renewing::Lock, Event::Locked(held)) => self.locked(held),
            (Renewing::Save, Event::Written(Ok(()))) => self.saved().go_on(),
            (Renewing::Save, Event::Written(Err(state))) => self.failed(Kind::Storage { state }),
            (Renewing::Ask, Event::Renewed(Ok(tokens))) => self.renewed(tokens),
            (Renewing::Ask, Event::Renewed(Err(verdict))) => self.refused(verdict),
            (Renewing::Keep, Event::Written(written)) => {
                let (state, answer) = given(Kept { is_saved: written.is_ok(), ..self.kept });
                (state, unlocked(answer))
            }
            // The server has spoken; a vault that cannot be written does not bring the session back.
            (Renewing::End(reason), Event::Written(_)) => signed_out(reason),
            (step, _) => (self.at(step), vec![]),
        }
    }

    /// Another process may have been first, or may have signed out.
    fn locked(self, held: Result<Held, VaultState>) -> (State, Vec<Action>) {
        let was = self.kept.session.credential.token.clone();
        let newest = match held {
            // Another process had an older refresh token than this one, which could not be stored.
            Ok(Held::SignedOut(SignOutReason::AnswerLost)) if !self.kept.is_saved => self,
            // It was removed under a running app.
            Ok(Held::SignedOut(SignOutReason::NeverSignedIn)) => {
                return signed_out(SignOutReason::VaultLost);
            }
            Ok(Held::SignedOut(reason)) => return signed_out(reason),
            Ok(Held::SignedIn(theirs)) => self.newest_of(theirs),
            // What was stored is lost, what is in memory is not.
            Err(VaultState::Foreign) => self.unsaved(),
            Err(state) => return self.failed(Kind::Storage { state }),
        };
        let is_another = newest.kept.session.credential.token != was;
        let this = Renewal { is_refused: newest.is_refused && !is_another, ..newest };
        if this.kept.is_saved { this.go_on() } else { this.save() }
    }

    /// The vault holds the session, so its refresh token may be sent; unless there is no need to.
    fn go_on(self) -> (State, Vec<Action>) {
        if self.is_refused || !self.kept.session.is_fresh(self.at.server) {
            return self.ask();
        }
        let (state, answer) = given(self.kept);
        (state, unlocked(answer))
    }

    /// Of the same sign-in the later renewal; another sign-in is newer than ours.
    fn newest_of(self, theirs: Box<Session>) -> Self {
        let ours = &self.kept.session;
        let is_behind = theirs.lineage == ours.lineage && theirs.generation < ours.generation;
        match is_behind {
            true => self.unsaved(),
            false => Renewal { kept: Kept { session: theirs, is_saved: true }, ..self },
        }
    }

    fn save(self) -> (State, Vec<Action>) {
        let write = Action::Write(Held::SignedIn(self.kept.session.clone()));
        (self.at(Renewing::Save), vec![write])
    }

    fn saved(self) -> Self {
        Renewal { kept: Kept { is_saved: true, ..self.kept }, ..self }
    }

    fn unsaved(self) -> Self {
        Renewal { kept: Kept { is_saved: false, ..self.kept }, ..self }
    }

    fn ask(self) -> (State, Vec<Action>) {
        let renew = Action::Renew(self.kept.session.clone());
        (self.at(Renewing::Ask), vec![renew])
    }

    fn renewed(self, tokens: Tokens) -> (State, Vec<Action>) {
        let session = Box::new(self.kept.session.clone().renewed(tokens, self.at));
        let write = Action::Write(Held::SignedIn(session.clone()));
        let kept = Kept { session, is_saved: false };
        (Renewal { kept, ..self }.at(Renewing::Keep), vec![write])
    }

    fn refused(self, verdict: Verdict) -> (State, Vec<Action>) {
        match verdict {
            Verdict::Over(reason) => self.end(reason),
            Verdict::Spent => self.end(SignOutReason::AnswerLost),
            // This device's clock was ahead, and the refresh token has not been spent.
            Verdict::TooEarly => {
                let (state, answer) = given(self.kept);
                (state, unlocked(answer))
            }
            Verdict::Passing(kind) => self.failed(kind),
        }
    }

    fn end(self, reason: SignOutReason) -> (State, Vec<Action>) {
        (self.at(Renewing::End(reason)), vec![Action::Write(Held::SignedOut(reason))])
    }

    /// Nobody is signed out by this; a token that still works is given out.
    fn failed(self, kind: Kind) -> (State, Vec<Action>) {
        let works = !self.is_refused && self.kept.session.is_alive(self.at.server);
        let answer = match works {
            true => Ok(Some(self.kept.session.credential.clone())),
            false => Err(kind),
        };
        (State::SignedIn(self.kept), vec![Action::Unlock, Action::Answer(answer)])
    }

    fn at(self, step: Renewing) -> State {
        State::Renewing { kept: self.kept, is_refused: self.is_refused, step }
    }
}

fn unlocked(mut actions: Vec<Action>) -> Vec<Action> {
    actions.insert(0, Action::Unlock);
    actions
}

fn signed_out(reason: SignOutReason) -> (State, Vec<Action>) {
    let answer = Action::Answer(Err(Kind::SignedOut { reason }));
    (State::SignedOut(reason), vec![Action::Unlock, answer])
}

fn enter(before: Box<State>, step: Entering, event: Event) -> (State, Vec<Action>) {
    match (step, event) {
        (Entering::Check, Event::Read(Ok(held))) => {
            // Where nothing was known yet, this is who was signed in before.
            let before = match *before {
                State::Unknown | State::SignedOut(_) => Box::new(State::of(held)),
                known => Box::new(known),
            };
            (State::Entering { before, step: Entering::Ask }, vec![Action::Enter])
        }
        (Entering::Check, Event::Read(Err(VaultState::Foreign))) => {
            (State::Entering { before, step: Entering::Ask }, vec![Action::Enter])
        }
        (Entering::Check, Event::Read(Err(state))) => {
            (*before, vec![Action::Answer(Err(Kind::Storage { state }))])
        }
        (Entering::Ask, Event::Entered(Ok(session))) => {
            (State::Entering { before, step: Entering::Lock(session) }, vec![Action::Lock])
        }
        (Entering::Ask, Event::Entered(Err(kind))) => (*before, vec![Action::Answer(Err(kind))]),
        (Entering::Lock(session), Event::Locked(Ok(_) | Err(VaultState::Foreign))) => {
            let write = Action::Write(Held::SignedIn(session.clone()));
            (State::Entering { before, step: Entering::Keep(session) }, vec![write])
        }
        (Entering::Lock(session), Event::Locked(Err(state)))
        | (Entering::Keep(session), Event::Written(Err(state))) => {
            let answer = Action::Answer(Err(Kind::Storage { state }));
            let mut actions = vec![Action::Unlock];
            actions.extend(abandon(Some(session), before.session()));
            actions.push(answer);
            (*before, actions)
        }
        (Entering::Keep(session), Event::Written(Ok(()))) => {
            // Nobody can use the session any more that was held before.
            let over = abandon(before.session(), Some(session.clone()));
            let (state, answer) = given(Kept { session, is_saved: true });
            let mut actions = unlocked(answer);
            actions.extend(over);
            (state, actions)
        }
        (step, _) => (State::Entering { before, step }, vec![]),
    }
}

/// Ends what nobody holds any more. Some servers give the same token again, and what ends the one then
/// would end the other.
fn abandon(session: Option<Box<Session>>, kept: Option<Box<Session>>) -> Option<Action> {
    let kept = kept.map(|kept| kept.credential);
    session.filter(|session| Some(&session.credential) != kept.as_ref()).map(Action::Abandon)
}

fn leave(step: Leaving, event: Event) -> (State, Vec<Action>) {
    match (step, event) {
        // It is not ours to end.
        (
            Leaving::Lock(ours),
            Event::Locked(Err(state @ (VaultState::Newer | VaultState::OtherServer))),
        ) => {
            let kept = |session| State::SignedIn(Kept { session, is_saved: true });
            let answer = Action::Answer(Err(Kind::Storage { state }));
            (ours.map_or(State::Unknown, kept), vec![Action::Unlock, answer])
        }
        (Leaving::Lock(ours), Event::Locked(held)) => {
            let session = match held {
                Ok(Held::SignedIn(theirs)) => Some(newest(ours, theirs)),
                Ok(Held::SignedOut(_)) => None,
                Err(_) => ours,
            };
            let write = Action::Write(Held::SignedOut(SignOutReason::SignedOut));
            (State::Leaving { step: Leaving::Keep(session) }, vec![write])
        }
        (Leaving::Keep(Some(session)), Event::Written(written)) => {
            let actions = vec![Action::Unlock, Action::Leave(session)];
            (State::Leaving { step: Leaving::Ask(written) }, actions)
        }
        (Leaving::Keep(None), Event::Written(written)) => left(written),
        (Leaving::Ask(written), Event::Left) => left(written),
        (step, _) => (State::Leaving { step }, vec![]),
    }
}

fn newest(ours: Option<Box<Session>>, theirs: Box<Session>) -> Box<Session> {
    match ours {
        Some(ours) if ours.lineage == theirs.lineage && ours.generation > theirs.generation => ours,
        _ => theirs,
    }
}

fn left(written: Result<(), VaultState>) -> (State, Vec<Action>) {
    let answer = written.map(|()| None).map_err(|state| Kind::Storage { state });
    let actions = vec![Action::Unlock, Action::Answer(answer)];
    (State::SignedOut(SignOutReason::SignedOut), actions)
}

#[cfg(test)]
mod tests;
