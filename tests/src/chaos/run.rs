//! One run: a user signs in, access tokens expire again and again, and the faults of the plan
//! occur.

use std::fmt;
use std::sync::Arc;

use propusk::SignOutReason;

use super::acts::Props;
use super::cast::Cast;
use super::faults::Faults;
use super::jobs::Job;
use super::plan::{Fault, MessageFault, Plan};
use super::world::{ACCESS_SECONDS, Api, World};

/// How often access tokens expire while faults occur.
pub(super) const ROUNDS: usize = 3;

/// The result of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The failures.
    pub mishaps: Vec<Mishap>,
    /// Whether an answer was lost in an API that spends the refresh token and cannot repeat the
    /// answer.
    pub answer_lost: bool,
    /// The messages and writes of the run.
    pub counted: (usize, usize),
    /// The messages and writes before its first act.
    pub before_acts: (usize, usize),
}

/// A failure: something that must not happen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mishap {
    /// The user is signed out without a reason.
    SignedOut(SignOutReason),
    /// The account has this many sessions from one sign-in.
    Forked(usize),
    /// The stored tokens cannot be renewed.
    TokensLost(String),
    /// The user is signed in, but nothing works.
    Stuck(String),
    /// An act had an unexpected result.
    Other(String),
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mishap::SignedOut(reason) => write!(f, "signed out by mistake: {reason:?}"),
            Mishap::Forked(sessions) => write!(f, "{sessions} sessions of one sign-in"),
            Mishap::TokensLost(why) => write!(f, "tokens lost: {why}"),
            Mishap::Stuck(why) => write!(f, "stuck: {why}"),
            Mishap::Other(what) => f.write_str(what),
        }
    }
}

impl World {
    /// Runs a plan.
    pub async fn run(&self, api: Api, plan: &Plan) -> Outcome {
        self.straighten();
        let mut outcome = Outcome::default();
        let props = match self.props(api, plan).await {
            Ok(props) => props,
            Err(error) => {
                outcome.mishaps.push(Mishap::Stuck(format!("no sign-in: {error:?}")));
                return outcome;
            }
        };
        let faults = Arc::new(Faults::new(plan.clone()));
        let mut cast = Cast::start(self, api, &props.person, plan, Arc::clone(&faults)).await;
        faults.arm(true);
        let ended = self.rounds(&mut cast, plan, &props, &mut outcome).await;
        outcome.counted = faults.counted();
        faults.arm(false);
        let ended = match ended {
            Ok(()) => self.afterwards(&mut cast, plan, &props).await,
            ended => ended,
        };
        outcome.mishaps.extend(ended.err());
        let lost = Mishap::SignedOut(SignOutReason::AnswerLost);
        if api.loses_answers() && outcome.mishaps.contains(&lost) {
            outcome.mishaps.clear();
            outcome.answer_lost = true;
        }
        outcome
    }

    /// A signed-in user, or tokens that must be adopted.
    async fn props(&self, api: Api, plan: &Plan) -> propusk::Result<Props> {
        let person = self.person().await;
        let tokens = match plan.adopts() {
            true => Some(Arc::new(self.tokens(api, &person).await?)),
            false => self.sign_in(api, &person).await.map(|()| None)?,
        };
        Ok(Props { api, way_in: self.way_in(api, &person), person, tokens })
    }

    /// Access tokens expire; the processes send requests one after the other, and then all at once.
    async fn rounds(
        &self,
        cast: &mut Cast<'_>,
        plan: &Plan,
        props: &Props,
        outcome: &mut Outcome,
    ) -> Result<(), Mishap> {
        for round in 0..ROUNDS {
            for act in plan.before(round) {
                if outcome.before_acts == (0, 0) {
                    outcome.before_acts = cast.network.faults.counted();
                }
                cast.act(act, props).await?;
            }
            self.advance(ACCESS_SECONDS + 1);
            match round % 2 {
                0 => {
                    for process in cast.all() {
                        cast.calls(&[process]).await?;
                    }
                }
                _ => cast.calls(&cast.all()).await?,
            }
            cast.network.release().await;
        }
        Ok(())
    }

    /// Everything works again: for the running processes, and for one that starts with the stored
    /// record.
    async fn afterwards(
        &self,
        cast: &mut Cast<'_>,
        plan: &Plan,
        props: &Props,
    ) -> Result<(), Mishap> {
        self.advance(ACCESS_SECONDS + 1);
        cast.calls(&cast.all()).await?;
        self.advance(ACCESS_SECONDS + 1);
        cast.restart(0);
        if let Err(mishap) = cast.calls(&[0]).await {
            return Err(Mishap::TokensLost(mishap.to_string()));
        }
        // A failed sign-out is not retried at once.
        self.advance(AGAIN);
        cast.jobs([(0, Job::Settle)].into()).await?;
        self.one_session(cast, plan, props).await?;
        match &props.tokens {
            Some(tokens) => cast.knows(tokens).await,
            None => Ok(()),
        }
    }

    /// Only the session of the last sign-in is left.
    async fn one_session(&self, cast: &Cast<'_>, plan: &Plan, props: &Props) -> Result<(), Mishap> {
        let client = cast.processes[0].client.clone();
        let token = cast.processes[0].spawn(async move { client.access_token().await }).await;
        let Ok(Ok(token)) = token else { return Ok(()) };
        let sessions = self.sessions(token.header().to_str().unwrap_or_default()).await;
        match (1..=1 + strays(cast, plan, props.api)).contains(&sessions) {
            true => Ok(()),
            false => Err(Mishap::Forked(sessions)),
        }
    }
}

/// The time after which a sign-out is retried, in seconds.
const AGAIN: i64 = 11;

/// How many sessions may exist that no process knows of.
fn strays(cast: &Cast<'_>, plan: &Plan, api: Api) -> usize {
    if !plan.signs_in() {
        return 0;
    }
    let is_stray = |fault: &&Fault| match fault {
        // A sign-in may arrive twice.
        Fault::Message(_, MessageFault::TwiceFirst | MessageFault::TwiceSecond) => true,
        // The tokens of a session that must be ended may be lost.
        _ => api.loses_answers(),
    };
    let left = if api.has_sign_out() { 0 } else { plan.acts.len() };
    left + cast.lost_sign_ins + plan.faults.iter().filter(is_stray).count()
}
