//! What happened, in order: the newest events, in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use crate::report::Reporter;
use crate::time::now_in_milliseconds;

/// The event with each new entry.
const EVENT: &str = "demo://timeline";
const MAX_EVENTS: usize = 500;

/// What an event is about; the page has a symbol for each.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The status of the session.
    Status,
    /// An operation that the page called.
    Operation,
    /// A request and its answer.
    Wire,
    /// A deep link.
    Link,
    /// The access token was renewed.
    Renewal,
    /// A trouble was switched on or off.
    Trouble,
    /// The second process.
    SecondProcess,
    /// The server, and the choice of it.
    Server,
    /// A mail of the embedded server.
    Mail,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    id: u64,
    /// Milliseconds since 1970.
    at: i64,
    kind: Kind,
    /// An English sentence.
    text: String,
    data: Value,
}

/// The newest events.
pub struct Timeline {
    events: Mutex<(u64, VecDeque<Event>)>,
    reporter: Arc<Reporter>,
}

impl Timeline {
    pub fn new(reporter: Arc<Reporter>) -> Self {
        Timeline { events: Mutex::default(), reporter }
    }

    pub fn add(&self, kind: Kind, text: impl Into<String>, data: Value) {
        let event = {
            let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
            let (last_id, kept) = &mut *events;
            *last_id += 1;
            let at = now_in_milliseconds();
            let event = Event { id: *last_id, at, kind, text: text.into(), data };
            kept.push_back(event.clone());
            if kept.len() > MAX_EVENTS {
                kept.pop_front();
            }
            event
        };
        self.reporter.emit(EVENT, event);
    }

    pub fn events(&self) -> Vec<Event> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.1.iter().cloned().collect()
    }
}
