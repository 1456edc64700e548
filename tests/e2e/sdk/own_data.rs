//! What a user can see of the own account: the list of what has happened, and the export of
//! everything that the server keeps.

use std::collections::BTreeSet;

use propusk::testing::FakeServer;
use propusk::{Client, ClientBuilder, Clock, Dialect, ErrorKind, Event, Operation, Registration};
use propusk_tests::limits::{ANY, limited, limits};
use propusk_tests::recording_proxy::RecordingProxy;
use propusk_tests::server::TestServer;
use propusk_wire::ExportResponse;
use serde_json::{Value, json};

use super::{EMAIL, Home, PASSWORD, code};

const EXPORT: &str = "POST /propusk/v1/account/export";
const NEW_PASSWORD: &str = "a louder harbour at night";
/// Longer than a sign-in is recent.
const OLD: i64 = 301;

/// All events, the newest first, and how many each page has.
async fn all_events(client: &Client) -> (Vec<Event>, Vec<usize>) {
    let (mut events, mut pages, mut next) = (Vec::new(), Vec::new(), None);
    loop {
        let page = client.account_events(next.as_deref()).await.expect("a page");
        pages.push(page.events.len());
        events.extend(page.events);
        next = page.next;
        if next.is_none() {
            return (events, pages);
        }
    }
}

/// What a user does on two devices, as it is listed, the oldest first. Sessions have the number of
/// their sign-in instead of their id; mails and times are left out.
async fn round(builder: impl Fn() -> ClientBuilder) -> Vec<Value> {
    let [laptop, phone] = [(); 2].map(|()| builder().build().expect("a client"));
    let new = Registration::new(PASSWORD).email(EMAIL);
    laptop.register(&new).await.expect("an account");
    laptop.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    phone.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    laptop.change_password(Some(PASSWORD.into()), NEW_PASSWORD).await.expect("changed");
    phone.sign_in(EMAIL, NEW_PASSWORD).await.expect("a sign-in");
    let sessions = laptop.sessions().await.expect("a list");
    let other = sessions.iter().find(|session| !session.current).expect("the phone's");
    laptop.end_session(&other.id, None).await.expect("ended");
    phone.sign_in(EMAIL, NEW_PASSWORD).await.expect("a sign-in");
    laptop.end_other_sessions(None).await.expect("ended");
    // What ends no session is no event.
    laptop.end_other_sessions(None).await.expect("ended");
    let changes = propusk::UpdateAccountRequest {
        username: Some(Some("anna".to_owned())),
        display_name: Some(Some("Anna".to_owned())),
        ..propusk::UpdateAccountRequest::default()
    };
    laptop.update_profile(&changes).await.expect("changed");
    laptop.sign_out().await.expect("a sign-out");
    laptop.sign_in(EMAIL, NEW_PASSWORD).await.expect("a sign-in");
    laptop.export_account(None).await.expect("an export");
    let (mut events, _) = all_events(&laptop).await;
    events.retain(|event| !event.event.starts_with("mail_"));
    events.reverse();
    let signed_in = |event: &&Event| event.event == "signed_in";
    let opened: Vec<_> =
        events.iter().filter(signed_in).map(|event| event.session_id.clone()).collect();
    let listed = events.iter().map(|event| {
        let mut listed = serde_json::to_value(event).expect("JSON");
        listed["at"] = Value::Null;
        listed["session_id"] = match &event.session_id {
            None => Value::Null,
            session => json!(opened.iter().position(|one| one == session)),
        };
        listed
    });
    listed.collect()
}

#[tokio::test]
async fn events_of_the_fake_server_are_those_of_the_real_one() {
    let real = TestServer::start().await;
    let clock = Clock::manual(real.clock.now());
    let listed = round(|| Client::builder(real.public_url.clone()).clock(clock.clone())).await;
    let names: Vec<_> =
        listed.iter().map(|event| (event["event"].as_str(), event["reason"].as_str())).collect();
    assert_eq!(
        names,
        [
            (Some("registered"), None),
            (Some("signed_in"), Some("password")),
            (Some("signed_in"), Some("password")),
            (Some("password_changed"), Some("current_password")),
            (Some("sessions_ended"), Some("password_changed")),
            (Some("signed_in"), Some("password")),
            (Some("session_ended"), Some("signed_out_elsewhere")),
            (Some("signed_in"), Some("password")),
            (Some("sessions_ended"), Some("signed_out_elsewhere")),
            (Some("names_changed"), Some("display_name")),
            (Some("names_changed"), Some("username")),
            (Some("session_ended"), Some("signed_out")),
            (Some("signed_in"), Some("password")),
            (Some("exported"), None),
        ]
    );
    let fake = FakeServer::start().await;
    assert_eq!(round(|| fake.builder()).await, listed);
}

#[tokio::test]
async fn events_are_listed_in_pages_that_new_events_do_not_move() {
    let home = Home::start().await;
    let client = home.memory();
    for _ in 0..60 {
        home.advance(1);
        client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
        client.sign_out().await.expect("a sign-out");
    }
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let first = client.account_events(None).await.expect("a page");
    let next = first.next.as_deref().expect("another page");
    let second = client.account_events(Some(next)).await.expect("a page");
    home.memory().sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    assert_eq!(client.account_events(Some(next)).await.expect("a page"), second);
    let (events, pages) = all_events(&client).await;
    let signed_in: Vec<_> = events.iter().filter(|event| event.event == "signed_in").collect();
    assert!(signed_in.windows(2).all(|pair| pair[0].at >= pair[1].at));
    let sessions: BTreeSet<_> = signed_in.iter().map(|event| &event.session_id).collect();
    assert_eq!((signed_in.len(), sessions.len()), (62, 62));
    assert!(pages.len() > 2 && pages[..pages.len() - 1].iter().all(|length| *length == 50));
}

#[tokio::test]
async fn events_page_that_does_not_exist_is_a_rejection() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    for unknown in ["", "x", "0", "1000", "1&before=2", "1 ", "ё"] {
        let refused = client.account_events(Some(unknown)).await;
        assert_eq!(code(refused), "invalid_fields", "{unknown:?}");
    }
}

#[tokio::test]
async fn export_contains_what_the_account_has() {
    let home = Home::start().await;
    let other = Registration::new(NEW_PASSWORD).email("boris@example.org");
    home.memory().register(&other).await.expect("an account");
    let client = home.builder().device_name("Anna's laptop").build().expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    client.request_reset(EMAIL).await.expect("a mail");
    let account = client.profile().await.expect("a profile");
    let text = client.export_account(None).await.expect("an export");
    let token = client.access_token().await.expect("a token");
    let link = home.server.link_to(EMAIL).await;
    for secret in [PASSWORD, token.token().expose(), link.token.as_str(), "argon2", "boris", "pr1."]
    {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let export: ExportResponse = serde_json::from_str(&text).expect("an export");
    assert_eq!(export.exported_at, home.server.clock.now());
    assert_eq!(Some(export.account.id.to_string()), account.id);
    assert_eq!(export.identifiers[0].value, EMAIL);
    let devices: Vec<_> =
        export.sessions.iter().map(|session| session.device_name.as_deref()).collect();
    assert_eq!(devices, [Some("Anna's laptop")]);
    assert_eq!(export.links.len(), 1);
    let (listed, _) = all_events(&client).await;
    for name in ["registered", "signed_in", "exported"] {
        let of_name = |events: &[Event]| events.iter().find(|event| event.event == name).cloned();
        assert_eq!(of_name(&export.events), of_name(&listed), "{name}");
        assert!(of_name(&listed).is_some(), "{name}");
    }
}

#[tokio::test]
async fn export_needs_the_password_or_a_recent_sign_in() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    home.advance(OLD);
    assert_eq!(code(client.export_account(None).await), "reauthentication_required");
    assert_eq!(code(client.export_account(Some("wrong".into())).await), "wrong_password");
    client.export_account(Some(PASSWORD.into())).await.expect("an export");
    assert!(client.status().await.expect("a status").is_signed_in());
}

#[tokio::test]
async fn export_reports_when_it_is_allowed_again() {
    let home = Home::at(limited(limits(ANY, ANY, ANY)).await).await;
    let client = home.signed_in().await;
    let mut exports = 0;
    let kind = loop {
        match client.export_account(None).await {
            Ok(_) => exports += 1,
            Err(error) => break error.kind().clone(),
        }
    };
    assert!(matches!(kind, ErrorKind::RetryLater { .. }), "{kind:?}");
    assert_eq!(exports, 10);
}

#[tokio::test]
async fn export_that_is_cut_on_the_way_is_not_accepted() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    let text = client.export_account(None).await.expect("an export");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let cut = &text[..text.len() - 2];
    for answer in [
        format!("{head}\r\n{cut}"),
        format!("{head}content-length: {}\r\n\r\n{cut}", text.len()),
        format!("{head}content-length: {}\r\n\r\n{cut}", cut.len()),
    ] {
        tap.answer(EXPORT, Some(&answer));
        let error = client.export_account(None).await.expect_err("it was cut");
        assert_eq!(*error.kind(), ErrorKind::Network);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(EMAIL), "{shown}");
    }
    tap.answer(EXPORT, Some(&format!("{head}\r\n{text}")));
    assert_eq!(client.export_account(None).await.expect("an export"), text);
}

#[tokio::test]
async fn own_data_of_other_apis_is_not_asked_for() {
    let home = Home::start().await;
    for dialect in Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::Native) {
        let tap = RecordingProxy::open(home.server.address).await;
        let client = home.builder_at(&tap).dialect(dialect).build().expect("a client");
        let events = client.account_events(None).await.expect_err("unsupported");
        assert_eq!(*events.kind(), ErrorKind::Unsupported(Operation::Events), "{dialect:?}");
        let export = client.export_account(None).await.expect_err("unsupported");
        assert_eq!(*export.kind(), ErrorKind::Unsupported(Operation::Export), "{dialect:?}");
        assert!(tap.seen().is_empty(), "{dialect:?}");
    }
}
