//! What the SDK reports to `tracing`: spans of its work, without secrets.

use std::cell::RefCell;
use std::fmt::{Debug, Write};

use propusk::ExistingTokens;
use propusk::testing::{Answer, FailingVault};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::{EMAIL, HOUR, PASSWORD, REFRESH, server};

/// Collects what each thread reports. There is one for all threads, because `tracing` remembers for
/// each span whether the thread that used it first had a subscriber.
struct Collector;

#[derive(Default)]
struct Collected {
    spans: Vec<&'static str>,
    text: String,
}

thread_local! {
    static COLLECTED: RefCell<Collected> = RefCell::default();
}

impl Visit for Collected {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.text, "{field}={value:?}").expect("text");
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        writeln!(self.text, "{field}={value} {value:?}").expect("text");
    }
}

impl Subscriber for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        COLLECTED.with_borrow_mut(|collected| {
            collected.spans.push(span.metadata().name());
            span.record(collected);
        });
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        COLLECTED.with_borrow_mut(|collected| values.record(collected));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        COLLECTED.with_borrow_mut(|collected| event.record(collected));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn spans_name_the_work_and_contain_no_secret() {
    tracing::subscriber::set_global_default(Collector).expect("no other test sets one");
    let (server, device) = (server().await, FailingVault::new());
    let client = server.builder().vault(device.vault()).build().expect("a client");
    client.sign_in(EMAIL, "another password").await.expect_err("a wrong password");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let tokens = stored(&device).await;
    client.adopt(ExistingTokens::pair("a b", "c d")).await.expect_err("no tokens");
    client.request_reset(EMAIL).await.expect("a mail");
    let link = server.mailed_link(EMAIL).expect("a link");
    // A busy server, no network, and a lost answer.
    server.advance(HOUR);
    for answer in [Answer::status(503), Answer::status(502), Answer::lost()] {
        server.answer_next("POST", REFRESH, answer);
        client.refresh().await.expect_err("no renewal");
    }
    client.refresh().await.expect("a renewal");
    let renewed = stored(&device).await;
    server.offline();
    client.sign_out().await.expect("a sign-out");
    client.finish_pending_work(HOUR).await;
    server.online();
    client.network_changed();
    assert!(client.finish_pending_work(HOUR).await);

    let mut secrets = vec![PASSWORD.to_owned(), "another password".to_owned()];
    secrets.push(link.token.expose().to_owned());
    secrets.extend(tokens.into_iter().chain(renewed));
    COLLECTED.with_borrow(|collected| {
        for name in ["sign-in", "renewal", "sign-out"] {
            assert!(collected.spans.contains(&name), "{name} in {:?}", collected.spans);
        }
        assert!(collected.text.contains("dialect=Native"), "{}", collected.text);
        assert!(collected.text.contains("the server was not informed of a sign-out"));
        for secret in secrets {
            assert!(!collected.text.contains(&secret), "{secret} in {}", collected.text);
        }
    });
}

/// The secrets of the stored session.
async fn stored(device: &FailingVault) -> Vec<String> {
    let record = device.vault().read().await.expect("readable").expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    let session = &record["held"]["signed_in"];
    let secrets = [&session["credential"]["token"], &session["refresh"], &session["attempt_key"]];
    secrets.map(|secret| secret.as_str().expect("a secret").to_owned()).to_vec()
}
