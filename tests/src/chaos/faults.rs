//! Counts messages and writes of a run, and tells when one is to fail.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::plan::{MessageFault, Plan, SaveFault};

/// What all processes of a run share.
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

    /// What happens to the next message.
    pub fn message(&self) -> Option<MessageFault> {
        let at = self.next(&self.messages)?;
        self.plan.message(at)
    }

    /// Whether a process is to be stopped at the next message before that is sent; it counts then.
    pub fn stops_before_send(&self) -> bool {
        let at = self.messages.load(Ordering::SeqCst);
        self.is_armed.load(Ordering::SeqCst)
            && self.plan.message(at) == Some(MessageFault::StopBeforeSend)
            && self
                .messages
                .compare_exchange(at, at + 1, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
    }

    /// What happens to the next write.
    pub fn save(&self) -> Option<SaveFault> {
        let at = self.next(&self.saves)?;
        self.plan.save(at)
    }

    /// Messages and writes so far.
    pub fn counted(&self) -> (usize, usize) {
        (self.messages.load(Ordering::SeqCst), self.saves.load(Ordering::SeqCst))
    }

    fn next(&self, counter: &AtomicUsize) -> Option<usize> {
        self.is_armed.load(Ordering::SeqCst).then(|| counter.fetch_add(1, Ordering::SeqCst))
    }
}
