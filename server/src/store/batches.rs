//! Questions that many requests ask of the database at the same time. While one statement is under
//! way, further requests wait, and the next statement answers them all; a request that comes alone
//! does not wait. So the trips and commits of many requests are shared, on Postgres too. The log lines
//! of a shared statement name no request.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use super::BoxFuture;
use super::group_commit::ANSWER_LIMIT;
use super::many_rows::MOST_ROWS;
use crate::error::{Error, Fault, Result};

/// How many requests one statement answers.
const MOST: usize = MOST_ROWS;
/// A statement that takes longer may be on a dead connection: another one begins for those that wait.
const SLOW: Duration = Duration::from_millis(100);
/// How many statements may be under way if all are slow.
const AT_ONCE: usize = 4;

/// Answers questions in their order.
type Ask<Q, A> = dyn Fn(Arc<[Q]>) -> BoxFuture<'static, Result<Vec<A>>> + Send + Sync;

/// Where an asker waits.
type Answer<A> = oneshot::Sender<Result<A>>;

/// Questions of one kind; clones share them.
pub struct Batches<Q, A> {
    ask: Arc<Ask<Q, A>>,
    /// How long questions have waited until their statement began, in seconds.
    waits: Histogram,
    state: Arc<Mutex<State<Q, A>>>,
}

struct State<Q, A> {
    waiting: Vec<Asked<Q, A>>,
    /// When the statements under way began, each in a task of its own.
    under_way: Vec<Instant>,
}

struct Asked<Q, A> {
    question: Q,
    at: Instant,
    answer: Answer<A>,
}

impl<Q, A> Clone for Batches<Q, A> {
    fn clone(&self) -> Self {
        Batches {
            ask: Arc::clone(&self.ask),
            waits: self.waits.clone(),
            state: Arc::clone(&self.state),
        }
    }
}

impl<Q: Clone + Send + Sync + 'static, A: Send + 'static> Batches<Q, A> {
    /// `ask` is given up to 64 questions, and answers all of them in their order. To ask one again must
    /// be harmless.
    pub fn new<F>(waits: Histogram, ask: F) -> Self
    where
        F: Fn(Arc<[Q]>) -> BoxFuture<'static, Result<Vec<A>>> + Send + Sync + 'static,
    {
        let state = State { waiting: Vec::new(), under_way: Vec::new() };
        Batches { ask: Arc::new(ask), waits, state: Arc::new(Mutex::new(state)) }
    }

    /// The answer to this question. A question whose asker stops waiting before its statement begins
    /// is not asked; after that, the statement runs to its end.
    pub async fn ask(&self, question: Q) -> Result<A> {
        let (answer, mut answered) = oneshot::channel();
        let at = Instant::now();
        self.update(|state| state.waiting.push(Asked { question, at, answer }));
        while at.elapsed() < ANSWER_LIMIT {
            self.begin_if_all_are_slow();
            if let Ok(answered) = timeout(SLOW, &mut answered).await {
                return answered.unwrap_or_else(|_| Err(gone()));
            }
        }
        Err(Error::Busy { retry_after: 1 })
    }

    /// Begins to ask what waits, unless a statement that began a moment ago is under way: its task
    /// will ask.
    fn begin_if_all_are_slow(&self) {
        let begun = self.update(|state| {
            let is_slow = |begun: &Instant| begun.elapsed() >= SLOW;
            let may_begin = state.under_way.len() < AT_ONCE
                && !state.waiting.is_empty()
                && state.under_way.iter().all(is_slow);
            may_begin.then(|| {
                let now = Instant::now();
                state.under_way.push(now);
                now
            })
        });
        if let Some(begun) = begun {
            // In a task of its own: this request may end before those that wait are answered.
            tokio::spawn(self.clone().ask_all(begun));
        }
    }

    async fn ask_all(self, mut begun: Instant) {
        while let Some(batch) = self.next(&mut begun) {
            let (questions, answers): (Vec<Q>, Vec<_>) =
                batch.into_iter().map(|asked| (asked.question, asked.answer)).unzip();
            let questions: Arc<[Q]> = questions.into();
            match self.answers(Arc::clone(&questions)).await {
                Ok(outcomes) => {
                    for (answer, outcome) in answers.into_iter().zip(outcomes) {
                        // The asker may have stopped waiting.
                        drop(answer.send(Ok(outcome)));
                    }
                }
                Err(error) if questions.len() == 1 => {
                    if let Some(answer) = answers.into_iter().next() {
                        drop(answer.send(Err(error)));
                    }
                }
                Err(error) => self.answer_after(error, &questions, answers).await,
            }
            // Requests that are ready to ask do so before the next statement begins.
            yield_now().await;
        }
    }

    /// Answers several questions whose statement has failed: the fault of one must not be that of the
    /// others, so each is asked alone, unless the database cannot answer at all.
    async fn answer_after(&self, error: Error, questions: &[Q], answers: Vec<Answer<A>>) {
        let mut is_busy = matches!(error, Error::Busy { .. });
        if !is_busy {
            tracing::warn!(%error, "a statement of several requests failed");
        }
        for (question, answer) in questions.iter().zip(answers) {
            // A question is not asked for an asker that has gone.
            if is_busy || answer.is_closed() {
                drop(answer.send(Err(Error::Busy { retry_after: 1 })));
                continue;
            }
            let alone = self.answers(Arc::new([question.clone()])).await;
            is_busy = matches!(alone, Err(Error::Busy { .. }));
            drop(answer.send(alone.and_then(|mut answers| answers.pop().ok_or_else(gone))));
        }
    }

    /// What waits, up to [`MOST`], for the task whose last statement began then; `None`, and the task
    /// ends, if nothing does or another task will ask.
    fn next(&self, begun: &mut Instant) -> Option<Vec<Asked<Q, A>>> {
        let batch = self.update(|state| {
            if let Some(place) = state.under_way.iter().position(|other| other == begun) {
                state.under_way.swap_remove(place);
            }
            state.waiting.retain(|asked| !asked.answer.is_closed());
            // One task is enough, unless its statement is slow; then the askers begin another one.
            let is_recent = |begun: &Instant| begun.elapsed() < SLOW;
            if state.waiting.is_empty() || state.under_way.iter().any(is_recent) {
                return None;
            }
            *begun = Instant::now();
            state.under_way.push(*begun);
            let count = state.waiting.len().min(MOST);
            Some(state.waiting.drain(..count).collect::<Vec<_>>())
        })?;
        for asked in &batch {
            self.waits.observe(asked.at.elapsed().as_secs_f64());
        }
        Some(batch)
    }

    async fn answers(&self, questions: Arc<[Q]>) -> Result<Vec<A>> {
        // A panic must not end the task while others wait for it.
        let asking = AssertUnwindSafe(async { (self.ask)(questions).await }).catch_unwind();
        asking.await.unwrap_or_else(|_| Err(gone()))
    }

    fn update<T>(&self, change: impl FnOnce(&mut State<Q, A>) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn gone() -> Error {
    Error::Internal(Fault::WriterGone)
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;

    use super::*;

    /// A statement under way: what it is asked, and where its answer is expected.
    type UnderWay = (Arc<[u32]>, oneshot::Sender<Result<Vec<u32>>>);

    const PANICS: u32 = 666;

    struct Bench {
        batches: Batches<u32, u32>,
        statements: mpsc::UnboundedReceiver<UnderWay>,
    }

    impl Bench {
        /// Statements that the test answers.
        fn new() -> Self {
            let (begun, statements) = mpsc::unbounded_channel();
            let batches = Batches::new(Histogram::new([1.0]), move |questions: Arc<[u32]>| {
                assert_ne!(*questions, [PANICS], "on purpose");
                let (answer, answered) = oneshot::channel();
                begun.send((questions, answer)).expect("the test waits");
                Box::pin(async move { answered.await.expect("the test answers") })
            });
            Bench { batches, statements }
        }

        /// Asks in a task, and returns when the question waits.
        async fn asking(&self, question: u32) -> JoinHandle<Result<u32>> {
            let batches = self.batches.clone();
            let asker = tokio::spawn(async move { batches.ask(question).await });
            yield_now().await;
            asker
        }

        async fn statement(&mut self) -> UnderWay {
            self.statements.recv().await.expect("a statement")
        }

        /// Answers the next statement, and returns what it was asked.
        async fn answer(&mut self) -> Vec<u32> {
            let (questions, answer) = self.statement().await;
            answer.send(tenfold(&questions)).expect("it waits");
            questions.to_vec()
        }
    }

    fn tenfold(questions: &[u32]) -> Result<Vec<u32>> {
        Ok(questions.iter().map(|question| question * 10).collect())
    }

    async fn answered(asker: JoinHandle<Result<u32>>) -> u32 {
        asker.await.expect("no panic").expect("an answer")
    }

    #[tokio::test(start_paused = true)]
    async fn questions_that_come_meanwhile_are_asked_together() {
        let mut bench = Bench::new();
        let first = bench.asking(1).await;
        let (questions, answer) = bench.statement().await;
        assert_eq!(*questions, [1], "a question that comes alone does not wait");
        let last = 2 + u32::try_from(MOST).expect("few");
        let mut others = Vec::new();
        for question in 2..=last {
            others.push(bench.asking(question).await);
        }
        answer.send(tenfold(&questions)).expect("it waits");
        assert_eq!(answered(first).await, 10);
        assert_eq!(bench.answer().await, (2..last).collect::<Vec<_>>());
        assert_eq!(bench.answer().await, [last]);
        for (question, asker) in (2..=last).zip(others) {
            assert_eq!(answered(asker).await, question * 10);
        }
        let again = bench.asking(7).await;
        assert_eq!(bench.answer().await, [7]);
        assert_eq!(answered(again).await, 70);
    }

    #[tokio::test(start_paused = true)]
    async fn busy_database_is_busy_for_all_askers_of_a_statement() {
        let mut bench = Bench::new();
        let mut askers = vec![bench.asking(1).await];
        let (questions, answer) = bench.statement().await;
        for question in [2, 3] {
            askers.push(bench.asking(question).await);
        }
        answer.send(tenfold(&questions)).expect("it waits");
        assert_eq!(answered(askers.remove(0)).await, 10);
        let (questions, answer) = bench.statement().await;
        assert_eq!(*questions, [2, 3]);
        answer.send(Err(Error::Busy { retry_after: 1 })).expect("it waits");
        for asker in askers {
            assert!(matches!(asker.await.expect("no panic"), Err(Error::Busy { .. })));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn fault_and_panic_of_one_question_are_not_those_of_the_others() {
        let mut bench = Bench::new();
        let first = bench.asking(1).await;
        let (questions, answer) = bench.statement().await;
        let faulty = bench.asking(2).await;
        let panicking = bench.asking(PANICS).await;
        let sound = bench.asking(3).await;
        answer.send(tenfold(&questions)).expect("it waits");
        assert_eq!(answered(first).await, 10);
        let fault = || Err(Error::Internal(Fault::Sealed));
        let (questions, answer) = bench.statement().await;
        assert_eq!(*questions, [2, PANICS, 3]);
        answer.send(fault()).expect("it waits");
        let (questions, answer) = bench.statement().await;
        assert_eq!(*questions, [2]);
        answer.send(fault()).expect("it waits");
        assert_eq!(bench.answer().await, [3]);
        assert!(matches!(faulty.await.expect("no panic"), Err(Error::Internal(Fault::Sealed))));
        assert!(matches!(
            panicking.await.expect("no panic"),
            Err(Error::Internal(Fault::WriterGone))
        ));
        assert_eq!(answered(sound).await, 30);
        let next = bench.asking(4).await;
        assert_eq!(bench.answer().await, [4]);
        assert_eq!(answered(next).await, 40);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_only_what_may_be_answered_is_asked_again() {
        let mut bench = Bench::new();
        let first = bench.asking(1).await;
        let (questions, answer) = bench.statement().await;
        let gone = bench.asking(2).await;
        let second = bench.asking(3).await;
        let third = bench.asking(4).await;
        answer.send(tenfold(&questions)).expect("it waits");
        assert_eq!(answered(first).await, 10);
        let (questions, answer) = bench.statement().await;
        assert_eq!(*questions, [2, 3, 4]);
        gone.abort();
        assert!(gone.await.expect_err("aborted").is_cancelled());
        answer.send(Err(Error::Internal(Fault::Sealed))).expect("it waits");
        let (questions, answer) = bench.statement().await;
        assert_eq!(*questions, [3]);
        answer.send(Err(Error::Busy { retry_after: 1 })).expect("it waits");
        for asker in [second, third] {
            assert!(matches!(asker.await.expect("no panic"), Err(Error::Busy { .. })));
        }
        assert!(bench.statements.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn question_of_an_asker_that_has_gone_is_not_asked() {
        let mut bench = Bench::new();
        let first = bench.asking(1).await;
        let (questions, answer) = bench.statement().await;
        let gone = bench.asking(2).await;
        let patient = bench.asking(3).await;
        gone.abort();
        assert!(gone.await.expect_err("aborted").is_cancelled());
        answer.send(tenfold(&questions)).expect("it waits");
        assert_eq!(answered(first).await, 10);
        let (questions, answer) = bench.statement().await;
        assert_eq!(*questions, [3]);
        // An asker that goes meanwhile does not take the statement along.
        patient.abort();
        assert!(patient.await.expect_err("aborted").is_cancelled());
        let last = bench.asking(4).await;
        drop(answer.send(tenfold(&questions)));
        assert_eq!(bench.answer().await, [4]);
        assert_eq!(answered(last).await, 40);
    }

    #[tokio::test(start_paused = true)]
    async fn statement_that_hangs_does_not_hold_up_later_questions() {
        let mut bench = Bench::new();
        let hanging = bench.asking(1).await;
        let (_, _answer) = bench.statement().await;
        for question in [2, 3] {
            let later = bench.asking(question).await;
            assert_eq!(bench.answer().await, [question]);
            assert_eq!(answered(later).await, question * 10);
        }
        assert!(matches!(hanging.await.expect("no panic"), Err(Error::Busy { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_a_few_statements_hang_at_once() {
        let mut bench = Bench::new();
        let mut hanging = Vec::new();
        for question in 0..AT_ONCE {
            let asker = bench.asking(u32::try_from(question).expect("few")).await;
            hanging.push((asker, bench.statement().await));
        }
        let late = bench.asking(9).await;
        assert!(matches!(late.await.expect("no panic"), Err(Error::Busy { .. })));
        assert!(bench.statements.try_recv().is_err());
    }
}
