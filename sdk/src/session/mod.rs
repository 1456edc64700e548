//! The session at work: runs the [`machine`] with the real vault and the real server. One renewal at
//! a time in this process, shared by everybody who waits for it, and one at a time among processes
//! that share a vault. A caller that goes away stops nothing: the work goes on to its end.

mod asked;
mod attempt;
mod machine;
mod record;
mod status;
mod stored;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use propusk_wire::Secret;
use reqwest::header::HeaderValue;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard, watch};

pub(crate) use attempt::{attempt, random_text};
use machine::{Action, Event, State, Verdict, step};
use record::Held;
pub(crate) use record::{Record, Session};
pub use status::Status;
use stored::{encode, is_lost, state_of, storage};

use crate::dialects::{App, Call, Credential, Dialect, Refusal, Tokens};
use crate::error::{Error, Kind, Result, SignOutReason};
use crate::http::{Failure, Transport, header_of};
use crate::vault::{Vault, VaultGuard};
use crate::{Profile, VaultState};

/// A token with less to live than this, in seconds, is not given out while another can be had.
const ALMOST_OVER: i64 = 5;
/// How long another process may have the vault; longer than a refresh takes.
const LOCK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(45);
/// How long after a failure nothing is fetched that nobody waits for.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(5);
/// How often a session that could not be written is tried to be written again.
const SAVE_AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

/// The one session of a client.
pub(crate) struct Core {
    transport: Transport,
    vault: Vault,
    dialect: Dialect,
    app: App,
    /// Under which origins the server was known before.
    former_origins: Vec<String>,
    machine: AsyncMutex<Machine>,
    /// What is given out without waiting for anybody.
    at_hand: RwLock<Option<Arc<AtHand>>>,
    /// The renewal under way.
    flight: Mutex<Option<watch::Receiver<Option<Outcome>>>>,
    status: watch::Sender<Status>,
    /// Somebody waits to write a session that could not be written.
    saves_again: AtomicBool,
    /// Until when, by this device's clock, nothing is fetched that nobody waits for.
    rests_until: AtomicI64,
}

type Outcome = Result<Option<Credential>>;

struct Machine {
    state: State,
    record: Record,
}

/// A token in the form in which it is sent.
pub(crate) struct AtHand {
    pub credential: Credential,
    pub header: HeaderValue,
    pub profile: Option<Profile>,
    /// The sign-in that it is of.
    pub lineage: Secret,
    fresh_until: Option<i64>,
    pub expires_at: Option<i64>,
}

/// What a run of the machine needs beside it, and what it leaves.
#[derive(Default)]
struct Run {
    enter: Option<Call<Tokens>>,
    /// The sign-in with a provider that ends by entering.
    finishes: Option<Secret>,
    lock: Option<VaultGuard>,
    /// Why something failed, in full.
    problem: Option<Error>,
    answer: Option<Outcome>,
    told: bool,
}

impl Core {
    pub fn new(
        transport: Transport,
        vault: Vault,
        dialect: Dialect,
        app: App,
        former_origins: Vec<String>,
    ) -> Arc<Self> {
        Arc::new(Core {
            former_origins,
            transport,
            vault,
            dialect,
            app,
            machine: AsyncMutex::new(Machine { state: State::Unknown, record: Record::default() }),
            at_hand: RwLock::new(None),
            flight: Mutex::new(None),
            status: watch::Sender::new(Status::Unknown),
            saves_again: AtomicBool::new(false),
            rests_until: AtomicI64::new(0),
        })
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

    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The server has just answered.
    pub fn note_answer(&self) {
        self.status.send_if_modified(|status| {
            let was_offline = *status == Status::Offline;
            if was_offline {
                *status = Status::SignedIn;
            }
            was_offline
        });
    }

    pub async fn vault_state(&self) -> VaultState {
        let state = self.vault.state().await;
        match self.parse(self.vault.read().await) {
            Ok(_) => state,
            Err(error) => state_of(&error),
        }
    }

    /// An access token that works, as far as can be known here.
    pub async fn at_hand(self: &Arc<Self>) -> Result<Arc<AtHand>> {
        let now = self.transport.moment().server;
        if let Some(at_hand) = self.held() {
            if at_hand.fresh_until.is_none_or(|until| now < until) {
                return Ok(at_hand);
            }
            if at_hand.expires_at.is_none_or(|at| now.saturating_add(ALMOST_OVER) < at) {
                // It still works; the next one is fetched meanwhile.
                if self.transport.device_now() >= self.rests_until.load(Ordering::Relaxed) {
                    drop(self.flight(Event::TokenWanted));
                }
                return Ok(at_hand);
            }
        }
        self.renewed(Event::TokenWanted).await
    }

    /// Another access token than this one, which a server has refused.
    pub async fn instead_of(self: &Arc<Self>, refused: &Secret) -> Result<Arc<AtHand>> {
        let at_hand = self.renewed(Event::TokenRefused(refused.clone())).await?;
        if at_hand.credential.token != *refused {
            return Ok(at_hand);
        }
        // The renewal that was under way may have begun before the refusal.
        self.renewed(Event::TokenRefused(refused.clone())).await
    }

    /// A renewed access token, whether the one that is held still works or not.
    pub async fn renew(self: &Arc<Self>) -> Result<()> {
        let before = self.held().map(|at_hand| at_hand.credential.token.clone());
        let at_hand = self.renewed(Event::RenewalWanted).await?;
        if before.as_ref() == Some(&at_hand.credential.token) {
            // What was under way may have been something else.
            self.renewed(Event::RenewalWanted).await?;
        }
        Ok(())
    }

    /// Opens a session by what the call answers. `finishes` is the sign-in with a provider that has
    /// come to its end with it.
    pub async fn enter(
        self: &Arc<Self>,
        call: Call<Tokens>,
        finishes: Option<Secret>,
    ) -> Result<()> {
        let run = Run { enter: Some(call), finishes, ..Run::default() };
        self.spawn(Event::EnterWanted, run).await?.answer()?;
        Ok(())
    }

    /// Ends the session; whether the server has been told.
    pub async fn leave(self: &Arc<Self>) -> Result<bool> {
        let run = self.spawn(Event::LeaveWanted, Run::default()).await?;
        let told = run.told;
        run.answer().map(|_| told)
    }

    /// Whether somebody is signed in, as far as is known without waiting for what is under way.
    pub async fn status(self: &Arc<Self>) -> Result<Status> {
        if self.machine.try_lock().is_ok() {
            match self.profile().await {
                Ok(_) => {}
                Err(error) if matches!(error.kind(), Kind::SignedOut { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(*self.status.borrow())
    }

    /// The account as it was last seen; needs no network.
    pub async fn profile(self: &Arc<Self>) -> Result<Option<Profile>> {
        if let Some(at_hand) = self.held() {
            return Ok(at_hand.profile.clone());
        }
        let core = Arc::clone(self);
        joined(tokio::spawn(async move {
            let mut machine = core.machine().await;
            core.load(&mut machine).await?;
            match &machine.state {
                State::SignedIn(kept) => Ok(kept.session.profile.clone()),
                State::SignedOut(reason) => Err(Error::signed_out(*reason)),
                _ => Err(Error::new(Kind::Protocol)),
            }
        }))
        .await
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

    /// Removes what is stored, whatever it is and whoever has issued it. The server hears nothing.
    pub async fn forget_everything(self: &Arc<Self>) -> Result<()> {
        let core = Arc::clone(self);
        joined(tokio::spawn(async move {
            let mut machine = core.machine().await;
            core.alone().await?.forget_whatever_it_is().await.map_err(storage)?;
            machine.record = Record::default();
            machine.state = State::SignedOut(SignOutReason::SignedOut);
            core.publish(&machine.state);
            Ok(())
        }))
        .await
    }

    /// Changes what is stored, alone among tasks and processes.
    pub async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Record) -> T + Send + 'static,
    ) -> Result<T> {
        let core = Arc::clone(self);
        joined(tokio::spawn(async move {
            let mut machine = core.machine().await;
            let locked = core.alone().await?;
            let read = locked.read().await;
            let stored = read.as_ref().ok().cloned().flatten();
            let mut record = match core.parse(read) {
                // What was stored is lost; what is in memory is not.
                Err(error) if is_lost(&error) => {
                    Record { held: machine.state.held(), ..Record::default() }
                }
                record => record?,
            };
            let changed = change(&mut record);
            core.stamp(&mut record.held);
            let bytes = encode(&record)?;
            // Anybody may have a forged link opened, again and again.
            if stored.as_ref() != Some(&bytes) {
                locked.write(&bytes).await.map_err(storage)?;
            }
            machine.record = record;
            core.adopt(&mut machine);
            Ok(changed)
        }))
        .await
    }

    fn held(&self) -> Option<Arc<AtHand>> {
        self.at_hand.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn renewed(self: &Arc<Self>, event: Event) -> Result<Arc<AtHand>> {
        let mut flight = self.flight(event);
        let landed = flight.wait_for(Option::is_some).await;
        // Without an outcome the runtime is going down.
        let outcome = landed.map_err(|error| Error::because(Kind::Cancelled, error))?.clone();
        outcome.unwrap_or_else(|| Err(Error::new(Kind::Cancelled)))?;
        self.held().ok_or_else(|| Error::signed_out(SignOutReason::SignedOut))
    }

    /// The renewal under way, or a new one.
    fn flight(self: &Arc<Self>, event: Event) -> watch::Receiver<Option<Outcome>> {
        let mut flight = self.flight_slot();
        if let Some(flight) = flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return flight.clone();
        }
        let (lands, waits) = watch::channel(None);
        *flight = Some(waits.clone());
        let core = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = core.run(event, Run::default()).await.answer();
            *core.flight_slot() = None;
            lands.send_replace(Some(outcome));
        });
        waits
    }

    fn flight_slot(&self) -> MutexGuard<'_, Option<watch::Receiver<Option<Outcome>>>> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn spawn(self: &Arc<Self>, event: Event, run: Run) -> Result<Run> {
        let core = Arc::clone(self);
        joined(tokio::spawn(async move { Ok(core.run(event, run).await) })).await
    }

    /// The machine at rest, for one at a time.
    async fn machine(&self) -> AsyncMutexGuard<'_, Machine> {
        let mut machine = self.machine.lock().await;
        if machine.state.is_under_way() {
            let state = std::mem::replace(&mut machine.state, State::Unknown);
            machine.state = state.interrupted();
            self.publish(&machine.state);
        }
        machine
    }

    /// Lets the machine run until it rests.
    async fn run(self: &Arc<Self>, event: Event, mut run: Run) -> Run {
        let mut machine = self.machine().await;
        // Neither a sign-in nor a sign-out needs to know what was before.
        if !matches!(event, Event::EnterWanted | Event::LeaveWanted)
            && let Err(error) = self.load(&mut machine).await
        {
            run.answer = Some(Err(error));
            return run;
        }
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let state = std::mem::replace(&mut machine.state, State::Unknown);
            let (state, actions) = step(state, event, self.transport.moment());
            machine.state = state;
            self.publish(&machine.state);
            for action in actions {
                if let Some(event) = self.act(&mut machine, &mut run, action).await {
                    next = Some(event);
                }
            }
        }
        self.rest(&machine, &run);
        run
    }

    /// Reads the vault unless somebody is known to be signed in.
    async fn load(&self, machine: &mut Machine) -> Result<()> {
        if !matches!(machine.state, State::Unknown | State::SignedOut(_)) {
            return Ok(());
        }
        let read = self.take_in(machine, self.vault.read().await);
        let failed = read.as_ref().err().copied();
        let state = std::mem::replace(&mut machine.state, State::Unknown);
        (machine.state, _) = step(state, Event::Read(read), self.transport.moment());
        self.learn_clock(&machine.state);
        self.publish(&machine.state);
        match (&machine.state, failed) {
            (State::Unknown, Some(state)) => Err(Error::new(Kind::Storage { state })),
            _ => Ok(()),
        }
    }

    /// What was learnt of the server's clock when the session that has been read was last renewed.
    fn learn_clock(&self, state: &State) {
        if let State::SignedIn(kept) = state {
            self.transport.set_offset(kept.session.clock_offset);
        }
    }

    async fn act(
        self: &Arc<Self>,
        machine: &mut Machine,
        run: &mut Run,
        action: Action,
    ) -> Option<Event> {
        match action {
            Action::Read => Some(Event::Read(self.take_in(machine, self.vault.read().await))),
            Action::Lock => Some(Event::Locked(self.lock(machine, run).await)),
            Action::Write(held) => Some(Event::Written(self.write(machine, run, held).await)),
            Action::Renew(session) => Some(Event::Renewed(self.ask(&session, run).await)),
            Action::Enter => Some(Event::Entered(self.open(run).await)),
            Action::Leave(session) => {
                run.told = self.tell(&session).await;
                Some(Event::Left)
            }
            Action::Abandon(session) => {
                let core = Arc::clone(self);
                tokio::spawn(async move { core.tell(&session).await });
                None
            }
            Action::Unlock => {
                run.lock = None;
                None
            }
            Action::Answer(answer) => {
                run.answer = Some(answer.map_err(|kind| run.error(kind)));
                None
            }
        }
    }

    /// What another process or a change has left.
    fn adopt(&self, machine: &mut Machine) {
        let is_at_rest = matches!(machine.state, State::Unknown | State::SignedOut(_));
        if is_at_rest {
            let read = Event::Read(Ok(machine.record.held.clone()));
            let state = std::mem::replace(&mut machine.state, State::Unknown);
            (machine.state, _) = step(state, read, self.transport.moment());
            self.learn_clock(&machine.state);
        } else if let (State::SignedIn(kept), Held::SignedIn(held)) =
            (&mut machine.state, &machine.record.held)
            && kept.session.lineage == held.lineage
        {
            kept.session.profile = held.profile.clone();
        }
        self.publish(&machine.state);
    }

    fn publish(&self, state: &State) {
        let at_hand = state.session().and_then(|session| AtHand::of(&session).map(Arc::new));
        *self.at_hand.write().unwrap_or_else(PoisonError::into_inner) = at_hand;
        let status = match state {
            State::Unknown => Status::Unknown,
            State::SignedOut(reason) => Status::SignedOut { reason: *reason },
            State::SignedIn(_) => Status::SignedIn,
            State::Renewing { .. } => Status::Refreshing,
            State::Entering { .. } | State::Leaving { .. } => return,
        };
        self.tell_status(status);
    }

    fn tell_status(&self, status: Status) {
        self.status.send_if_modified(|told| {
            let is_new = *told != status;
            *told = status;
            is_new
        });
    }

    /// After a run: whether there is a network, and whether something is still to be written.
    fn rest(self: &Arc<Self>, machine: &Machine, run: &Run) {
        let State::SignedIn(kept) = &machine.state else { return };
        let pause = match run.problem.as_ref().map(Error::kind) {
            Some(Kind::Network) => {
                self.tell_status(Status::Offline);
                PAUSE
            }
            Some(Kind::Later { after }) => *after,
            _ => std::time::Duration::ZERO,
        };
        let seconds = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
        let until = self.transport.device_now().saturating_add(seconds);
        self.rests_until.store(until, Ordering::Relaxed);
        if !kept.is_saved && !self.saves_again.swap(true, Ordering::SeqCst) {
            let wait = SavesAgain(Arc::downgrade(self));
            tokio::spawn(async move {
                tokio::time::sleep(SAVE_AGAIN).await;
                let core = wait.0.upgrade();
                drop(wait);
                if let Some(core) = core {
                    drop(core.flight(Event::SaveWanted));
                }
            });
        }
    }
}

/// Waits to write what could not be written; over when it is dropped, be it with its runtime.
struct SavesAgain(Weak<Core>);

impl Drop for SavesAgain {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            core.saves_again.store(false, Ordering::SeqCst);
        }
    }
}

impl AtHand {
    /// A token that cannot be sent is none.
    fn of(session: &Session) -> Option<Self> {
        Some(AtHand {
            credential: session.credential.clone(),
            header: header_of(&session.credential).ok()?,
            profile: session.profile.clone(),
            lineage: session.lineage.clone(),
            fresh_until: session.fresh_until(),
            expires_at: session.access_expires_at,
        })
    }
}

impl Run {
    fn answer(self) -> Outcome {
        self.answer.unwrap_or_else(|| Err(Error::new(Kind::Protocol)))
    }

    /// The error of this kind, with its cause if it is known.
    fn error(&self, kind: Kind) -> Error {
        match &self.problem {
            Some(problem) if *problem.kind() == kind => problem.clone(),
            _ => Error::new(kind),
        }
    }

    /// In which state the vault is, that could not be used.
    fn stored(&mut self, error: Error) -> VaultState {
        let state = state_of(&error);
        self.problem = Some(error);
        state
    }

    fn failed(&mut self, failure: Failure) -> Verdict {
        match failure {
            Failure::Refused(Refusal::SignedOut(reason)) => Verdict::Over(reason),
            Failure::Refused(Refusal::Spent) => Verdict::Spent,
            Failure::Refused(Refusal::TooEarly) => Verdict::TooEarly,
            Failure::Unexpected(status) => {
                let problem = format!("status {status}, and no answer of the API");
                self.verdict(Error::because(Kind::Network, problem))
            }
            failure => self.verdict(failure.into()),
        }
    }

    fn verdict(&mut self, error: Error) -> Verdict {
        let kind = error.kind().clone();
        self.problem = Some(error);
        Verdict::Passing(kind)
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
