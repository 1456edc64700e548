//! What causes the work of a task: a request, an operator's command, or nothing but the server
//! itself. Of a request its id, its client, its dialect, whose credential it has, and why it is refused
//! become known. Every line that is logged meanwhile shows them (`log.rs`), also a line of a write that
//! the request waits for, and the events of its writes have some of them (`store/events.rs`). Of what
//! the client has sent, only a checked id is in it.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::address_privacy::KeptAddress;

tokio::task_local! {
    /// Implicit, so that no use case can leave it out.
    static CURRENT: Cause;
}

/// What causes the work of a task.
#[derive(Clone, Debug, Default)]
pub enum Cause {
    /// Background work of the server, or its start.
    #[default]
    Server,
    Request(Arc<RequestRecord>),
    /// A command of this user of the operating system.
    Operator(Arc<str>),
}

impl Cause {
    /// Runs `work` with this cause.
    pub fn during<T>(self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        CURRENT.scope(self, work)
    }

    /// The cause of the present task.
    pub fn current() -> Self {
        CURRENT.try_with(Cause::clone).unwrap_or_default()
    }

    /// The API that received the request.
    pub fn dialect(&self) -> Option<&'static str> {
        self.request().and_then(|record| record.known().dialect)
    }

    /// What is kept of the client's address.
    pub fn address(&self) -> Option<KeptAddress> {
        self.request().and_then(|record| record.client)
    }

    /// The same as it is stored.
    pub fn address_text(&self) -> Option<String> {
        self.address().map(|address| address.to_string())
    }

    /// The operating system's user who runs a command.
    pub fn operator(&self) -> Option<&str> {
        match self {
            Cause::Operator(name) => Some(name),
            Cause::Server | Cause::Request(_) => None,
        }
    }

    fn request(&self) -> Option<&RequestRecord> {
        match self {
            Cause::Request(record) => Some(record),
            Cause::Server | Cause::Operator(_) => None,
        }
    }
}

/// The id of a request, in logs, in the answer, and in the log of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Box<str>);

/// The longest id that a proxy may give. A UUID has 36 characters.
const LONGEST_ID: usize = 64;

impl RequestId {
    /// A new id. Ids show neither how many requests there were nor the time.
    pub fn new() -> Self {
        static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{:016x}", KEY.hash_one(count)).into())
    }

    /// The id that a proxy has given, if it is one that can be logged as it is.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let is_of_id = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        let is_sound = (1..=LONGEST_ID).contains(&text.len()) && text.iter().all(is_of_id);
        let text = std::str::from_utf8(text).ok().filter(|_| is_sound)?;
        Some(RequestId(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known of one request.
#[derive(Debug)]
pub struct RequestRecord {
    id: RequestId,
    client: Option<KeptAddress>,
    known: Mutex<Known>,
}

/// What becomes known while the request is served.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    pub dialect: Option<&'static str>,
    pub account: Option<i64>,
    pub session: Option<i64>,
    /// Why it is refused: the code of an error.
    pub refusal: Option<&'static str>,
}

/// A value in a log line.
#[derive(Clone, Copy)]
pub enum Member<'v> {
    Number(i64),
    Text(&'v dyn fmt::Display),
}

impl fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Member::Number(number) => number.fmt(f),
            Member::Text(text) => text.fmt(f),
        }
    }
}

impl RequestRecord {
    /// The record of a request that begins, with what may be written down of its client's address.
    pub fn new(id: RequestId, client: Option<KeptAddress>) -> Arc<Self> {
        Arc::new(RequestRecord { id, client, known: Mutex::default() })
    }

    pub fn id(&self) -> &RequestId {
        &self.id
    }

    pub fn known(&self) -> Known {
        *self.lock()
    }

    fn each(&self, mut show: impl FnMut(&'static str, Member<'_>)) {
        let Known { dialect, account, session, refusal } = self.known();
        show("request_id", Member::Text(&self.id.as_str()));
        if let Some(client) = self.client {
            show("client", Member::Text(&client));
        }
        if let Some(dialect) = dialect {
            show("dialect", Member::Text(&dialect));
        }
        if let Some(account) = account {
            show("account", Member::Number(account));
        }
        if let Some(session) = session {
            // As the APIs and the commands name it.
            show("session", Member::Text(&format_args!("{session:015x}")));
        }
        if let Some(refusal) = refusal {
            show("refusal", Member::Text(&refusal));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a request is refused that has no access token where one is needed.
pub const NO_CREDENTIAL: &str = "no_credential";
/// Why a request is refused that a Django answers, or that would make an account while a Django
/// makes them.
pub const AT_DJANGO: &str = "at_django";

/// The id of the request that this task serves.
pub fn current_id() -> Option<RequestId> {
    Cause::current().request().map(|record| record.id().clone())
}

/// Calls `show` for each member of the request that this task serves, in the order of a log line.
pub fn each_member(show: impl FnMut(&'static str, Member<'_>)) {
    let show_all = |cause: &Cause| {
        if let Some(record) = cause.request() {
            record.each(show);
        }
    };
    CURRENT.try_with(show_all).unwrap_or_default();
}

pub fn note_dialect(dialect: &'static str) {
    note(|known| known.dialect = Some(dialect));
}

/// Notes whose account the request is about.
pub fn note_account(account: i64) {
    note(|known| known.account = Some(account));
}

pub fn note_session(account: i64, session: Option<i64>) {
    note(|known| (known.account, known.session) = (Some(account), session));
}

/// Notes why the request is refused. The first reason stays: an answer may hide it behind another.
pub fn note_refusal(code: &'static str) {
    note(|known| known.refusal = known.refusal.or(Some(code)));
}

fn note(change: impl FnOnce(&mut Known)) {
    let note = |cause: &Cause| {
        // Outside of a request there is nothing to note.
        if let Cause::Request(record) = cause {
            change(&mut record.lock());
        }
    };
    CURRENT.try_with(note).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn id_of_a_proxy_is_short_and_harmless_text() {
        let longest = "a".repeat(LONGEST_ID);
        for sound in ["a", "3f1c-9", "req_1.2", "550e8400-e29b-41d4-a716-446655440000", &longest] {
            assert_eq!(RequestId::parse(sound.as_bytes()).expect(sound).as_str(), sound);
        }
        let too_long = format!("{longest}a");
        for other in ["", " ", "a b", "a\nb", "a\"b", "a=b", "a,b", "\u{1b}[31m", "é", &too_long] {
            assert_eq!(RequestId::parse(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(RequestId::parse(b"\xff"), None);
    }

    #[test]
    fn own_ids_differ_and_would_be_accepted() {
        let ids: HashSet<_> = (0..1_000).map(|_| RequestId::new().as_str().to_owned()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| RequestId::parse(id.as_bytes()).is_some()));
    }

    #[tokio::test]
    async fn record_collects_what_is_noted_while_its_request_is_served() {
        note_refusal("of no request");
        let record = RequestRecord::new(RequestId::new(), None);
        let serving = async {
            note_dialect("native");
            note_session(7, Some(10));
            // As in a write, which runs in another task.
            let within_write = Cause::current().during(async { note_refusal("busy") });
            tokio::spawn(within_write).await.expect("no panic");
        };
        Cause::Request(Arc::clone(&record)).during(serving).await;
        let mut shown = Vec::new();
        record.each(|name, value| shown.push(format!("{name}={value}")));
        let id = format!("request_id={}", record.id().as_str());
        assert_eq!(
            shown,
            [&*id, "dialect=native", "account=7", "session=00000000000000a", "refusal=busy"]
        );
        assert!(matches!(Cause::current(), Cause::Server));
    }
}
