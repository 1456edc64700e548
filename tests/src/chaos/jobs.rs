//! What a process of an app is made to do, again and again until it is done.

use std::sync::Arc;
use std::time::Duration;

use propusk::{Client, ErrorKind, ExistingTokens, SignOutReason};
use tokio::time::timeout;

use super::world::WayIn;

/// A user who waits longer gives up; what was begun goes on.
const PATIENCE: Duration = Duration::from_secs(2);
/// A sign-out tells the server for so long, and longer where it cannot.
const LONG_PATIENCE: Duration = Duration::from_secs(8);

/// A piece of an app's work.
#[derive(Clone)]
pub(super) enum Job {
    /// Asks the server for the account.
    Call,
    /// The same, while another process signs in or out.
    CallUnlessLeft,
    SignIn(WayIn),
    SignOut,
    /// Hands over tokens, for the first time or again.
    Adopt(Arc<ExistingTokens>),
    /// Waits until nothing is owed.
    Settle,
}

/// How it ended.
pub(super) enum Ended {
    Done,
    SignedOut(SignOutReason),
    Failed(String),
}

impl Job {
    /// Does it once; `url` is where the account is.
    pub async fn run(self, client: &Client, url: &str) -> Ended {
        let limit = match self {
            Job::Call | Job::CallUnlessLeft => PATIENCE,
            _ => LONG_PATIENCE,
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
            Job::SignIn(way_in) => ended(way_in.sign_in(client).await),
            Job::SignOut => ended(client.sign_out().await.map(drop)),
            Job::Adopt(tokens) => ended(client.adopt((*tokens).clone()).await.map(drop)),
            Job::Settle => match client.finish_pending_work(LONG_PATIENCE).await {
                true => Ended::Done,
                false => Ended::Failed("something is left to do".to_owned()),
            },
        }
    }
}

/// Whether it is the reason after a sign-out or before a sign-in. On a full disk nothing is left of who
/// was signed in, not even that nobody is.
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
