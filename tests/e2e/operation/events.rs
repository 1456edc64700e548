//! What is stored as an event and for how long, on a server with a clock that the test moves.

use propusk_server::address_privacy::AddressPrivacy;
use propusk_server::auth::{ListedEvent, Span};
use propusk_server::config::Config;
use propusk_tests::contract::Backdoor as _;
use propusk_tests::native;
use propusk_tests::operator::column;
use propusk_tests::server::TestServer;
use propusk_tests::user::*;
use serde_json::json;
use tokio::task::JoinSet;

const DAY: i64 = 24 * 3_600;

/// The events of an account, the newest first.
async fn events_of(server: &TestServer, id: i64) -> Vec<ListedEvent> {
    server.auth.events_of(id, i64::MAX, 10_000).await.expect("the database answers")
}

async fn names_of(server: &TestServer, id: i64) -> Vec<String> {
    events_of(server, id).await.into_iter().map(|event| event.event).collect()
}

/// All rows, decoys included.
async fn rows(server: &TestServer) -> usize {
    let all = "select event from events";
    column(&server.store().await, all, all).await.len()
}

/// Accounts 1 to `count`, created without a request.
async fn accounts(server: &TestServer, count: i64) {
    for id in 1..=count {
        server.import(&format!("user{id}"), PASSWORD, id, None).await;
    }
}

async fn wrong_sign_in(server: &TestServer, from: &str, username: &str) {
    let body = json!({"username": username, "password": "wrong"});
    let answer = server.client.post_from(from, "/api/auth/login/", &body).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
}

fn behind_a_proxy(config: &mut Config) {
    config.http.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
}

#[tokio::test]
async fn refused_attempts_of_an_hour_are_one_row_with_a_count() {
    let server = TestServer::with(behind_a_proxy).await;
    accounts(&server, 1).await;
    for last in 1..=20 {
        wrong_sign_in(&server, &format!("192.0.2.{last}"), "user1").await;
    }
    wrong_sign_in(&server, "198.51.100.1", "user1").await;
    server.auth.store_some_refused().await;
    wrong_sign_in(&server, "192.0.2.200", "user1").await;
    server.auth.store_some_refused().await;
    let counted = async || {
        let events = events_of(&server, 1).await.into_iter();
        let mut refused: Vec<_> = events
            .filter(|event| event.event == "refused")
            .map(|event| (event.at, event.address.unwrap_or_default(), event.count))
            .collect();
        refused.sort();
        refused
    };
    let hour = server.clock.now() - server.clock.now() % 3_600;
    let (many, one) = ("192.0.2.0/24".to_owned(), "198.51.100.0/24".to_owned());
    assert_eq!(counted().await, [(hour, many.clone(), 21), (hour, one.clone(), 1)]);
    server.clock.advance(3_600);
    wrong_sign_in(&server, "192.0.2.1", "user1").await;
    server.auth.store_some_refused().await;
    let later = (hour + 3_600, many.clone(), 1);
    assert_eq!(counted().await, [(hour, many, 21), (hour, one, 1), later]);
}

/// The answer does not show that the account is suspended, and the count and the log do.
#[tokio::test]
async fn right_password_of_a_suspended_account_is_counted_as_such() {
    let server = TestServer::start().await;
    let email = "anna@example.com";
    let body = json!({"email": email, "username": "anna", "password": PASSWORD});
    assert_eq!(native::register(&server, body).await.status, 201);
    server.set_active(email, false).await;
    let ways = [
        ("/api/auth/login/", "username", "anna"),
        ("/api/auth/jwt/create/", "username", email),
        ("/auth/token/login/", "username", email),
        ("/token", "email", email),
    ];
    for (path, field, name) in ways {
        let ask = async |password: &str| {
            server.client.post(path, &json!({field: name, "password": password})).await
        };
        let (right, wrong) = (ask(PASSWORD).await, ask("wrong").await);
        assert_eq!((right.status, right.text()), (wrong.status, wrong.text()), "{path}");
    }
    server.auth.store_some_refused().await;
    let refused = events_of(&server, 1).await.into_iter().filter(|one| one.event == "refused");
    let mut counts: Vec<_> = refused.map(|one| (one.reason, one.count)).collect();
    counts.sort();
    let counted = |reason: &str| (Some(reason.to_owned()), 4);
    assert_eq!(counts, [counted("inactive"), counted("wrong_password")]);
}

/// A row that named the first of them would say something wrong.
#[tokio::test]
async fn refused_attempts_by_several_dialects_name_none() {
    let server = TestServer::start().await;
    accounts(&server, 1).await;
    let dialects = async || {
        server.auth.store_some_refused().await;
        let refused = events_of(&server, 1).await.into_iter().filter(|one| one.event == "refused");
        refused.map(|one| (one.count, one.dialect)).collect::<Vec<_>>()
    };
    let of = |count, dialect: Option<&str>| vec![(count, dialect.map(str::to_owned))];
    for count in 1..=2 {
        wrong_sign_in(&server, "127.0.0.1", "user1").await;
        assert_eq!(dialects().await, of(count, Some("simplejwt")));
    }
    assert_eq!(native::sign_in(&server, "user1", "wrong").await, None);
    assert_eq!(dialects().await, of(3, None));
    wrong_sign_in(&server, "127.0.0.1", "user1").await;
    assert_eq!(dialects().await, of(4, None));
    // The same within one write.
    server.clock.advance(3_600);
    wrong_sign_in(&server, "127.0.0.1", "user1").await;
    assert_eq!(native::sign_in(&server, "user1", "wrong").await, None);
    assert_eq!(dialects().await[0], (2, None));
}

/// More than a few of the steps of the background task.
#[tokio::test]
async fn all_counts_are_stored_when_the_server_stops() {
    let server = TestServer::with(behind_a_proxy).await;
    accounts(&server, 1).await;
    for network in 0..150 {
        wrong_sign_in(&server, &format!("10.0.{network}.1"), "user1").await;
    }
    server.auth.store_last_refused().await;
    let names = names_of(&server, 1).await;
    assert_eq!(names.iter().filter(|name| *name == "refused").count(), 150);
}

/// A minute of the server is six steps of its background task.
#[tokio::test]
async fn flood_of_wrong_sign_ins_adds_few_rows() {
    let server = TestServer::with(behind_a_proxy).await;
    accounts(&server, 10).await;
    let before = rows(&server).await;
    let mut asking = JoinSet::new();
    // A hundred networks try ten names with and ten without an account.
    for network in 0..100 {
        let client = server.client.clone();
        asking.spawn(async move {
            for name in 1..=20 {
                let body = json!({"username": format!("user{name}"), "password": "wrong"});
                let from = format!("10.0.{network}.1");
                client.post_from(&from, "/api/auth/login/", &body).await;
            }
        });
    }
    asking.join_all().await;
    for _ in 0..6 {
        server.auth.store_some_refused().await;
    }
    let added = rows(&server).await - before;
    // The background task may have run once in between.
    assert!((90..=112).contains(&added), "{added}");
    let counts = server.auth.refusal_counts();
    let of =
        |is_known: bool| counts.iter().find(|one| one.is_known == is_known).map(|one| one.count);
    assert_eq!((of(true), of(false)), (Some(1_000), Some(1_000)));
    let names: Vec<_> = names_of(&server, 1).await;
    assert!(names.contains(&"refused".to_owned()), "{names:?}");
}

#[tokio::test]
async fn address_of_an_event_is_kept_as_the_setting_says() {
    for (privacy, expected) in [
        (AddressPrivacy::Full, Some("2001:db8:1:2::3")),
        (AddressPrivacy::Network, Some("2001:db8:1::/48")),
        (AddressPrivacy::None, None),
    ] {
        let server = TestServer::with(|config| {
            behind_a_proxy(config);
            config.privacy.addresses = privacy;
        })
        .await;
        accounts(&server, 1).await;
        let body = json!({"username": "user1", "password": PASSWORD});
        let from = "2001:db8:1:2::3";
        assert_eq!(server.client.post_from(from, "/api/auth/login/", &body).await.status, 200);
        wrong_sign_in(&server, from, "user1").await;
        wrong_sign_in(&server, from, "user1").await;
        server.auth.store_some_refused().await;
        let events = events_of(&server, 1).await;
        let [refused, signed_in, _imported] = &events[..] else { panic!("{events:?}") };
        assert_eq!((&*refused.event, refused.count), ("refused", 2));
        assert_eq!(
            (&*signed_in.event, signed_in.dialect.as_deref()),
            ("signed_in", Some("simplejwt"))
        );
        for event in [refused, signed_in] {
            assert_eq!(event.address.as_deref(), expected, "{privacy:?}");
        }
    }
}

#[tokio::test]
async fn events_are_deleted_after_their_days() {
    let server = TestServer::with(|config| config.events.keep_days = 30).await;
    signed_up(&server, "anna@example.com").await;
    server.clock.advance(20 * DAY);
    signed_in(&server, "anna@example.com").await;
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(names_of(&server, 1).await, ["signed_in", "signed_in", "registered"]);
    server.clock.advance(10 * DAY + 1);
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(names_of(&server, 1).await, ["signed_in"]);
}

#[tokio::test]
async fn deletion_of_an_account_leaves_one_line() {
    let server = TestServer::start().await;
    let (access, _) = signed_up(&server, "anna@example.com").await;
    signed_up(&server, "bob@example.com").await;
    wrong_sign_in(&server, "127.0.0.1", "anna@example.com").await;
    sign_in(&server, "anna@example.com", "wrong").await;
    let bearer = format!("Bearer {access}");
    let body = json!({"current_password": PASSWORD});
    let deleted = native::call(&server, "DELETE", "account", Some(&bearer), body).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    // What was counted before is not stored for an account that is gone.
    server.auth.store_some_refused().await;
    let left = events_of(&server, 1).await;
    let [line] = &left[..] else { panic!("{left:?}") };
    assert_eq!(line.event, "account_deleted");
    assert_eq!((&line.address, &line.session_id, &line.detail), (&None, &None, &None));
    assert_eq!(names_of(&server, 2).await, ["signed_in", "registered"]);
}

#[tokio::test]
async fn account_that_is_never_activated_takes_its_events_along() {
    let server = TestServer::with(|config| {
        native::native(config).activation = Some(true);
    })
    .await;
    native::register(&server, json!({"email": "anna@example.com", "password": PASSWORD})).await;
    assert!(names_of(&server, 1).await.contains(&"registered".to_owned()));
    server.mails().await;
    server.clock.advance(31 * DAY);
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(names_of(&server, 1).await, Vec::<String>::new());
}

/// A change that is refused in its transaction leaves no event.
#[tokio::test]
async fn refused_change_leaves_no_event() {
    let server = TestServer::start().await;
    let anna = native::signed_up(&server, "anna@example.com").await;
    let body = json!({"username": "anna", "password": PASSWORD});
    assert_eq!(native::register(&server, body).await.status, 201);
    let before = names_of(&server, 1).await;
    // Nothing would be left to sign in by: the address is removed first, and then all is undone.
    server.execute("update accounts set password = null").await;
    let change = json!({"email": null});
    let refused = native::call(&server, "PATCH", "account", Some(&anna), change).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(names_of(&server, 1).await, before);
    let change = json!({"display_name": "Anna"});
    let changed = native::call(&server, "PATCH", "account", Some(&anna), change).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(names_of(&server, 1).await[0], "names_changed");
}

#[tokio::test]
async fn refresh_adds_no_event_and_a_sign_in_one() {
    let server = TestServer::start().await;
    let (_, token) = signed_up(&server, "anna@example.com").await;
    let before = rows(&server).await;
    for _ in 0..3 {
        assert_eq!(refresh(&server, &token).await.status, 200);
    }
    assert_eq!(rows(&server).await, before);
    signed_in(&server, "anna@example.com").await;
    assert_eq!(rows(&server).await, before + 1);
}

/// As many rows for an address without an account as for one with: the time of the answer must not
/// show which one it is.
#[tokio::test]
async fn mail_that_is_not_sent_costs_as_many_rows() {
    let server = TestServer::start().await;
    new_account(&server, "anna@example.com").await;
    server.set_active("anna@example.com", true).await;
    let added = async |email: &str| {
        let before = rows(&server).await;
        native::post(&server, "password/reset", json!({"email": email})).await;
        // Before the mail is sent, which adds another row.
        let queued = "select event from events where event in ('mail_queued', 'decoy')";
        let queued = column(&server.store().await, queued, queued).await.len();
        (rows(&server).await > before, queued)
    };
    let known = added("anna@example.com").await;
    let unknown = added("nobody@example.com").await;
    assert!(known.0 && unknown.0);
    assert_eq!(unknown.1, known.1 + 1);
    // A decoy is not shown, and is gone after the next sweep.
    server.mails().await;
    let shown =
        server.auth.events_in(Span::Below(i64::MAX), 1_000).await.expect("the database answers");
    assert!(shown.iter().all(|event| event.event != "decoy"));
    server.auth.sweep().await.expect("the database answers");
    let decoys = "select event from events where event = 'decoy'";
    assert_eq!(column(&server.store().await, decoys, decoys).await, Vec::<String>::new());
}
