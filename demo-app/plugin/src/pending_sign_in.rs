//! The sign-in with a provider that waits for its browser.

use propusk::Secret;
use tokio::sync::oneshot;

use crate::error::CommandError;
use crate::output::LinkResult;

/// The sign-in whose browser is open. There is at most one: another one cancels it.
pub(crate) struct PendingSignIn {
    pub state: Secret,
    pub result: oneshot::Sender<Result<LinkResult, CommandError>>,
}

impl PendingSignIn {
    /// Passes the result to the call that waits. It may have ended.
    pub fn finish(self, result: Result<LinkResult, CommandError>) {
        let _ = self.result.send(result);
    }

    pub fn cancel(self) {
        self.finish(Err(CommandError::cancelled("the sign-in was cancelled")));
    }

    pub fn is_for(&self, state: &str) -> bool {
        self.state.expose() == state
    }
}
