//! The webhooks that an operator's service gets when accounts change.

use std::process::Stdio;
use std::time::Duration;

use propusk_server::config::{Config, Secret};
use propusk_server::store::Store;
use propusk_tests::django::{self, RESOURCE_SERVER};
use propusk_tests::handbook::block_below;
use propusk_tests::native::{self, EMAIL, PASSWORD, call, register, sign_in, signed_up};
use propusk_tests::operator::{Operator, column, soon};
use propusk_tests::server::TestServer;
use propusk_tests::webhook_receiver::{ACCEPTED, WebhookReceiver};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{interval, timeout};

const KEY: &str = "webhook-key-0123456789-abcdefghijklmnop";
const HOUR: i64 = 3_600;
/// Longer than a busy machine takes to give one up.
const PATIENCE: Duration = Duration::from_secs(60);

fn send_to(receiver: &WebhookReceiver, config: &mut Config) {
    config.webhooks.url = Some(receiver.url.clone());
    config.webhooks.secret = Some(Secret::new(KEY));
}

async fn started() -> (TestServer, WebhookReceiver) {
    let receiver = WebhookReceiver::start().await;
    let server = TestServer::with(|config| send_to(&receiver, config)).await;
    (server, receiver)
}

/// Gives the account another display name.
async fn rename(server: &TestServer, authorization: &str, name: &str) {
    let body = json!({"display_name": name});
    let answer = call(server, "PATCH", "account", Some(authorization), body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// How many webhooks wait.
async fn waiting(store: &Store) -> usize {
    let query = "select 'one' from webhooks";
    column(store, query, query).await.len()
}

/// How many webhooks have failed and wait for a short time.
async fn postponed(store: &Store) -> usize {
    let query = "select 'one' from webhooks where attempts > 0 and due_at < at + 60";
    column(store, query, query).await.len()
}

#[tokio::test]
async fn webhook_reports_that_an_account_was_created_changed_and_deleted() {
    let (server, mut receiver) = started().await;
    let owner = signed_up(&server, EMAIL).await;
    let created = receiver.next().await.json();
    let mut account = json!({
        "id": created["account"]["id"], "email": EMAIL, "email_verified": false, "phone": null,
        "username": null, "display_name": null, "is_active": true,
        "created_at": server.clock.now(),
    });
    assert_eq!((&created["event"], &created["account"]), (&json!("account.created"), &account));
    assert_eq!(created["at"], server.clock.now());

    rename(&server, &owner, "Anna").await;
    let changed = receiver.next().await.json();
    account["display_name"] = json!("Anna");
    assert_eq!((&changed["event"], &changed["account"]), (&json!("account.changed"), &account));

    let body = json!({"current_password": PASSWORD});
    native::assert_done(&call(&server, "DELETE", "account", Some(&owner), body).await, 204);
    let deleted = receiver.next().await.json();
    assert_eq!(deleted["event"], "account.deleted");
    assert_eq!(deleted["account"], json!({"id": account["id"]}));

    let mut ids = [&created, &changed, &deleted].map(|webhook| webhook["id"].to_string());
    ids.sort();
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn webhook_follows_an_operator_who_disables_an_account_by_command() {
    let mut receiver = WebhookReceiver::start().await;
    let url = receiver.url.clone();
    let settings = [("PROPUSK_WEBHOOKS__URL", url.as_str()), ("PROPUSK_WEBHOOKS__SECRET", KEY)];
    let operator = Operator::new().await;
    let _server = operator.start(&settings).await;
    for (arguments, input, event, is_active) in [
        (["user", "create", EMAIL], PASSWORD, "account.created", true),
        (["user", "disable", EMAIL], "", "account.changed", false),
        (["user", "enable", EMAIL], "", "account.changed", true),
    ] {
        let done = operator.run(&settings, &arguments, input).await;
        assert!(done.status.success(), "{arguments:?}: {}", done.stderr);
        let webhook = receiver.next().await.json();
        assert_eq!(webhook["event"], event);
        assert_eq!(webhook["account"]["is_active"], is_active);
    }
}

#[tokio::test]
async fn webhook_is_sent_again_with_the_same_id_until_it_is_accepted() {
    let (server, mut receiver) = started().await;
    let store = server.store().await;
    // A redirect is not followed: the service checks the path of every request.
    receiver.answer_with("307 Temporary Redirect\r\nLocation: /elsewhere");
    let owner = signed_up(&server, EMAIL).await;
    let first = receiver.next().await;
    soon("it has failed", || async { postponed(&store).await == 1 }).await;
    rename(&server, &owner, "Anna").await;
    receiver.answer_with(ACCEPTED);
    server.clock.advance(HOUR);
    let again = receiver.next().await;
    assert_eq!(again.json()["event"], "account.created");
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert_ne!(again.signature, first.signature);
    // The account as it is now.
    assert_eq!(again.json()["account"]["display_name"], "Anna");
    assert_eq!(receiver.next().await.json()["event"], "account.changed");
    soon("nothing waits", || async { waiting(&store).await == 0 }).await;
}

#[tokio::test]
async fn webhook_that_fails_holds_up_only_those_of_its_account() {
    let (server, mut receiver) = started().await;
    let store = server.store().await;
    receiver.answer_with("500 Internal Server Error");
    let anna = signed_up(&server, EMAIL).await;
    assert_eq!(receiver.next().await.json()["account"]["email"], EMAIL);
    // Both changes are said by one webhook.
    for name in ["Ann", "Anna"] {
        rename(&server, &anna, name).await;
    }
    signed_up(&server, "boris@example.com").await;
    let other = receiver.next().await.json();
    assert_eq!(other["account"]["email"], "boris@example.com");
    soon("both have failed", || async { postponed(&store).await == 2 }).await;
    assert_eq!(waiting(&store).await, 3);

    receiver.answer_with(ACCEPTED);
    server.clock.advance(HOUR);
    let mut of_anna = Vec::new();
    for _ in 0..3 {
        let webhook = receiver.next().await.json();
        if webhook["account"]["email"] == EMAIL {
            of_anna.push(webhook["event"].to_string());
        }
    }
    assert_eq!(of_anna, [r#""account.created""#, r#""account.changed""#]);
    soon("nothing waits", || async { waiting(&store).await == 0 }).await;
}

#[tokio::test]
async fn webhook_that_is_never_accepted_is_given_up_with_an_event() {
    let (server, mut receiver) = started().await;
    let store = server.store().await;
    receiver.answer_with("500 Internal Server Error");
    signed_up(&server, EMAIL).await;
    receiver.next().await;
    server.clock.advance(72 * HOUR);
    let given_up = async {
        let mut ticks = interval(Duration::from_millis(20));
        while waiting(&store).await > 0 {
            // Each failure puts it off.
            server.clock.advance(HOUR);
            ticks.tick().await;
        }
    };
    timeout(PATIENCE, given_up).await.expect("it is given up");
    let owner = sign_in(&server, EMAIL, PASSWORD).await.expect("a session");
    let answer = call(&server, "GET", "account/events", Some(&owner), Value::Null).await;
    let events = answer.json()["events"].as_array().cloned().expect("events");
    let given_up = events.iter().find(|event| event["event"] == "webhook_given_up");
    assert_eq!(given_up.expect("the event")["reason"], "account.created");
}

/// In strict mode the registration of a taken address does as much as any other.
#[tokio::test]
async fn webhook_is_not_sent_for_a_registration_that_creates_nothing() {
    let mut receiver = WebhookReceiver::start().await;
    let server = TestServer::with(|config| {
        send_to(&receiver, config);
        native::native(config).strict = true;
    })
    .await;
    for email in [EMAIL, EMAIL, "boris@example.com"] {
        let answer = register(&server, json!({"email": email, "password": PASSWORD})).await;
        assert!(answer.status.is_success(), "{}", answer.text());
    }
    for email in [EMAIL, "boris@example.com"] {
        let webhook = receiver.next().await.json();
        assert_eq!(webhook["event"], "account.created");
        assert_eq!(webhook["account"]["email"], email);
    }
    let store = server.store().await;
    soon("nothing waits", || async { waiting(&store).await == 0 }).await;
}

#[tokio::test]
async fn webhook_is_verified_as_in_the_handbook() {
    let (server, mut receiver) = started().await;
    signed_up(&server, EMAIL).await;
    let webhook = receiver.next().await;
    let forged = webhook.body.replace(EMAIL, "admin@example.com");
    let (now, late) = (server.clock.now(), server.clock.now() + 301);
    for (key, body, now, is_valid) in [
        (KEY, &webhook.body, now, true),
        (KEY, &forged, now, false),
        ("another-key", &webhook.body, now, false),
        (KEY, &webhook.body, late, false),
    ] {
        let found = verified(key, &webhook.signature, body, now).await;
        assert_eq!(found, if is_valid { "True" } else { "False" }, "{key} {body} {now}");
    }
    for wrong in ["", "t=1", "t=x,v1=y", "v1=,t=", "t=1,v1=é"] {
        assert_eq!(verified(KEY, wrong, &webhook.body, now).await, "False", "{wrong}");
    }
}

/// What the example of the handbook says at this time.
async fn verified(key: &str, signature: &str, body: &str, now: i64) -> String {
    let code = block_below("Verify in Python")
        + "
import sys

key, signature, body, now = sys.argv[1:]
print(is_genuine(key, signature, body.encode(), int(now)))
";
    let output = Command::new(django::python(RESOURCE_SERVER))
        .args(["-E", "-s", "-B", "-c", &code, key, signature, body, &now.to_string()])
        .stdin(Stdio::null())
        .output()
        .await
        .expect("Python starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn webhook_settings_that_cannot_be_meant_are_refused() {
    let operator = Operator::new().await;
    let (url, key) = ("PROPUSK_WEBHOOKS__URL", "PROPUSK_WEBHOOKS__SECRET");
    for (settings, expected) in [
        (vec![(url, "https://shop.example.com/hook")], "webhooks.secret: must be set"),
        (vec![(key, KEY)], "webhooks.url: must be set"),
        (
            vec![(url, "https://shop.example.com/hook"), (key, "short")],
            "webhooks.secret: must have",
        ),
        (vec![(url, "http://shop.example.com/hook"), (key, KEY)], "webhooks.url: the URL must be"),
        (vec![(url, "https://a:b@shop.example.com/"), (key, KEY)], "webhooks.url: the URL must be"),
    ] {
        let said = operator.refused(&settings, &["check-config"]).await;
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains(KEY), "{said}");
    }
}
