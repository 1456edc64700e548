//! The results of links that no call waits for, until the page takes them: a link that starts the
//! app may be completed before the page listens.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::Serialize;

use crate::error::CommandError;
use crate::lock::lock;
use crate::output::LinkResult;

/// The results that wait for the page. An app that never takes them loses the oldest.
const MAX_RESULTS: usize = 8;

/// What the page learns of a link that no call waits for.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum LinkReport {
    Done(LinkResult),
    Failed { error: CommandError },
}

/// The results that the page has not taken yet.
#[derive(Default)]
pub(crate) struct LinkResults(Mutex<VecDeque<LinkReport>>);

impl LinkResults {
    pub fn add(&self, report: LinkReport) {
        let mut waiting = lock(&self.0);
        waiting.push_back(report);
        if waiting.len() > MAX_RESULTS {
            waiting.pop_front();
        }
    }

    /// Each result comes once.
    pub fn take(&self) -> Vec<LinkReport> {
        lock(&self.0).drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_results_wait_for_the_page() {
        let results = LinkResults::default();
        for number in 0..20 {
            let error = CommandError::usage(number);
            results.add(LinkReport::Failed { error });
        }
        let taken = serde_json::to_string(&results.take()).expect("JSON");
        assert_eq!(taken.matches("error").count(), MAX_RESULTS, "{taken}");
        assert!(taken.ends_with("invalid use: 19\"}}]"), "{taken}");
        assert!(results.take().is_empty());
    }
}
