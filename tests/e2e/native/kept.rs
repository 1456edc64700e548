//! What owners see of what is kept of them: the list of events, and the export.

use std::net::Ipv4Addr;

use propusk_server::Cause;
use propusk_server::auth::{NewClient, Reauthentication};
use propusk_tests::operator::{column, soon};
use propusk_wire::{Event, EventsResponse, ExportResponse};
use tokio::sync::mpsc::unbounded_channel;

use super::*;

async fn events_at(server: &TestServer, authorization: &str, path: &str) -> EventsResponse {
    read(&call(server, "GET", path, Some(authorization), Value::Null).await, 200)
}

async fn events(server: &TestServer, authorization: &str) -> Vec<Event> {
    events_at(server, authorization, "account/events").await.events
}

async fn export(server: &TestServer, authorization: &str, password: Option<&str>) -> Answer {
    let body = json!({"current_password": password});
    call(server, "POST", "account/export", Some(authorization), body).await
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.event.as_str()).collect()
}

#[tokio::test]
async fn owner_sees_own_events_and_no_others() {
    let server = TestServer::start().await;
    signed_up(&server, "bob@example.com").await;
    let anna = signed_up(&server, EMAIL).await;
    let session = open(&server, EMAIL).await.session_id;
    server.clock.advance(60);
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let changed = call(&server, "POST", "account/password", Some(&anna), body).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
    server.mails().await;
    let events = events(&server, &anna).await;
    let expected = [
        "mail_sent",
        "sessions_ended",
        "mail_queued",
        "password_changed",
        "signed_in",
        "signed_in",
        "registered",
    ];
    assert_eq!(names(&events), expected);
    let signed_in = &events[4];
    assert_eq!(signed_in.session_id.as_deref(), Some(&*session));
    assert_eq!(signed_in.api.as_deref(), Some("native"));
    assert_eq!(signed_in.reason.as_deref(), Some("password"));
    assert_eq!(signed_in.address.as_deref(), Some("127.0.0.0/24"));
    assert_eq!((signed_in.at, signed_in.count), (server.clock.now() - 60, 1));
    assert!(!signed_in.by_operator);
}

#[tokio::test]
async fn events_have_pages_of_fifty() {
    let server = TestServer::start().await;
    let anna = signed_up(&server, EMAIL).await;
    for _ in 0..60 {
        open(&server, EMAIL).await;
    }
    let first = events_at(&server, &anna, "account/events").await;
    assert_eq!(first.events.len(), 50);
    let next = first.next.expect("a second page");
    let second = events_at(&server, &anna, &format!("account/events?before={next}")).await;
    // 61 sign-ins and the registration.
    assert_eq!((second.events.len(), second.next), (12, None));
    assert_eq!(second.events[11].event, "registered");
}

/// Events of all accounts are numbered together: a number that an owner could choose or read would
/// show whether something happened to another account, and so whether there is one.
#[tokio::test]
async fn cursor_of_events_is_no_number_and_works_for_its_account_only() {
    let server = TestServer::start().await;
    let anna = signed_up(&server, EMAIL).await;
    let bob = signed_up(&server, "bob@example.com").await;
    for _ in 0..60 {
        open(&server, EMAIL).await;
    }
    let first = events_at(&server, &anna, "account/events").await;
    let next = first.next.expect("a second page");
    let again = events_at(&server, &anna, "account/events").await;
    assert_eq!(again.next.as_ref(), Some(&next), "the same page has the same cursor");
    let ids = "select cast(id as text) from events";
    let ids = column(&server.store().await, ids, ids).await;
    assert!(!ids.contains(&next), "{next}");
    let refused = async |who: &str, cursor: &str| {
        let path = format!("account/events?before={cursor}");
        let answer = call(&server, "GET", &path, Some(who), Value::Null).await;
        assert_refused_with(&answer, 422, "invalid_fields", json!({"before": ["invalid"]}));
    };
    refused(&bob, &next).await;
    for cursor in ["", "x", "0", "30", "9223372036854775807", &next[1..]] {
        refused(&anna, cursor).await;
    }
}

#[tokio::test]
async fn what_an_operator_did_is_marked_and_the_operator_is_not_named() {
    let server = TestServer::start().await;
    let anna = signed_up(&server, EMAIL).await;
    let id = own(&server, &anna).await.id;
    let cause = Cause::Operator("canary-operator".into());
    cause.during(server.auth.set_active(id, false)).await.expect("the database answers");
    server.auth.set_active(id, true).await.expect("the database answers");
    let answer = call(&server, "GET", "account/events", Some(&anna), Value::Null).await;
    assert!(!answer.text().contains("canary"), "{}", answer.text());
    let events: EventsResponse = read(&answer, 200);
    let shown: Vec<_> = events.events.iter().map(|one| (&*one.event, one.by_operator)).collect();
    assert_eq!(shown[..2], [("enabled", false), ("disabled", true)]);
}

#[tokio::test]
async fn export_needs_the_password_or_a_recent_sign_in() {
    let server = TestServer::start().await;
    let anna = signed_up(&server, EMAIL).await;
    let answer = export(&server, &anna, None).await;
    let exported: ExportResponse = read(&answer, 200);
    assert!(names(&exported.events).contains(&"exported"));
    server.clock.advance(RECENT + 1);
    assert_refused(&export(&server, &anna, None).await, 403, "reauthentication_required");
    assert_refused(&export(&server, &anna, Some("wrong")).await, 403, "wrong_password");
    assert_eq!(export(&server, &anna, Some(PASSWORD)).await.status, 200);
    let anonymous = call(&server, "POST", "account/export", None, json!({})).await;
    assert_refused(&anonymous, 401, "invalid_credentials");
    // Each export was mailed, and the refused ones were not.
    let mails = server.mails().await;
    let subjects = mails.iter().map(|mail| mail.letter().subject);
    assert_eq!(subjects.filter(|subject| subject.contains("exported")).count(), 2);
}

#[tokio::test]
async fn client_of_oauth_gets_neither_events_nor_export() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let new = NewClient {
        id: "app".to_owned(),
        name: "App".to_owned(),
        secret: Some("a secret of the application".to_owned()),
        is_public: false,
        allows_password: true,
        introspects: false,
    };
    assert!(server.auth.create_client(new).await.expect("the database answers"));
    let body = json!({"grant_type": "password", "username": EMAIL, "password": PASSWORD,
                      "client_id": "app", "client_secret": "a secret of the application"});
    let tokens = server.client.post("/auth/token/", &body).await;
    let lent = format!("Bearer {}", tokens.field("access_token"));
    let seen = call(&server, "GET", "account", Some(&lent), Value::Null).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    let answer = call(&server, "GET", "account/events", Some(&lent), Value::Null).await;
    // Not as if a password or a sign-in could help.
    assert_refused(&answer, 403, "access_denied");
    for password in [None, Some(PASSWORD)] {
        let answer = export(&server, &lent, password).await;
        assert_refused(&answer, 403, "access_denied");
    }
    // A token in the URL is none.
    let token = tokens.field("access_token");
    let path = format!("account/events?access_token={token}");
    let answer = call(&server, "GET", &path, None, Value::Null).await;
    assert_refused(&answer, 401, "invalid_credentials");
}

#[tokio::test]
async fn suspended_owner_gets_nothing() {
    use propusk_tests::contract::Backdoor as _;
    let server = TestServer::start().await;
    let anna = signed_up(&server, EMAIL).await;
    server.set_active(EMAIL, false).await;
    let answer = call(&server, "GET", "account/events", Some(&anna), Value::Null).await;
    assert_refused(&answer, 403, "account_inactive");
    assert_refused(&export(&server, &anna, None).await, 403, "account_inactive");
}

#[tokio::test]
async fn exports_are_limited() {
    let server = TestServer::with(|config| config.limits.enabled = true).await;
    let anna = signed_up(&server, EMAIL).await;
    for _ in 0..10 {
        assert_eq!(export(&server, &anna, None).await.status, 200);
    }
    assert_refused(&export(&server, &anna, None).await, 429, "rate_limited");
    server.auth.store_some_refused().await;
    let refused = events(&server, &anna).await.into_iter().find(|one| one.event == "refused");
    let refused = refused.map(|one| (one.reason, one.count));
    assert_eq!(refused, Some((Some("too_many_attempts".to_owned()), 1)));
}

/// Somebody who has taken over an account could otherwise silence the notice of what comes next.
#[tokio::test]
async fn mails_about_exports_use_up_no_other_notice() {
    let server = TestServer::with(|config| config.limits.enabled = true).await;
    let anna = signed_up(&server, EMAIL).await;
    for _ in 0..10 {
        assert_eq!(export(&server, &anna, None).await.status, 200);
    }
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let changed = call(&server, "POST", "account/password", Some(&anna), body).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
    let letters: Vec<_> = server.mails().await.iter().map(|mail| mail.letter().subject).collect();
    assert!(letters.iter().any(|subject| subject.contains("password")), "{letters:?}");
}

/// They are large. The second one would be ready long before the first.
#[tokio::test]
async fn exports_are_made_one_at_a_time() {
    let server = TestServer::start().await;
    let sessions = [signed_up(&server, EMAIL).await, signed_up(&server, "bob@example.com").await];
    server
        .execute(
            "insert into events (at, event, account_id, count)
             select i, 'signed_in', 1, 1 from (
                 with recursive numbers (i) as (
                     select 1 union all select i + 1 from numbers where i < 20000)
                 select i from numbers) as numbers",
        )
        .await;
    let (done, mut order) = unbounded_channel();
    let begin = async |session: &str, name: &'static str| {
        let token = session.strip_prefix("Bearer ").expect("a bearer");
        let who = server.auth.signed_in(token, None).await.expect("a session");
        let proof = Reauthentication::by_recent_sign_in(&who, Ipv4Addr::LOCALHOST.into());
        let (auth, done) = (server.auth.clone(), done.clone());
        tokio::spawn(async move {
            let is_made = auth.export(&proof).await.is_ok();
            done.send((name, is_made)).expect("the test waits");
        });
    };
    begin(&sessions[0], "large").await;
    let begun = "select event from events where event = 'exported'";
    let store = server.store().await;
    soon("it has begun", || async { !column(&store, begun, begun).await.is_empty() }).await;
    begin(&sessions[1], "small").await;
    assert!(order.is_empty(), "the large one is still made");
    let order = [order.recv().await, order.recv().await];
    assert_eq!(order, [Some(("large", true)), Some(("small", true))]);
}

/// Everything that the database has of the person and no secret: each text column of each table is
/// looked for in the export.
#[tokio::test]
async fn export_has_all_of_a_person_and_no_secret() {
    let server = TestServer::start().await;
    signed_up(&server, "bob@example.com").await;
    let body = json!({"email": EMAIL, "phone": "+491701234567", "username": "anna",
                      "display_name": "Anna K", "password": PASSWORD});
    assert_eq!(register(&server, body).await.status, 201);
    let body = json!({"identifier": EMAIL, "password": PASSWORD, "device_name": "Anna's phone"});
    let tokens: propusk_wire::TokenResponse = read(&post(&server, "sessions", body).await, 200);
    post(&server, "password/reset", json!({"email": EMAIL})).await;
    let link = server.link_to(EMAIL).await;
    let pending = json!({"email": "pending@example.com"});
    let changed = call(&server, "PATCH", "account", Some(&bearer(&tokens)), pending).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    server.execute("update identifiers set imported_as = 'Imported' where account_id = 2").await;
    server.execute("update sessions set scope = 'read write'").await;
    let answer = export(&server, &bearer(&tokens), None).await;
    let text = answer.text();
    for kept in [
        "read write",
        EMAIL,
        "+491701234567",
        "\"anna\"",
        "Anna K",
        "Anna's phone",
        "password_reset",
    ] {
        assert!(text.contains(kept), "{kept} is missing: {text}");
    }
    let exported: ExportResponse = read(&answer, 200);
    assert_eq!(exported.account.pending_email.as_deref(), Some("pending@example.com"));
    assert_eq!(exported.sessions[0].signed_in_at, Some(server.clock.now()));
    assert!(exported.identifiers.iter().all(|one| one.imported_as.as_deref() == Some("Imported")));
    assert_eq!(exported.identifiers.len(), 3);
    assert_eq!(exported.sessions[0].id, tokens.session_id);
    assert_eq!(exported.known_networks.len(), 1);
    // Not that to the address that waits.
    let mut purposes: Vec<_> = exported.links.iter().map(|link| &*link.purpose).collect();
    purposes.sort_unstable();
    assert_eq!(purposes, ["email_return", "password_reset"]);
    assert!(names(&exported.events).contains(&"registered"));
    let mut secrets = vec![
        PASSWORD.to_owned(),
        tokens.access_token.expose().to_owned(),
        tokens.refresh_token.expose().to_owned(),
        link.token,
        "bob@example.com".to_owned(),
        "argon2".to_owned(),
    ];
    let store = server.store().await;
    for stored in [
        "select password from accounts",
        "select refresh_secret from sessions",
        "select hash from one_time_tokens",
        "select network from known_places",
    ] {
        secrets.extend(column(&store, stored, stored).await);
    }
    assert!(secrets.len() > 9, "{secrets:?}");
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} is in the export");
    }
}

#[tokio::test]
async fn export_has_more_events_than_are_read_at_once() {
    let server = TestServer::start().await;
    let anna = signed_up(&server, EMAIL).await;
    signed_up(&server, "bob@example.com").await;
    server
        .execute(
            "insert into events (at, event, account_id, count)
             select i, 'signed_in', id, 1 from accounts cross join (
                 with recursive numbers (i) as (
                     select 1 union all select i + 1 from numbers where i < 2500)
                 select i from numbers) as numbers",
        )
        .await;
    let exported: ExportResponse = read(&export(&server, &anna, None).await, 200);
    let mut instants: Vec<_> = exported.events.iter().map(|event| event.at).collect();
    instants.retain(|at| *at <= 2500);
    instants.sort_unstable();
    assert_eq!(instants, (1..=2500).collect::<Vec<_>>());
}

/// It needs no password, so a stolen access token could fill the table and hide other events.
#[tokio::test]
async fn changes_of_the_display_name_are_one_event_an_hour() {
    let server = TestServer::start().await;
    let anna = signed_up(&server, EMAIL).await;
    let changes = async |anna: &str, name: &str| {
        let body = json!({"display_name": name});
        let changed = call(&server, "PATCH", "account", Some(anna), body).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        let listed = events(&server, anna).await;
        names(&listed).iter().filter(|name| **name == "names_changed").count()
    };
    for name in ["Anna", "Anna", "Anna K", "Anna"] {
        assert_eq!(changes(&anna, name).await, 1);
    }
    server.clock.advance(3_600);
    let anna = bearer(&open(&server, EMAIL).await);
    assert_eq!(changes(&anna, "Anna").await, 1, "the present one");
    assert_eq!(changes(&anna, "Anna K").await, 2);
}

/// The same for names that need the password: whoever has it could fill the table too.
#[tokio::test]
async fn changes_of_a_name_to_and_fro_are_one_event_an_hour_of_each_kind_and_network() {
    let server = TestServer::with(|config| {
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    });
    let server = server.await;
    let anna = signed_up(&server, EMAIL).await;
    let change = async |from: &str, body: Value| {
        let headers = [("Authorization", &*anna), ("X-Forwarded-For", from)];
        let path = "/propusk/v1/account";
        let changed = server.client.request("PATCH", path, &headers, Some(&body)).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        let listed = events(&server, &anna).await;
        let changes = listed.into_iter().filter(|one| one.event == "names_changed");
        let mut reasons: Vec<_> = changes.filter_map(|one| one.reason).collect();
        reasons.sort();
        reasons
    };
    let home = "192.0.2.1";
    for name in ["anna", "anna.k", "anna", "anna.k"] {
        assert_eq!(change(home, json!({"username": name})).await, ["username"]);
    }
    // Of another kind, and from another network: an attacker's change is not hidden by the owner's.
    assert_eq!(change(home, json!({"username": null})).await, ["username", "username_removed"]);
    let elsewhere = change("198.51.100.1", json!({"username": "anna"})).await;
    assert_eq!(elsewhere, ["username", "username", "username_removed"]);
    for email in ["eve@example.com", "mallory@example.com"] {
        let reasons = change(home, json!({"email": email})).await;
        assert_eq!(reasons[..2], ["email_pending", "username"]);
    }
}

#[tokio::test]
async fn cancelled_address_and_other_letters_are_events() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    // Confirm the present address first, so that going back to it cancels a change.
    post(&server, "password/reset", json!({"email": EMAIL})).await;
    let link = server.link_to(EMAIL).await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": PASSWORD});
    assert_done(&post(&server, "password/reset/confirm", body).await, 204);
    let anna = bearer(&open(&server, EMAIL).await);
    let change = async |body: Value| {
        let changed = call(&server, "PATCH", "account", Some(&anna), body).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        let listed = events(&server, &anna).await;
        let changes = listed.into_iter().filter(|one| one.event == "names_changed");
        changes.filter_map(|one| one.reason).collect::<Vec<_>>()
    };
    assert_eq!(change(json!({"email": "new@example.com"})).await, ["email_pending"]);
    assert_eq!(change(json!({"email": EMAIL})).await, ["email_cancelled", "email_pending"]);
    assert_eq!(change(json!({"email": EMAIL})).await.len(), 2, "nothing waits");
    let capitals = change(json!({"email": EMAIL.to_uppercase()})).await;
    assert_eq!(capitals, ["spelling", "email_cancelled", "email_pending"]);
}

/// In strict mode the answer to a change of the address does not show whether another account has it,
/// and the events and the export must not either.
#[tokio::test]
async fn address_of_another_account_leaves_the_same_traces_as_a_free_one() {
    let server = TestServer::with(|config| native(config).strict = true).await;
    signed_up(&server, "bob@example.com").await;
    let traces = async |own: &str, to: &str| {
        let owner = signed_up(&server, own).await;
        let body = json!({"email": to, "current_password": PASSWORD});
        let changed = call(&server, "PATCH", "account", Some(&owner), body).await;
        assert_eq!(changed.status, 200, "{}", changed.text());
        server.mails().await;
        let events = events(&server, &owner).await;
        let shown: Vec<_> = events.into_iter().map(|event| (event.event, event.reason)).collect();
        let exported: ExportResponse = read(&export(&server, &owner, None).await, 200);
        let links: Vec<_> = exported.links.into_iter().map(|link| link.purpose).collect();
        (shown, links, exported.mails.len())
    };
    let taken = traces("carl@example.com", "bob@example.com").await;
    let free = traces("dora@example.com", "free@example.com").await;
    assert_eq!(taken, free);
    assert!(free.0.iter().any(|(event, _)| event == "names_changed"), "{free:?}");
    // A link that waits would show it by when it was made.
    assert!(free.1.is_empty(), "{free:?}");
}
