//! The log of what was exchanged, and what all gateways share: the faults of the network and the
//! server's time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::header::{DATE, HeaderMap};

use super::exchange::Exchange;
use super::faults::Faults;
use crate::time;

const MAX_EXCHANGES: usize = 300;

type OnExchange = Box<dyn Fn(&Exchange) + Send + Sync>;

/// The wire log.
pub struct Wire {
    log: Mutex<Log>,
    faults: Faults,
    /// How far the server's clock is ahead of this machine's, in seconds.
    server_ahead: AtomicI64,
    on_exchange: OnExchange,
}

#[derive(Default)]
struct Log {
    last_id: u64,
    exchanges: VecDeque<Exchange>,
}

impl Wire {
    /// Reports each exchange to the function.
    pub fn new(on_exchange: impl Fn(&Exchange) + Send + Sync + 'static) -> Self {
        Wire {
            log: Mutex::default(),
            faults: Faults::default(),
            server_ahead: AtomicI64::new(0),
            on_exchange: Box::new(on_exchange),
        }
    }

    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The newest exchanges with higher ids than this one, the oldest first.
    pub fn exchanges_after(&self, id: u64) -> Vec<Exchange> {
        self.log().exchanges.iter().filter(|exchange| exchange.id > id).cloned().collect()
    }

    pub fn clear(&self) {
        self.log().exchanges.clear();
    }

    /// The server's time, as far as it is known from its answers, in seconds since 1970.
    pub fn server_time(&self) -> i64 {
        time::now().saturating_add(self.server_ahead.load(Ordering::Relaxed))
    }

    /// From now on, it is the time of another server, whose clock is ahead by these seconds until it tells its time.
    pub fn expect_ahead(&self, seconds: i64) {
        self.server_ahead.store(seconds, Ordering::Relaxed);
    }

    pub(super) fn learn_time(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else { return };
        let Ok(since) = date.duration_since(std::time::UNIX_EPOCH) else { return };
        let server = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        self.server_ahead.store(server.saturating_sub(time::now()), Ordering::Relaxed);
    }

    pub(super) fn add(&self, make: impl FnOnce(u64) -> Exchange) {
        let exchange = {
            let mut log = self.log();
            log.last_id += 1;
            let exchange = make(log.last_id);
            log.exchanges.push_back(exchange.clone());
            if log.exchanges.len() > MAX_EXCHANGES {
                log.exchanges.pop_front();
            }
            exchange
        };
        (self.on_exchange)(&exchange);
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
