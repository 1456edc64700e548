//! Questions about an account, answered from the command line alone: what users ask an operator, and
//! what operators ask each other.

use propusk_server::Clock;
use propusk_tests::handbook::commands_of;
use propusk_tests::links::Link;
use propusk_tests::native;
use propusk_tests::operator::*;
use propusk_tests::process::{Finished, Process};
use propusk_tests::smtp::{Behaviour, SmtpServer};
use propusk_tests::user::*;
use propusk_wire::TokenResponse;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const ANNA: &str = "anna@example.com";
const PHONE: &str = "Anna's phone";

/// Limits that a test reaches.
const LIMITED: [(&str, &str); 2] =
    [("PROPUSK_LIMITS__ENABLED", "true"), ("PROPUSK_LIMITS__PER_ACCOUNT_AND_ADDRESS", "3")];

/// The events that a command lists, as JSON.
async fn events(operator: &Operator, arguments: &[&str]) -> Vec<Value> {
    let arguments = [arguments, &["--json"]].concat();
    let Finished { status, stdout, stderr } = operator.run(&[], &arguments, "").await;
    assert!(status.success(), "{arguments:?}: {stderr}");
    stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The names and reasons of the account's events, the newest first.
async fn events_of(operator: &Operator, who: &str) -> Vec<(String, String)> {
    let events = events(operator, &["user", "events", who]).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    events.iter().map(|event| (text(&event["event"]), text(&event["reason"]))).collect()
}

async fn has(operator: &Operator, who: &str, event: &str, reason: &str) -> bool {
    events_of(operator, who).await.contains(&(event.to_owned(), reason.to_owned()))
}

async fn on_a_device(server: &Process, device: &str) -> TokenResponse {
    let body = json!({"identifier": ANNA, "password": PASSWORD, "device_name": device});
    native::read(&native::post(server, "sessions", body).await, 200)
}

/// The user who runs the tests, as events name an operator.
async fn own_name() -> String {
    let output = tokio::process::Command::new("id").arg("-un").output().await.expect("id");
    String::from_utf8(output.stdout).expect("a name").trim().to_owned()
}

#[tokio::test]
async fn why_was_she_signed_out() {
    let operator = Operator::new().await;
    let settings = [("PROPUSK_DIALECTS__NATIVE__MAX_SESSIONS", "2")];
    let server = operator.start(&settings).await;
    native::register(&server, json!({"email": ANNA, "password": PASSWORD})).await;

    // A refresh token that was used twice.
    let tokens = on_a_device(&server, PHONE).await;
    native::refresh(&server, &tokens, "aaaaaaaaaaaaaaaaaaaaaa").await;
    let again = native::refresh(&server, &tokens, "bbbbbbbbbbbbbbbbbbbbbb").await;
    assert_eq!(again.status, 401, "{}", again.text());
    assert!(has(&operator, ANNA, "session_ended", "reused").await);
    let listed = operator.user(&["events", ANNA, "--event", "session_ended"]).await;
    assert!(listed.contains(&format!("session {}", tokens.session_id)), "{listed}");

    // A third device, where two may be signed in.
    for device in ["one", "two", "three"] {
        on_a_device(&server, device).await;
    }
    assert!(has(&operator, ANNA, "session_ended", "cap").await);

    // A sign-out of her own, and one of another device.
    let tokens = on_a_device(&server, "four").await;
    let current = native::bearer(&tokens);
    native::call(&server, "DELETE", "sessions", Some(&current), Value::Null).await;
    native::call(&server, "DELETE", "sessions/current", Some(&current), Value::Null).await;
    assert!(has(&operator, ANNA, "sessions_ended", "signed_out_elsewhere").await);
    assert!(has(&operator, ANNA, "session_ended", "signed_out").await);

    // A new password, and an operator.
    let tokens = on_a_device(&server, "five").await;
    on_a_device(&server, "six").await;
    let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let bearer = native::bearer(&tokens);
    let changed = native::call(&server, "POST", "account/password", Some(&bearer), change).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
    assert!(has(&operator, ANNA, "password_changed", "current_password").await);
    assert!(has(&operator, ANNA, "sessions_ended", "password_changed").await);
    operator.user(&["sign-out", ANNA]).await;
    assert!(has(&operator, ANNA, "sessions_ended", "operator").await);
}

/// Such a session had ended by itself before: making room for another signed nobody out.
#[tokio::test]
async fn expired_session_that_makes_room_leaves_no_event() {
    let operator = Operator::new().await;
    let server = operator.start(&[("PROPUSK_DIALECTS__NATIVE__MAX_SESSIONS", "2")]).await;
    native::register(&server, json!({"email": ANNA, "password": PASSWORD})).await;
    on_a_device(&server, "one").await;
    execute(&operator.store().await, "update sessions set expires_at = 1".to_owned()).await;
    let ended = async |device: &str| {
        on_a_device(&server, device).await;
        events(&operator, &["user", "events", ANNA, "--event", "session_ended"]).await.len()
    };
    assert_eq!((ended("two").await, ended("three").await), (0, 0));
    assert_eq!(ended("four").await, 1, "the place of a live one");
}

#[tokio::test]
async fn did_the_mail_go_out() {
    let (operator, smtp) = (Operator::new().await, SmtpServer::start().await);
    let url = smtp.url();
    let server = operator.start(&[("PROPUSK_MAIL__SMTP_URL", &url)]).await;
    new_account(&server, ANNA).await;
    let asks = async || native::post(&server, "password/reset", json!({"email": ANNA})).await;
    assert_eq!(asks().await.status, 202);
    soon("the mail is sent", || has(&operator, ANNA, "mail_sent", "password_reset")).await;
    let shown = operator.user(&["show", ANNA]).await;
    assert!(shown.contains("mails under way: none\n"), "{shown}");
    let sent = shown.split("mails sent:").nth(1).expect("the section");
    assert!(sent.contains("password_reset"), "{shown}");

    smtp.behave(Behaviour::Greylist);
    asks().await;
    soon("it is tried", || async {
        let shown = operator.user(&["show", ANNA]).await;
        let waiting = shown.split("mails under way:").nth(1).expect("the section");
        waiting.contains("waiting") && waiting.contains("451")
    })
    .await;
    smtp.behave(Behaviour::RefuseRecipient);
    asks().await;
    soon("it is given up", || has(&operator, ANNA, "mail_given_up", "password_reset")).await;
    let listed = operator.user(&["events", ANNA, "--event", "mail_given_up"]).await;
    assert!(listed.contains("550"), "{listed}");
}

#[tokio::test]
async fn who_disabled_him_and_who_deleted_her() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    new_account(&server, "bob@example.com").await;
    signed_up(&server, ANNA).await;
    operator.user(&["disable", "bob@example.com"]).await;
    let name = own_name().await;
    let disabled = events(&operator, &["user", "events", "bob@example.com"]).await;
    assert_eq!(
        (&disabled[0]["event"], &disabled[0]["operator"]),
        (&json!("disabled"), &json!(name))
    );
    let listed = operator.user(&["events", "bob@example.com"]).await;
    assert!(
        listed.lines().next().is_some_and(|line| line.ends_with(&format!("by {name}"))),
        "{listed}"
    );

    operator.user(&["delete", ANNA, "--yes"]).await;
    let deleted = events(&operator, &["events"]).await;
    let of_anna: Vec<_> = deleted.iter().filter(|event| event["account_id"] == 2).collect();
    let [line] = of_anna[..] else { panic!("{of_anna:?}") };
    assert_eq!((&line["event"], &line["operator"]), (&json!("account_deleted"), &json!(name)));
    assert_eq!((&line["address"], &line["session_id"]), (&Value::Null, &Value::Null));
    // The others keep theirs.
    assert!(deleted.iter().any(|event| event["account_id"] == 1));
    for command in ["events", "show", "sessions"] {
        for who in ["2", "id:2"] {
            let said = operator.refused(&[], &["user", command, who]).await;
            assert!(said.contains("account 2 was deleted on 20"), "{said}");
            assert!(said.trim_end().ends_with(&format!(" by {name}")), "{said}");
        }
    }
    assert!(operator.refused(&[], &["user", "events", "9"]).await.contains("no such account"));
    let forgotten = "delete from events where event = 'account_deleted'";
    execute(&operator.store().await, forgotten.to_owned()).await;
    let said = operator.refused(&[], &["user", "events", "2"]).await;
    assert!(said.contains("account 2 was deleted\n"), "{said}");
}

#[tokio::test]
async fn is_somebody_guessing_passwords_and_until_when_is_she_locked_out() {
    let operator = Operator::new().await;
    let server = operator.start(&LIMITED).await;
    new_account(&server, ANNA).await;
    for _ in 0..5 {
        sign_in(&server, ANNA, "wrong").await;
        sign_in(&server, "nobody@example.com", "wrong").await;
    }
    assert_eq!(sign_in(&server, ANNA, PASSWORD).await.status, 429);
    let run = async |arguments: &[&str]| {
        let Finished { status, stdout, stderr } = operator.run(&LIMITED, arguments, "").await;
        assert!(status.success(), "{stderr}");
        operator.unnamed(&stdout)
    };
    let shown = run(&["user", "show", ANNA]).await;
    let line = shown.lines().find(|line| line.contains("full")).expect("a full limit");
    assert!(line.contains("3 of 3 until 20") && line.contains("from one network"), "{line}");
    assert!(line.contains(&format!("failed sign-ins as {ANNA}")), "{line}");

    assert_eq!(run(&["user", "unlock", ANNA]).await, "2 limits deleted\n");
    assert_eq!(sign_in(&server, ANNA, PASSWORD).await.status, 200);
    assert!(!run(&["user", "show", ANNA]).await.contains("full"));
    assert!(has(&operator, ANNA, "unlocked", "").await);
    // Limits count again: the row of the unlock is read for a minute.
    for _ in 0..3 {
        sign_in(&server, ANNA, "wrong").await;
    }
    assert_eq!(sign_in(&server, ANNA, PASSWORD).await.status, 429);

    // The counts of refused attempts are stored later, here by the end of the server.
    server.terminate().await;
    let refused = events(&operator, &["events", "--event", "refused"]).await;
    let counted: Vec<_> =
        refused.iter().map(|event| (event["reason"].clone(), event["count"].clone())).collect();
    assert_eq!(counted.len(), 2, "a name without an account has none: {refused:?}");
    assert!(counted.contains(&(json!("wrong_password"), json!(6))), "{counted:?}");
    assert!(counted.contains(&(json!("too_many_attempts"), json!(4))), "{counted:?}");
    assert!(refused.iter().all(|event| event["address"] == "127.0.0.0/24"), "{refused:?}");
    let listed = operator.user(&["events", ANNA, "--event", "refused"]).await;
    assert!(listed.contains("6 times in that hour  api djoser_jwt  from 127.0.0.0/24"), "{listed}");

    // Those of an hour that ended before the wanted time are not listed.
    let long_ago = "update events set at = 0 where event = 'refused'";
    assert_eq!(execute(&operator.store().await, long_ago.to_owned()).await, 2);
    let since = async |time: &str| {
        operator.run(&[], &["events", "--event", "refused", "--since", time], "").await
    };
    assert_eq!(since("1970-01-01T00:59:59Z").await.stdout.lines().count(), 2);
    let later = since("1970-01-01T02:00:00Z").await;
    assert_eq!(later.stdout, "");
    assert!(later.stderr.contains("no events"), "{}", later.stderr);
}

#[tokio::test]
async fn where_is_she_signed_in_and_can_one_of_them_be_ended() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    native::register(&server, json!({"email": ANNA, "password": PASSWORD})).await;
    let phone = on_a_device(&server, PHONE).await;
    let laptop = on_a_device(&server, "laptop").await;
    let listed = operator.user(&["sessions", ANNA]).await;
    let line = listed.lines().find(|line| line.starts_with(&phone.session_id)).expect("its line");
    assert!(line.contains("native") && line.ends_with(PHONE), "{line}");
    let shown = operator.user(&["show", ANNA]).await;
    assert!(shown.contains(line), "{shown}");
    let ended = operator.user(&["end-session", ANNA, &phone.session_id]).await;
    assert_eq!(ended, "the session is ended\n");
    soon("it is refused", || async { !native::is_alive(&server, &native::bearer(&phone)).await })
        .await;
    assert!(native::is_alive(&server, &native::bearer(&laptop)).await);
    assert!(has(&operator, ANNA, "session_ended", "operator").await);
    // It is ended, of another account, and no id.
    new_account(&server, "bob@example.com").await;
    for (who, session) in
        [(ANNA, &*phone.session_id), ("bob@example.com", &laptop.session_id), (ANNA, "x")]
    {
        let said = operator.refused(&[], &["user", "end-session", who, session]).await;
        assert!(said.contains("no such session"), "{said}");
    }
}

#[tokio::test]
async fn how_does_she_sign_in_and_which_addresses_are_proved() {
    let (operator, smtp) = (Operator::new().await, SmtpServer::start().await);
    let url = smtp.url();
    let settings =
        [("PROPUSK_MAIL__SMTP_URL", &*url), ("PROPUSK_DIALECTS__NATIVE__ACTIVATION", "true")];
    let server = operator.start(&settings).await;
    native::register(&server, json!({"email": ANNA, "password": PASSWORD})).await;
    let shown = operator.user(&["show", ANNA]).await;
    assert!(shown.contains("state         new\n"), "{shown}");
    assert!(shown.contains("password      yes\n"), "{shown}");
    assert!(shown.contains(&format!("address       {ANNA}: not proved\n")), "{shown}");
    assert!(shown.contains("live sessions: none\n"), "{shown}");
    operator.user(&["enable", ANNA]).await;
    operator.user_with(&["set-password", ANNA, "--hashed"], "!unusable").await;
    assert!(operator.user(&["show", ANNA]).await.contains("password      none\n"));

    // The operator mails a link, and never learns the password.
    let run = async |arguments: &[&str]| operator.run(&settings, arguments, "").await;
    let Finished { status, stdout, stderr } = run(&["user", "mail-reset", ANNA]).await;
    assert!(status.success(), "{stderr}");
    assert_eq!(operator.unnamed(&stdout), format!("a mail is queued for {ANNA}\n"));
    // The activation, the notice of the operator's change, and this one.
    soon("the mail has come", || async {
        smtp.newest_to(ANNA).is_some_and(|mail| mail.text.contains("/auth/reset/"))
    })
    .await;
    let letter = smtp.newest_to(ANNA).expect("the mail");
    let link = Link::of(&letter).expect("a link");
    let reset = json!({"uid": link.uid, "token": link.token, "new_password": NEW_PASSWORD});
    let done = native::post(&server, "password/reset/confirm", reset).await;
    assert_eq!(done.status, 204, "{}", done.text());
    let shown = operator.user(&["show", ANNA]).await;
    assert!(shown.contains("password      yes, set by a mailed link\n"), "{shown}");
    assert!(shown.contains(&format!("address       {ANNA}: proved on 20")), "{shown}");
    assert!(has(&operator, ANNA, "reset_requested", "").await);
    assert!(has(&operator, ANNA, "password_changed", "mailed_link").await);

    let unknown = run(&["user", "mail-reset", ANNA, "--api", "nope"]).await;
    let served =
        "--api: \"nope\" is not a dialect that is served (djoser_jwt, djoser_token, native, ";
    assert!(!unknown.status.success() && unknown.stderr.contains(served), "{}", unknown.stderr);
    operator.user(&["disable", ANNA]).await;
    let inactive = run(&["user", "mail-reset", ANNA]).await;
    assert!(!inactive.status.success() && inactive.stderr.contains("see user enable"));
}

#[tokio::test]
async fn what_did_operators_do_and_which_settings_have_changed() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    server.terminate().await;
    for arguments in [
        &["key", "rotate"] as &[_],
        &["client", "create", "--id", "app", "--name", "App"],
        &["client", "delete", "app", "--yes"],
        &["session", "invalidate-all", "--yes"],
        &["restored"],
        &["mail", "retry"],
    ] {
        let done = operator.run(&[], arguments, "").await;
        assert!(done.status.success(), "{arguments:?}: {}", done.stderr);
    }
    let name = own_name().await;
    let listed = events(&operator, &["events"]).await;
    let names: Vec<_> = listed.iter().filter(|event| event["operator"] == name.as_str()).collect();
    for expected in
        ["key_rotated", "client_created", "client_deleted", "all_sessions_ended", "restored"]
    {
        assert!(names.iter().any(|event| event["event"] == expected), "{expected}: {listed:?}");
    }

    let count = |name: &str| listed.iter().filter(|event| event["event"] == name).count();
    assert_eq!(
        (count("key_created"), count("key_rotated")),
        (1, 1),
        "by the start and the command"
    );
    assert_eq!(count("mails_retried"), 0, "there was none");

    let changed = async || events(&operator, &["events", "--event", "setting_changed"]).await;
    assert_eq!(changed().await, Vec::<Value>::new());
    const NEW: [(&str, &str); 2] = [
        ("PROPUSK_PRODUCT__NAME", "canary-name"),
        ("PROPUSK_SUPERUSER__PASSWORD", "canary-password"),
    ];
    for _ in 0..2 {
        operator.start(&NEW).await.terminate().await;
        let details: Vec<_> = changed().await.iter().map(|one| one["detail"].clone()).collect();
        assert_eq!(details, ["superuser.password", "product.name"], "once");
    }
    let dumped = operator.run(&[], &["events", "--json"], "").await.stdout;
    assert!(!dumped.contains("canary"), "{dumped}");
}

/// Two servers on one database differ in some settings, and start in turn.
#[tokio::test]
async fn settings_of_one_server_are_no_change() {
    let operator = Operator::new().await;
    let changed = async || {
        let changed = events(&operator, &["events", "--event", "setting_changed"]).await;
        changed.iter().map(|one| one["detail"].clone()).collect::<Vec<_>>()
    };
    for (listen, log, threads) in
        [("127.0.0.1:0", "info", "1"), ("127.0.0.2:0", "warn", "2"), ("127.0.0.1:0", "info", "1")]
    {
        let own = [
            ("PROPUSK_LISTEN", listen),
            ("PROPUSK_LOG", log),
            ("PROPUSK_PASSWORD__THREADS", threads),
        ];
        operator.start(&own).await.terminate().await;
    }
    assert_eq!(changed().await, Vec::<Value>::new());
    operator.start(&[("PROPUSK_LIMITS__PER_ACCOUNT", "7")]).await.terminate().await;
    assert_eq!(changed().await, ["limits.per_account"]);
}

/// The next start, with another port, finds the setting changed.
#[tokio::test]
async fn start_that_fails_changes_no_setting() {
    let operator = Operator::new().await;
    operator.start(&[]).await.terminate().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let taken = taken.local_addr().map(|address| (taken, address.to_string()));
    let (_taken, address) = taken.expect("an address");
    const NEW: (&str, &str) = ("PROPUSK_PRODUCT__NAME", "Other");
    for listen in ["PROPUSK_LISTEN", "PROPUSK_METRICS__LISTEN"] {
        let said = operator.refused(&[NEW, (listen, &address)], &[]).await;
        assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
        let changed = events(&operator, &["events", "--event", "setting_changed"]).await;
        assert_eq!(changed, Vec::<Value>::new(), "{listen}");
    }
    operator.start(&[NEW]).await.terminate().await;
    let changed = events(&operator, &["events", "--event", "setting_changed"]).await;
    assert_eq!(changed.len(), 1, "{changed:?}");
    // The operating system's user has not asked for what a start changes.
    assert_eq!(changed[0]["operator"], Value::Null);
}

#[tokio::test]
async fn events_are_followed_as_they_happen() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    new_account(&server, "before@example.com").await;
    let mut following = operator.follow("new events of", &["events", "--follow", "--json"]).await;
    operator.user(&["disable", "before@example.com"]).await;
    let event: Value = serde_json::from_str(&following.next_line().await).expect("JSON");
    assert_eq!((&event["event"], &event["account_id"]), (&json!("disabled"), &json!(1)));
    operator.user(&["enable", "before@example.com"]).await;
    let event: Value = serde_json::from_str(&following.next_line().await).expect("JSON");
    assert_eq!(event["event"], "enabled", "each once");
}

/// A long write gets its numbers first and stores its events last, and meanwhile another one can take
/// thousands of numbers.
#[tokio::test]
async fn event_that_is_stored_long_after_its_number_is_followed() {
    let operator = Operator::new().await;
    operator.user_with(&["create", ANNA], PASSWORD).await;
    let store = operator.store().await;
    let mut following = operator.follow("new events of", &["events", "--follow", "--json"]).await;
    for id in [9_000, 2_000] {
        let insert = format!(
            "insert into events (id, at, event, account_id, count)
             values ({id}, 0, 'activated', 1, 1)"
        );
        execute(&store, insert).await;
        let event: Value = serde_json::from_str(&following.next_line().await).expect("JSON");
        assert_eq!(event["id"], id);
    }
}

/// The count of an hour is shown again when it has grown, also if it is not among the last events.
#[tokio::test]
async fn counts_of_refused_attempts_are_followed_as_they_grow() {
    let operator = Operator::new().await;
    operator.user_with(&["create", ANNA], PASSWORD).await;
    let store = operator.store().await;
    let now = Clock::system().now();
    let hour = now - now % 3_600;
    let refused = |reason: &str| {
        format!(
            "insert into events (at, event, reason, account_id, address, count)
             values ({hour}, 'refused', '{reason}', 1, '', 1)"
        )
    };
    let grow = |reason: &str, count: i64| {
        format!("update events set count = {count} where event = 'refused' and reason = '{reason}'")
    };
    execute(&store, refused("inactive")).await;
    let many = "insert into events (at, event, count)
                select 0, 'activated', 1 from accounts cross join (
                    with recursive numbers (i) as (
                        select 1 union all select i + 1 from numbers where i < 1200)
                    select i from numbers) as numbers";
    execute(&store, many.to_owned()).await;
    let mut following = operator.follow("new events of", &["events", "--follow", "--json"]).await;
    let mut next = async || {
        let event: Value = serde_json::from_str(&following.next_line().await).expect("JSON");
        (event["reason"].as_str().map(str::to_owned), event["count"].as_i64())
    };
    let shown = |reason: &str, count| (Some(reason.to_owned()), Some(count));
    execute(&store, refused("wrong_password")).await;
    assert_eq!(next().await, shown("wrong_password", 1));
    execute(&store, grow("wrong_password", 7)).await;
    assert_eq!(next().await, shown("wrong_password", 7));
    execute(&store, grow("inactive", 3)).await;
    assert_eq!(next().await, shown("inactive", 3));
}

/// Refused attempts, of which others can make very many, do not hide what has happened.
#[tokio::test]
async fn refused_attempts_are_shown_apart_from_the_last_events() {
    let operator = Operator::new().await;
    operator.user_with(&["create", ANNA], PASSWORD).await;
    let many = "insert into events (at, event, reason, account_id, address, count)
                select 3600 * i, 'refused', 'wrong_password', id, '', i from accounts cross join (
                    with recursive numbers (i) as (
                        select 1 union all select i + 1 from numbers where i < 30)
                    select i from numbers) as numbers";
    execute(&operator.store().await, many.to_owned()).await;
    let shown = operator.user(&["show", ANNA]).await;
    let (rest, last) = shown.split_once("last events:").expect("the section");
    assert!(last.contains("registered") && !last.contains("refused"), "{last}");
    let (_, refused) = rest.split_once("refused attempts:").expect("the section");
    assert_eq!(refused.matches("times in that hour").count(), 5, "{refused}");
    assert!(refused.contains("30 times in that hour"), "{refused}");
}

/// What changes nothing is no event.
#[tokio::test]
async fn deed_that_changes_nothing_leaves_no_event() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    native::register(&server, json!({"email": ANNA, "password": PASSWORD})).await;
    for (arguments, said) in [
        (&["disable", ANNA] as &[_], "disabled\n"),
        (&["disable", ANNA], "disabled\n"),
        (&["enable", ANNA], "enabled\n"),
        (&["enable", ANNA], "enabled\n"),
        (&["sign-out", ANNA], "0 sessions ended\n"),
        (&["unlock", ANNA], "no limit was stored\n"),
    ] {
        assert_eq!(operator.user(arguments).await, said, "{arguments:?}");
    }
    operator.user_with(&["set-password", ANNA, "--hashed"], "!unusable").await;
    operator.user_with(&["set-password", ANNA, "--hashed"], "!unusable").await;
    let names: Vec<_> =
        events_of(&operator, ANNA).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["password_removed", "enabled", "disabled", "registered"]);
    operator.user_with(&["set-password", ANNA], PASSWORD).await;
    let current = native::bearer(&on_a_device(&server, "one").await);
    native::call(&server, "DELETE", "sessions", Some(&current), Value::Null).await;
    assert!(!has(&operator, ANNA, "sessions_ended", "signed_out_elsewhere").await);
    on_a_device(&server, "two").await;
    native::call(&server, "DELETE", "sessions", Some(&current), Value::Null).await;
    assert!(has(&operator, ANNA, "sessions_ended", "signed_out_elsewhere").await);
}

/// Each account of which sessions end has an event that says so.
#[tokio::test]
async fn end_of_all_sessions_and_of_those_of_a_client_is_an_event_of_each_account() {
    const OTHER: &str = "bob@example.com";
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    for who in [ANNA, OTHER, "carl@example.com"] {
        native::register(&server, json!({"email": who, "password": PASSWORD})).await;
    }
    let secret = "a secret of the application\n";
    let create = [
        "client",
        "create",
        "--id",
        "app",
        "--name",
        "App",
        "--allow-password",
        "--secret-file",
        "-",
    ];
    let created = operator.run(&[], &create, secret).await;
    assert!(created.status.success(), "{}", created.stderr);
    let body = json!({"grant_type": "password", "username": ANNA, "password": PASSWORD,
                      "client_id": "app", "client_secret": secret.trim()});
    let lent = async || server.client.post("/auth/token/", &body).await.field("access_token");
    let (first, _second) = (lent().await, lent().await);
    let name = own_name().await;
    let ends = async |who: &str| {
        let listed = events(&operator, &["user", "events", who]).await;
        let ends = listed.into_iter().filter(|event| {
            event["reason"] == "client_deleted"
                || (event["event"] == "sessions_ended" && event["reason"] == "operator")
        });
        let ends: Vec<_> = ends.collect();
        assert!(ends.iter().all(|event| event["operator"] == name.as_str()), "{ends:?}");
        ends
    };
    // One of the two has ended before.
    let bearer = format!("Bearer {first}");
    let out = native::call(&server, "DELETE", "sessions/current", Some(&bearer), Value::Null).await;
    assert_eq!(out.status, 204, "{}", out.text());
    let run = async |arguments: &[&str]| {
        let done = operator.run(&[], arguments, "").await;
        assert!(done.status.success(), "{arguments:?}: {}", done.stderr);
    };
    run(&["client", "delete", "app", "--yes"]).await;
    let [ended] = &ends(ANNA).await[..] else { panic!("{:?}", ends(ANNA).await) };
    assert_eq!((&ended["event"], &ended["client"]), (&json!("session_ended"), &json!("app")));
    assert!(ended["session_id"].is_string(), "{ended}");
    assert_eq!(ends(OTHER).await, Vec::<Value>::new());

    on_a_device(&server, PHONE).await;
    native::open(&server, OTHER).await;
    run(&["session", "invalidate-all", "--yes"]).await;
    assert_eq!((ends(ANNA).await.len(), ends(OTHER).await.len()), (2, 1));
    assert_eq!(ends("carl@example.com").await, Vec::<Value>::new(), "without a session");
    run(&["session", "invalidate-all", "--yes"]).await;
    assert_eq!((ends(ANNA).await.len(), ends(OTHER).await.len()), (2, 1));
    let all = events(&operator, &["events"]).await;
    let count = |name: &str| all.iter().filter(|event| event["event"] == name).count();
    assert_eq!((count("all_sessions_ended"), count("restored")), (2, 0));
}

#[tokio::test]
async fn accounts_are_listed_by_filter_and_page() {
    let operator = Operator::new().await;
    for who in ["anna@example.com", "bob@example.com", "annabel@example.com"] {
        operator.user_with(&["create", who], PASSWORD).await;
    }
    operator.user(&["disable", "bob@example.com"]).await;
    let listed = async |arguments: &[&str]| {
        let listed = operator.user(&[&["list"], arguments].concat()).await;
        let numbers = listed.lines().map(|line| line.split_whitespace().next().expect("a number"));
        numbers.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["--state", "disabled"]).await, ["2"]);
    assert_eq!(listed(&["--name", "ANNA"]).await, ["1", "3"]);
    assert_eq!(listed(&["--limit", "2"]).await, ["1", "2"]);
    assert_eq!(listed(&["--limit", "2", "--after", "2"]).await, ["3"]);
    let more = operator.run(&[], &["user", "list", "--limit", "1", "--name", "anna"], "").await;
    assert!(more.stderr.contains("--after 2"), "{}", more.stderr);
    let json = events(&operator, &["user", "list", "--state", "active"]).await;
    let names: Vec<_> = json.iter().map(|account| account["email"].clone()).collect();
    assert_eq!(names, ["anna@example.com", "annabel@example.com"]);
}

/// What users have chosen themselves must not control the terminal of an operator.
#[tokio::test]
async fn names_of_users_cannot_control_the_terminal() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    native::register(&server, json!({"email": ANNA, "password": PASSWORD})).await;
    let store = operator.store().await;
    on_a_device(&server, "device").await;
    // As an earlier version or another program may have stored it.
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}evil";
    let bob = "\u{1b}]0;bob";
    execute(&store, format!("update sessions set device_name = '{evil}'")).await;
    execute(&store, format!("update accounts set display_name = '{evil}'")).await;
    execute(&store, format!("update events set detail = '{evil}', client_id = '{bob}'")).await;
    let is_harmless =
        |text: &str| !text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}');
    for arguments in [
        &["user", "show", ANNA] as &[_],
        &["user", "sessions", ANNA],
        &["user", "events", ANNA],
        &["user", "list"],
        &["events"],
    ] {
        for end in [&[] as &[&str], &["--json"]] {
            let said = operator.run(&[], &[arguments, end].concat(), "").await;
            assert!(said.status.success(), "{}", said.stderr);
            assert!(is_harmless(&said.stdout), "{arguments:?}: {:?}", said.stdout);
        }
    }
    let listed = events(&operator, &["user", "sessions", ANNA]).await;
    assert_eq!(listed[0]["device_name"], evil, "and JSON loses nothing");
}

/// Each command of these pages is run as it is written.
#[tokio::test]
async fn commands_of_the_pages_work() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let mut number = 0;
    for page in ["cannot-sign-in.md", "breach.md", "events.md", "what-is-kept.md"] {
        let commands = commands_of(page);
        assert!(commands.len() >= 2, "{page}");
        for (command, input) in commands {
            number += 1;
            let email = format!("anna{number}@example.com");
            native::register(&server, json!({"email": email, "password": PASSWORD})).await;
            let session = native::open(&server, &email).await.session_id;
            let words = command.split_whitespace().skip(1).map(|word| match word {
                "WHO" => &*email,
                "SESSION" => &*session,
                word => word,
            });
            let words: Vec<_> = words.collect();
            let said = operator.run(&[], &words, &input).await;
            assert!(said.status.success(), "{page}: {command}: {}", said.stderr);
        }
    }
}

#[tokio::test]
async fn list_of_events_has_pages() {
    let operator = Operator::new().await;
    for who in ["a", "b", "c"] {
        operator.user_with(&["create", who], PASSWORD).await;
    }
    let all = events(&operator, &["events", "--event", "registered"]).await;
    assert_eq!(all.len(), 3);
    let first = events(&operator, &["events", "--event", "registered", "--limit", "2"]).await;
    assert_eq!(first, all[..2]);
    let before = all[1]["id"].to_string();
    let rest = events(&operator, &["events", "--event", "registered", "--before", &before]).await;
    assert_eq!(rest, all[2..]);
    let since = events(&operator, &["events", "--since", "2100-01-01"]).await;
    assert_eq!(since, Vec::<Value>::new());
}

#[tokio::test]
async fn events_since_a_time_are_listed_past_one_that_was_stored_late() {
    let operator = Operator::new().await;
    operator.user_with(&["create", "a"], PASSWORD).await;
    // The start of 2100.
    let since = 4_102_444_800_i64;
    for at in [since + 1, since - 60, since + 2] {
        let insert = format!("insert into events (at, event, count) values ({at}, 'restored', 1)");
        execute(&operator.store().await, insert).await;
    }
    let listed = events(&operator, &["events", "--since", "2100-01-01"]).await;
    let instants: Vec<_> = listed.iter().map(|event| event["at"].as_i64()).collect();
    assert_eq!(instants, [Some(since + 2), Some(since + 1)]);
}

/// An empty list would say that nothing has happened.
#[tokio::test]
async fn filter_that_fits_nothing_is_refused() {
    let operator = Operator::new().await;
    operator.user_with(&["create", "a"], PASSWORD).await;
    for (arguments, problem) in [
        (
            &["events", "--event", "sign_in"] as &[_],
            "not an event; events are: account_deleted, activated, ",
        ),
        (&["user", "events", "a", "--event", "decoy"], "not an event"),
        (&["events", "--limit", "0"], "--limit"),
        (&["user", "list", "--limit", "0"], "--limit"),
    ] {
        let Finished { status, stdout, stderr } = operator.run(&[], arguments, "").await;
        assert!(!status.success() && stdout.is_empty(), "{arguments:?}: {stdout}");
        assert!(stderr.contains(problem), "{arguments:?}: {stderr}");
    }
}
