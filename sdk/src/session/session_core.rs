//! The shared state of one session: the parts, the state in memory, and the status that apps watch.

use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::{Mutex as AsyncMutex, watch};

use super::background_work::BackgroundWork;
use super::backoff::Backoff;
use super::current_token::CurrentToken;
use super::decide::{SessionState, is_same_renewal};
use super::last_seen::LastSeen;
use super::lease::LeaseHolder;
use super::pending_sign_outs::SignOutRetry;
use super::renewal_purpose::RenewalPurpose;
use super::single_flight::SingleFlight;
use super::status::{Phase, SignedInUser, Status, StatusChange};
use crate::dialects::{App, Dialect};
use crate::error::{Error, ErrorKind, Result, SignOutReason};
use crate::http::Transport;
use crate::vault::Vault;

/// The session of a client.
pub(crate) struct SessionCore {
    pub(super) transport: Transport,
    pub(super) vault: Vault,
    pub(super) dialect: Dialect,
    /// Whether the app has said that the server rotates refresh tokens.
    pub(super) rotates_refresh_tokens: bool,
    pub(super) app: App,
    /// The origins under which the same server was known before.
    pub(super) former_origins: Vec<String>,
    /// The id of this client in leases.
    pub(super) holder: LeaseHolder,
    pub(super) memory: AsyncMutex<Memory>,
    /// The record that was seen last.
    pub(super) seen: Mutex<LastSeen>,
    /// The token that is returned without waiting.
    pub(super) current_token: RwLock<Option<Arc<CurrentToken>>>,
    pub(super) status: watch::Sender<Status>,
    pub(super) loading: SingleFlight<()>,
    pub(super) renewing: SingleFlight<RenewalPurpose>,
    /// Held during a sign-in.
    pub(super) sign_in_lock: AsyncMutex<()>,
    /// Held while the server is informed of sign-outs.
    pub(super) sign_out_lock: AsyncMutex<()>,
    /// Held while a session is renewed so that it can be ended, until the new tokens are stored.
    pub(super) sign_out_renewal_lock: Arc<AsyncMutex<()>>,
    pub(super) sign_out_retry: Mutex<SignOutRetry>,
    pub(super) backoff: Mutex<Backoff>,
    pub(super) work: BackgroundWork,
    /// The latest known server time, if it could not be written; otherwise 0.
    pub(super) unwritten_time: AtomicI64,
    /// When adopted tokens were last verified, by this device's clock.
    pub(super) verified_at: AtomicI64,
    /// Whether another write is scheduled.
    pub(super) is_write_retry_scheduled: AtomicBool,
    /// Whether a task watches the vault for changes by other processes.
    pub(super) is_watching: AtomicBool,
}

/// The state of the session, changed under a lock.
pub(super) struct Memory {
    pub(super) state: SessionState,
}

impl SessionCore {
    pub fn new(
        transport: Transport,
        vault: Vault,
        dialect: Dialect,
        rotates_refresh_tokens: bool,
        app: App,
        former_origins: Vec<String>,
    ) -> Result<Arc<Self>> {
        Ok(Arc::new(SessionCore {
            transport,
            vault,
            dialect,
            rotates_refresh_tokens,
            app,
            former_origins,
            holder: LeaseHolder::new()?,
            memory: AsyncMutex::new(Memory { state: SessionState::Unknown }),
            seen: Mutex::default(),
            current_token: RwLock::new(None),
            status: watch::Sender::new(Status::unknown()),
            loading: SingleFlight::new(),
            renewing: SingleFlight::new(),
            sign_in_lock: AsyncMutex::new(()),
            sign_out_lock: AsyncMutex::new(()),
            sign_out_renewal_lock: Arc::default(),
            sign_out_retry: Mutex::default(),
            backoff: Mutex::default(),
            work: BackgroundWork::new(),
            unwritten_time: AtomicI64::new(0),
            verified_at: AtomicI64::new(0),
            is_write_retry_scheduled: AtomicBool::new(false),
            is_watching: AtomicBool::new(false),
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

    /// A server has answered: send what is pending.
    pub fn on_server_answer(self: &Arc<Self>) {
        self.status.send_if_modified(|status| {
            let was_offline = status.phase == Phase::Offline;
            if was_offline {
                status.phase = Phase::SignedIn;
            }
            was_offline
        });
        self.send_pending_sign_outs_if_due();
    }

    /// The network has changed: retry at once.
    pub fn on_network_change(self: &Arc<Self>) {
        self.backoff().reset();
        if self.has_pending_sign_outs() {
            self.set_pending_sign_outs(true);
            self.send_pending_sign_outs_if_due();
        }
    }

    /// Whether this sign-in is the current one.
    pub fn is_signed_in_as(&self, user: &SignedInUser) -> bool {
        self.cached_token().is_some_and(|current_token| current_token.user.is_same(user))
    }

    pub(super) fn cached_token(&self) -> Option<Arc<CurrentToken>> {
        self.current_token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error for a signed-out session, with its reason.
    pub(super) fn signed_out_error(&self) -> Error {
        let reason = self.status.borrow().reason();
        Error::signed_out(reason.unwrap_or(SignOutReason::SignedOut))
    }

    /// Publishes the state. Receivers are notified only of changes.
    pub(super) fn publish(&self, state: &SessionState, change: StatusChange) {
        let session = state.session();
        let current_token = session.and_then(CurrentToken::of).map(Arc::new);
        let phase = match state {
            SessionState::Unknown => Phase::Unknown,
            SessionState::SignedOut(reason) => Phase::SignedOut { reason: *reason },
            SessionState::SignedIn(_) => Phase::SignedIn,
        };
        let user = session.map(SignedInUser::of);
        *self.current_token.write().unwrap_or_else(PoisonError::into_inner) = current_token;
        self.announce(Status { phase, user, change });
    }

    /// Publishes a phase of the current session.
    pub(super) fn publish_phase(&self, phase: Phase) {
        let user = self.status.borrow().user.clone();
        self.announce(Status { phase, user, change: StatusChange::Refreshed });
    }

    pub(super) fn announce(&self, mut status: Status) {
        self.status.send_if_modified(|current| {
            let is_silent = matches!(
                status.change,
                StatusChange::ProfileUpdated | StatusChange::Initial | StatusChange::OtherProcess
            );
            let is_same = current.is_signed_in()
                && current.user.as_ref().map(|user| &user.sign_in_id)
                    == status.user.as_ref().map(|user| &user.sign_in_id);
            if is_same && status.change == StatusChange::ProfileUpdated {
                // A new profile says nothing about the network.
                status.phase = current.phase;
            }
            let is_new = *current != status
                && (current.phase != status.phase || current.user != status.user || !is_silent);
            if is_new {
                *current = status;
            }
            is_new
        });
    }
}

/// Whether the tokens have changed, or the user has signed in or out.
pub(super) fn is_changed(before: &SessionState, after: &SessionState) -> bool {
    match (before, after) {
        (SessionState::SignedIn(before), SessionState::SignedIn(after)) => {
            !is_same_renewal(&before.session, &after.session)
        }
        (before, after) => before != after,
    }
}

pub(super) async fn joined<T>(task: tokio::task::JoinHandle<Result<T>>) -> Result<T> {
    task.await.unwrap_or_else(|error| {
        let kind = if error.is_panic() { ErrorKind::Protocol } else { ErrorKind::Cancelled };
        Err(Error::because(kind, error))
    })
}
