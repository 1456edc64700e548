//! When hyper gives a connection up that sends no request: between two requests it may be idle for a
//! while, because proxies keep connections open; but once the first byte of a request has come, the
//! whole head must come soon. (hyper has one time limit for both.)

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// Whether bytes have come since a head has been awaited: noted by the stream, read by the timer.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(Arc<AtomicBool>);

impl Arrivals {
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn have_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The clock of one connection. hyper starts it each time when it begins to wait for a head.
pub struct HeadTimer {
    head: Duration,
    idle: Duration,
    arrivals: Arrivals,
    is_new: AtomicBool,
}

impl HeadTimer {
    /// `head` from the first byte of a head, `idle` until it comes. A new connection has to send its
    /// first head within `head` too.
    pub fn new(head: Duration, idle: Duration) -> Self {
        let (arrivals, is_new) = (Arrivals::default(), AtomicBool::new(true));
        HeadTimer { head, idle, arrivals, is_new }
    }

    /// For the stream that the connection reads from.
    pub fn arrivals(&self) -> Arrivals {
        self.arrivals.clone()
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn sleep_until(&self, in_time: Instant) -> Pin<Box<dyn Sleep>> {
        let is_new = self.is_new.swap(false, Ordering::Relaxed);
        self.arrivals.forget();
        let until = if is_new { in_time } else { self.now() + self.idle };
        Box::pin(AwaitedHead {
            sleep: Box::pin(tokio::time::sleep_until(until.into())),
            head: self.head,
            arrivals: self.arrivals.clone(),
            has_begun: is_new,
        })
    }
}

/// Ends when the head has not come in time. The connection polls it after each read.
struct AwaitedHead {
    sleep: Pin<Box<tokio::time::Sleep>>,
    head: Duration,
    arrivals: Arrivals,
    has_begun: bool,
}

impl Future for AwaitedHead {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_begun && self.arrivals.have_come() {
            self.has_begun = true;
            let due = tokio::time::Instant::now() + self.head;
            self.sleep.as_mut().reset(due);
        }
        self.sleep.as_mut().poll(cx)
    }
}

impl Sleep for AwaitedHead {}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    async fn seconds(awaited: Pin<Box<dyn Sleep>>) -> u64 {
        let began = tokio::time::Instant::now();
        awaited.await;
        began.elapsed().as_secs()
    }

    fn next_head(timer: &HeadTimer) -> Pin<Box<dyn Sleep>> {
        timer.sleep_until(timer.now() + HEAD)
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_lives_longer_than_one_that_is_new_or_has_begun_a_head() {
        let timer = HeadTimer::new(HEAD, IDLE);
        let first = next_head(&timer);
        assert!((9..=10).contains(&seconds(first).await));
        timer.arrivals().note();
        let second = next_head(&timer);
        assert!((74..=75).contains(&seconds(second).await), "what came before is of no head");
        let third = next_head(&timer);
        timer.arrivals().note();
        assert!((9..=10).contains(&seconds(third).await));
    }
}
