//! Questions that many requests ask of the database at the same time. While one statement is under
//! way, further requests wait, and the next statement answers them all; a request that comes alone
//! does not wait. So the trips and commits of many requests are shared, on Postgres too.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::BoxFuture;
use super::group_commit::ANSWER_LIMIT;
use crate::error::{Error, Fault, Result};

/// How many requests one statement answers.
const MOST: usize = 64;

/// Answers questions in their order.
type Ask<Q, A> = dyn Fn(Vec<Q>) -> BoxFuture<'static, Result<Vec<A>>> + Send + Sync;

/// Questions of one kind; clones share them.
pub struct Batches<Q, A> {
    ask: Arc<Ask<Q, A>>,
    state: Arc<Mutex<State<Q, A>>>,
}

struct State<Q, A> {
    waiting: Vec<Asked<Q, A>>,
    /// Whether a task asks what waits.
    is_asking: bool,
}

struct Asked<Q, A> {
    question: Q,
    answer: oneshot::Sender<Result<A>>,
}

impl<Q, A> Clone for Batches<Q, A> {
    fn clone(&self) -> Self {
        Batches { ask: Arc::clone(&self.ask), state: Arc::clone(&self.state) }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Batches<Q, A> {
    /// `ask` is given up to 64 questions, and answers all of them in their order.
    pub fn new<F>(ask: F) -> Self
    where
        F: Fn(Vec<Q>) -> BoxFuture<'static, Result<Vec<A>>> + Send + Sync + 'static,
    {
        let state = State { waiting: Vec::new(), is_asking: false };
        Batches { ask: Arc::new(ask), state: Arc::new(Mutex::new(state)) }
    }

    /// The answer to this question. A question whose asker stops waiting before its statement begins
    /// is not asked; after that, the statement runs to its end.
    pub async fn ask(&self, question: Q) -> Result<A> {
        let (answer, answered) = oneshot::channel();
        let is_asking = self.update(|state| {
            state.waiting.push(Asked { question, answer });
            std::mem::replace(&mut state.is_asking, true)
        });
        if !is_asking {
            // In a task of its own: this request may end before those that wait are answered.
            tokio::spawn(self.clone().ask_all());
        }
        match timeout(ANSWER_LIMIT, answered).await {
            Ok(answered) => answered.map_err(|_| Error::Internal(Fault::WriterGone))?,
            Err(_) => Err(Error::Busy { retry_after: 1 }),
        }
    }

    async fn ask_all(self) {
        while let Some(batch) = self.next() {
            let (questions, answers): (Vec<Q>, Vec<_>) =
                batch.into_iter().map(|asked| (asked.question, asked.answer)).unzip();
            // After a panic the askers learn that their answer was lost, and the next ones are
            // answered.
            let outcome = AssertUnwindSafe((self.ask)(questions)).catch_unwind().await;
            match outcome.unwrap_or(Err(Error::Internal(Fault::WriterGone))) {
                Ok(outcomes) => {
                    for (answer, outcome) in answers.into_iter().zip(outcomes) {
                        // The asker may have stopped waiting.
                        drop(answer.send(Ok(outcome)));
                    }
                }
                Err(error) => {
                    for answer in answers {
                        drop(answer.send(Err(same_error(&error))));
                    }
                }
            }
        }
    }

    /// What waits, up to [`MOST`]; `None`, and no task asks any more, if nothing does.
    fn next(&self) -> Option<Vec<Asked<Q, A>>> {
        self.update(|state| {
            state.waiting.retain(|asked| !asked.answer.is_closed());
            if state.waiting.is_empty() {
                state.is_asking = false;
                return None;
            }
            let count = state.waiting.len().min(MOST);
            Some(state.waiting.drain(..count).collect())
        })
    }

    fn update<T>(&self, change: impl FnOnce(&mut State<Q, A>) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The error of a statement for each of its askers.
fn same_error(error: &Error) -> Error {
    match error {
        Error::Busy { retry_after } => Error::Busy { retry_after: *retry_after },
        other => Error::Internal(Fault::Shared(other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    /// A statement under way: what it is asked, and where its answer is expected.
    type UnderWay = (Vec<u32>, oneshot::Sender<Result<Vec<u32>>>);

    /// Batches whose statements the test answers.
    fn batches() -> (Batches<u32, u32>, mpsc::UnboundedReceiver<UnderWay>) {
        let (begun, statements) = mpsc::unbounded_channel();
        let batches = Batches::new(move |questions| {
            let (answer, answered) = oneshot::channel();
            begun.send((questions, answer)).expect("the test waits");
            Box::pin(async move { answered.await.expect("the test answers") })
        });
        (batches, statements)
    }

    /// Asks in a task, and returns when the question waits.
    async fn asking(
        batches: &Batches<u32, u32>,
        question: u32,
    ) -> tokio::task::JoinHandle<Result<u32>> {
        let batches = batches.clone();
        let asker = tokio::spawn(async move { batches.ask(question).await });
        tokio::task::yield_now().await;
        asker
    }

    fn tenfold(questions: &[u32]) -> Result<Vec<u32>> {
        Ok(questions.iter().map(|question| question * 10).collect())
    }

    #[tokio::test]
    async fn questions_that_come_meanwhile_are_asked_together() {
        let (batches, mut statements) = batches();
        let first = asking(&batches, 1).await;
        let (questions, answer) = statements.recv().await.expect("a statement");
        assert_eq!(questions, [1], "a question that comes alone does not wait");
        let mut others = Vec::new();
        for question in 2..=MOST as u32 + 2 {
            others.push(asking(&batches, question).await);
        }
        answer.send(tenfold(&questions)).expect("it waits");
        assert_eq!(first.await.expect("no panic").expect("an answer"), 10);
        let mut asked = Vec::new();
        for count in [MOST, 1] {
            let (questions, answer) = statements.recv().await.expect("a statement");
            assert_eq!(questions.len(), count);
            answer.send(tenfold(&questions)).expect("it waits");
            asked.extend(questions);
        }
        for (question, asker) in asked.into_iter().zip(others) {
            assert_eq!(asker.await.expect("no panic").expect("an answer"), question * 10);
        }
        let again = asking(&batches, 7).await;
        let (questions, answer) = statements.recv().await.expect("a statement");
        answer.send(tenfold(&questions)).expect("it waits");
        assert_eq!(again.await.expect("no panic").expect("an answer"), 70);
    }

    #[tokio::test]
    async fn error_and_panic_reach_all_askers_and_end_with_their_statement() {
        let (batches, mut statements) = batches();
        let mut askers = vec![asking(&batches, 1).await];
        let (_, answer) = statements.recv().await.expect("a statement");
        for question in [2, 3] {
            askers.push(asking(&batches, question).await);
        }
        answer.send(Err(Error::Busy { retry_after: 1 })).expect("it waits");
        let first = askers.remove(0).await.expect("no panic");
        assert!(matches!(first, Err(Error::Busy { retry_after: 1 })));
        // Without an answer, the statement of this test panics.
        let (questions, answer) = statements.recv().await.expect("a statement");
        assert_eq!(questions, [2, 3]);
        drop(answer);
        for asker in askers {
            assert!(matches!(asker.await.expect("no panic"), Err(Error::Internal(_))));
        }
        let next = asking(&batches, 4).await;
        let (questions, answer) = statements.recv().await.expect("a statement");
        answer.send(tenfold(&questions)).expect("it waits");
        assert_eq!(next.await.expect("no panic").expect("an answer"), 40);
    }

    #[tokio::test]
    async fn question_of_an_asker_that_has_gone_is_not_asked() {
        let (batches, mut statements) = batches();
        let first = asking(&batches, 1).await;
        let (questions, answer) = statements.recv().await.expect("a statement");
        let gone = asking(&batches, 2).await;
        let patient = asking(&batches, 3).await;
        gone.abort();
        assert!(gone.await.expect_err("aborted").is_cancelled());
        answer.send(tenfold(&questions)).expect("it waits");
        assert_eq!(first.await.expect("no panic").expect("an answer"), 10);
        let (questions, answer) = statements.recv().await.expect("a statement");
        assert_eq!(questions, [3]);
        // An asker that goes meanwhile does not take the statement along.
        patient.abort();
        assert!(patient.await.expect_err("aborted").is_cancelled());
        let last = asking(&batches, 4).await;
        drop(answer.send(tenfold(&questions)));
        let (questions, answer) = statements.recv().await.expect("a statement");
        assert_eq!(questions, [4]);
        answer.send(tenfold(&questions)).expect("it waits");
        assert_eq!(last.await.expect("no panic").expect("an answer"), 40);
    }

    #[tokio::test(start_paused = true)]
    async fn asker_does_not_wait_for_ever() {
        let (batches, mut statements) = batches();
        let asker = asking(&batches, 1).await;
        let (_, _answer) = statements.recv().await.expect("a statement");
        assert!(matches!(asker.await.expect("no panic"), Err(Error::Busy { .. })));
    }
}
