//! The troubles of a network, switched on and off while it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Clones are the same network.
#[derive(Clone)]
pub struct Faults(Arc<State>);

struct State {
    offline: watch::Sender<bool>,
    loses_next_answer: AtomicBool,
}

impl Default for Faults {
    fn default() -> Self {
        let (offline, _) = watch::channel(false);
        Faults(Arc::new(State { offline, loses_next_answer: AtomicBool::new(false) }))
    }
}

impl Faults {
    /// Takes the network away, also from requests under way; or brings it back.
    pub fn set_offline(&self, is_offline: bool) {
        self.0.offline.send_replace(is_offline);
    }

    pub fn is_offline(&self) -> bool {
        *self.0.offline.borrow()
    }

    /// Loses the next answer: the server has done its work, and the client never learns.
    pub fn lose_next_answer(&self) {
        self.0.loses_next_answer.store(true, Ordering::SeqCst);
    }

    /// Ends every trouble.
    pub fn reset(&self) {
        self.set_offline(false);
        self.0.loses_next_answer.store(false, Ordering::SeqCst);
    }

    /// Whether an answer will be lost.
    pub fn will_lose_an_answer(&self) -> bool {
        self.0.loses_next_answer.load(Ordering::SeqCst)
    }

    /// Whether this one is lost; only one is.
    pub(super) fn loses_this_answer(&self) -> bool {
        self.0.loses_next_answer.swap(false, Ordering::SeqCst)
    }

    /// Waits until the network is down.
    pub(super) async fn network_fails(&self) {
        let mut offline = self.0.offline.subscribe();
        if offline.wait_for(|is_offline| *is_offline).await.is_err() {
            std::future::pending().await
        }
    }
}
