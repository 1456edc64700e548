//! Scripts of other origins: configured origins may call the APIs; for all others nothing changes.

use hyper::body::Bytes;
use propusk_tests::http::{Answer, Client};
use propusk_tests::operator::*;
use propusk_tests::process::Process;
use propusk_tests::server::TestServer;
use propusk_tests::user::*;
use serde_json::json;

const APP: &str = "https://app.example.com";
const LOCAL: &str = "http://localhost:5173";
const ME: &str = "/api/auth/users/me/";

async fn server() -> TestServer {
    TestServer::with(|config| {
        config.cors.origins = [APP, LOCAL].map(str::to_owned).to_vec();
    })
    .await
}

async fn ask(client: &Client, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    client.request(method, path, headers, None).await
}

/// What a browser sends before a PATCH with a token.
async fn preflight(client: &Client, path: &str, origin: &str) -> Answer {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "PATCH"),
        ("Access-Control-Request-Headers", "authorization,content-type"),
    ];
    ask(client, "OPTIONS", path, &headers).await
}

/// The answer without its `Date`.
fn shown(answer: &Answer) -> (u16, Vec<(String, String)>, Bytes) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date" && *name != "x-request-id")
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.body.clone())
}

/// The names in a header's list, in lower case.
fn names(answer: &Answer, header: &str) -> Vec<String> {
    let list = answer.header(header).unwrap_or_default().to_lowercase();
    list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

fn says_nothing_of_origins(answer: &Answer) -> bool {
    !answer.headers.keys().any(|name| name.as_str().starts_with("access-control-"))
}

#[tokio::test]
async fn preflight_of_a_configured_origin_is_answered_before_the_api() {
    let server = server().await;
    for origin in [APP, LOCAL] {
        // Protected, open and unknown paths: the script must be able to read the refusal that
        // follows.
        for path in [ME, "/api/auth/jwt/create", "/token", "/nothing/here"] {
            let answer = preflight(&server.client, path, origin).await;
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""), "{path}");
            let header = |name| answer.header(name);
            assert_eq!(header("Access-Control-Allow-Origin").as_deref(), Some(origin));
            let vary = header("Vary");
            assert_eq!(vary.as_deref(), Some("Origin, Access-Control-Request-Headers"));
            assert_eq!(header("Access-Control-Allow-Credentials").as_deref(), Some("true"));
            assert_eq!(header("Content-Type"), None);
            let methods = header("Access-Control-Allow-Methods");
            assert_eq!(methods.as_deref(), Some("GET, POST, PUT, PATCH, DELETE"));
            let allowed = names(&answer, "Access-Control-Allow-Headers");
            for name in ["authorization", "content-type", "accept-language"] {
                assert!(allowed.iter().any(|allowed| allowed == name), "{name}: {allowed:?}");
            }
            assert!(!allowed.contains(&"*".to_owned()));
            let age: u32 =
                header("Access-Control-Max-Age").expect("an age").parse().expect("seconds");
            assert!((600..=86_400).contains(&age));
        }
    }
}

#[tokio::test]
async fn headers_that_a_configured_origin_asks_for_are_allowed() {
    let server = server().await;
    let preflight = async |asked: &str| {
        let headers = [
            ("Origin", APP),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", asked),
        ];
        let answer = ask(&server.client, "OPTIONS", "/token", &headers).await;
        assert_eq!(answer.status, 204);
        names(&answer, "Access-Control-Allow-Headers")
    };
    let allowed = preflight("authorization,sentry-trace, baggage,TraceParent").await;
    for name in ["authorization", "content-type", "sentry-trace", "baggage", "traceparent"] {
        assert!(allowed.iter().any(|allowed| allowed == name), "{name}: {allowed:?}");
    }
    // Origins that no browser sends change nothing.
    let usual = preflight("").await;
    for nonsense in ["a b", "x(y)", "a:b", &format!("x-{}", "y".repeat(4_000))] {
        assert_eq!(preflight(nonsense).await, usual, "{nonsense:.40}");
    }
}

#[tokio::test]
async fn preflight_of_another_origin_is_answered_as_the_api_does() {
    let (server, without) = tokio::join!(server(), TestServer::start());
    for origin in [
        "null",
        "*",
        "http://app.example.com",
        "https://APP.example.com",
        "https://app.example.com/",
        "https://app.example.com:443",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://evil-app.example.com",
        "https://example.com",
        "http://localhost:51730",
        "https://app.example.com https://evil.example",
    ] {
        for path in [ME, "/api/auth/jwt/create/", "/token", "/nothing/here"] {
            let answer = preflight(&server.client, path, origin).await;
            assert!(says_nothing_of_origins(&answer), "{origin}");
            let plain = ask(&without.client, "OPTIONS", path, &[]).await;
            assert_eq!(shown(&answer), shown(&plain), "{origin} {path}");
        }
    }
}

#[tokio::test]
async fn origins_named_twice_in_one_request_are_ignored() {
    let server = server().await;
    for second in [APP, "https://evil.example"] {
        let headers =
            [("Origin", APP), ("Origin", second), ("Access-Control-Request-Method", "GET")];
        let answer = ask(&server.client, "OPTIONS", ME, &headers).await;
        assert_eq!(answer.status, 401);
        assert!(says_nothing_of_origins(&answer));
    }
}

#[tokio::test]
async fn options_request_that_is_no_preflight_reaches_the_api() {
    let server = server().await;
    let path = "/api/auth/jwt/create/";
    let described = ask(&server.client, "OPTIONS", path, &[]).await;
    assert_eq!(described.status, 200);
    assert!(described.json()["parses"].is_array());
    assert_eq!(described.header("Vary").as_deref(), Some("Accept"));
    let of_script = ask(&server.client, "OPTIONS", path, &[("Origin", APP)]).await;
    assert_eq!((of_script.status, &of_script.body), (described.status, &described.body));
    assert_eq!(of_script.header("Access-Control-Allow-Origin").as_deref(), Some(APP));
    let asked = [("Access-Control-Request-Method", "GET")];
    let without_origin = ask(&server.client, "OPTIONS", path, &asked).await;
    assert_eq!(shown(&without_origin), shown(&described));
}

#[tokio::test]
async fn answers_to_a_configured_origin_can_be_read_by_its_script() {
    let server = server().await;
    let (access, _) = signed_up(&server.client, "anna@example.com").await;
    let bearer = format!("Bearer {access}");
    for (method, path, authorization, status, vary) in [
        ("GET", ME, Some(bearer.as_str()), 200, "Accept, Origin"),
        ("GET", ME, Some("Bearer x"), 401, "Accept, Origin"),
        ("GET", ME, None, 401, "Accept, Cookie, Origin"),
        ("POST", "/api/auth/jwt/create/", None, 400, "Accept, Origin"),
        ("DELETE", "/token", None, 405, "Accept, Origin"),
        ("GET", "/nothing/here", None, 404, "Origin"),
        ("GET", "/healthz", None, 200, "Origin"),
        ("POST", "/healthz", None, 405, "Origin"),
    ] {
        let mut headers = vec![("Origin", LOCAL)];
        headers.extend(authorization.map(|value| ("Authorization", value)));
        let answer = ask(&server.client, method, path, &headers).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let header = |name| answer.header(name);
        assert_eq!(header("Access-Control-Allow-Origin").as_deref(), Some(LOCAL), "{path}");
        assert_eq!(header("Access-Control-Allow-Credentials").as_deref(), Some("true"));
        assert_eq!(header("Vary").as_deref(), Some(vary), "{method} {path}");
        let exposed = names(&answer, "Access-Control-Expose-Headers");
        assert_eq!(exposed, ["retry-after", "www-authenticate", "x-request-id"]);
    }
}

#[tokio::test]
async fn retry_after_can_be_read_by_a_script() {
    let server = TestServer::with(|config| {
        config.cors.origins = vec![APP.to_owned()];
        config.limits.enabled = true;
        config.limits.per_address = 1;
    })
    .await;
    let credentials = json!({"username": "nobody@example.com", "password": "wrong"});
    let (path, origin) = ("/api/auth/jwt/create/", [("Origin", APP)]);
    let attempt = || server.client.request("POST", path, &origin, Some(&credentials));
    assert_eq!(attempt().await.status, 401);
    let limited = attempt().await;
    assert_eq!(limited.status, 429);
    assert!(limited.header("Retry-After").is_some());
    assert_eq!(limited.header("Access-Control-Allow-Origin").as_deref(), Some(APP));
    assert!(names(&limited, "Access-Control-Expose-Headers").contains(&"retry-after".to_owned()));
}

#[tokio::test]
async fn other_origins_are_answered_as_without_the_setting_but_for_vary() {
    let (server, without) = tokio::join!(server(), TestServer::start());
    let other = [("Origin", "https://evil.example")];
    for (method, path) in [
        ("GET", ME),
        ("HEAD", ME),
        ("PATCH", ME),
        ("OPTIONS", ME),
        ("POST", "/api/auth/jwt/create/"),
        ("GET", "/token"),
        ("GET", "/nothing/here"),
        ("POST", "/nothing/here"),
        ("GET", "/readyz"),
    ] {
        for headers in [&other[..], &[]] {
            let answer = ask(&server.client, method, path, headers).await;
            let plain = ask(&without.client, method, path, headers).await;
            let mut expected = plain.clone();
            if matches!(method, "GET" | "HEAD") {
                let vary = plain.header("Vary").map(|vary| vary + ", Origin");
                let vary = vary.unwrap_or_else(|| "Origin".to_owned());
                expected.headers.insert("vary", vary.parse().expect("a header"));
            }
            assert_eq!(shown(&answer), shown(&expected), "{method} {path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn answers_do_not_change_without_configured_origins() {
    let server = TestServer::start().await;
    for (method, path) in [("GET", ME), ("OPTIONS", ME), ("OPTIONS", "/token"), ("GET", "/a")] {
        let plain = ask(&server.client, method, path, &[]).await;
        let of_script = [("Origin", APP), ("Access-Control-Request-Method", "GET")];
        let answer = ask(&server.client, method, path, &of_script).await;
        assert_eq!(shown(&answer), shown(&plain), "{method} {path}");
    }
}

#[tokio::test]
async fn origins_come_from_the_environment_and_preflights_are_logged() {
    let operator = Operator::new().await;
    let origins = ("PROPUSK_CORS__ORIGINS", "https://app.example.com, http://localhost:5173");
    let server: Process = operator.start(&[origins]).await;
    assert_eq!(preflight(&server.client, ME, LOCAL).await.status, 204);
    assert_eq!(preflight(&server.client, ME, "https://evil.example").await.status, 401);
    let (_, log) = server.terminate().await;
    let is_preflight = |line: &&str| line.contains("OPTIONS") && line.contains("status=204");
    assert_eq!(log.lines().filter(is_preflight).count(), 1, "{log}");
}

#[tokio::test]
async fn origin_in_a_form_that_no_browser_sends_is_refused_at_start() {
    let operator = Operator::new().await;
    for origin in [
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://App.example.com",
        "https://app.example.com:443",
        "https://*.example.com",
        "https://anna@app.example.com",
        "myapp://callback",
    ] {
        let given = format!("{APP},{origin}");
        let said = operator.refused(&[("PROPUSK_CORS__ORIGINS", &given)], &["check-config"]).await;
        assert!(
            said.contains("cors.origins: must be origins such as https://"),
            "{origin}: {said}"
        );
    }
}
