//! Clients that send too slowly, too much, or nonsense: each is answered or cut off, without an
//! effect on others.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use propusk_tests::connection::{Answer, Connection, get, post, post_json};
use propusk_tests::database::Database;
use propusk_tests::process::Process;
use propusk_tests::user::{PASSWORD, signed_up};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};

/// The binary with its data directory; the server is dropped first.
struct Site {
    server: Process,
    _database: Database,
    _data: TempDir,
}

impl Site {
    async fn start() -> Self {
        Site::with(&[]).await
    }

    async fn with(settings: &[(&str, &str)]) -> Self {
        let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
        let server = Process::start(data.path(), database.url(), settings).await;
        Site { server, _database: database, _data: data }
    }

    async fn open(&self) -> Connection {
        Connection::open(self.server.address).await
    }

    /// The first answer on a new connection.
    async fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        Connection::with(self.server.address, request).await.answer().await
    }
}

// ---- too slow ----------------------------------------------------------------------------------

/// Longer than any deadline of the server; it only ends a test that would wait for ever.
const PATIENCE: Duration = Duration::from_secs(40);
const SLOW_CLIENTS: usize = 300;
/// Seconds until a connection without a whole head ends: 10, plus 1 in which the server reads on, plus
/// the delay of a busy machine.
const HEAD_DEADLINE: RangeInclusive<f64> = 9.5..=14.0;
/// Seconds until an idle connection is closed, as set by this test.
const IDLE_DEADLINE: RangeInclusive<f64> = 15.5..=20.0;
/// The same for a body, or for an answer that the client does not read: 15.
const BODY_DEADLINE: RangeInclusive<f64> = 14.5..=19.0;
const HALF_A_HEAD: &str = "POST /token HTTP/1.1\r\nHost: a\r\nCookie: a";

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_cut_off_and_others_are_served_meanwhile() {
    let site = Site::with(&[("PROPUSK_HTTP__IDLE_SECONDS", "16")]).await;
    let address = site.server.address;
    let (stop, stopped) = watch::channel(());
    let others = tokio::spawn(keep_asking(address, stopped));
    let mut slow = JoinSet::new();
    for _ in 0..SLOW_CLIENTS {
        slow.spawn(sends_half_a_head(address));
    }
    slow.spawn(sends_nothing(address));
    slow.spawn(sends_nothing_more(address));
    slow.spawn(sends_a_second_head_in_drops(address));
    slow.spawn(sends_a_head_in_drops(address));
    slow.spawn(sends_half_a_head_behind_a_request(address, get("/healthz")));
    slow.spawn(sends_half_a_head_behind_a_request(address, post_json("/token", "{}")));
    slow.spawn(sends_no_body(address));
    slow.spawn(sends_a_body_in_drops(address));
    slow.spawn(takes_no_answers(address));
    timeout(PATIENCE, slow.join_all()).await.expect("all of them are cut off");
    drop(stop);
    assert!(others.await.expect("the others are served") > 50);
}

async fn sends_half_a_head(server: SocketAddr) {
    let began = Instant::now();
    Connection::with(server, HALF_A_HEAD).await.rest().await;
    assert_took(began, HEAD_DEADLINE);
}

async fn sends_nothing(server: SocketAddr) {
    let began = Instant::now();
    assert_eq!(Connection::open(server).await.rest().await, "");
    assert_took(began, HEAD_DEADLINE);
}

/// Its first request is answered, and no second one follows for longer than the limit for a head.
async fn sends_nothing_more(server: SocketAddr) {
    let mut connection = Connection::with(server, get("/healthz")).await;
    assert_eq!(connection.answer().await.status, 200);
    let began = Instant::now();
    assert_eq!(connection.rest().await, "");
    assert_took(began, IDLE_DEADLINE);
}

/// It is idle first, and then too slow with its second head.
async fn sends_a_second_head_in_drops(server: SocketAddr) {
    let mut connection = Connection::with(server, get("/healthz")).await;
    assert_eq!(connection.answer().await.status, 200);
    sleep(Duration::from_secs(4)).await;
    let began = Instant::now();
    connection.send(HALF_A_HEAD).await;
    drip(&mut connection).await;
    assert_took(began, HEAD_DEADLINE);
}

/// The server reads both at once.
async fn sends_half_a_head_behind_a_request(server: SocketAddr, request: String) {
    let mut connection = Connection::with(server, format!("{request}GET /he")).await;
    connection.answer().await;
    let began = Instant::now();
    assert_eq!(connection.rest().await, "");
    assert_took(began, HEAD_DEADLINE);
}

/// Every single byte is in time, but the whole head is not.
async fn sends_a_head_in_drops(server: SocketAddr) {
    let began = Instant::now();
    let mut connection = Connection::with(server, HALF_A_HEAD).await;
    drip(&mut connection).await;
    assert_took(began, HEAD_DEADLINE);
}

async fn sends_no_body(server: SocketAddr) {
    let began = Instant::now();
    let mut connection =
        Connection::with(server, post("/token", "Content-Length: 100\r\n", "")).await;
    assert_too_slow(&connection.answer().await);
    assert_eq!(connection.rest().await, "");
    assert_took(began, BODY_DEADLINE);
}

async fn sends_a_body_in_drops(server: SocketAddr) {
    let began = Instant::now();
    let mut connection =
        Connection::with(server, post("/token", "Content-Length: 100\r\n", "{")).await;
    drip(&mut connection).await;
    assert_took(began, BODY_DEADLINE);
}

/// Sends requests continuously and reads nothing, so that the server cannot send any more.
async fn takes_no_answers(server: SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    let mut stream = socket.connect(server).await.expect("a connection");
    let requests = get("/nothing").repeat(100);
    let mut took_some = Instant::now();
    while stream.write_all(requests.as_bytes()).await.is_ok() {
        took_some = Instant::now();
    }
    assert_took(took_some, BODY_DEADLINE);
}

fn assert_too_slow(answer: &Answer) {
    assert_eq!(answer.status, 408);
    assert_eq!(answer.json(), json!({"detail": "Request body did not arrive in time."}));
}

/// Sends a byte from time to time until the server accepts no more.
async fn drip(connection: &mut Connection) {
    let mut ticks = interval(Duration::from_millis(500));
    while connection.try_send("a").await.is_ok() {
        ticks.tick().await;
    }
}

fn assert_took(began: Instant, seconds: RangeInclusive<f64>) {
    let took = began.elapsed().as_secs_f64();
    assert!(seconds.contains(&took), "{took} s");
}

/// Signs in repeatedly, checks that the answer is quick, and counts.
async fn keep_asking(server: SocketAddr, stopped: watch::Receiver<()>) -> usize {
    let mut ticks = interval(Duration::from_millis(100));
    let mut served = 0;
    while stopped.has_changed().is_ok() {
        ticks.tick().await;
        let began = Instant::now();
        let body = r#"{"email": "nobody@example.com", "password": "whatever it is"}"#;
        let answer = Connection::with(server, post_json("/token", body)).await.answer().await;
        assert_eq!(answer.status, 401);
        assert_took(began, 0.0..=3.0);
        served += 1;
    }
    served
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_place() {
    let site = Site::with(&[("PROPUSK_HTTP__MAX_CONNECTIONS", "2")]).await;
    let mut first = site.open().await;
    let mut second = site.open().await;
    second.send(get("/healthz")).await;
    assert_eq!(second.answer().await.status, 200);
    let mut third = site.open().await;
    third.send(get("/healthz")).await;
    for _ in 0..50 {
        first.send(get("/healthz")).await;
        assert_eq!(first.answer().await.status, 200);
    }
    assert!(!third.has_answer(), "there are places for two");
    drop(second);
    assert_eq!(third.answer().await.status, 200);
}

// ---- too much ----------------------------------------------------------------------------------

const BODY_LIMIT: usize = 64 * 1024;

/// JSON of exactly this length, with an invalid token.
fn body_of(length: usize) -> String {
    let empty = r#"{"token": ""}"#.len();
    format!(r#"{{"token": "{}"}}"#, "x".repeat(length - empty))
}

/// The body in chunks of one KiB.
fn chunked(body: &str) -> String {
    let chunks = body.as_bytes().chunks(1024).map(|chunk| {
        let text = std::str::from_utf8(chunk).expect("ASCII");
        format!("{:x}\r\n{text}\r\n", chunk.len())
    });
    chunks.chain(["0\r\n\r\n".to_owned()]).collect()
}

fn assert_too_large(answer: &Answer) {
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json(), json!({"detail": "Request body is too large."}));
}

#[tokio::test]
async fn body_over_64_kib_is_refused_however_its_length_is_declared() {
    let site = Site::start().await;
    let (fits, too_large) = (body_of(BODY_LIMIT), body_of(BODY_LIMIT + 1));
    for path in ["/token/verify", "/api/auth/jwt/verify/"] {
        assert_eq!(site.ask(post_json(path, &fits)).await.status, 401, "{path}");
        assert_too_large(&site.ask(post_json(path, &too_large)).await);
        let in_chunks = |body| post(path, "Transfer-Encoding: chunked\r\n", &chunked(body));
        assert_eq!(site.ask(in_chunks(&fits)).await.status, 401, "{path}");
        assert_too_large(&site.ask(in_chunks(&too_large)).await);
    }
}

#[tokio::test]
async fn length_over_64_kib_is_refused_before_the_body_is_sent() {
    let site = Site::start().await;
    for length in ["65537", "99999999999"] {
        let head = post("/token", &format!("Content-Length: {length}\r\n"), "");
        let mut connection = Connection::with(site.server.address, head).await;
        assert_too_large(&connection.answer().await);
        assert_eq!(connection.rest().await, "", "the connection is of no more use");
    }
}

#[tokio::test]
async fn body_without_an_end_is_answered_while_it_is_sent() {
    let site = Site::start().await;
    let mut connection = site.open().await;
    connection.send(post("/token", "Transfer-Encoding: chunked\r\n", "")).await;
    let chunk = format!("400\r\n{}\r\n", " ".repeat(1024));
    for _ in 0..65 {
        connection.send(&chunk).await;
    }
    assert_too_large(&connection.answer().await);
}

#[tokio::test]
async fn headers_over_the_limit_are_answered_431() {
    let site = Site::start().await;
    let with = |headers: &str| format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    let long = |length| with(&format!("Cookie: {}\r\n", "x".repeat(length)));
    let many = |count| with(&"X: y\r\n".repeat(count));
    for fits in [long(24 * 1024), many(90)] {
        assert_eq!(site.ask(fits).await.status, 200);
    }
    // The limit of 32 KiB is checked when the buffer is full, which may hold twice as much.
    for too_large in [long(64 * 1024), many(2_000)] {
        assert_eq!(site.ask(too_large).await.status, 431);
    }
}

// ---- HTTP --------------------------------------------------------------------------------------

const NOT_FOUND: &str = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n  <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n";

#[tokio::test]
async fn unknown_path_is_answered_with_djangos_page() {
    let site = Site::start().await;
    let requests = [
        get("/nothing"),
        get("/api/auth/users//"),
        get("/token/refresh/more"),
        get("/healthz/"),
        post_json("/nothing", &body_of(BODY_LIMIT + 1)),
        "BREW /nothing HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
    ];
    for request in requests {
        let answer = site.ask(&request).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, NOT_FOUND), "{request:.60}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    }
}

#[tokio::test]
async fn answer_to_head_has_the_headers_of_get_and_no_body() {
    let site = Site::start().await;
    for path in ["/healthz", "/nothing", "/api/auth/", "/api/auth/users/me/", "/token"] {
        let mut connection = Connection::with(site.server.address, get(path)).await;
        let shown = connection.answer().await;
        connection
            .send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
            .await;
        let head = connection.head().await;
        assert_eq!(connection.rest().await, "", "{path}");
        // The refusal contains the method, which is one letter longer than GET.
        let of_method = usize::from(shown.status == 405);
        let length = |answer: &Answer| answer.header("content-length")?.parse::<usize>().ok();
        assert_eq!(head.status, shown.status, "{path}");
        assert_eq!(length(&head), length(&shown).map(|n| n + of_method), "{path}");
        assert_eq!(head.header("content-type"), shown.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let site = Site::start().await;
    let sign_in = post_json("/token", r#"{"email": "nobody@example.com", "password": "whatever"}"#);
    // The first one hashes a password; the answers after it have to wait.
    let round =
        [sign_in, get("/healthz"), get("/nothing"), post_json("/token", "{}"), get("/token")];
    let mut connection = Connection::with(site.server.address, round.concat().repeat(10)).await;
    for _ in 0..10 {
        for status in [401, 200, 404, 400, 405] {
            assert_eq!(connection.answer().await.status, status);
        }
    }
}

#[tokio::test]
async fn json_nested_ten_thousand_deep_is_a_bad_request() {
    let site = Site::start().await;
    let nested = |open: &str, close: &str| open.repeat(10_000) + "1" + &close.repeat(10_000);
    let (lists, objects) = (nested("[", "]"), nested(r#"{"":"#, "}"));
    let field = format!(r#"{{"email": {lists}, "password": "x"}}"#);
    for body in [lists, objects, "[".repeat(BODY_LIMIT), field] {
        let answer = site.ask(post_json("/token", &body)).await;
        let detail = answer.json()["detail"].to_string();
        assert_eq!((answer.status, detail.contains("JSON parse error - ")), (400, true));
    }
    assert_eq!(site.ask(get("/healthz")).await.status, 200);
}

/// Request targets that a careless parser misreads.
const TARGETS: [&[u8]; 16] = [
    b"/%",
    b"/%zz",
    b"/%ff%fe",
    b"/token%00",
    b"/%2e%2e/%2e%2e/etc/passwd",
    b"/../../etc/passwd",
    b"//token",
    b"/api/auth/users/%/",
    b"/api/auth/users/%ff/",
    b"/api/auth/users/%ed%a0%80/",
    b"/api/auth/users/%00/",
    b"/token?%zz=%&format=%ff",
    b"/token?%ff%fe=\xff",
    b"/\xff\xfe",
    b"/api/auth/users/\xff/",
    b"*",
];

#[tokio::test]
async fn target_that_is_no_text_is_refused_and_breaks_nothing() {
    let site = Site::start().await;
    for target in TARGETS {
        for method in ["GET", "POST", "DELETE"] {
            let request =
                [method.as_bytes(), b" ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            let answer = site.ask(request).await;
            let shown = String::from_utf8_lossy(target);
            assert!((400..500).contains(&answer.status), "{method} {shown}: {answer:?}");
        }
    }
    assert_eq!(site.ask(get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn path_segment_that_is_no_text_matches_nothing() {
    let site = Site::start().await;
    for part in ["%ff", "%ed%a0%80", "%c3", "%", "%zz", "%00"] {
        let answer = site.ask(get(&format!("/api/auth/users/{part}/"))).await;
        let refused = json!({"detail": "Authentication credentials were not provided."});
        assert_eq!((answer.status, answer.json()), (401, refused), "{part}");
    }
}

#[tokio::test]
async fn root_names_the_server_and_leads_to_the_description() {
    let site = Site::start().await;
    let page = site.ask(get("/")).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.contains("Propusk") && page.body.contains("href=\"/docs\""), "{}", page.body);
    let russian = site.ask(get("/?lang=ru")).await;
    assert!(russian.body.contains("Сервер входа"), "{}", russian.body);
    let site = Site::with(&[("PROPUSK_DOCS__ENABLED", "false")]).await;
    let page = site.ask(get("/")).await;
    assert!(page.status == 200 && !page.body.contains("/docs"), "{}", page.body);
}

#[tokio::test]
async fn first_steps_are_not_printed_for_a_program() {
    let site = Site::start().await;
    let (_, output) = site.server.terminate().await;
    assert!(output.contains("listening on http://"), "{output}");
    assert!(!output.contains("curl"), "{output}");
}

/// A request with these header lines.
fn with_lines(first: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{first}\r\n{lines}\r\n")
}

#[tokio::test]
async fn host_must_be_named_once() {
    let site = Site::start().await;
    let get_1_1 = "GET /healthz HTTP/1.1";
    for (first, lines, status) in [
        (get_1_1, &["Host: a"] as &[_], 200),
        (get_1_1, &["Host:"], 200),
        (get_1_1, &["Host: [::1]:8000"], 200),
        (get_1_1, &[], 400),
        (get_1_1, &["Host: a", "Host: a"], 400),
        (get_1_1, &["Host: a", "Host: b"], 400),
        (get_1_1, &["Host: a b"], 400),
        (get_1_1, &["Host: a@b"], 400),
        (get_1_1, &["Host: a/b"], 400),
        ("GET /healthz HTTP/1.0", &[], 200),
        ("GET /healthz HTTP/1.0", &["Host: a", "Host: a"], 400),
    ] {
        let answer = site.ask(with_lines(first, lines)).await;
        assert_eq!(answer.status, status, "{first} {lines:?}");
    }
    let mut connection = Connection::with(site.server.address, with_lines(get_1_1, &[])).await;
    assert_eq!(connection.answer().await.header("connection"), Some("close"));
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn body_in_another_coding_than_chunks_is_refused() {
    let site = Site::start().await;
    for (lines, status) in [
        (&["Transfer-Encoding: chunked"] as &[_], 401),
        (&["Transfer-Encoding: Chunked"], 401),
        (&["Transfer-Encoding: gzip, chunked"], 400),
        (&["Transfer-Encoding: chunked, chunked"], 400),
        (&["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 400),
        (&["Transfer-Encoding: identity", "Transfer-Encoding: chunked"], 400),
        (&["Transfer-Encoding: chunked, identity"], 400),
        (&["Transfer-Encoding: identity"], 400),
        (&["Transfer-Encoding: gzip"], 400),
        (&["Transfer-Encoding: "], 400),
        (&["Transfer-Encoding: xchunked"], 400),
        (&["Content-Length: 5", "Content-Length: 6"], 400),
    ] {
        let head: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let body = r#"{"token": "x"}"#;
        let answer = site.ask(post("/token/verify", &head, &chunked(body))).await;
        assert_eq!(answer.status, status, "{lines:?}");
    }
}

#[tokio::test]
async fn request_line_over_64_kib_is_answered_414() {
    let site = Site::start().await;
    let line = |length: usize| get(&format!("/{}", "a".repeat(length)));
    assert_eq!(site.ask(line(40 * 1024)).await.status, 431);
    assert_eq!(site.ask(line(70 * 1024)).await.status, 414);
}

#[tokio::test]
async fn head_of_32_kib_is_read_and_a_byte_more_is_not() {
    let site = Site::start().await;
    let of_length = |length: usize| {
        let empty = with_lines("GET /healthz HTTP/1.1", &["Host: a", "Cookie: "]).len();
        let cookie = format!("Cookie: {}", "x".repeat(length - empty));
        with_lines("GET /healthz HTTP/1.1", &["Host: a", &cookie])
    };
    assert_eq!(of_length(32 * 1024).len(), 32 * 1024);
    assert_eq!(site.ask(of_length(32 * 1024)).await.status, 200);
    for length in [32 * 1024 + 1, 48 * 1024, 63 * 1024] {
        assert_eq!(site.ask(of_length(length)).await.status, 431, "{length}");
    }
}

#[tokio::test]
async fn refusal_before_the_body_was_read_closes_the_connection_and_says_so() {
    let site = Site::start().await;
    let length = "Content-Length: 1000\r\n";
    for (request, status) in [
        (post("/token", "Content-Length: 65537\r\n", ""), 413),
        (post("/nothing", length, ""), 404),
        (post("/healthz", length, ""), 405),
        (post("/auth/token/logout/", length, ""), 401),
        (post("/api/auth/users/me/", "Transfer-Encoding: chunked\r\n", ""), 401),
        (post("/propusk/v1/account/password", length, ""), 401),
    ] {
        let mut connection = Connection::with(site.server.address, &request).await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, status, "{request:.60}");
        assert_eq!(answer.header("connection"), Some("close"), "{request:.60}");
        assert_eq!(connection.rest().await, "");
    }
    // A request whose body was read leaves the connection open.
    let mut connection = Connection::with(site.server.address, post_json("/token", "{}")).await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (400, None));
    connection.send(get("/healthz")).await;
    assert_eq!(connection.answer().await.status, 200);
}

#[tokio::test]
async fn credentials_in_two_headers_are_refused_by_every_api() {
    let site = Site::start().await;
    let (access, _) = signed_up(&site.server.client, "anna@example.com").await;
    let get_with = |path: &str, lines: &[String]| {
        let lines: String = lines.iter().map(|line| format!("Authorization: {line}\r\n")).collect();
        format!("GET {path} HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
    };
    for (path, scheme) in [
        ("/api/auth/users/me/", "Bearer"),
        ("/api/auth/profile/", "Bearer"),
        ("/auth/users/me/", "Token"),
        ("/auth/users/me/", "Bearer"),
        ("/propusk/v1/account", "Bearer"),
        ("/validate/jwt/access", "Bearer"),
    ] {
        let good = format!("{scheme} {access}");
        assert_eq!(
            site.ask(get_with(path, std::slice::from_ref(&good))).await.status,
            200,
            "{path}"
        );
        for second in [good.clone(), format!("{scheme} x"), String::new(), "Basic x".to_owned()] {
            for lines in [[good.clone(), second.clone()], [second.clone(), good.clone()]] {
                let answer = site.ask(get_with(path, &lines)).await;
                assert_eq!(answer.status, 401, "{path} {scheme} and {second:.10}");
                let media_type = answer.header("content-type").expect("the API's own form");
                assert!(media_type.contains("json"), "{media_type}");
            }
        }
    }
    // Also if the token is elsewhere.
    let path = format!("/validate/jwt/access?access={access}");
    assert_eq!(site.ask(get(&path)).await.status, 200);
    let lines = ["Bearer x".to_owned(), format!("Bearer {access}")];
    assert_eq!(site.ask(get_with(&path, &lines)).await.status, 401);
}

#[tokio::test]
async fn answers_with_tokens_are_not_cached() {
    let site = Site::start().await;
    let client = &site.server.client;
    let (_, refresh) = signed_up(client, "anna@example.com").await;
    let by_name = json!({"username": "anna@example.com", "password": PASSWORD});
    let by_email = json!({"email": "anna@example.com", "password": PASSWORD});
    let native = json!({"identifier": "anna@example.com", "password": PASSWORD});
    let username = json!({"username": "anna", "password": PASSWORD});
    let named = json!({"username": "anna", "email": "anna2@example.com", "password": PASSWORD});
    assert_eq!(client.post("/api/auth/register/", &named).await.status, 201);
    for (path, body) in [
        ("/auth/token/login/", &by_name),
        ("/api/auth/login/", &username),
        ("/api/auth/jwt/create/", &by_name),
        ("/api/auth/jwt/refresh/", &json!({"refresh": refresh})),
        ("/token", &by_email),
        ("/propusk/v1/sessions", &native),
    ] {
        let answer = client.post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("Cache-Control").as_deref(), Some("no-store"), "{path}");
    }
}
