//! What has happened to an account, and its export.

use propusk::testing::{Answer, FakeBrowser};
use propusk::{Client, ErrorKind, Event, UpdateAccountRequest};
use serde_json::{Value, json};

use super::{EMAIL, HOUR, PASSWORD, kind, rejection, server, signed_in};

const EXPORT: &str = "/propusk/v1/account/export";
const EVENTS: &str = "/propusk/v1/account/events";

/// The first page, the newest first.
async fn events(client: &Client) -> Vec<Event> {
    client.account_events(None).await.expect("a page").events
}

/// What happened and why.
fn names(events: &[Event]) -> Vec<(&str, Option<&str>)> {
    events.iter().map(|event| (event.event.as_str(), event.reason.as_deref())).collect()
}

async fn exported(client: &Client) -> Value {
    let text = client.export_account(Some(PASSWORD.into())).await.expect("an export");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn events_are_those_of_the_real_server() {
    let (server, client) = signed_in().await;
    let phone = server.client();
    phone.sign_in(EMAIL, "another password").await.expect_err("wrong");
    phone.sign_in(EMAIL, "another password").await.expect_err("wrong");
    phone.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    client.change_password(Some("wrong".into()), "another harbour").await.expect_err("wrong");
    client.change_password(Some(PASSWORD.into()), "another harbour").await.expect("changed");
    let changes = UpdateAccountRequest {
        display_name: Some(Some("Anna".to_owned())),
        phone: Some(None),
        ..UpdateAccountRequest::default()
    };
    client.update_profile(&changes).await.expect("changed");
    client.sign_out().await.expect("a sign-out");
    server.suspend(EMAIL);
    client.sign_in(EMAIL, "another harbour").await.expect_err("suspended");
    server.enable(EMAIL);
    client.sign_in(EMAIL, "another harbour").await.expect("a sign-in");
    let mut events = events(&client).await;
    events.reverse();
    assert_eq!(
        names(&events),
        [
            ("registered", None),
            ("signed_in", Some("password")),
            ("refused", Some("wrong_password")),
            ("signed_in", Some("password")),
            ("refused", Some("wrong_current_password")),
            ("password_changed", Some("current_password")),
            ("sessions_ended", Some("password_changed")),
            ("names_changed", Some("display_name")),
            ("session_ended", Some("signed_out")),
            ("disabled", None),
            ("refused", Some("inactive")),
            ("enabled", None),
            ("signed_in", Some("password")),
        ]
    );
    assert_eq!(events[2].count, 2, "one for each reason and hour");
    assert!(events[9].by_operator && events[9].address.is_none(), "{:?}", events[9]);
    let last = &events[12];
    let current = server.sessions(EMAIL).remove(0).id;
    assert_eq!((last.session_id.as_ref(), last.count), (Some(&current), 1));
    assert_eq!((last.at, last.by_operator), (server.clock().now(), false));
    assert_eq!(last.api.as_deref(), Some("native"));
    assert_eq!(last.address.as_deref(), Some("127.0.0.0/24"));
}

#[tokio::test]
async fn events_of_ended_sessions_say_why() {
    let (server, client) = signed_in().await;
    let phone = server.client();
    phone.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let sessions = client.sessions().await.expect("a list");
    let other = sessions.iter().find(|session| !session.current).expect("the phone's");
    client.end_session(&other.id, None).await.expect("ended");
    phone.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    client.end_other_sessions(None).await.expect("ended");
    client.end_other_sessions(None).await.expect("no other session, so no event");
    let elsewhere = Some("signed_out_elsewhere");
    let found = events(&client).await;
    let expected = [
        ("sessions_ended", elsewhere),
        ("signed_in", Some("password")),
        ("session_ended", elsewhere),
        ("signed_in", Some("password")),
    ];
    assert_eq!(names(&found[..4]), expected);
    assert_eq!(found[2].session_id.as_ref(), Some(&other.id));
}

#[tokio::test]
async fn events_name_the_provider() {
    let server = server().await;
    let client = server.builder().redirect("com.example.app:/done").build().expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let begun = client.begin_link("google", None, None).await.expect("it begins");
    let browser = FakeBrowser::approves("anna@gmail.example");
    let link = browser.open(&begun.authorize_url).await.expect("a page").expect("a link");
    client.complete_sign_in(&link).await.expect("linked");
    let identity = client.identities().await.expect("a list").remove(0);
    client.unlink("google", &identity.subject, None).await.expect("unlinked");
    let page = client.account_events(None).await.expect("a page");
    let providers: Vec<_> = page
        .events
        .iter()
        .filter_map(|event| {
            event.provider.as_deref().map(|provider| (event.event.as_str(), provider))
        })
        .collect();
    assert_eq!(providers, [("unlinked", "google"), ("linked", "google")]);
}

#[tokio::test]
async fn events_are_listed_in_pages() {
    let (server, client) = signed_in().await;
    for _ in 0..60 {
        server.client().sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    }
    let first = client.account_events(None).await.expect("a page");
    assert_eq!(first.events.len(), 50);
    let next = first.next.expect("another page");
    let second = client.account_events(Some(&next)).await.expect("a page");
    // One of the account and 61 of its sign-ins.
    assert_eq!(second.events.len(), 12);
    assert_eq!(second.events.last().map(|event| event.event.as_str()), Some("registered"));
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn events_page_is_encoded_in_the_query() {
    let (server, client) = signed_in().await;
    // As at the real server, a number is no page.
    let number = rejection(client.account_events(Some("1")).await);
    assert_eq!(number.code.to_string(), "invalid_fields");
    let refused = rejection(client.account_events(Some("1&before=2 +")).await);
    assert_eq!(refused.code.to_string(), "invalid_fields");
    assert_eq!(refused.fields["before"][0].code, propusk::FieldCode::Invalid);
    let asked = server.requests().into_iter().rfind(|request| request.path() == EVENTS);
    assert_eq!(asked.expect("a request").query(), "before=1%26before%3D2+%2B");
}

#[tokio::test]
async fn export_contains_what_is_kept_without_secrets() {
    let (server, client) = signed_in().await;
    server.client().sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    server.add_account("boris@example.org", "another harbour");
    client.end_other_sessions(None).await.expect("ended");
    let export = exported(&client).await;
    assert_eq!(export["exported_at"], server.clock().now());
    assert_eq!(export["account"]["has_password"], true);
    assert_eq!(export["account"]["last_sign_in_at"], server.clock().now());
    assert_eq!(export["identifiers"][0]["value"], EMAIL);
    let mut ended: Vec<_> = export["sessions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["ended"].clone())
        .collect();
    ended.sort_by_key(Value::to_string);
    assert_eq!(ended, [false, true]);
    assert_eq!(export["events"][0]["event"], "exported");
    let text = export.to_string();
    for secret in [PASSWORD, "boris", "pr1.", "eyJ"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test]
async fn export_needs_the_password_or_a_recent_sign_in() {
    let (server, client) = signed_in().await;
    client.export_account(None).await.expect("a recent sign-in");
    server.advance(HOUR);
    let refused = rejection(client.export_account(None).await);
    assert_eq!(refused.code.to_string(), "reauthentication_required");
    let refused = rejection(client.export_account(Some("wrong".into())).await);
    assert_eq!(refused.code.to_string(), "wrong_password");
    client.export_account(Some(PASSWORD.into())).await.expect("the password");
}

#[tokio::test]
async fn export_may_be_large_and_is_not_changed() {
    let (server, client) = signed_in().await;
    let large = json!({ "exported_at": 7, "account": {}, "added_later": "ё".repeat(1 << 20) });
    let text = large.to_string();
    server.answer_next("POST", EXPORT, Answer::status(200).json(&large));
    assert!(client.export_account(None).await.expect("an export") == text);
    // Only an export may be that large.
    let page = json!({ "events": [], "next": null, "added_later": "ё".repeat(1 << 20) });
    server.answer_next("GET", EVENTS, Answer::status(200).json(&page));
    assert_eq!(kind(client.account_events(None).await), ErrorKind::Network);
}

#[tokio::test]
async fn export_that_was_cut_is_not_accepted() {
    let (server, client) = signed_in().await;
    let text = client.export_account(None).await.expect("an export");
    for cut in [1, text.len() / 2, text.len() - 1] {
        let answer = Answer::status(200).header("Content-Type", "application/json");
        server.answer_next("POST", EXPORT, answer.body(&text[..cut]));
        assert_eq!(kind(client.export_account(None).await), ErrorKind::Network, "{cut}");
    }
}
