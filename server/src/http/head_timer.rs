//! Time limits for request heads: a connection may be idle between two requests, because proxies
//! keep connections open; but after the first byte of a request, the whole head must arrive soon.
//! (hyper has one limit for both.)

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use memchr::memrchr;

/// The bytes received on a connection: recorded by the stream and the service, read by the timer.
/// hyper may have read the start of the next head together with a request, so arrivals alone are
/// not enough.
#[derive(Clone, Debug, Default)]
pub struct Arrivals(Arc<Mutex<Arrived>>);

#[derive(Debug, Default)]
struct Arrived {
    total: u64,
    /// Bytes since the last empty line, which ends a head or a chunked body.
    since_empty_line: u64,
    line_is_empty: bool,
    /// How many of these belong to the body of the last request.
    body: u64,
}

impl Arrivals {
    pub fn note(&self, bytes: &[u8]) {
        let mut arrived = self.lock();
        arrived.total += length_of(bytes);
        match end_of_empty_line(bytes, arrived.line_is_empty) {
            Some(end) => arrived.since_empty_line = length_of(&bytes[end..]),
            None => arrived.since_empty_line += length_of(bytes),
        }
        let (began_here, line) = match memrchr(b'\n', bytes) {
            Some(newline) => (true, &bytes[newline + 1..]),
            None => (false, bytes),
        };
        arrived.line_is_empty = is_empty(line) && (began_here || arrived.line_is_empty);
    }

    /// Records that a head was read. `body`: its content length; `None` for a chunked body.
    pub fn note_request(&self, body: Option<u64>) {
        self.lock().body = body.unwrap_or(0);
    }

    /// Whether bytes of the next request have arrived. An empty line in the last body hides them,
    /// and the connection then counts as idle.
    fn has_more(&self) -> bool {
        let arrived = self.lock();
        arrived.since_empty_line > arrived.body
    }

    fn total(&self) -> u64 {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the last empty line of these bytes ends. `is_begun`: the bytes continue a line that is empty so
/// far. Looks at newlines only, from the end: this runs for every byte that is received.
fn end_of_empty_line(bytes: &[u8], is_begun: bool) -> Option<usize> {
    let mut rest = bytes;
    while let Some(newline) = memrchr(b'\n', rest) {
        rest = &rest[..newline];
        let is_empty_line = match memrchr(b'\n', rest) {
            Some(before) => is_empty(&rest[before + 1..]),
            None => is_begun && is_empty(rest),
        };
        if is_empty_line {
            return Some(newline + 1);
        }
    }
    None
}

fn is_empty(line: &[u8]) -> bool {
    line.iter().all(|byte| *byte == b'\r')
}

fn length_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// The one timer of a connection. To put it off for each request takes no lock of the runtime, unlike
/// to make and to cancel one.
#[derive(Clone)]
struct Alarm(Arc<Mutex<Pin<Box<tokio::time::Sleep>>>>);

impl Alarm {
    fn lock(&self) -> MutexGuard<'_, Pin<Box<tokio::time::Sleep>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The timer of one connection. hyper starts it when it begins to wait for a head, and waits for one
/// head at a time.
pub struct HeadTimer {
    head: Duration,
    idle: Duration,
    arrivals: Arrivals,
    is_new: AtomicBool,
    alarm: Alarm,
}

impl HeadTimer {
    /// `head`: the limit from the first byte of a head; `idle`: the limit until that byte. A new
    /// connection must send its first head within `head` too.
    pub fn new(head: Duration, idle: Duration) -> Self {
        let (arrivals, is_new) = (Arrivals::default(), AtomicBool::new(true));
        let alarm = Alarm(Arc::new(Mutex::new(Box::pin(tokio::time::sleep(head)))));
        HeadTimer { head, idle, arrivals, is_new, alarm }
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
        let has_begun = is_new || self.arrivals.has_more();
        let until = if has_begun { in_time } else { self.now() + self.idle };
        self.alarm.lock().as_mut().reset(until.into());
        Box::pin(AwaitedHead {
            alarm: self.alarm.clone(),
            head: self.head,
            before: self.arrivals.total(),
            arrivals: self.arrivals.clone(),
            has_begun,
        })
    }
}

/// Completes when the head is late. The connection polls it after each read.
struct AwaitedHead {
    alarm: Alarm,
    head: Duration,
    arrivals: Arrivals,
    /// The bytes received before the wait began.
    before: u64,
    has_begun: bool,
}

impl Future for AwaitedHead {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let awaited = &mut *self;
        let mut alarm = awaited.alarm.lock();
        if !awaited.has_begun && awaited.arrivals.total() > awaited.before {
            awaited.has_begun = true;
            alarm.as_mut().reset(tokio::time::Instant::now() + awaited.head);
        }
        alarm.as_mut().poll(cx)
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
    async fn connection_that_is_idle_lives_longer_than_a_new_one_or_one_with_a_partial_head() {
        let timer = HeadTimer::new(HEAD, IDLE);
        let first = next_head(&timer);
        assert!((9..=10).contains(&seconds(first).await));
        timer.arrivals().note(b"GET / HTTP/1.1\r\n\r\n");
        timer.arrivals().note_request(Some(0));
        let second = next_head(&timer);
        assert!((74..=75).contains(&seconds(second).await), "what came before is of no head");
        let third = next_head(&timer);
        timer.arrivals().note(b"G");
        assert!((9..=10).contains(&seconds(third).await));
    }

    #[test]
    fn bytes_of_the_next_request_are_detected_at_every_cut() {
        const CHUNKED: Option<u64> = None;
        for (bytes, body, has_more) in [
            ("GET / HTTP/1.1\r\n\r\n", Some(0), false),
            ("\r\nGET / HTTP/1.1\n\n\r\n", Some(0), false),
            ("GET / HTTP/1.1\r\n\r\nGET /he", Some(0), true),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", Some(2), false),
            ("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}G", Some(2), true),
            ("POST / HTTP/1.1\r\n\r\n2\r\n{}\r\n0\r\n\r\n", CHUNKED, false),
            ("POST / HTTP/1.1\r\n\r\n2\r\n{}\r\n0\r\n\r\nG", CHUNKED, true),
        ] {
            for cut in 0..bytes.len() {
                let arrivals = Arrivals::default();
                let (first, second) = bytes.as_bytes().split_at(cut);
                arrivals.note(first);
                arrivals.note(second);
                arrivals.note_request(body);
                assert_eq!(arrivals.has_more(), has_more, "{bytes:?} cut at {cut}");
            }
        }
    }

    /// Byte by byte, as the empty line is defined.
    fn since_empty_line(bytes: &[u8]) -> u64 {
        let (mut since, mut line_is_empty) = (0, false);
        for byte in bytes {
            since += 1;
            match byte {
                b'\n' if line_is_empty => since = 0,
                b'\n' => line_is_empty = true,
                b'\r' => {}
                _ => line_is_empty = false,
            }
        }
        since
    }

    #[test]
    fn empty_line_is_found_in_whatever_pieces_it_comes() {
        const LENGTH: u32 = 7;
        for number in 0..3_usize.pow(LENGTH) {
            let letter = |place| b"a\r\n"[number / 3_usize.pow(place) % 3];
            let bytes: Vec<u8> = (0..LENGTH).map(letter).collect();
            for cut in 0..bytes.len() {
                let arrivals = Arrivals::default();
                let (first, second) = bytes.split_at(cut);
                arrivals.note(first);
                arrivals.note(second);
                let since = arrivals.lock().since_empty_line;
                assert_eq!(since, since_empty_line(&bytes), "{bytes:?} cut at {cut}");
                assert_eq!(arrivals.total(), u64::from(LENGTH));
            }
        }
    }
}
