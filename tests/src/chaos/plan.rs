//! What goes wrong in a run, and when.

use std::fmt;
use std::ops::Range;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use super::run::ROUNDS;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// At the exchange of this number, counted over all processes from the end of the sign-in.
    Message(usize, MessageFault),
    /// At the write of this number to the vault, likewise.
    Save(usize, SaveFault),
}

/// What happens to a request and its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageFault {
    /// The request never arrives.
    DropRequest,
    /// The server answers, and nobody hears it.
    DropAnswer,
    /// Half of the request arrives.
    CutRequest,
    /// Half of the answer does.
    CutAnswer,
    /// The request arrives when the client has given up, and has perhaps asked again.
    LateRequest,
    /// The answer would, if anybody were still there.
    LateAnswer,
    /// The request arrives twice, and the first answer is heard.
    TwiceFirst,
    /// The same, and the second one is.
    TwiceSecond,
    /// A proxy answers in the server's place.
    Proxy,
    /// The process is killed before its request has left it.
    CrashBeforeSend,
    /// The process is killed when the server has answered.
    CrashAfterSend,
    /// The process stands still when its connection stands and before it sends, and others go on.
    StopBeforeSend,
    /// The process stands still when the server has answered.
    StopAfterSend,
}

/// What happens when the vault is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SaveFault {
    /// The process is killed before anything is written.
    CrashBefore,
    /// The process is killed when everything is.
    CrashAfter,
    /// The disk is full.
    Full,
    /// The process stands still before anything is written, and has the lock.
    StopBefore,
    /// The process stands still when everything is written, and has no lock any more.
    StopAfter,
}

/// What the app and its device do between two rounds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Act {
    /// This process signs out while the others renew, and in again.
    SignOutAndIn(usize),
    /// This process signs in over the session that is there, while the others renew.
    SignInOver(usize),
    /// The run begins with tokens of another vault, which one process hands over.
    AdoptByOne,
    /// The same, and all processes do.
    AdoptByAll,
    /// A client of another server comes to the vault.
    OtherOrigin,
    /// The device's clock is moved by so many seconds.
    Clock(i64),
}

/// Every fault of a message but those that take long.
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

/// Every fault of a write but those that take long.
pub const SAVE_FAULTS: [SaveFault; 3] =
    [SaveFault::CrashBefore, SaveFault::CrashAfter, SaveFault::Full];

/// A process that stands still, at a message.
const MESSAGE_STOPS: [MessageFault; 2] =
    [MessageFault::StopBeforeSend, MessageFault::StopAfterSend];

/// A process that stands still, at a write.
const SAVE_STOPS: [SaveFault; 2] = [SaveFault::StopBefore, SaveFault::StopAfter];

/// The faults of messages that acts are tried with.
const MESSAGE_HANDFUL: [MessageFault; 4] = [
    MessageFault::DropAnswer,
    MessageFault::LateRequest,
    MessageFault::TwiceSecond,
    MessageFault::CrashAfterSend,
];

/// Acts between rounds.
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
/// Those that are tried without faults: others are like them, or nothing of them can fail.
const WITHOUT_FAULTS: [Act; 4] =
    [Act::SignOutAndIn(1), Act::SignInOver(0), Act::OtherOrigin, Act::Clock(-3_600)];
const DAY: i64 = 86_400;
/// One of so many faults in random plans is a process that stands still, which takes seconds.
const RARELY: usize = 40;
/// How many messages and writes of an act are tried to fail.
const RIGHT_AFTER: (usize, usize) = (3, 2);

/// A run: how many processes share the vault, what goes wrong, and what is done meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub processes: usize,
    pub faults: Vec<Fault>,
    /// Each before the round of this number.
    pub acts: Vec<(usize, Act)>,
    /// The disk has no locks between processes.
    pub is_lockless: bool,
}

impl Plan {
    /// Nothing goes wrong.
    pub fn quiet(processes: usize) -> Plan {
        Plan { processes, ..Plan::default() }
    }

    /// All runs with one fault, for runs of so many messages and writes.
    pub fn singles(processes: usize, messages: usize, saves: usize) -> Vec<Plan> {
        let faults = of_messages(0..messages, &MESSAGE_FAULTS);
        let faults = faults.chain(of_saves(0..saves, &SAVE_FAULTS));
        Plan::quiet(processes).with_each(faults)
    }

    /// All runs in which a process stands still once.
    pub fn stops(processes: usize, messages: usize, saves: usize) -> Vec<Plan> {
        let faults = of_messages(0..messages, &MESSAGE_STOPS);
        let faults = faults.chain(of_saves(0..saves, &SAVE_STOPS));
        Plan::quiet(processes).with_each(faults)
    }

    /// Runs without locks: a quiet one, and with faults of the first messages, when all renew at once.
    pub fn lockless(processes: usize, messages: usize) -> Vec<Plan> {
        let quiet = Plan { is_lockless: true, ..Plan::quiet(processes) };
        let mut plans = quiet.with_each(of_messages(0..messages, &MESSAGE_HANDFUL));
        plans.push(quiet);
        plans
    }

    /// A run with each act alone.
    pub fn acts(processes: usize) -> Vec<Plan> {
        let between = ACTS.into_iter().map(|act| (1, act));
        let opening = [Act::AdoptByOne, Act::AdoptByAll].into_iter().map(|act| (0, act));
        let is_another = |act: &(usize, Act)| processes > 1 || !act.1.is_of_the_second();
        let acts = opening.chain(between).filter(is_another);
        acts.map(|act| Plan { acts: vec![act], ..Plan::quiet(processes) }).collect()
    }

    /// Whether an act is one that is tried with faults.
    pub fn is_worth_faults(&self) -> bool {
        self.acts.iter().all(|(_, act)| !WITHOUT_FAULTS.contains(act))
    }

    /// This run with one fault each, at or soon after this many messages and writes.
    pub fn with_faults_after(&self, (messages, saves): (usize, usize)) -> Vec<Plan> {
        let faults = of_messages(messages..messages + RIGHT_AFTER.0, &MESSAGE_HANDFUL);
        self.with_each(faults.chain(of_saves(saves..saves + RIGHT_AFTER.1, &SAVE_FAULTS)))
    }

    /// A run with two faults and perhaps some acts, always the same for a seed.
    pub fn pair(seed: u64, most_messages: usize, most_saves: usize) -> Plan {
        let mut random = StdRng::seed_from_u64(seed);
        let processes = random.random_range(1..=3);
        let faults = (0..2).map(|_| any_fault(&mut random, most_messages, most_saves)).collect();
        let plan = Plan { faults, ..Plan::quiet(processes) };
        match random.random_range(0..8) {
            // Whoever is stopped before it writes undoes without a lock what others have written.
            0 if !plan.has_stops() => Plan { is_lockless: true, ..plan },
            1..=3 => Plan { acts: any_acts(&mut random), ..plan },
            _ => plan,
        }
    }

    /// Whether the run begins with tokens of another vault.
    pub(super) fn adopts(&self) -> bool {
        self.acts.iter().any(|(_, act)| matches!(act, Act::AdoptByOne | Act::AdoptByAll))
    }

    /// Whether somebody signs in again.
    pub(super) fn signs_in(&self) -> bool {
        let signs_in = |act: &Act| matches!(act, Act::SignOutAndIn(_) | Act::SignInOver(_));
        self.acts.iter().any(|(_, act)| signs_in(act))
    }

    /// What is done before this round.
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
    let is_stop = random.random_range(0..RARELY) == 0;
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

/// One or two, and perhaps tokens of another vault at the beginning.
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
