//! The jobs of a process, which are retried until they are done.

use std::sync::Arc;
use std::time::Duration;

use propusk::{Client, ErrorKind, ExistingTokens, SignOutReason};
use tokio::time::timeout;

use super::world::SignInMethod;

/// After this time a user stops waiting; the work continues.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// A sign-out waits longer, in particular if the server cannot be reached.
const WORK_TIMEOUT: Duration = Duration::from_secs(8);

/// A job of an app.
#[derive(Clone)]
pub(super) enum Job {
    /// Requests the account.
    Call,
    /// The same, while another process signs in or out.
    CallUnlessLeft,
    SignIn(SignInMethod),
    SignOut,
    /// Adopts tokens, for the first time or again.
    Adopt(Arc<ExistingTokens>),
    /// Waits until no sign-out is pending.
    Settle,
}

/// The result of a job.
pub(super) enum Ended {
    Done,
    SignedOut(SignOutReason),
    Failed(String),
}

impl Job {
    /// Runs it once; `url` is the address of the account.
    pub async fn run(self, client: &Client, url: &str) -> Ended {
        let limit = match self {
            Job::Call | Job::CallUnlessLeft => CALL_TIMEOUT,
            _ => WORK_TIMEOUT,
        };
        let ended = timeout(limit, self.at(client, url)).await;
        ended.unwrap_or_else(|_| Ended::Failed("no answer in time".to_owned()))
    }

    async fn at(self, client: &Client, url: &str) -> Ended {
        match self {
            Job::Call => call(client, url).await,
            Job::CallUnlessLeft => match call(client, url).await {
                Ended::SignedOut(reason) if is_to_be_expected(reason) => Ended::Done,
                ended => ended,
            },
            Job::SignIn(sign_in_method) => ended(sign_in_method.sign_in(client).await),
            Job::SignOut => ended(client.sign_out().await.map(drop)),
            Job::Adopt(tokens) => ended(client.adopt((*tokens).clone()).await.map(drop)),
            Job::Settle => match client.finish_pending_work(WORK_TIMEOUT).await {
                true => Ended::Done,
                false => Ended::Failed("something is left to do".to_owned()),
            },
        }
    }
}

/// Whether the reason is expected after a sign-out or before a sign-in. On a full disk the whole
/// record is removed, including the reason.
fn is_to_be_expected(reason: SignOutReason) -> bool {
    use SignOutReason::{NeverSignedIn, SignedOut, VaultLost};
    matches!(reason, NeverSignedIn | SignedOut | VaultLost)
}

async fn call(client: &Client, url: &str) -> Ended {
    match client.api().get(url).send().await {
        Ok(answer) if answer.status() == 200 => Ended::Done,
        Ok(answer) => Ended::Failed(format!("status {}", answer.status())),
        Err(error) => ended(Err(error)),
    }
}

fn ended(outcome: propusk::Result<()>) -> Ended {
    match outcome {
        Ok(()) => Ended::Done,
        Err(error) => match error.kind() {
            ErrorKind::SignedOut { reason } => Ended::SignedOut(*reason),
            _ => Ended::Failed(format!("{error:?}")),
        },
    }
}
