//! What is known of the request that a task serves: its id, its client, its dialect, whose credential
//! it has, and why it is refused. Every line that is logged meanwhile shows it (`log.rs`), also a line
//! of a write that the request waits for. Of what the client has sent, only a checked id is in it.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::address_privacy::KeptAddress;

tokio::task_local! {
    static CURRENT: Arc<RequestRecord>;
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

    /// Calls `show` for each member, in the order of a log line.
    pub fn each(&self, mut show: impl FnMut(&'static str, Member<'_>)) {
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

/// The record of the request that this task serves; `None` outside of requests.
pub fn current() -> Option<Arc<RequestRecord>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Runs `work` as a part of the request of this record; without a record, as work of no request.
pub async fn within<T>(record: Option<Arc<RequestRecord>>, work: impl Future<Output = T>) -> T {
    match record {
        Some(record) => CURRENT.scope(record, work).await,
        None => work.await,
    }
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
    // Outside of a request there is nothing to note.
    CURRENT.try_with(|record| change(&mut record.lock())).unwrap_or_default();
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
        within(Some(Arc::clone(&record)), async {
            note_dialect("native");
            note_session(7, Some(10));
            // As in a write, which runs in another task.
            let within_write = within(current(), async { note_refusal("busy") });
            tokio::spawn(within_write).await.expect("no panic");
        })
        .await;
        let mut shown = Vec::new();
        record.each(|name, value| shown.push(format!("{name}={value}")));
        let id = format!("request_id={}", record.id().as_str());
        assert_eq!(
            shown,
            [&*id, "dialect=native", "account=7", "session=00000000000000a", "refusal=busy"]
        );
        assert!(current().is_none());
    }
}
