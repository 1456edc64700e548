//! The second process: another program that shares the vault, such as a widget or a command line.
//! It asks for a token each second and prints a line about each change. It starts before everything
//! else of the app, and ends when its standard input closes.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use propusk::Client;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::device_clock::DeviceClock;
use crate::plan::ClientPlan;

/// The argument before the plan.
pub const ARGUMENT: &str = "--second-process";
const ASKS_EVERY: Duration = Duration::from_secs(1);

/// A line that it prints.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What it got, as an English sentence.
    pub text: String,
    /// When its access token expires by the server's clock, in seconds since 1970.
    pub access_expires_at: Option<i64>,
    /// Why it got no token.
    pub error: Option<String>,
}

/// The plan, if the arguments ask for a second process. The error is an English sentence.
pub fn asked_for(arguments: &[String]) -> Option<Result<ClientPlan, String>> {
    let (first, rest) = arguments.split_first()?;
    if first != ARGUMENT {
        return None;
    }
    Some(match rest {
        [plan] => serde_json::from_str(plan).map_err(|error| format!("not a plan: {error}")),
        _ => Err(format!("usage: {ARGUMENT} PLAN")),
    })
}

/// The arguments that ask for it.
pub fn arguments(plan: &ClientPlan) -> serde_json::Result<[String; 2]> {
    Ok([ARGUMENT.to_owned(), serde_json::to_string(plan)?])
}

/// Runs until standard input closes.
pub fn run(plan: Result<ClientPlan, String>) -> ExitCode {
    match plan.and_then(|plan| work(&plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Standard error may be closed; the exit code remains.
            let _ = writeln!(std::io::stderr(), "{problem}");
            ExitCode::from(2)
        }
    }
}

fn work(plan: &ClientPlan) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let clock = DeviceClock::new(plan.passed);
        let client = plan.build(clock.sdk(), "Propusk demo, second process", false);
        let client = client.map_err(|error| error.to_string())?;
        tokio::select! {
            outcome = ask(&client) => outcome.map_err(|error| error.to_string()),
            () = parent_ends() => Ok(()),
            () = clock.tick() => Ok(()),
        }
    })?;
    // A thread that still reads standard input does not delay the end.
    runtime.shutdown_background();
    Ok(())
}

async fn ask(client: &Client) -> std::io::Result<()> {
    // As long as there is a receiver, changes by the app are noticed.
    let _changes = client.watch();
    let mut last = None;
    let mut ticks = tokio::time::interval(ASKS_EVERY);
    loop {
        ticks.tick().await;
        let line = line_of(client, last.as_ref()).await;
        if !last.as_ref().is_some_and(|last| line.says_the_same(last)) {
            let text = serde_json::to_string(&line)?;
            let mut out = std::io::stdout().lock();
            writeln!(out, "{text}")?;
            out.flush()?;
            last = Some(line);
        }
    }
}

impl Line {
    fn says_the_same(&self, other: &Line) -> bool {
        (self.access_expires_at, &self.error) == (other.access_expires_at, &other.error)
    }
}

async fn line_of(client: &Client, last: Option<&Line>) -> Line {
    match client.access_token().await {
        Ok(token) => {
            let text = match last.is_some_and(|last| last.error.is_none()) {
                true => "the second process has the next token",
                false => "the second process has a valid token",
            };
            Line { text: text.to_owned(), access_expires_at: token.expires_at(), error: None }
        }
        Err(error) => Line {
            text: format!("the second process has no token: {error}"),
            access_expires_at: None,
            error: Some(error.to_string()),
        },
    }
}

async fn parent_ends() {
    let mut input = tokio::io::stdin();
    let mut bytes = [0; 64];
    while input.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use propusk::Dialect;

    use super::*;
    use crate::plan::vault_place;

    fn plan() -> ClientPlan {
        ClientPlan {
            server: "http://127.0.0.1:4711".to_owned(),
            former_servers: Vec::new(),
            dialect: Dialect::Simplejwt,
            passed: 0,
            vault: vault_place(PathBuf::from("/tmp/vaults"), "https://id.example.org", "simplejwt"),
            is_embedded: true,
        }
    }

    #[test]
    fn second_process_gets_the_plan_that_was_written() {
        let arguments = arguments(&plan()).expect("JSON");
        assert_eq!(asked_for(&arguments), Some(Ok(plan())));
    }

    #[test]
    fn second_process_starts_only_by_its_argument() {
        let of = |words: &[&str]| asked_for(&words.iter().map(|&w| w.into()).collect::<Vec<_>>());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["propusk-demo://signed-in?code=1"]), None);
        assert_eq!(of(&["x", ARGUMENT]), None);
        assert!(of(&[ARGUMENT]).expect("asked for").is_err());
        assert!(of(&[ARGUMENT, "{}"]).expect("asked for").is_err());
        assert!(of(&[ARGUMENT, "{}", "more"]).expect("asked for").is_err());
    }

    #[test]
    fn plan_contains_no_secret() {
        let [_, plan] = arguments(&plan()).expect("JSON");
        assert!(!plan.contains(crate::plan::OAUTH_CLIENT.1), "{plan}");
    }
}
