//! Access tokens: which one is given out, and how the next one is had. A renewal is three steps: what
//! is held, and whose turn it is, with the vault locked; the request, with nothing locked; what is to
//! be kept, with the vault locked again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use propusk_wire::Secret;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument;

use super::current_token::AtHand;
use super::decide::{Kept, Outcome, State, Verdict, answered, is_base, merged};
use super::last_seen::Over;
use super::lease::Lease;
use super::locked_vault::{Desk, is_not_ours, state_of};
use super::offline::TOLERANCE;
use super::record::{Held, Record};
use super::renewal_purpose::Want;
use super::session_core::{Core, Memory};
use super::single_flight::{Landing, landed};
use super::status::{Change, Phase};
use super::stored_session::Session;
use super::vault_sync::change_of;
use crate::clock::Moment;
use crate::dialects::Tokens;
use crate::error::{Error, Kind, Result, SignOutReason};

/// A token with less to live than this, in seconds, is not given out while another can be had.
const ALMOST_OVER: i64 = 5;
/// How long another process that renews is waited for.
const OTHERS: Duration = Duration::from_secs(3);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(50);
/// How often a session that could not be written is tried to be written again.
const SAVE_AGAIN: Duration = Duration::from_secs(5);
/// After this time, in seconds, the server is asked again about what was taken over from the app.
const VERIFY_AGAIN: i64 = 60;
/// Somebody else may be first so many times in one renewal.
const MOST_ROUNDS: usize = 5;

/// What the first step of a renewal comes to.
enum Step {
    /// There is a token to give out.
    Given,
    /// Another process renews now.
    Wait,
    /// This session is to be renewed.
    Ask(Box<Asked>),
}

/// What is asked about.
struct Asked {
    session: Session,
    /// So long another process may still come with an answer to the same question.
    others: Duration,
}

impl Core {
    /// An access token that works, as far as can be known here.
    pub async fn at_hand(self: &Arc<Self>) -> Result<Arc<AtHand>> {
        let at_hand = match self.held() {
            Some(at_hand) => at_hand,
            None => {
                self.known().await?;
                self.held().ok_or_else(|| self.nobody())?
            }
        };
        let now = self.transport.moment().server;
        let is_fresh = at_hand.is_fresh(now);
        if !is_fresh && !at_hand.is_alive(now.saturating_add(ALMOST_OVER)) {
            return self.renewed(Want::Token).await;
        }
        let is_to_be_renewed = !is_fresh && !at_hand.is_renewed_by_calls;
        // It still works; what is to be done about it is done meanwhile.
        if (at_hand.is_unverified || is_to_be_renewed) && !self.rests() {
            if at_hand.is_unverified && self.may_verify() {
                drop(self.renewal(Want::Verification));
            } else if is_to_be_renewed {
                drop(self.renewal(Want::Token));
            }
        }
        Ok(at_hand)
    }

    /// Another access token than this one, which a server has refused.
    pub async fn instead_of(self: &Arc<Self>, refused: &Secret) -> Result<Arc<AtHand>> {
        let at_hand = self.renewed(Want::InsteadOf(refused.clone())).await?;
        if at_hand.credential.token != *refused {
            return Ok(at_hand);
        }
        // The renewal that was under way may have begun before the refusal.
        self.renewed(Want::InsteadOf(refused.clone())).await
    }

    /// A renewed access token, whether the one that is held still works or not.
    pub async fn renew(self: &Arc<Self>) -> Result<()> {
        self.trouble().end();
        let before = self.held().map(|at_hand| at_hand.credential.token.clone());
        let at_hand = self.renewed(Want::Renewal).await?;
        if before.as_ref() == Some(&at_hand.credential.token) {
            // What was under way may have been something else.
            self.renewed(Want::Renewal).await?;
        }
        Ok(())
    }

    /// Once a minute at most.
    fn may_verify(&self) -> bool {
        let (now, last) = (self.transport.device_now(), self.verified_at.load(Ordering::Relaxed));
        let may = !(last..last.saturating_add(VERIFY_AGAIN)).contains(&now);
        if may {
            self.verified_at.store(now, Ordering::Relaxed);
        }
        may
    }

    /// A token that is not about to expire, where one can be had.
    pub async fn lasting(self: &Arc<Self>) -> Result<Arc<AtHand>> {
        let at_hand = self.at_hand().await?;
        match at_hand.is_fresh(self.transport.moment().server) {
            true => Ok(at_hand),
            false => self.renewed(Want::Token).await,
        }
    }

    async fn renewed(self: &Arc<Self>, want: Want) -> Result<Arc<AtHand>> {
        let outcome = landed(self.renewal(want.clone())).await;
        let is_anothers = matches!(want, Want::Token) && outcome.is_err();
        if is_anothers && self.held().is_some() && self.holds_a_token() {
            // What has failed was more than a token that works.
            return self.held().ok_or_else(|| self.nobody());
        }
        outcome?;
        if !self.holds_a_token() {
            // What was under way was something else, or nothing has come of it.
            landed(self.renewal(want)).await?;
        }
        let at_hand = self.held().ok_or_else(|| self.nobody())?;
        match self.holds_a_token() {
            true => Ok(at_hand),
            false => Err(Error::because(Kind::Network, "the server renews nothing now")),
        }
    }

    fn holds_a_token(&self) -> bool {
        let now = self.transport.moment().server;
        self.held().is_none_or(|at_hand| at_hand.is_alive(now))
    }

    /// The renewal under way, or a new one.
    pub(super) fn renewal(self: &Arc<Self>, want: Want) -> Landing {
        let core = Arc::clone(self);
        self.renewing.join(|| {
            let span = tracing::info_span!("renewal", dialect = ?core.dialect);
            let busy = core.work.begin();
            async move {
                let outcome = core.renew_for(want).await;
                if !core.is_saved().await {
                    core.write_again();
                }
                drop(busy);
                outcome
            }
            .instrument(span)
        })
    }

    async fn renew_for(self: &Arc<Self>, want: Want) -> Result<()> {
        self.known().await?;
        let others_until = Instant::now() + OTHERS;
        for _ in 0..MOST_ROUNDS {
            let asked = loop {
                match self.first_step(&want, others_until).await? {
                    Step::Given => return Ok(()),
                    Step::Wait => sleep(LOOK).await,
                    Step::Ask(asked) => break asked,
                }
            };
            let answer = self.ask(&asked.session, &want).await;
            let at = self.transport.moment();
            if matches!(answer, Err(Verdict::Spent | Verdict::Over(_))) {
                self.wait_for_others(&asked).await;
            }
            if let Some(outcome) = self.last_step(&asked.session, &want, answer, at).await {
                return outcome;
            }
        }
        Err(Error::because(Kind::Network, "others were first each time"))
    }

    /// What is held, and whose turn it is.
    async fn first_step(self: &Arc<Self>, want: &Want, others_until: Instant) -> Result<Step> {
        let mut memory = self.memory.lock().await;
        let kept = memory.kept()?;
        if want.is_met_by(&kept, self.transport.moment().server) {
            return Ok(Step::Given);
        }
        let desk = match self.alone().await {
            Ok(desk) => desk,
            Err(error) => return self.given_or(&kept, want, error),
        };
        let was = kept.session.credential.token.clone();
        let kept = match self.merge(&mut memory, &desk) {
            Ok(()) => memory.kept()?,
            Err(error) => return self.given_or(&kept, want, error),
        };
        // What somebody else has fetched is not what was refused.
        let is_another = kept.session.credential.token != was && want.is_of_no_use();
        let want = match is_another {
            // Nobody knows whether this one has expired too.
            true if self.was_set_back(&desk) => &Want::Renewal,
            true => &Want::Token,
            false => want,
        };
        let kept = match self.saved(&mut memory, &desk, kept.clone()).await {
            Ok(saved) => saved,
            Err(error) => return self.given_or(&kept, want, error),
        };
        if want.is_met_by(&kept, self.transport.moment().server) {
            return Ok(Step::Given);
        }
        if let Some(error) = self.trouble().refusal(self.transport.device_now()) {
            return self.given_or(&kept, want, error);
        }
        match want.sends_refresh_token(&kept.session) {
            true => self.take_turn(&desk, kept, want, others_until).await,
            false => Ok(Step::asks(*kept.session, Duration::ZERO)),
        }
    }

    /// Whether this device's clock was set back since the server was last heard.
    fn was_set_back(&self, desk: &Desk) -> bool {
        let latest = desk.found().map_or(0, |record| record.latest);
        self.transport.moment().server < latest.saturating_sub(TOLERANCE)
    }

    /// A session that could not be written before is written before anything else.
    async fn saved(&self, memory: &mut Memory, desk: &Desk, kept: Kept) -> Result<Kept> {
        if kept.is_saved {
            return Ok(kept);
        }
        let saved = Kept { is_saved: true, ..kept };
        let state = State::SignedIn(saved.clone());
        let record = Record { held: state.held(), ..desk.record(&state)? };
        self.write(desk, record).await?;
        memory.state = state;
        Ok(saved)
    }

    /// Writes down who renews, unless somebody else does.
    async fn take_turn(
        self: &Arc<Self>,
        desk: &Desk,
        kept: Kept,
        want: &Want,
        others_until: Instant,
    ) -> Result<Step> {
        let now = self.transport.device_now();
        let lease = desk.found().and_then(|record| record.lease.as_ref());
        let lease = lease.filter(|lease| !lease.is_of(&self.holder));
        let holds = lease.map_or(Duration::ZERO, |lease| lease.holds(now));
        if !holds.is_zero() {
            if Instant::now() < others_until {
                return Ok(Step::Wait);
            }
            if kept.session.spends() {
                let later = Error::because(
                    Kind::Later { after: holds },
                    "another process renews, and its answer cannot be had twice",
                );
                return self.given_or(&kept, want, later);
            }
        }
        let others = lease.map_or(Duration::ZERO, |lease| lease.left(now));
        let mut record = desk.record(&State::SignedIn(kept.clone()))?;
        record.lease = Some(Lease::new(&self.holder, now, self.transport.timeout()));
        if let Err(error) = self.write(desk, record).await {
            tracing::info!(%error, "others are not told of a renewal");
        }
        self.publish_phase(Phase::Refreshing);
        Ok(Step::asks(*kept.session, others))
    }

    /// Another process has asked the same, and most likely has died. If it has not, its answer counts.
    async fn wait_for_others(&self, asked: &Asked) {
        let until = Instant::now() + asked.others;
        while Instant::now() < until && self.is_current(&asked.session).await {
            sleep_until(until.min(Instant::now() + LOOK)).await;
        }
    }

    /// Whether the vault still holds what was asked about, as far as it can be read.
    pub(super) async fn is_current(&self, asked: &Session) -> bool {
        match self.vault_record().await.map(|record| record.held) {
            Ok(Held::SignedIn(held)) => is_base(asked, &held),
            Ok(Held::SignedOut(_)) => false,
            Err(_) => true,
        }
    }

    /// What is to be kept of an answer. Nothing: somebody else was first, and it begins again.
    async fn last_step(
        self: &Arc<Self>,
        asked: &Session,
        want: &Want,
        answer: std::result::Result<Tokens, Verdict>,
        at: Moment,
    ) -> Option<Result<()>> {
        let mut memory = self.memory.lock().await;
        let desk = self.alone().await;
        let held = desk.as_ref().map_err(state_of).and_then(Desk::held);
        let state = merged(memory.state.clone(), held).unwrap_or(memory.state.clone());
        let lost = desk.as_ref().ok().and_then(Desk::found).and_then(|record| record.lost.clone());
        match answered(asked, &state, lost.as_ref(), answer, at) {
            Outcome::Renewed(session) => {
                let state = State::SignedIn(Kept { session, is_saved: false });
                self.keep(&mut memory, desk, state, None).await;
                self.answered();
                self.publish(&memory.state, Change::Refreshed);
                Some(Ok(()))
            }
            Outcome::Over(reason) => {
                self.keep(&mut memory, desk, State::SignedOut(reason), None).await;
                self.answered();
                self.publish(&memory.state, Change::Ended);
                Some(Err(Error::signed_out(reason)))
            }
            Outcome::Overtaken(over) => {
                let is_owed = over.is_some();
                self.keep(&mut memory, desk, state, over).await;
                self.publish(&memory.state, change_of(&memory.state, Change::OtherProcess));
                if is_owed {
                    self.note_owed(true);
                    self.tell_at_a_chance();
                }
                None
            }
            Outcome::Unchanged(verdict) => {
                self.keep(&mut memory, desk, state, None).await;
                Some(self.unchanged(&memory, want, verdict))
            }
        }
    }

    fn unchanged(self: &Arc<Self>, memory: &Memory, want: &Want, verdict: Verdict) -> Result<()> {
        let error = match verdict {
            Verdict::Passing(error) => error,
            // This device's clock was ahead, and the refresh token has not been spent.
            Verdict::TooEarly => {
                self.publish(&memory.state, Change::Refreshed);
                return Ok(());
            }
            Verdict::Over(_) | Verdict::Spent => Error::new(Kind::Protocol),
        };
        self.trouble().note(&error, self.transport.device_now());
        match error.kind() {
            Kind::Network => self.publish_phase(Phase::Offline),
            _ => self.publish(&memory.state, Change::Refreshed),
        }
        self.given_or(&memory.kept()?, want, error).map(|_| ())
    }

    /// Keeps how it stands, lets go of the lease, and remembers what the server has to be told. What
    /// cannot be written is in memory.
    async fn keep(
        self: &Arc<Self>,
        memory: &mut Memory,
        desk: Result<Desk>,
        state: State,
        over: Option<Box<Session>>,
    ) {
        let before = memory.state.session().cloned().map(Box::new);
        let lineage = before.as_ref().map(|session| session.lineage.clone());
        let written = async {
            let desk = desk?;
            let mut record = desk.record(&state)?;
            if state == State::SignedOut(SignOutReason::AnswerLost) {
                record.lost = lineage;
            }
            if is_to_be_written(&state, &record.held) {
                record.held = state.held();
            }
            record.lease = record.lease.filter(|lease| !lease.is_of(&self.holder));
            if let Some(over) = over {
                record.owed.add(over, self.transport.device_now());
            }
            self.write(&desk, record).await
        };
        let written = written.await;
        if let Err(error) = &written {
            tracing::warn!(%error, "the vault is written later");
        }
        memory.state = match state {
            State::SignedIn(kept) => {
                State::SignedIn(Kept { is_saved: kept.is_saved || written.is_ok(), ..kept })
            }
            // The server has spoken; a vault that cannot be written does not bring the session back.
            State::SignedOut(reason) => {
                if let (Err(error), Some(session)) = (&written, before)
                    && !is_not_ours(error)
                {
                    self.note_over(Some(Over { session, reason }));
                }
                State::SignedOut(reason)
            }
            State::Unknown => State::Unknown,
        };
        if written.is_err() {
            self.write_again();
        }
    }

    /// The server has answered for the session.
    fn answered(self: &Arc<Self>) {
        self.trouble().end();
        self.tell_at_a_chance();
    }

    /// The token that is held where it still works, or else why there is none. Nobody is signed out by
    /// this.
    fn given_or(&self, kept: &Kept, want: &Want, error: Error) -> Result<Step> {
        let is_alive = kept.session.is_alive(self.transport.moment().server);
        let is_enough = !want.is_of_no_use() && !matches!(want, Want::Saving);
        match is_alive && is_enough && !matches!(error.kind(), Kind::SignedOut { .. }) {
            true => Ok(Step::Given),
            false => Err(error),
        }
    }

    /// Whether nothing is fetched now that nobody waits for.
    fn rests(&self) -> bool {
        self.trouble().refusal(self.transport.device_now()).is_some()
    }

    /// What could not be written is written a little later; one at a time waits for that.
    pub(super) fn write_again(self: &Arc<Self>) {
        if self.saves_again.swap(true, Ordering::SeqCst) {
            return;
        }
        let wait = SavesAgain(Arc::downgrade(self));
        tokio::spawn(async move {
            sleep(SAVE_AGAIN).await;
            let core = wait.0.upgrade();
            drop(wait);
            let Some(core) = core else { return };
            core.save().await;
            if core.has_unwritten_end() {
                core.write_again();
            }
        });
    }
}

impl Step {
    fn asks(session: Session, others: Duration) -> Self {
        Step::Ask(Box::new(Asked { session, others }))
    }
}

impl Memory {
    /// The session, or why there is none.
    fn kept(&self) -> Result<Kept> {
        match &self.state {
            State::SignedIn(kept) => Ok(kept.clone()),
            State::SignedOut(reason) => Err(Error::signed_out(*reason)),
            State::Unknown => Err(Error::new(Kind::Protocol)),
        }
    }
}

/// Somebody else's end of the session, or what is gone, is written by nobody here.
fn is_to_be_written(state: &State, stored: &Held) -> bool {
    match (state, stored) {
        (State::SignedIn(kept), _) => !kept.is_saved,
        (State::SignedOut(_), Held::SignedIn(_)) => true,
        _ => false,
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
