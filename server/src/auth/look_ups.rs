//! Questions about single accounts to the database of another system, while its accounts are adopted.
//! A use case above answers them one by one; whoever asks waits for a short time.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::donor::Wanted;

/// Questions that may wait; a further one is not asked.
const QUEUE: usize = 32;
/// How long a request waits for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A question, and who waits for it.
pub struct Question {
    pub wanted: Wanted,
    pub answered: oneshot::Sender<()>,
}

/// Where questions are asked; nowhere, unless something answers them.
#[derive(Default)]
pub struct LookUps(OnceLock<mpsc::Sender<Question>>);

impl LookUps {
    /// The questions from now on; `None` if something answers them already.
    pub fn open(&self) -> Option<mpsc::Receiver<Question>> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        self.0.set(sender).ok().map(|()| receiver)
    }

    pub fn are_answered(&self) -> bool {
        self.0.get().is_some()
    }

    /// Asks, and waits until what was found is stored; false if that was not done in time.
    pub async fn ask(&self, wanted: Wanted) -> bool {
        let Some(sender) = self.0.get() else { return false };
        let (answered, answer) = oneshot::channel();
        if sender.try_send(Question { wanted, answered }).is_err() {
            return false;
        }
        matches!(timeout(PATIENCE, answer).await, Ok(Ok(())))
    }
}
