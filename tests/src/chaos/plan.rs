//! What goes wrong in a run, and when.

use std::fmt;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

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
}

/// Every fault of a message.
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

/// Every fault of a write.
pub const SAVE_FAULTS: [SaveFault; 3] =
    [SaveFault::CrashBefore, SaveFault::CrashAfter, SaveFault::Full];

/// A run: how many processes share the vault, and what goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub processes: usize,
    pub faults: Vec<Fault>,
}

impl Plan {
    /// All runs with one fault, for runs of so many messages and writes.
    pub fn singles(processes: usize, messages: usize, saves: usize) -> Vec<Plan> {
        let of_messages = (0..messages)
            .flat_map(|at| MESSAGE_FAULTS.into_iter().map(move |fault| Fault::Message(at, fault)));
        let of_saves = (0..saves)
            .flat_map(|at| SAVE_FAULTS.into_iter().map(move |fault| Fault::Save(at, fault)));
        of_messages.chain(of_saves).map(|fault| Plan { processes, faults: vec![fault] }).collect()
    }

    /// A run with two faults, always the same for a seed.
    pub fn pair(seed: u64, most_messages: usize, most_saves: usize) -> Plan {
        let mut random = StdRng::seed_from_u64(seed);
        let processes = random.random_range(1..=3);
        let faults = (0..2).map(|_| any_fault(&mut random, most_messages, most_saves)).collect();
        Plan { processes, faults }
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
}

fn any_fault(random: &mut StdRng, messages: usize, saves: usize) -> Fault {
    let faults = MESSAGE_FAULTS.len() + SAVE_FAULTS.len();
    if random.random_range(0..faults) < SAVE_FAULTS.len() {
        let fault = SAVE_FAULTS.choose(random).copied().unwrap_or(SaveFault::Full);
        return Fault::Save(random.random_range(0..saves.max(1)), fault);
    }
    let fault = MESSAGE_FAULTS.choose(random).copied().unwrap_or(MessageFault::DropAnswer);
    Fault::Message(random.random_range(0..messages.max(1)), fault)
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} processes", self.processes)?;
        for fault in &self.faults {
            match fault {
                Fault::Message(at, fault) => write!(f, ", message {at}: {fault:?}")?,
                Fault::Save(at, fault) => write!(f, ", write {at}: {fault:?}")?,
            }
        }
        Ok(())
    }
}
