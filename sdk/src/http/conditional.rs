//! A request body that is sent only if it is still needed. That is checked when the connection is
//! open and the body is about to be sent, because a process may be suspended for hours before that.
//! It is checked again if the process was suspended during the check.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;

use crate::clock::Clock;

/// How long the result of a check is valid, from its start. Another process needs longer to renew
/// twice, which is what makes a refresh token stale.
const VALIDITY: Duration = Duration::from_secs(2);

/// Returns whether the body is still needed.
pub(crate) type Condition =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// A conditional body with this text.
pub(super) fn body(text: String, condition: Condition, clock: Clock) -> reqwest::Body {
    let text = Some(text.into_bytes().into());
    reqwest::Body::wrap(Conditional { text, condition, clock, check: None })
}

struct Conditional {
    text: Option<bytes::Bytes>,
    condition: Condition,
    clock: Clock,
    check: Option<Check>,
}

/// A running check. Its age is measured by two clocks: one may be set, and the other may stop while
/// the device sleeps.
struct Check {
    outcome: JoinHandle<bool>,
    began: Instant,
    began_at: i64,
}

impl Conditional {
    fn begin_check(&self) -> Check {
        let (began, began_at) = (Instant::now(), self.clock.now());
        Check { outcome: tokio::spawn((self.condition)()), began, began_at }
    }
}

impl Check {
    fn is_valid(&self, now: i64) -> bool {
        let by_device = now.saturating_sub(self.began_at);
        let by_device = Duration::from_secs(u64::try_from(by_device).unwrap_or(0));
        self.began.elapsed().max(by_device) <= VALIDITY
    }
}

impl Body for Conditional {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<bytes::Bytes>, std::io::Error>>> {
        let this = self.get_mut();
        if this.text.is_none() {
            return Poll::Ready(None);
        }
        loop {
            let check = this.check.take().unwrap_or_else(|| this.begin_check());
            let check = this.check.insert(check);
            let is_needed = ready!(Pin::new(&mut check.outcome).poll(context)).unwrap_or(false);
            let is_valid = check.is_valid(this.clock.now());
            this.check = None;
            if !is_needed {
                this.text = None;
                let error = std::io::Error::other("the body is not needed any more");
                return Poll::Ready(Some(Err(error)));
            }
            if is_valid {
                return Poll::Ready(this.text.take().map(|text| Ok(Frame::data(text))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.text.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.text.as_ref().map_or(0, |text| text.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    /// What a server receives of a request with a conditional body.
    async fn arrives(condition: Condition, clock: Clock) -> String {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let network = crate::network::Network::default();
        let (tls, server) = (network.tls().unwrap(), url::Url::parse(&url).unwrap());
        let client = network.client(&tls, &server).unwrap();
        let sending = tokio::spawn(async move {
            let body = body("secret".to_owned(), condition, clock);
            client.post(url).body(body).send().await.is_ok()
        });
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).ends_with("secret") {
            if stream.read_buf(&mut seen).await.unwrap() == 0 {
                break;
            }
        }
        drop(stream);
        assert!(!sending.await.unwrap(), "there is no answer");
        String::from_utf8(seen).unwrap()
    }

    fn always(is_needed: bool) -> Condition {
        Box::new(move || Box::pin(std::future::ready(is_needed)))
    }

    /// Needed at each check but the last; each of the others takes this long.
    fn needed_until_check(last: usize, clock: &Clock, seconds: i64) -> Condition {
        let (checks, clock) = (AtomicUsize::new(1), clock.clone());
        Box::new(move || {
            let is_last = checks.fetch_add(1, Ordering::SeqCst) == last;
            if !is_last {
                clock.set(clock.now() + seconds);
            }
            Box::pin(std::future::ready(!is_last))
        })
    }

    #[tokio::test]
    async fn conditional_body_is_sent_with_its_length_or_not_at_all() {
        let sent = arrives(always(true), Clock::manual(1_000)).await;
        assert!(
            sent.contains("content-length: 6\r\n") && sent.ends_with("\r\n\r\nsecret"),
            "{sent}"
        );
        assert!(!arrives(always(false), Clock::manual(1_000)).await.contains("secret"));
    }

    #[tokio::test]
    async fn check_during_which_the_process_was_suspended_is_repeated() {
        let clock = Clock::manual(1_000);
        let sent = arrives(needed_until_check(3, &clock, 301), clock.clone()).await;
        assert!(!sent.contains("secret"), "{sent}");
        let sent = arrives(needed_until_check(2, &clock, 1), clock.clone()).await;
        assert!(sent.contains("secret"), "the first check took a second: {sent}");
    }
}
