//! Questions about single accounts to the database of another system, while its accounts are adopted.
//! A use case above answers a few at once; whoever asks waits for a short time, and one network
//! cannot use up all places.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::auth::limits::network_key::Network;
use crate::donor::Wanted;

/// Questions that may wait; a further one is not asked.
const QUEUE: usize = 32;
/// Questions of one network that may wait: fewer than are answered at once.
const PER_NETWORK: usize = 4;
/// How long a request waits for its answer.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// A question, and who waits for it.
pub struct Question {
    pub wanted: Wanted,
    pub answered: oneshot::Sender<()>,
}

/// Where questions are asked; nowhere, unless something answers them.
#[derive(Default)]
pub struct LookUps {
    questions: OnceLock<mpsc::Sender<Question>>,
    /// How many questions of each network wait.
    waiting: Mutex<HashMap<Network, usize>>,
}

/// A place among those of a network, until it is dropped.
struct Place<'l> {
    look_ups: &'l LookUps,
    network: Network,
}

impl LookUps {
    /// The questions from now on; `None` if something answers them already.
    pub fn open(&self) -> Option<mpsc::Receiver<Question>> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        self.questions.set(sender).ok().map(|()| receiver)
    }

    pub fn are_answered(&self) -> bool {
        self.questions.get().is_some()
    }

    /// Asks, and waits until what was found is stored; false if that was not done in time.
    pub async fn ask(&self, wanted: Wanted, from: IpAddr) -> bool {
        let Some(sender) = self.questions.get() else { return false };
        let Some(_place) = self.place(Network::of(from)) else { return false };
        let (answered, answer) = oneshot::channel();
        if sender.try_send(Question { wanted, answered }).is_err() {
            return false;
        }
        matches!(timeout(PATIENCE, answer).await, Ok(Ok(())))
    }

    /// `None` if all places of the network are taken.
    fn place(&self, network: Network) -> Option<Place<'_>> {
        let mut waiting = self.waiting();
        let taken = waiting.entry(network).or_default();
        if *taken >= PER_NETWORK {
            return None;
        }
        *taken += 1;
        Some(Place { look_ups: self, network })
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.look_ups.waiting();
        match waiting.get_mut(&self.network) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => {
                waiting.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::JoinHandle;

    use super::*;

    fn ask(look_ups: &Arc<LookUps>, host: u8) -> JoinHandle<bool> {
        let look_ups = Arc::clone(look_ups);
        let wanted = Wanted::Token("token".to_owned());
        tokio::spawn(async move { look_ups.ask(wanted, IpAddr::from([192, 0, 2, host])).await })
    }

    async fn is_answered(
        questions: &mut mpsc::Receiver<Question>,
        asked: JoinHandle<bool>,
    ) -> bool {
        let question = questions.recv().await.expect("a question");
        question.answered.send(()).is_ok() && asked.await.expect("no panic")
    }

    #[tokio::test]
    async fn network_with_many_questions_leaves_places_to_others() {
        let look_ups = Arc::<LookUps>::default();
        let mut questions = look_ups.open().expect("nothing answers yet");
        let (mut asked, mut waiting) = (Vec::new(), Vec::new());
        for _ in 0..PER_NETWORK {
            asked.push(ask(&look_ups, 1));
            waiting.push(questions.recv().await.expect("a question"));
        }
        assert!(!ask(&look_ups, 1).await.expect("no panic"), "its places are taken");
        let other = ask(&look_ups, 2);
        assert!(is_answered(&mut questions, other).await);
        for (question, asked) in waiting.into_iter().zip(asked) {
            assert!(question.answered.send(()).is_ok());
            assert!(asked.await.expect("no panic"));
        }
        let again = ask(&look_ups, 1);
        assert!(is_answered(&mut questions, again).await);
        assert!(look_ups.waiting().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn question_without_an_answer_is_given_up_in_time() {
        let look_ups = Arc::<LookUps>::default();
        let mut questions = look_ups.open().expect("nothing answers yet");
        let asked = ask(&look_ups, 1);
        let question = questions.recv().await.expect("a question");
        assert!(!asked.await.expect("no panic"));
        assert!(question.answered.is_closed());
        assert!(look_ups.waiting().is_empty());
    }
}
