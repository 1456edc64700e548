//! Plans: what fails in a run, and when.

use std::fmt;
use std::ops::Range;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::run::ROUNDS;

/// One fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// At this exchange, counted over all processes from the end of the sign-in.
    Message(usize, MessageFault),
    /// At this write to the vault, counted in the same way.
    Save(usize, SaveFault),
}

/// The fault of a request or its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageFault {
    /// The request is lost.
    DropRequest,
    /// The server answers, but the answer is lost.
    DropAnswer,
    /// Half of the request arrives.
    CutRequest,
    /// Half of the answer arrives.
    CutAnswer,
    /// The request arrives after the client has given up and perhaps retried.
    LateRequest,
    /// The answer arrives after the client has given up.
    LateAnswer,
    /// The request arrives twice, and the client gets the first answer.
    TwiceFirst,
    /// The request arrives twice, and the client gets the second answer.
    TwiceSecond,
    /// A proxy answers instead of the server.
    Proxy,
    /// The process is killed before it sends its request.
    CrashBeforeSend,
    /// The process is killed after the server has answered.
    CrashAfterSend,
    /// The process is suspended when its connection is open and before it sends, and others
    /// continue.
    StopBeforeSend,
    /// The process is suspended after the server has answered.
    StopAfterSend,
}

/// The fault of a write to the vault.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SaveFault {
    /// The process is killed before the write.
    CrashBefore,
    /// The process is killed after the write.
    CrashAfter,
    /// The disk is full.
    Full,
    /// The process is suspended before the write, while it holds the lock.
    StopBefore,
    /// The process is suspended after the write, without the lock.
    StopAfter,
}

/// An act of the app or its device between two rounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act {
    /// This process signs out while the others renew, and signs in again.
    SignOutAndIn(usize),
    /// This process signs in over the existing session while the others renew.
    SignInOver(usize),
    /// The run begins with tokens of another vault, which one process adopts.
    AdoptByOne,
    /// The run begins with tokens of another vault, which all processes adopt.
    AdoptByAll,
    /// A client of another server opens the vault.
    OtherOrigin,
    /// The device's clock is changed by this many seconds.
    Clock(i64),
}

/// All faults of a message except the slow ones.
pub const MESSAGE_FAULTS: [MessageFault; 11] = [
    MessageFault::DropRequest,
    MessageFault::DropAnswer,
    MessageFault::CutRequest,
    MessageFault::CutAnswer,
    MessageFault::LateRequest,
    MessageFault::LateAnswer,
    MessageFault::TwiceFirst,
    MessageFault::TwiceSecond,
    MessageFault::Proxy,
    MessageFault::CrashBeforeSend,
    MessageFault::CrashAfterSend,
];

/// All faults of a write except the slow ones.
pub const SAVE_FAULTS: [SaveFault; 3] =
    [SaveFault::CrashBefore, SaveFault::CrashAfter, SaveFault::Full];

/// Suspensions at a message.
const MESSAGE_STOPS: [MessageFault; 2] =
    [MessageFault::StopBeforeSend, MessageFault::StopAfterSend];

/// Suspensions at a write.
const SAVE_STOPS: [SaveFault; 2] = [SaveFault::StopBefore, SaveFault::StopAfter];

/// The faults of messages that are combined with acts.
const MESSAGE_FAULTS_WITH_ACTS: [MessageFault; 4] = [
    MessageFault::DropAnswer,
    MessageFault::LateRequest,
    MessageFault::TwiceSecond,
    MessageFault::CrashAfterSend,
];

/// The acts between rounds.
const ACTS: [Act; 8] = [
    Act::SignOutAndIn(0),
    Act::SignOutAndIn(1),
    Act::SignInOver(0),
    Act::SignInOver(1),
    Act::OtherOrigin,
    Act::Clock(DAY),
    Act::Clock(-DAY),
    Act::Clock(-3_600),
];
/// Acts that are tried without faults: others are similar, or they cannot fail.
const WITHOUT_FAULTS: [Act; 4] =
    [Act::SignOutAndIn(1), Act::SignInOver(0), Act::OtherOrigin, Act::Clock(-3_600)];
const DAY: i64 = 86_400;
/// One in this many random faults is a suspension, because it takes seconds.
const STOP_ODDS: usize = 40;
/// How many messages and writes after an act are made to fail.
const FAULTS_AFTER_ACT: (usize, usize) = (3, 2);

/// A run: how many processes share the vault, which faults occur, and which acts take place.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub processes: usize,
    pub faults: Vec<Fault>,
    /// Each with the round before which it takes place.
    pub acts: Vec<(usize, Act)>,
    /// Whether the disk has no locks between processes.
    pub is_lockless: bool,
}

impl Plan {
    /// A plan without faults.
    pub fn quiet(processes: usize) -> Plan {
        Plan { processes, ..Plan::default() }
    }

    /// All plans with one fault, for runs of this many messages and writes.
    pub fn singles(processes: usize, messages: usize, saves: usize) -> Vec<Plan> {
        let faults = of_messages(0..messages, &MESSAGE_FAULTS);
        let faults = faults.chain(of_saves(0..saves, &SAVE_FAULTS));
        Plan::quiet(processes).with_each(faults)
    }

    /// All plans in which one process is suspended once.
    pub fn stops(processes: usize, messages: usize, saves: usize) -> Vec<Plan> {
        let faults = of_messages(0..messages, &MESSAGE_STOPS);
        let faults = faults.chain(of_saves(0..saves, &SAVE_STOPS));
        Plan::quiet(processes).with_each(faults)
    }

    /// Plans without locks: one without faults, and some with faults of the first messages, when
    /// all processes renew at once.
    pub fn lockless(processes: usize, messages: usize) -> Vec<Plan> {
        let quiet = Plan { is_lockless: true, ..Plan::quiet(processes) };
        let mut plans = quiet.with_each(of_messages(0..messages, &MESSAGE_FAULTS_WITH_ACTS));
        plans.push(quiet);
        plans
    }

    /// A plan with each act alone.
    pub fn acts(processes: usize) -> Vec<Plan> {
        let between = ACTS.into_iter().map(|act| (1, act));
        let opening = [Act::AdoptByOne, Act::AdoptByAll].into_iter().map(|act| (0, act));
        let is_another = |act: &(usize, Act)| processes > 1 || !act.1.is_of_the_second();
        let acts = opening.chain(between).filter(is_another);
        acts.map(|act| Plan { acts: vec![act], ..Plan::quiet(processes) }).collect()
    }

    /// Whether the acts are combined with faults.
    pub fn is_worth_faults(&self) -> bool {
        self.acts.iter().all(|(_, act)| !WITHOUT_FAULTS.contains(act))
    }

    /// This plan with one fault each, at or soon after this many messages and writes.
    pub fn with_faults_after(&self, (messages, saves): (usize, usize)) -> Vec<Plan> {
        let faults =
            of_messages(messages..messages + FAULTS_AFTER_ACT.0, &MESSAGE_FAULTS_WITH_ACTS);
        self.with_each(faults.chain(of_saves(saves..saves + FAULTS_AFTER_ACT.1, &SAVE_FAULTS)))
    }

    /// A plan with two faults and perhaps some acts, reproducible by its seed.
    pub fn pair(seed: u64, most_messages: usize, most_saves: usize) -> Plan {
        let mut random = StdRng::seed_from_u64(seed);
        let processes = random.random_range(1..=3);
        let faults = (0..2).map(|_| any_fault(&mut random, most_messages, most_saves)).collect();
        let plan = Plan { faults, ..Plan::quiet(processes) };
        match random.random_range(0..8) {
            // Without a lock, a suspended process overwrites what others have written.
            0 if !plan.has_stops() => Plan { is_lockless: true, ..plan },
            1..=3 => Plan { acts: any_acts(&mut random), ..plan },
            _ => plan,
        }
    }

    /// Whether the run begins with tokens of another vault.
    pub(super) fn adopts(&self) -> bool {
        self.acts.iter().any(|(_, act)| matches!(act, Act::AdoptByOne | Act::AdoptByAll))
    }

    /// Whether a process signs in again.
    pub(super) fn signs_in(&self) -> bool {
        let signs_in = |act: &Act| matches!(act, Act::SignOutAndIn(_) | Act::SignInOver(_));
        self.acts.iter().any(|(_, act)| signs_in(act))
    }

    /// Whether an answer of the server may be lost: not if everything works, nor if only requests
    /// are lost and no process is killed or suspended.
    pub(super) fn may_lose_answers(&self) -> bool {
        let may_lose = |fault: &Fault| match fault {
            Fault::Message(
                _,
                MessageFault::DropRequest | MessageFault::CutRequest | MessageFault::Proxy,
            ) => false,
            Fault::Message(..) | Fault::Save(..) => true,
        };
        self.is_lockless || self.faults.iter().any(may_lose)
    }

    /// The acts before this round.
    pub(super) fn before(&self, round: usize) -> impl Iterator<Item = Act> {
        self.acts.iter().filter(move |(number, _)| *number == round).map(|(_, act)| *act)
    }

    pub(super) fn message(&self, at: usize) -> Option<MessageFault> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Message(number, fault) if *number == at => Some(*fault),
            _ => None,
        })
    }

    pub(super) fn save(&self, at: usize) -> Option<SaveFault> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Save(number, fault) if *number == at => Some(*fault),
            _ => None,
        })
    }

    fn with_each(&self, faults: impl Iterator<Item = Fault>) -> Vec<Plan> {
        faults.map(|fault| Plan { faults: vec![fault], ..self.clone() }).collect()
    }

    fn has_stops(&self) -> bool {
        self.faults.iter().any(|fault| match fault {
            Fault::Message(_, fault) => MESSAGE_STOPS.contains(fault),
            Fault::Save(_, fault) => SAVE_STOPS.contains(fault),
        })
    }
}

impl Act {
    fn is_of_the_second(self) -> bool {
        matches!(self, Act::SignOutAndIn(1) | Act::SignInOver(1))
    }
}

fn of_messages(at: Range<usize>, faults: &[MessageFault]) -> impl Iterator<Item = Fault> {
    at.flat_map(move |at| faults.iter().map(move |fault| Fault::Message(at, *fault)))
}

fn of_saves(at: Range<usize>, faults: &[SaveFault]) -> impl Iterator<Item = Fault> {
    at.flat_map(move |at| faults.iter().map(move |fault| Fault::Save(at, *fault)))
}

fn any_fault(random: &mut StdRng, messages: usize, saves: usize) -> Fault {
    let is_stop = random.random_range(0..STOP_ODDS) == 0;
    let (of_messages, of_saves): (&[MessageFault], &[SaveFault]) = match is_stop {
        true => (&MESSAGE_STOPS, &SAVE_STOPS),
        false => (&MESSAGE_FAULTS, &SAVE_FAULTS),
    };
    if random.random_range(0..of_messages.len() + of_saves.len()) < of_saves.len() {
        let fault = of_saves.choose(random).copied().unwrap_or(SaveFault::Full);
        return Fault::Save(random.random_range(0..saves.max(1)), fault);
    }
    let fault = of_messages.choose(random).copied().unwrap_or(MessageFault::DropAnswer);
    Fault::Message(random.random_range(0..messages.max(1)), fault)
}

/// One or two acts, and perhaps adopted tokens at the beginning.
fn any_acts(random: &mut StdRng) -> Vec<(usize, Act)> {
    let mut acts = Vec::new();
    match random.random_range(0..6) {
        0 => acts.push((0, Act::AdoptByOne)),
        1 => acts.push((0, Act::AdoptByAll)),
        _ => {}
    }
    for _ in 0..random.random_range(1..=2) {
        let act = ACTS.choose(random).copied().unwrap_or(Act::OtherOrigin);
        acts.push((random.random_range(0..ROUNDS), act));
    }
    acts
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} processes", self.processes)?;
        if self.is_lockless {
            write!(f, ", no locks")?;
        }
        for (round, act) in &self.acts {
            write!(f, ", before round {round}: {act:?}")?;
        }
        for fault in &self.faults {
            match fault {
                Fault::Message(at, fault) => write!(f, ", message {at}: {fault:?}")?,
                Fault::Save(at, fault) => write!(f, ", write {at}: {fault:?}")?,
            }
        }
        Ok(())
    }
}
