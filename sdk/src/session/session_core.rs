//! CORE

use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{Mutex as AsyncMutex, watch};

use super::background_work::Work;
use super::backoff::Trouble;
use super::current_token::AtHand;
use super::decide::State;
use super::last_seen::Seen;
use super::lease::Holder;
use super::pending_sign_outs::Owing;
use super::single_flight::Flight;
use super::status::{Change, Phase, Status, Who};
use crate::dialects::{App, Dialect};
use crate::error::{Error, Kind, Result, SignOutReason};
use crate::http::Transport;
use crate::vault::Vault;

/// The one session of a client.
pub(crate) struct Core {
    pub(super) transport: Transport,
    pub(super) vault: Vault,
    pub(super) dialect: Dialect,
    pub(super) app: App,
    /// Under which origins the server was known before.
    pub(super) former_origins: Vec<String>,
    /// Names this client in leases.
    pub(super) holder: Holder,
    pub(super) memory: AsyncMutex<Memory>,
    /// The record that was seen last.
    pub(super) seen: Mutex<Seen>,
    /// What is given out without waiting for anybody.
    pub(super) at_hand: RwLock<Option<Arc<AtHand>>>,
    pub(super) status: watch::Sender<Status>,
    pub(super) loading: Flight,
    pub(super) renewing: Flight,
    /// Whoever signs in is alone.
    pub(super) entering: AsyncMutex<()>,
    /// Whoever tells the server what is owed is alone.
    pub(super) telling: AsyncMutex<()>,
    pub(super) owing: Mutex<Owing>,
    pub(super) trouble: Mutex<Trouble>,
    pub(super) work: Work,
    /// When the server was last asked about what was taken over, by this device's clock.
    pub(super) verified_at: AtomicI64,
    /// Somebody waits to write a session that could not be written.
    pub(super) saves_again: AtomicBool,
    /// Somebody looks what other processes do.
    pub(super) looks: AtomicBool,
}

/// Where the session stands, changed by one at a time.
pub(super) struct Memory {
    pub(super) state: State,
}

impl Core {
    pub fn new(
        transport: Transport,
        vault: Vault,
        dialect: Dialect,
        app: App,
        former_origins: Vec<String>,
    ) -> Result<Arc<Self>> {
        Ok(Arc::new(Core {
            transport,
            vault,
            dialect,
            app,
            former_origins,
            holder: Holder::new()?,
            memory: AsyncMutex::new(Memory { state: State::Unknown }),
            seen: Mutex::default(),
            at_hand: RwLock::new(None),
            status: watch::Sender::new(Status::unknown()),
            loading: Flight::new(),
            renewing: Flight::new(),
            entering: AsyncMutex::new(()),
            telling: AsyncMutex::new(()),
            owing: Mutex::default(),
            trouble: Mutex::default(),
            work: Work::new(),
            verified_at: AtomicI64::new(0),
            saves_again: AtomicBool::new(false),
            looks: AtomicBool::new(false),
        }))
    }

    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    /// A server has just answered: what could not be done may be done now.
    pub fn note_answer(self: &Arc<Self>) {
        self.status.send_if_modified(|status| {
            let was_offline = status.phase == Phase::Offline;
            if was_offline {
                status.phase = Phase::SignedIn;
            }
            was_offline
        });
        self.tell_at_a_chance();
    }

    /// The way to the server is another one.
    pub fn note_network(self: &Arc<Self>) {
        self.trouble().end();
        if self.owes() {
            self.note_owed(true);
            self.tell_at_a_chance();
        }
    }

    /// Whether this sign-in is the one that is held.
    pub fn is_signed_in_as(&self, who: &Who) -> bool {
        self.held().is_some_and(|at_hand| at_hand.who.is_same(who))
    }

    pub(super) fn held(&self) -> Option<Arc<AtHand>> {
        self.at_hand.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nobody is signed in.
    pub(super) fn nobody(&self) -> Error {
        let reason = self.status.borrow().reason();
        Error::signed_out(reason.unwrap_or(SignOutReason::SignedOut))
    }

    /// Lets everybody know where the session stands. What is told is told once.
    pub(super) fn publish(&self, state: &State, change: Change) {
        let session = state.session();
        let at_hand = session.and_then(AtHand::of).map(Arc::new);
        let phase = match state {
            State::Unknown => Phase::Unknown,
            State::SignedOut(reason) => Phase::SignedOut { reason: *reason },
            State::SignedIn(_) => Phase::SignedIn,
        };
        let who = session.map(Who::of);
        *self.at_hand.write().unwrap_or_else(PoisonError::into_inner) = at_hand;
        self.announce(Status { phase, who, change });
    }

    /// Somebody is signed in, in this phase.
    pub(super) fn publish_phase(&self, phase: Phase) {
        let who = self.status.borrow().who.clone();
        self.announce(Status { phase, who, change: Change::Refreshed });
    }

    pub(super) fn announce(&self, mut status: Status) {
        self.status.send_if_modified(|told| {
            let is_silent =
                matches!(status.change, Change::Profile | Change::Started | Change::OtherProcess);
            let is_same = told.is_signed_in()
                && told.who.as_ref().map(|who| &who.sign_in)
                    == status.who.as_ref().map(|who| &who.sign_in);
            if is_same && status.change == Change::Profile {
                // What was learnt of the account says nothing about the network.
                status.phase = told.phase;
            }
            let is_new = *told != status
                && (told.phase != status.phase || told.who != status.who || !is_silent);
            if is_new {
                *told = status;
            }
            is_new
        });
    }
}

/// Whether another token, or nobody, is signed in by it.
pub(super) fn is_changed(before: &State, after: &State) -> bool {
    match (before, after) {
        (State::SignedIn(before), State::SignedIn(after)) => {
            before.session.lineage != after.session.lineage
                || before.session.generation != after.session.generation
        }
        (before, after) => before != after,
    }
}

pub(super) async fn joined<T>(task: tokio::task::JoinHandle<Result<T>>) -> Result<T> {
    task.await.unwrap_or_else(|error| {
        let kind = if error.is_panic() { Kind::Protocol } else { Kind::Cancelled };
        Err(Error::because(kind, error))
    })
}
