//! The session at work. One renewal at a time in this process, shared by everybody who waits for it.
//! What is in memory and what the vault holds change together, in short steps and by one at a time;
//! the server is asked between them, and whoever comes back with its answer looks first whether what
//! was asked about still counts ([`decide`]). A caller that goes away stops nothing: the work goes on
//! to its end.

mod adoption;
mod asked;
mod attempt;
mod changes;
mod decide;
mod entering;
mod flight;
mod lease;
mod leaving;
mod owed;
mod record;
mod renewal;
mod status;
mod stored;
mod trouble;
mod trust;
mod work;

use std::sync::atomic::{AtomicBool, AtomicI64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use propusk_wire::Secret;
use reqwest::header::HeaderValue;
use tokio::sync::{Mutex as AsyncMutex, watch};

pub use adoption::Adoption;
pub(crate) use attempt::{attempt, random_text};
use decide::{State, merged};
use flight::{Flight, landed};
use lease::Holder;
pub(crate) use leaving::Told;
use owed::Owing;
use record::Held;
pub(crate) use record::{Record, Session, Unknown};
pub use status::{Change, Phase, Status, Who};
use stored::{Desk, Seen, state_of};
use trouble::Trouble;
pub use trust::{OfflineIdentity, OfflinePolicy, Trust};
use work::Work;

use crate::dialects::{App, Credential, Dialect};
use crate::error::{Error, Kind, Result, SignOutReason};
use crate::http::{Transport, header_of};
use crate::vault::Vault;
use crate::{Profile, VaultState};

/// A token with less to live than this, in seconds, is not given out while another can be had.
const ALMOST_OVER: i64 = 5;
/// How long another process may have the vault, which nobody has across the network.
const LOCK_PATIENCE: Duration = Duration::from_secs(15);

/// The one session of a client.
pub(crate) struct Core {
    transport: Transport,
    vault: Vault,
    dialect: Dialect,
    app: App,
    /// Under which origins the server was known before.
    former_origins: Vec<String>,
    /// Names this client in leases.
    holder: Holder,
    memory: AsyncMutex<Memory>,
    /// The record that was seen last.
    seen: Mutex<Seen>,
    /// What is given out without waiting for anybody.
    at_hand: RwLock<Option<Arc<AtHand>>>,
    status: watch::Sender<Status>,
    loading: Flight,
    renewing: Flight,
    /// Whoever signs in is alone.
    entering: AsyncMutex<()>,
    /// Whoever tells the server what is owed is alone.
    telling: AsyncMutex<()>,
    owing: Mutex<Owing>,
    trouble: Mutex<Trouble>,
    work: Work,
    /// When the server was last asked about what was taken over, by this device's clock.
    verified_at: AtomicI64,
    /// Somebody waits to write a session that could not be written.
    saves_again: AtomicBool,
    /// Somebody looks what other processes do.
    looks: AtomicBool,
}

/// Where the session stands, changed by one at a time.
struct Memory {
    state: State,
}

/// Which token is wanted.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    /// One that works.
    Token,
    /// Another than this one, which a server has refused.
    InsteadOf(Secret),
    /// Another one, whether the one that is held works or not.
    Renewal,
    /// The server's word on what was taken over from the app.
    Verification,
    /// Only that what could not be written is written.
    Saving,
}

/// A token in the form in which it is sent.
pub(crate) struct AtHand {
    pub credential: Credential,
    pub header: HeaderValue,
    pub profile: Option<Profile>,
    pub who: Who,
    /// The sign-in that it is of.
    pub lineage: Secret,
    fresh_until: Option<i64>,
    pub expires_at: Option<i64>,
    /// It is renewed by the call that needs it, and by nothing else.
    is_renewed_by_calls: bool,
    is_unverified: bool,
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

    pub async fn vault_state(&self) -> VaultState {
        let state = tokio::time::timeout(LOCK_PATIENCE, self.vault.state()).await;
        let state = state.unwrap_or(VaultState::Locked);
        match self.vault_record().await {
            Ok(_) => state,
            Err(error) => state_of(&error),
        }
    }

    /// Whether somebody is signed in: no network is waited for.
    pub async fn status(self: &Arc<Self>) -> Result<Status> {
        self.known().await?;
        Ok(self.status.borrow().clone())
    }

    /// Whether this sign-in is the one that is held.
    pub fn is_signed_in_as(&self, who: &Who) -> bool {
        self.held().is_some_and(|at_hand| at_hand.who.is_same(who))
    }

    /// The account as it was last seen; needs no network.
    pub async fn profile(self: &Arc<Self>) -> Result<Option<Profile>> {
        self.known().await?;
        match self.held() {
            Some(at_hand) => Ok(at_hand.profile.clone()),
            None => Err(self.nobody()),
        }
    }

    /// Keeps what the server has just told whoever has this sign-in of the account, to be shown without
    /// network. Meanwhile somebody else may have signed in.
    pub async fn note_profile(self: &Arc<Self>, lineage: Secret, profile: Profile) -> Result<()> {
        self.change(move |record| {
            if let Held::SignedIn(session) = &mut record.held
                && session.lineage == lineage
            {
                session.profile = Some(profile);
            }
        })
        .await
    }

    /// Changes what is stored, alone among tasks and processes.
    pub async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Record) -> T + Send + 'static,
    ) -> Result<T> {
        let (core, busy) = (Arc::clone(self), self.work.begin());
        joined(tokio::spawn(async move {
            let _busy = busy;
            let mut memory = core.memory.lock().await;
            let desk = core.alone().await?;
            let mut record = desk.record(&memory.state)?;
            let changed = change(&mut record);
            let held = record.held.clone();
            if !core.owes() && record.owed.iter().any(|owed| core.is_ours(owed.session())) {
                core.note_owed(true);
            }
            core.write(&desk, record).await?;
            core.take_in(&mut memory, held);
            Ok(changed)
        }))
        .await
    }

    /// Removes what is stored, whatever it is and whoever has issued it. The server hears nothing.
    pub async fn forget_everything(self: &Arc<Self>) -> Result<()> {
        let (core, busy) = (Arc::clone(self), self.work.begin());
        joined(tokio::spawn(async move {
            let _busy = busy;
            let mut memory = core.memory.lock().await;
            core.alone().await?.forget_whatever_it_is().await?;
            core.forget_seen();
            core.note_owed(false);
            memory.state = State::SignedOut(SignOutReason::SignedOut);
            core.publish(&memory.state, Change::SignedOut);
            Ok(())
        }))
        .await
    }

    /// Waits until nothing is under way: renewals, sign-outs that the server has to hear of, a session
    /// that could not be written. Whether all of it is done.
    pub async fn settled(self: &Arc<Self>, limit: Duration) -> bool {
        let settling = async {
            self.work.done().await;
            if self.owes()
                && let Err(error) = self.tell_owed().await
            {
                tracing::info!(%error, "the server is told of a sign-out later");
            }
            if !self.is_saved().await {
                self.save().await;
            }
            self.work.done().await;
            !self.owes() && self.is_saved().await
        };
        tokio::time::timeout(limit, settling).await.unwrap_or(false)
    }

    /// Whether the vault holds what is in memory.
    async fn is_saved(&self) -> bool {
        let is_saved = match &self.memory.lock().await.state {
            State::SignedIn(kept) => kept.is_saved,
            State::SignedOut(_) | State::Unknown => true,
        };
        is_saved && !self.has_unwritten_end()
    }

    /// Writes what could not be written before; whether it could now, [`is_saved`](Self::is_saved) tells.
    async fn save(self: &Arc<Self>) {
        let saved = match self.has_unwritten_end() {
            true => self.change(|_| ()).await,
            false => landed(self.renewal(Want::Saving)).await,
        };
        if let Err(error) = saved {
            tracing::debug!(%error, "the vault cannot be written yet");
        }
    }

    /// Looks into the vault unless somebody is known to be signed in; one look for everybody who asks.
    async fn known(self: &Arc<Self>) -> Result<()> {
        if self.status.borrow().is_signed_in() {
            return Ok(());
        }
        let core = Arc::clone(self);
        landed(self.loading.join(|| async move {
            let mut memory = core.memory.lock().await;
            match memory.state {
                State::Unknown => core.look(&mut memory, Change::Started).await,
                State::SignedIn(_) => Ok(()),
                State::SignedOut(_) => {
                    if let Err(error) = core.look(&mut memory, Change::OtherProcess).await {
                        tracing::debug!(%error, "whether another process has signed in is not known");
                    }
                    Ok(())
                }
            }
        }))
        .await
    }

    /// What the vault holds now, by a look that waits for no lock.
    async fn look(self: &Arc<Self>, memory: &mut Memory, change: Change) -> Result<()> {
        let read = self.vault_record().await;
        let held = read.as_ref().map(|record| record.held.clone()).map_err(state_of);
        let before = memory.state.clone();
        let state = match merged(before.clone(), held) {
            Ok(state) => state,
            Err(state) => return Err(read.err().unwrap_or(Kind::Storage { state }.into())),
        };
        let has_changed = is_changed(&before, &state);
        self.learn_clock(&before, &state);
        memory.state = state;
        if has_changed {
            self.publish(&memory.state, change_of(&memory.state, change));
        }
        if matches!(&memory.state, State::SignedIn(kept) if !kept.is_saved) {
            self.write_again();
        }
        if read.is_ok_and(|record| record.owed.iter().any(|owed| self.is_ours(owed.session()))) {
            if !self.owes() {
                self.note_owed(true);
            }
            self.tell_at_a_chance();
        }
        Ok(())
    }

    /// What another process has learnt of the server's clock when it last renewed.
    fn learn_clock(&self, before: &State, now: &State) {
        if let Some(session) = now.session().filter(|_| is_changed(before, now)) {
            self.transport.set_offset(session.clock_offset);
        }
    }

    /// What a change or another process has left in the vault.
    fn take_in(&self, memory: &mut Memory, held: Held) {
        let before = memory.state.clone();
        let Ok(state) = merged(before.clone(), Ok(held)) else { return };
        self.learn_clock(&before, &state);
        memory.state = state;
        let change = match (&before, is_changed(&before, &memory.state)) {
            (State::Unknown, _) => Change::Started,
            (_, true) => Change::OtherProcess,
            (_, false) => Change::Profile,
        };
        self.publish(&memory.state, change);
    }

    /// The same with the vault locked.
    fn merge(&self, memory: &mut Memory, desk: &Desk) -> Result<()> {
        let before = memory.state.clone();
        memory.state = merged(before.clone(), desk.held()).map_err(|_| desk.problem())?;
        self.learn_clock(&before, &memory.state);
        if is_changed(&before, &memory.state) {
            self.publish(&memory.state, change_of(&memory.state, Change::OtherProcess));
        }
        Ok(())
    }

    fn held(&self) -> Option<Arc<AtHand>> {
        self.at_hand.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nobody is signed in.
    fn nobody(&self) -> Error {
        let reason = self.status.borrow().reason();
        Error::signed_out(reason.unwrap_or(SignOutReason::SignedOut))
    }

    /// Lets everybody know where the session stands. What is told is told once.
    fn publish(&self, state: &State, change: Change) {
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
    fn publish_phase(&self, phase: Phase) {
        let who = self.status.borrow().who.clone();
        self.announce(Status { phase, who, change: Change::Refreshed });
    }

    fn announce(&self, mut status: Status) {
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
fn is_changed(before: &State, after: &State) -> bool {
    match (before, after) {
        (State::SignedIn(before), State::SignedIn(after)) => {
            before.session.lineage != after.session.lineage
                || before.session.generation != after.session.generation
        }
        (before, after) => before != after,
    }
}

/// What is lost has been ended by nobody's wish.
fn change_of(state: &State, change: Change) -> Change {
    match state {
        State::SignedOut(SignOutReason::VaultLost) => Change::Ended,
        _ => change,
    }
}

impl AtHand {
    /// A token that cannot be sent is none.
    fn of(session: &Session) -> Option<Self> {
        Some(AtHand {
            credential: session.credential.clone(),
            header: header_of(&session.credential).ok()?,
            profile: session.profile.clone(),
            who: Who::of(session),
            lineage: session.lineage.clone(),
            fresh_until: session.fresh_until(),
            expires_at: session.access_expires_at,
            is_renewed_by_calls: session.spends(),
            is_unverified: session.is_unverified,
        })
    }

    fn is_fresh(&self, server_now: i64) -> bool {
        self.fresh_until.is_none_or(|until| server_now < until)
    }

    fn is_alive(&self, server_now: i64) -> bool {
        self.expires_at.is_none_or(|at| server_now < at)
    }
}

async fn joined<T>(task: tokio::task::JoinHandle<Result<T>>) -> Result<T> {
    task.await.unwrap_or_else(|error| {
        let kind = if error.is_panic() { Kind::Protocol } else { Kind::Cancelled };
        Err(Error::because(kind, error))
    })
}

#[cfg(test)]
mod tests;
