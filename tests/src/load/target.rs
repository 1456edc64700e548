//! A server under load: its description, its address, and the processes whose costs are counted.

use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use tokio::time::timeout;

use super::Result;
use super::description::{ACCESS, Description, Operation, Step};
use super::template::{Place, Values};
use super::usage::Processes;
use super::workloads::Workload;
use crate::http::{Answer, Client};

/// Long enough for a request that waits behind two hundred others at a slow server.
const PATIENCE: Duration = Duration::from_secs(60);
/// The password of every account; it needs no escaping anywhere.
const PASSWORD: &str = "correct-horse-battery-staple";

pub struct Target {
    /// The row of the table.
    pub name: String,
    pub description: Description,
    pub processes: Processes,
    /// What is measured of it.
    pub workloads: Vec<Workload>,
    /// The clients that refresh at the same time.
    pub refreshing: usize,
    /// Another server: once it runs, what it fails to do is a line of the table, and not the end of the
    /// run.
    pub is_peer: bool,
    client: Client,
    /// What its preparation has taken.
    prepared: Values,
}

/// The end of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// 429 or 503: the server has said that it has too much to do.
    Busy,
    Failed(String),
}

impl Target {
    /// Prepares a running server.
    pub async fn open(
        name: String,
        description: Description,
        base: &str,
        processes: Processes,
    ) -> Result<Self> {
        let workloads = Workload::all_of(&description);
        let client = Client::new(base.trim_end_matches('/'));
        let prepared = Values::new();
        let mut target = Target {
            name,
            description,
            processes,
            workloads,
            refreshing: 64,
            is_peer: false,
            client,
            prepared,
        };
        let mut values = target.account("unnamed")?;
        match target.run(Operation::Prepare, &mut values).await {
            Outcome::Done => {}
            Outcome::Busy => return Err(format!("{}: busy", target.name).into()),
            Outcome::Failed(error) => return Err(format!("{}: {error}", target.name).into()),
        }
        let steps = target.description.steps(Operation::Prepare);
        let taken: Vec<String> = steps.iter().flat_map(|step| step.take.keys().cloned()).collect();
        values.retain(|name, _| taken.contains(name));
        target.prepared = values;
        Ok(target)
    }

    /// What is known of an account before it has signed in.
    pub fn account(&self, name: &str) -> Result<Values> {
        let mut values = self.prepared.clone();
        for (key, value) in [
            ("name", name.to_owned()),
            ("email", format!("{name}@example.com")),
            ("password", PASSWORD.to_owned()),
            ("attempt", random_text()?),
        ] {
            values.insert(key.to_owned(), value);
        }
        Ok(values)
    }

    /// Sends the requests of an operation one after another, and notes what they take.
    pub async fn run(&self, operation: Operation, values: &mut Values) -> Outcome {
        for step in self.description.steps(operation) {
            let answer = match timeout(PATIENCE, self.send(step, values)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Outcome::Failed(failure(operation, &error.to_string())),
                Err(_) => return Outcome::Failed(failure(operation, "no answer")),
            };
            if matches!(answer.status.as_u16(), 429 | 503) && step.status != answer.status.as_u16()
            {
                return Outcome::Busy;
            }
            if let Err(error) = take(step, &answer, values) {
                return Outcome::Failed(failure(operation, &error));
            }
        }
        Outcome::Done
    }

    async fn send(&self, step: &Step, values: &Values) -> Result<Answer> {
        let path = step.path.fill(values, Place::Url)?;
        let mut request = Request::builder().method(step.method.as_str()).uri(path);
        for (name, value) in &step.headers {
            request = request.header(name, value.fill(values, Place::Header)?);
        }
        let body = match (&step.json, &step.form) {
            (Some(json), _) => {
                request = request.header("Content-Type", "application/json");
                json.fill(values, Place::Json)?
            }
            (None, Some(form)) => {
                request = request.header("Content-Type", "application/x-www-form-urlencoded");
                form.fill(values, Place::Url)?
            }
            (None, None) => String::new(),
        };
        self.client.send(request.body(Full::new(Bytes::from(body)))?).await
    }
}

/// Gives the next request of a session an attempt id of its own.
pub fn begin_attempt(values: &mut Values) -> Result<()> {
    values.insert("attempt".to_owned(), random_text()?);
    Ok(())
}

/// The access token of a session.
pub fn access_of(values: &Values) -> Option<&str> {
    values.get(ACCESS).map(String::as_str)
}

fn take(step: &Step, answer: &Answer, values: &mut Values) -> std::result::Result<(), String> {
    if answer.status != step.status {
        // Answers to wrong requests contain no token.
        return Err(format!("{} instead of {}: {}", answer.status, step.status, answer.text()));
    }
    if step.take.is_empty() {
        return Ok(());
    }
    let json: serde_json::Value =
        serde_json::from_slice(&answer.body).map_err(|error| format!("no JSON: {error}"))?;
    for (name, pointer) in &step.take {
        let value = json.pointer(pointer).and_then(serde_json::Value::as_str);
        let value = value.ok_or_else(|| format!("no text at {pointer} of the answer"))?;
        values.insert(name.clone(), value.to_owned());
    }
    Ok(())
}

fn failure(operation: Operation, error: &str) -> String {
    format!("{}: {error}", operation.name())
}

/// 32 characters of hexadecimal digits.
pub fn random_text() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| format!("random numbers: {error}"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
