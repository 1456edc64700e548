//! Counts the messages and writes of a run and decides which of them fail.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::plan::{MessageFault, Plan, SaveFault};

/// The state that all processes of a run share.
pub(super) struct Faults {
    plan: Plan,
    is_armed: AtomicBool,
    messages: AtomicUsize,
    saves: AtomicUsize,
}

impl Faults {
    /// Nothing is counted and nothing fails before [`arm`](Self::arm).
    pub fn new(plan: Plan) -> Self {
        Faults {
            plan,
            is_armed: AtomicBool::new(false),
            messages: AtomicUsize::new(0),
            saves: AtomicUsize::new(0),
        }
    }

    pub fn arm(&self, is_armed: bool) {
        self.is_armed.store(is_armed, Ordering::SeqCst);
    }

    /// The fault of the next message.
    pub fn message(&self) -> Option<MessageFault> {
        let at = self.next(&self.messages)?;
        self.plan.message(at)
    }

    /// Whether a process must be suspended before it sends the next message. If so, the message is
    /// counted.
    pub fn stops_before_send(&self) -> bool {
        let at = self.messages.load(Ordering::SeqCst);
        self.is_armed.load(Ordering::SeqCst)
            && self.plan.message(at) == Some(MessageFault::StopBeforeSend)
            && self
                .messages
                .compare_exchange(at, at + 1, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
    }

    /// The fault of the next write.
    pub fn save(&self) -> Option<SaveFault> {
        let at = self.next(&self.saves)?;
        self.plan.save(at)
    }

    /// The number of messages and writes so far.
    pub fn counted(&self) -> (usize, usize) {
        (self.messages.load(Ordering::SeqCst), self.saves.load(Ordering::SeqCst))
    }

    fn next(&self, counter: &AtomicUsize) -> Option<usize> {
        self.is_armed.load(Ordering::SeqCst).then(|| counter.fetch_add(1, Ordering::SeqCst))
    }
}
