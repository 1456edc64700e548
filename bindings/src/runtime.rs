//! The runtime in which the SDK works. The threads of the app only wait for results.

use std::future::Future;
use std::io;
use std::sync::{Arc, LazyLock};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{AbortHandle, JoinError};

use crate::cancellation::Cancellation;
use crate::error::{PropuskError, Result};

static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(2).thread_name("propusk").enable_all().build()
});

/// The runtime of the process, started by its first use.
pub fn handle() -> Result<Handle> {
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => Err(PropuskError::usage(format!("no threads can be started: {error}"))),
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
        outcome = task => outcome.map_err(stopped)?.map_err(Into::into),
    }
}

fn stopped(error: JoinError) -> PropuskError {
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
