//! The runtime in which the SDK works. The threads of the app only wait for results.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{AbortHandle, JoinError};

use crate::cancellation::Cancellation;
use crate::error::{PropuskError, Result};

/// How long `shut_down` waits for code of the app that is being called.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_secs(1);

static RUNTIME: Mutex<State> = Mutex::new(State::NotStarted);

enum State {
    NotStarted,
    Running {
        runtime: Runtime,
        /// The process that has started it.
        process: u32,
    },
    ShutDown,
}

impl State {
    /// A process that was forked from the one of the runtime has none of its threads: this forgets
    /// the runtime, because dropping it would wait for them.
    fn forget_after_fork(&mut self) {
        let is_forked =
            matches!(self, State::Running { process, .. } if *process != std::process::id());
        if is_forked {
            std::mem::forget(std::mem::replace(self, State::NotStarted));
        }
    }
}

/// The runtime of the process, started by its first use.
pub fn handle() -> Result<Handle> {
    let mut state = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    state.forget_after_fork();
    match &*state {
        State::Running { runtime, .. } => Ok(runtime.handle().clone()),
        State::ShutDown => Err(PropuskError::usage("the SDK was shut down")),
        State::NotStarted => {
            let mut builder = Builder::new_multi_thread();
            let started = builder.worker_threads(2).thread_name("propusk").enable_all().build();
            let runtime = started.map_err(|error| {
                PropuskError::usage(format!("no threads can be started: {error}"))
            })?;
            let handle = runtime.handle().clone();
            *state = State::Running { runtime, process: std::process::id() };
            Ok(handle)
        }
    }
}

/// Stops the threads of the SDK for good: calls that wait end with `Cancelled`, listeners are not
/// called any more, and no client works afterwards. A language calls it before it ends, if threads
/// must not call it then, as Python does. Call `finish_pending_work` first.
#[uniffi::export]
pub fn shut_down() {
    let mut state = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    state.forget_after_fork();
    let before = std::mem::replace(&mut *state, State::ShutDown);
    drop(state);
    if let State::Running { runtime, .. } = before {
        runtime.shutdown_timeout(SHUT_DOWN_TIMEOUT);
    }
}

/// Runs the work of one call. If the call is cancelled or dropped, the work is dropped too; what
/// the SDK completes in any case runs in tasks of its own.
pub async fn run<T, E>(
    handle: &Handle,
    cancellation: Option<Arc<Cancellation>>,
    work: impl Future<Output = std::result::Result<T, E>> + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
    E: Into<PropuskError> + Send + 'static,
{
    let outcome = Arc::new(Mutex::new(None));
    let stored = Arc::clone(&outcome);
    let work = async move {
        let outcome = work.await;
        *stored.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    };
    run_task(handle, cancellation, Box::pin(work)).await?;
    let outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
    outcome.ok_or_else(PropuskError::cancelled)?.map_err(Into::into)
}

/// Not generic: the library would contain the code of a task once for each kind of call.
async fn run_task(
    handle: &Handle,
    cancellation: Option<Arc<Cancellation>>,
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
) -> Result<()> {
    let task = handle.spawn(work);
    let _stop = AbortOnDrop(task.abort_handle());
    let cancelled = async {
        match &cancellation {
            Some(cancellation) => cancellation.cancelled().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = cancelled => Err(PropuskError::cancelled()),
        outcome = task => outcome.map_err(stopped),
    }
}

/// The error of a call whose task has not ended by itself.
pub fn stopped(error: JoinError) -> PropuskError {
    match error.is_panic() {
        true => PropuskError::Protocol { detail: "the SDK has failed; this is a bug".to_owned() },
        false => PropuskError::cancelled(),
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
