//! One run: a user signs in, access tokens expire again and again, and the faults of the plan
//! occur.

use std::fmt;
use std::sync::Arc;

use propusk::SignOutReason;

use super::acts::ActContext;
use super::faults::Faults;
use super::jobs::Job;
use super::plan::{Fault, MessageFault, Plan};
use super::process_group::ProcessGroup;
use super::world::{ACCESS_SECONDS, Api, World};

/// How often access tokens expire while faults occur.
pub(super) const ROUNDS: usize = 3;

/// The result of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The failures.
    pub failures: Vec<Failure>,
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
pub enum Failure {
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::SignedOut(reason) => write!(f, "signed out by mistake: {reason:?}"),
            Failure::Forked(sessions) => write!(f, "{sessions} sessions of one sign-in"),
            Failure::TokensLost(why) => write!(f, "tokens lost: {why}"),
            Failure::Stuck(why) => write!(f, "stuck: {why}"),
            Failure::Other(what) => f.write_str(what),
        }
    }
}

impl World {
    /// Runs a plan.
    pub async fn run(&self, api: Api, plan: &Plan) -> Outcome {
        self.reset_skew();
        let mut outcome = Outcome::default();
        let context = match self.context(api, plan).await {
            Ok(context) => context,
            Err(error) => {
                outcome.failures.push(Failure::Stuck(format!("no sign-in: {error:?}")));
                return outcome;
            }
        };
        let faults = Arc::new(Faults::new(plan.clone()));
        let mut group =
            ProcessGroup::start(self, api, &context.person, plan, Arc::clone(&faults)).await;
        faults.arm(true);
        let ended = self.rounds(&mut group, plan, &context, &mut outcome).await;
        outcome.counted = faults.counted();
        faults.arm(false);
        let ended = match ended {
            Ok(()) => self.afterwards(&mut group, plan, &context).await,
            ended => ended,
        };
        outcome.failures.extend(ended.err());
        let lost = Failure::SignedOut(SignOutReason::AnswerLost);
        let may_lose = api.loses_answers() && plan.may_lose_answers();
        if may_lose && outcome.failures.contains(&lost) {
            outcome.failures.clear();
            outcome.answer_lost = true;
        }
        outcome
    }

    /// A signed-in user, or tokens that must be adopted.
    async fn context(&self, api: Api, plan: &Plan) -> propusk::Result<ActContext> {
        let person = self.person().await;
        let tokens = match plan.adopts() {
            true => Some(Arc::new(self.tokens(api, &person).await?)),
            false => self.sign_in(api, &person).await.map(|()| None)?,
        };
        Ok(ActContext { api, sign_in_method: self.sign_in_method(api, &person), person, tokens })
    }

    /// Access tokens expire; the processes send requests one after the other, and then all at once.
    async fn rounds(
        &self,
        group: &mut ProcessGroup<'_>,
        plan: &Plan,
        context: &ActContext,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        for round in 0..ROUNDS {
            for act in plan.before(round) {
                if outcome.before_acts == (0, 0) {
                    outcome.before_acts = group.network.faults.counted();
                }
                group.act(act, context).await?;
            }
            self.advance(ACCESS_SECONDS + 1);
            match round % 2 {
                0 => {
                    for process in group.all() {
                        group.calls(&[process]).await?;
                    }
                }
                _ => group.calls(&group.all()).await?,
            }
            group.network.release().await;
        }
        Ok(())
    }

    /// Everything works again: for the running processes, and for one that starts with the stored
    /// record.
    async fn afterwards(
        &self,
        group: &mut ProcessGroup<'_>,
        plan: &Plan,
        context: &ActContext,
    ) -> Result<(), Failure> {
        self.advance(ACCESS_SECONDS + 1);
        group.calls(&group.all()).await?;
        self.advance(ACCESS_SECONDS + 1);
        group.restart(0);
        if let Err(failure) = group.calls(&[0]).await {
            return Err(Failure::TokensLost(failure.to_string()));
        }
        // A failed sign-out is not retried at once.
        self.advance(RETRY_SECONDS);
        group.jobs([(0, Job::Settle)].into()).await?;
        self.one_session(group, plan, context).await?;
        match &context.tokens {
            Some(tokens) => group.check_repeated_adoption(tokens).await,
            None => Ok(()),
        }
    }

    /// Only the session of the last sign-in is left.
    async fn one_session(
        &self,
        group: &ProcessGroup<'_>,
        plan: &Plan,
        context: &ActContext,
    ) -> Result<(), Failure> {
        let client = group.processes[0].client.clone();
        let token = group.processes[0].spawn(async move { client.access_token().await }).await;
        let token = match token {
            Ok(Ok(token)) => token,
            failed => return Err(Failure::Stuck(format!("no token at the end: {failed:?}"))),
        };
        let sessions = self.sessions(token.header().to_str().unwrap_or_default()).await;
        match (1..=1 + untracked_sessions(group, plan, context.api)).contains(&sessions) {
            true => Ok(()),
            false => Err(Failure::Forked(sessions)),
        }
    }
}

/// The time after which a sign-out is retried, in seconds.
const RETRY_SECONDS: i64 = 11;

/// How many sessions may exist that no process knows of.
fn untracked_sessions(group: &ProcessGroup<'_>, plan: &Plan, api: Api) -> usize {
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
    left + group.lost_sign_ins + plan.faults.iter().filter(is_stray).count()
}
