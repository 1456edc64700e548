//! The metrics: where they are served and to whom, that they count what requests do, and that
//! dashboard, alerts and handbook name those that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use propusk_server::auth::Span;
use propusk_server::config::{Limits, Secret};
use propusk_tests::handbook::block_below;
use propusk_tests::http::Client;
use propusk_tests::limits::{ANY, limits};
use propusk_tests::native::{self, EMAIL, PASSWORD, open, post};
use propusk_tests::operator::Operator;
use propusk_tests::process::Process;
use propusk_tests::server::TestServer;
use propusk_tests::smtp::Behaviour;
use propusk_tests::user;
use regex_lite::Regex;
use serde_json::{Value, json};
use tokio::process::Command;

const TOKEN: &str = "canary-token-of-the-metrics-0123456789";

/// A server with metrics.
async fn server() -> TestServer {
    let here = "127.0.0.1:0".parse().expect("an address");
    TestServer::with(|config| config.metrics.listen = Some(here)).await
}

/// All samples by their names and labels: `name{label="value"}`.
async fn samples(server: &TestServer) -> BTreeMap<String, f64> {
    let metrics = server.metrics.as_ref().expect("it has metrics");
    let answer = metrics.get("/metrics", None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let parsed = samples.map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    });
    parsed.collect()
}

/// How much each sample has grown.
fn growth(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
    name: &str,
) -> BTreeMap<String, f64> {
    let of_metric = |sample: &&String| sample.split('{').next() == Some(name);
    let grown = after.keys().filter(of_metric).map(|sample| {
        let labels = sample.strip_prefix(name).unwrap_or_default().to_owned();
        (labels, after[sample] - before.get(sample).unwrap_or(&0.0))
    });
    grown.filter(|(_, growth)| *growth != 0.0).collect()
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of metrics in a text, without the endings of a histogram.
fn named_in(text: &str) -> BTreeSet<String> {
    let names = Regex::new(r"propusk_[a-z0-9_]+").expect("a pattern");
    names.find_iter(text).map(|name| family(name.as_str())).collect()
}

fn family(name: &str) -> String {
    let endings = ["_bucket", "_sum", "_count"];
    let plain = endings.iter().find_map(|ending| name.strip_suffix(ending));
    plain.unwrap_or(name).to_owned()
}

/// Makes every metric appear that needs an occasion.
async fn use_everything(server: &TestServer) {
    let session = native::signed_up(server, EMAIL).await;
    let tokens = open(server, EMAIL).await;
    native::refresh(server, &tokens, &"a".repeat(43)).await;
    native::refresh(server, &tokens, &"b".repeat(43)).await;
    post(server, "sessions", json!({"identifier": EMAIL, "password": "wrong"})).await;
    native::call(server, "DELETE", "sessions/current", Some(&session), Value::Null).await;
}

#[tokio::test]
async fn metrics_are_off_by_default_and_never_at_the_public_address() {
    let plain = TestServer::start().await;
    assert!(plain.metrics.is_none());
    let server = server().await;
    for client in [&plain.client, &server.client] {
        assert_eq!(client.get("/metrics", None).await.status, 404);
    }
    let metrics = server.metrics.as_ref().expect("it has metrics");
    assert_eq!(metrics.get("/metrics", None).await.status, 200);
    for path in ["/", "/healthz", "/propusk/v1/account", "/metrics/x"] {
        assert_eq!(metrics.get(path, None).await.status, 404, "{path}");
    }
    assert_eq!(metrics.call("POST", "/metrics", None, &Value::Null).await.status, 405);
}

/// A page of a browser on the same machine could use a name that leads here.
#[tokio::test]
async fn metrics_without_a_token_are_not_answered_under_another_name() {
    let server = server().await;
    let metrics = server.metrics.as_ref().expect("the listener");
    let status = async |host: &str| {
        metrics.request("GET", "/metrics", &[("Host", host)], None).await.status.as_u16()
    };
    for host in ["localhost:9464", "127.0.0.1:9464", "[::1]:9464"] {
        assert_eq!(status(host).await, 200, "{host}");
    }
    for host in ["rebound.example:9464", "192.0.2.1"] {
        assert_eq!(status(host).await, 421, "{host}");
    }
    let here = "127.0.0.1:0".parse().expect("an address");
    let server = TestServer::with(|config| {
        config.metrics.listen = Some(here);
        config.metrics.token = Some(Secret::new(TOKEN));
    });
    let server = server.await;
    let metrics = server.metrics.as_ref().expect("the listener");
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Host", "metrics.example"), ("Authorization", &*bearer)];
    assert_eq!(metrics.request("GET", "/metrics", &headers, None).await.status, 200);
}

#[tokio::test]
async fn metrics_for_other_machines_need_a_token() {
    let operator = Operator::new().await;
    let open = ("PROPUSK_METRICS__LISTEN", "0.0.0.0:0");
    let problem = "metrics.token: must be set when metrics.listen is other than a loopback address";
    for arguments in [&["check-config"][..], &["serve"]] {
        let said = operator.refused(&[open], arguments).await;
        assert!(said.contains(problem), "{said}");
    }
    let short = ("PROPUSK_METRICS__TOKEN", "canary-0123456789");
    let said = operator.refused(&[open, short], &["check-config"]).await;
    assert!(said.contains("metrics.token: must have at least 32 characters"), "{said}");
    assert!(!said.contains("canary"), "{said}");

    operator.write("token.txt", &format!("{TOKEN}\n"));
    let server = operator.start(&[open, ("PROPUSK_METRICS__TOKEN_FILE", "token.txt")]).await;
    let there = server.metrics();
    let port = there.base().rsplit(':').next().expect("a port").to_owned();
    let metrics = Client::new(format!("http://127.0.0.1:{port}"));
    let wrong = format!("Bearer {}x", &TOKEN[..TOKEN.len() - 1]);
    let longer = format!("Bearer {TOKEN}x");
    let refused = [None, Some("Bearer "), Some(TOKEN), Some(&*wrong), Some(&*longer)];
    for credential in refused {
        let answer = metrics.get("/metrics", credential).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (401, ""), "{credential:?}");
        assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer"));
    }
    let answer = metrics.get("/metrics", Some(&format!("Bearer {TOKEN}"))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type").as_deref(),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(!answer.text().contains("canary"));
    let (_, output) = server.terminate().await;
    assert!(!output.contains("canary"), "{output}");
}

/// The lines `NAME=value` of a block in the handbook.
fn settings_of(block: &str) -> Vec<(String, String)> {
    let pairs = block.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn shell(operator: &Operator, script: &str) -> String {
    let mut shell = Command::new("sh");
    let done = shell.args(["-c", script]).current_dir(operator.path()).output().await;
    let done = done.expect("a shell");
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("UTF-8")
}

/// Starts a server with the settings below this title, at a free port and with files of its own.
async fn start_as_written(operator: &Operator, title: &str) -> Process {
    let block = block_below(title)
        .replace("127.0.0.1:9464", "127.0.0.1:0")
        .replace("10.0.0.5:9464", "0.0.0.0:0")
        .replace("/etc/propusk/", "");
    let settings = settings_of(&block);
    assert!(!settings.is_empty(), "{block}");
    let settings: Vec<_> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    operator.start(&settings).await
}

#[tokio::test]
async fn settings_and_commands_of_the_handbook_show_the_metrics() {
    let (here, elsewhere) = (Operator::new().await, Operator::new().await);
    let server = start_as_written(&here, "Prometheus on the same machine").await;
    let authority = server.metrics().base().replace("http://", "");
    let command = block_below("Read them").replace("127.0.0.1:9464", &authority);
    assert!(shell(&here, &command).await.contains("propusk_build_info"), "{command}");

    shell(&elsewhere, &block_below("Make a token").replace("/etc/propusk/", "")).await;
    let token = std::fs::read_to_string(elsewhere.path().join("metrics-token")).expect("a token");
    let server = start_as_written(&elsewhere, "Prometheus on another machine").await;
    let metrics = Client::new(server.metrics().base().replace("0.0.0.0", "127.0.0.1"));
    assert_eq!(metrics.get("/metrics", None).await.status, 401);
    let bearer = format!("Bearer {}", token.trim());
    assert_eq!(metrics.get("/metrics", Some(&bearer)).await.status, 200);
}

/// Prometheus' own check of the files, if it is installed.
#[tokio::test]
async fn prometheus_accepts_the_alerts_and_the_settings_of_the_handbook() {
    let is_installed = Command::new("promtool").arg("--version").output().await.is_ok();
    if !is_installed {
        return;
    }
    let operator = Operator::new().await;
    operator.write("alerts.yml", &read("alerts.yml"));
    operator.write("token", TOKEN);
    let settings = block_below("Let Prometheus read them")
        .replace("/etc/prometheus/propusk-metrics", "token")
        .replace("/etc/prometheus/propusk-alerts.yml", "alerts.yml");
    operator.write("prometheus.yml", &settings);
    let said = shell(&operator, "promtool check config prometheus.yml").await;
    assert!(said.contains("3 rules found"), "{said}");
}

#[tokio::test]
async fn metrics_need_an_address_that_is_free() {
    let (operator, other) = (Operator::new().await, Operator::new().await);
    let server = operator.start(&[]).await;
    let address = server.address.to_string();
    let said = other.refused(&[("PROPUSK_METRICS__LISTEN", &address)], &["serve"]).await;
    assert!(said.contains(&format!("metrics.listen: cannot listen on {address}")), "{said}");
    let said = other.refused(&[("PROPUSK_METRICS__LISTEN", "9464")], &["check-config"]).await;
    assert!(said.contains("metrics.listen: 9464 is not an address with a port"), "{said}");
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_status() {
    let server = server().await;
    let before = samples(&server).await;
    for _ in 0..2 {
        post(&server, "sessions", json!({"identifier": "nobody", "password": "canary"})).await;
    }
    server.client.post("/api/auth/users/?canary", &json!({})).await;
    server.client.post("/api/auth/users?canary", &json!({})).await;
    server.client.get("/auth/reset/canary/canary", None).await;
    for path in ["/canary", "/canary/2"] {
        server.client.get(path, None).await;
    }
    server.client.call("CANARY", "/healthz", None, &Value::Null).await;
    let after = samples(&server).await;
    let grown = growth(&before, &after, "propusk_http_requests_total");
    let expected = exactly([
        (r#"{route="-",method="GET",status="404"}"#, 2.0),
        (r#"{route="/api/auth/users",method="POST",status="400"}"#, 2.0),
        (r#"{route="/auth/reset/{uid}/{token}",method="GET",status="200"}"#, 1.0),
        (r#"{route="/healthz",method="other",status="405"}"#, 1.0),
        (r#"{route="/propusk/v1/sessions",method="POST",status="401"}"#, 2.0),
    ]);
    assert_eq!(grown, expected);
    let timed = growth(&before, &after, "propusk_http_request_duration_seconds_count");
    assert_eq!(
        timed.get(r#"{route="/propusk/v1/sessions",method="POST"}"#),
        Some(&2.0),
        "{timed:?}"
    );
    assert!(!timed.keys().any(|labels| labels.contains("other")), "{timed:?}");
    assert!(!after.keys().any(|sample| sample.contains("canary")), "{after:?}");
}

/// They reach no route, and an attack with them would otherwise not be seen.
#[tokio::test]
async fn requests_that_are_refused_by_their_head_are_counted() {
    let server = server().await;
    let before = samples(&server).await;
    // More than 32 KiB, and less than the buffer.
    let large = "x".repeat(40 * 1024);
    let answer = server.client.request("GET", "/healthz", &[("X-Large", &*large)], None).await;
    assert_eq!(answer.status, 431);
    let grown = growth(&before, &samples(&server).await, "propusk_http_requests_total");
    assert_eq!(grown, exactly([(r#"{route="-",method="GET",status="431"}"#, 1.0)]));
}

#[tokio::test]
async fn refusals_are_counted_by_dialect_and_reason() {
    let server = server().await;
    user::new_account(&server, EMAIL).await;
    let before = samples(&server).await;
    user::sign_in(&server, EMAIL, "wrong").await;
    user::sign_in(&server, "nobody@example.com", "wrong").await;
    user::verify(&server, "a.b.c").await;
    native::call(&server, "GET", "account", None, Value::Null).await;
    let grown = growth(&before, &samples(&server).await, "propusk_refusals_total");
    let expected = exactly([
        (r#"{dialect="djoser_jwt",reason="invalid_credentials"}"#, 2.0),
        (r#"{dialect="djoser_jwt",reason="token_invalid"}"#, 1.0),
        (r#"{dialect="native",reason="no_credential"}"#, 1.0),
    ]);
    assert_eq!(grown, expected);
}

/// What is expected of [`growth`].
fn exactly<const N: usize>(expected: [(&str, f64); N]) -> BTreeMap<String, f64> {
    expected.map(|(labels, count)| (labels.to_owned(), count)).into()
}

#[tokio::test]
async fn sign_ins_refreshes_reuse_and_revocations_are_counted_by_dialect() {
    let server = server().await;
    let before = samples(&server).await;
    for name in ["sign_ins", "refreshes", "refresh_tokens_reused"] {
        let of_native = format!("propusk_{name}_total{{dialect=\"native\"");
        let starts_at_zero =
            |(sample, value): (&String, &f64)| sample.starts_with(&of_native) && *value == 0.0;
        assert!(before.iter().any(starts_at_zero), "{name}: {before:?}");
    }
    native::signed_up(&server, EMAIL).await;
    let tokens = open(&server, EMAIL).await;
    let (_, refresh) = user::signed_in(&server, EMAIL).await;
    assert_eq!(user::refresh(&server, &refresh).await.status, 200);
    let attempt = "a".repeat(43);
    for _ in 0..2 {
        // The second is a retry of the first, with the same answer.
        assert_eq!(native::refresh(&server, &tokens, &attempt).await.status, 200);
    }
    assert_eq!(native::refresh(&server, &tokens, &"b".repeat(43)).await.status, 401);
    let after = samples(&server).await;
    assert_eq!(
        growth(&before, &after, "propusk_sign_ins_total"),
        exactly([
            (r#"{dialect="djoser_jwt",by="password"}"#, 1.0),
            (r#"{dialect="native",by="password"}"#, 2.0),
        ])
    );
    assert_eq!(
        growth(&before, &after, "propusk_refreshes_total"),
        exactly([(r#"{dialect="djoser_jwt"}"#, 1.0), (r#"{dialect="native"}"#, 1.0)])
    );
    assert_eq!(
        growth(&before, &after, "propusk_refresh_tokens_reused_total"),
        exactly([(r#"{dialect="native"}"#, 1.0)])
    );
    assert_eq!(
        growth(&before, &after, "propusk_revocations_total"),
        exactly([(r#"{of="session"}"#, 1.0)])
    );
}

#[tokio::test]
async fn refused_attempts_are_counted_for_known_and_unknown_names() {
    let server = server().await;
    native::signed_up(&server, EMAIL).await;
    let before = samples(&server).await;
    for identifier in [EMAIL, EMAIL, "nobody@example.com"] {
        post(&server, "sessions", json!({"identifier": identifier, "password": "wrong"})).await;
    }
    let after = samples(&server).await;
    assert_eq!(
        growth(&before, &after, "propusk_refused_attempts_total"),
        exactly([
            (r#"{dialect="native",reason="wrong_password",account="known"}"#, 2.0),
            (r#"{dialect="native",reason="wrong_password",account="unknown"}"#, 1.0),
        ])
    );
    assert_eq!(after["propusk_refused_attempts_dropped_total"], 0.0);
}

/// A limit of a whole network refuses before there is an account to count for.
#[tokio::test]
async fn attempts_beyond_a_limit_of_the_network_are_counted() {
    let server = TestServer::with(|config| {
        config.metrics.listen = Some("127.0.0.1:0".parse().expect("an address"));
        let small = limits(1, ANY, ANY);
        config.limits = Limits { registrations_per_address: 1, mails_per_address: 1, ..small };
    })
    .await;
    let before = samples(&server).await;
    let bob = json!({"email": "bob@example.com", "password": PASSWORD});
    let asked = json!({"email": EMAIL});
    let reset = json!({"uid": "MQ", "token": "x", "new_password": PASSWORD});
    let right = json!({"identifier": EMAIL, "password": PASSWORD});
    for (path, body, status) in [
        ("accounts", json!({"email": EMAIL, "password": PASSWORD}), 201),
        ("accounts", bob, 429),
        ("password/reset", asked.clone(), 202),
        ("password/reset", asked, 429),
        ("sessions", json!({"identifier": EMAIL, "password": "wrong"}), 401),
        ("sessions", right, 429),
        ("password/reset/confirm", reset, 429),
    ] {
        let answer = post(&server, path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
    }
    assert_eq!(
        growth(&before, &samples(&server).await, "propusk_refused_attempts_total"),
        exactly([
            (r#"{dialect="native",reason="too_many_attempts",account="unknown"}"#, 4.0),
            (r#"{dialect="native",reason="wrong_password",account="known"}"#, 1.0),
        ])
    );
    server.auth.store_some_refused().await;
    let events =
        server.auth.events_in(Span::Below(i64::MAX), 100).await.expect("the database answers");
    let refused: Vec<_> = events.iter().filter(|event| event.event == "refused").collect();
    assert_eq!(refused.len(), 1, "no row for a whole network: {refused:?}");
}

#[tokio::test]
async fn hashes_and_waits_for_the_database_are_measured() {
    let server = server().await;
    let before = samples(&server).await;
    native::signed_up(&server, EMAIL).await;
    let after = samples(&server).await;
    for name in ["propusk_password_hash_wait_seconds", "propusk_password_hash_duration_seconds"] {
        let grown = growth(&before, &after, &format!("{name}_count"));
        assert_eq!(
            grown.get(""),
            Some(&2.0),
            "{name}: one of the registration, one of the sign-in"
        );
    }
    for name in ["propusk_database_read_wait_seconds", "propusk_database_write_wait_seconds"] {
        let grown = growth(&before, &after, &format!("{name}_count"));
        assert!(grown.get("").is_some_and(|count| *count >= 1.0), "{name}: {grown:?}");
    }
    let [waiting, running, queued] =
        ["password_hashes_waiting", "password_hashes_running", "database_waiting"]
            .map(|name| after[&format!("propusk_{name}")]);
    assert_eq!((waiting, running, queued), (0.0, 0.0, 0.0));
    let [open, idle] = ["database_connections", "database_connections_idle"]
        .map(|name| after[&format!("propusk_{name}")]);
    assert!(open >= 1.0 && idle <= open, "{open} {idle}");
    let build: Vec<_> =
        after.keys().filter(|name| name.starts_with("propusk_build_info")).collect();
    let [build] = build[..] else { panic!("{build:?}") };
    let engine =
        if std::env::var_os("TEST_DATABASE_URL").is_some() { "postgres" } else { "sqlite" };
    assert!(
        build.contains(&format!("engine=\"{engine}\"")) && build.contains("version=\""),
        "{build}"
    );
}

#[tokio::test]
async fn mails_that_do_not_leave_are_counted_with_their_age() {
    let server = server().await;
    server.smtp.behave(Behaviour::Greylist);
    let body = json!({"email": EMAIL, "password": PASSWORD});
    native::register(&server, body).await;
    post(&server, "password/reset", json!({"email": EMAIL})).await;
    let queued = samples(&server).await;
    assert!(queued["propusk_mails_waiting"] >= 1.0, "{queued:?}");
    server.clock.advance(600);
    let late = samples(&server).await;
    assert!(late["propusk_mails_oldest_seconds"] >= 600.0, "{late:?}");
    server.smtp.behave(Behaviour::Fine);
    server.clock.advance(7_200);
    server.mails().await;
    let sent = samples(&server).await;
    let left = ["propusk_mails_waiting", "propusk_mails_oldest_seconds"].map(|name| sent[name]);
    assert_eq!(left, [0.0, 0.0]);
    let outcomes = ["queued", "sent"]
        .map(|outcome| sent[&format!("propusk_mails_total{{outcome=\"{outcome}\"}}")]);
    assert!(outcomes[0] >= 1.0 && outcomes[0] == outcomes[1], "{outcomes:?}");
}

#[tokio::test]
async fn metrics_of_mails_are_missing_if_the_database_cannot_tell() {
    let server = server().await;
    assert!(samples(&server).await.contains_key("propusk_mails_waiting"));
    server.execute("alter table outbox rename to elsewhere").await;
    let broken = samples(&server).await;
    assert!(!broken.contains_key("propusk_mails_waiting"), "{broken:?}");
    assert!(broken.contains_key("propusk_password_hashes_waiting"), "{broken:?}");
    server.execute("alter table elsewhere rename to outbox").await;
    assert!(samples(&server).await.contains_key("propusk_mails_waiting"));
}

#[tokio::test]
async fn handbook_dashboard_and_alerts_name_the_metrics_that_exist() {
    let server = server().await;
    use_everything(&server).await;
    let served: BTreeSet<String> =
        samples(&server).await.keys().flat_map(|sample| named_in(sample)).collect();
    let described = named_in(
        &read("metrics.md")
            .lines()
            .filter(|line| line.starts_with("| `propusk_"))
            .fold(String::new(), |rows, line| rows + line.split('|').nth(1).unwrap_or_default()),
    );
    assert_eq!(described, served, "the handbook describes every metric and no other");
    for file in ["grafana-dashboard.json", "alerts.yml"] {
        let named = named_in(&read(file));
        assert!(named.len() >= 4, "{file}: {named:?}");
        let unknown: Vec<_> = named.difference(&served).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn dashboard_is_one_and_there_are_three_alerts() {
    let dashboard: Value = serde_json::from_str(&read("grafana-dashboard.json")).expect("JSON");
    assert_eq!(dashboard["title"], "Propusk");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64()), "{panel}");
        let grid = &panel["gridPos"];
        let right = grid["x"].as_u64().zip(grid["w"].as_u64()).map(|(x, width)| x + width);
        assert!(right.is_some_and(|right| right <= 24), "{panel}");
        if panel["type"] != "row" {
            let targets = panel["targets"].as_array().expect("targets");
            assert!(targets.iter().all(|target| target["expr"].is_string()), "{panel}");
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
        }
    }
    assert!(panels.len() > 12, "{}", panels.len());
    let alerts = read("alerts.yml");
    assert_eq!(alerts.matches("- alert: ").count(), 3);
    for part in ["expr: ", "for: ", "severity: ", "summary: ", "description: "] {
        assert_eq!(alerts.matches(part).count(), 3, "{part}");
    }
}
