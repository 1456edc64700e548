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
    /// Passes the result to the call that waits. It comes back if the call has ended.
    pub fn finish(
        self,
        result: Result<LinkResult, CommandError>,
    ) -> Option<Result<LinkResult, CommandError>> {
        self.result.send(result).err()
    }

    pub fn cancel(self) {
        // A call that has ended needs no answer.
        let _ = self.finish(Err(CommandError::cancelled("the sign-in was cancelled")));
    }

    pub fn is_for(&self, state: &str) -> bool {
        self.state.expose() == state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_for_a_call_that_has_ended_comes_back() {
        let pending = || {
            let (result, waiting) = oneshot::channel();
            (PendingSignIn { state: Secret::new("s"), result }, waiting)
        };
        let failed = || Err(CommandError::cancelled("late"));
        let (waited_for, _waiting) = pending();
        assert!(waited_for.finish(failed()).is_none());
        let (given_up, waiting) = pending();
        drop(waiting);
        assert!(given_up.finish(failed()).is_some());
    }
}
