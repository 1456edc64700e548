//! Browsers and other clients at a real port.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;

const LIMIT: Duration = Duration::from_secs(300);

/// Held by tests that open hundreds of connections, because the system limits open files.
static MANY_FILES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

struct Waiting {
    address: SocketAddr,
    end: JoinHandle<Result<String>>,
}

/// A port that waits for the sign-in with state `s`.
async fn wait() -> Waiting {
    let registered = RedirectUri::parse("http://127.0.0.1/signed-in").expect("a redirect");
    let loopback = Loopback::bind(&registered).await.expect("a port");
    let address = loopback.address;
    let end = tokio::spawn(async move { loopback.wait(&"s".into(), LIMIT).await });
    Waiting { address, end }
}

impl Waiting {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    async fn ask(&self, request: &str) -> String {
        self.send(request.replace("HOST", &self.address.to_string()).as_bytes()).await
    }

    /// The whole answer, until the other side closes.
    async fn send(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.expect("sent");
        read(stream).await
    }

    /// The link that the wait returns.
    async fn ends(self) -> String {
        let page = self.ask("GET /signed-in?code=c&state=s HTTP/1.1\r\nHost: HOST\r\n\r\n").await;
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
        self.link().await
    }

    async fn link(self) -> String {
        self.end
            .await
            .expect("no panic")
            .expect("a link")
            .replace(&self.address.to_string(), "HOST")
    }
}

async fn read(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer that ends");
    String::from_utf8(answer).expect("UTF-8")
}

const LINK: &str = "http://HOST/signed-in?code=c&state=s";

#[tokio::test]
async fn loopback_returns_the_link_and_answers_with_a_page() {
    let waiting = wait().await;
    let address = waiting.address;
    let request = "GET /signed-in?code=c&state=s HTTP/1.1\r\nhost: HOST\r\nConnection: keep-alive\r\n\
                   Accept-Language: uk-UA,uk;q=0.9\r\nCookie: other=1\r\n\r\n";
    let page = waiting.ask(request).await;
    for part in [
        "HTTP/1.1 200 OK\r\n",
        "Connection: close\r\n",
        "Cache-Control: no-store\r\n",
        "Referrer-Policy: no-referrer\r\n",
        "default-src 'none'",
        "<html lang=\"uk\">",
        "Поверніться",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains("Access-Control"), "{page}");
    assert_eq!(waiting.link().await, LINK);
    TcpStream::connect(address).await.expect_err("a port that is closed after one answer");
}

#[tokio::test]
async fn loopback_returns_the_link_of_a_refusal() {
    let waiting = wait().await;
    let request = "GET /signed-in?error=access_denied&state=s HTTP/1.1\r\nHost: HOST\r\n\r\n";
    let page = waiting.ask(request).await;
    assert!(page.contains("You are not signed in"), "{page}");
    assert_eq!(waiting.link().await, "http://HOST/signed-in?error=access_denied&state=s");
}

#[tokio::test]
async fn loopback_refuses_other_requests_and_keeps_waiting() {
    let good = "/signed-in?code=c&state=s";
    let cases = [
        ("GET /favicon.ico HTTP/1.1\r\nHost: HOST", "404"),
        ("GET / HTTP/1.1\r\nHost: HOST", "404"),
        ("GET /signed-in/?code=c&state=s HTTP/1.1\r\nHost: HOST", "404"),
        ("GET //signed-in?code=c&state=s HTTP/1.1\r\nHost: HOST", "404"),
        ("GET /x/../signed-in?code=c&state=s HTTP/1.1\r\nHost: HOST", "404"),
        ("GET @evil.example/signed-in?code=c&state=s HTTP/1.1\r\nHost: HOST", "400"),
        ("GET /signed-in HTTP/1.1\r\nHost: HOST", "400"),
        ("GET /signed-in?code=c HTTP/1.1\r\nHost: HOST", "400"),
        ("GET /signed-in?code=c&state=t HTTP/1.1\r\nHost: HOST", "400"),
        ("GET /signed-in?error=access_denied&state=t HTTP/1.1\r\nHost: HOST", "400"),
        ("GET /signed-in?code=c&state=s&state=s HTTP/1.1\r\nHost: HOST", "400"),
        ("GET /signed-in?code=c&error=e&state=s HTTP/1.1\r\nHost: HOST", "400"),
        ("GET /signed-in?code=c&state=s#x HTTP/1.1\r\nHost: HOST", "400"),
        ("GET http://HOST/signed-in?code=c&state=s HTTP/1.1\r\nHost: HOST", "400"),
        (&format!("GET {good} HTTP/1.1\r\nX: y"), "400"),
        (&format!("GET {good} HTTP/1.1\r\nHost: evil.example"), "400"),
        (&format!("GET {good} HTTP/1.1\r\nHost: evil.example:HOST"), "400"),
        (&format!("GET {good} HTTP/1.1\r\nHost: localhost"), "400"),
        (&format!("GET {good} HTTP/1.1\r\nHost: 127.0.0.1"), "400"),
        (&format!("GET {good} HTTP/1.1\r\nHost: 127.0.0.1:1"), "400"),
        (&format!("GET {good} HTTP/1.1\r\nHost: HOST\r\nHost: HOST"), "400"),
        (&format!("GET {good} HTTP/1.1\r\nHost: HOST\r\nhost: evil.example"), "400"),
        (&format!("HEAD {good} HTTP/1.1\r\nHost: HOST"), "405"),
        (&format!("POST {good} HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0"), "405"),
        (&format!("get {good} HTTP/1.1\r\nHost: HOST"), "405"),
        (&format!("GET {good} HTTP/2.0\r\nHost: HOST"), "400"),
        (&format!("GET {good}"), "400"),
        (good, "400"),
        (
            &format!(
                "OPTIONS {good} HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.example\r\n\
                 Access-Control-Request-Private-Network: true"
            ),
            "405",
        ),
        ("PRI * HTTP/2.0\r\n\r\nSM", "400"),
        ("\u{16}\u{3}\u{1}", "400"),
        ("", "400"),
    ];
    let waiting = wait().await;
    for (request, status) in cases {
        let answer = waiting.ask(&format!("{request}\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(
            answer.contains("Content-Length: 0\r\n") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
        assert!(!answer.contains("Access-Control"), "{answer}");
        assert_eq!(answer.contains("Allow: GET\r\n"), status == "405", "{answer}");
    }
    assert_eq!(waiting.ends().await, LINK);
}

#[tokio::test]
async fn loopback_refuses_a_request_that_is_too_large() {
    let waiting = wait().await;
    let long = "x".repeat(MAX_HEAD);
    let many = "X: y\r\n".repeat(MAX_HEADERS);
    for request in [
        format!("GET /{long}"),
        format!("GET / HTTP/1.1\r\nHost: HOST\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: HOST\r\n{many}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: HOST\r\n{}", "X: y\r\n".repeat(1_400_000)),
    ] {
        let answer = waiting.ask(&request).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let request =
        format!("GET /signed-in?code={} HTTP/1.1\r\nHost: HOST\r\n\r\n", "x".repeat(9000));
    assert!(waiting.ask(&request).await.starts_with("HTTP/1.1 400 "));
    let cookies = format!("Cookie: {}", "x".repeat(MAX_HEAD - 200));
    let request =
        format!("GET /signed-in?code=c&state=s HTTP/1.1\r\nHost: HOST\r\n{cookies}\r\n\r\n");
    assert!(waiting.ask(&request).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(waiting.link().await, LINK);
}

#[tokio::test]
async fn loopback_reads_a_request_byte_by_byte() {
    let waiting = wait().await;
    let mut stream = waiting.connect().await;
    stream.set_nodelay(true).expect("no delay");
    let request =
        format!("GET /signed-in?code=c&state=s HTTP/1.1\r\nHost: {}\r\n\r\n", waiting.address);
    for byte in request.bytes() {
        stream.write_all(&[byte]).await.expect("sent");
        tokio::task::yield_now().await;
    }
    assert!(read(stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(waiting.link().await, LINK);
}

#[tokio::test]
async fn loopback_serves_the_browser_while_another_client_is_silent() {
    let waiting = wait().await;
    let mut silent = Vec::new();
    for _ in 1..MAX_UNREAD_CONNECTIONS {
        silent.push(waiting.connect().await);
    }
    assert_eq!(waiting.ends().await, LINK);
}

#[tokio::test]
async fn loopback_serves_the_browser_despite_many_silent_clients() {
    let _alone = MANY_FILES.lock().await;
    let waiting = wait().await;
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS + 44 {
        silent.push(waiting.connect().await);
    }
    let link = timeout(Duration::from_secs(1), waiting.ends()).await;
    assert_eq!(link.expect("the browser is answered within a second"), LINK);
    for stream in silent.drain(..200) {
        assert_eq!(read(stream).await, "", "it was sent away");
    }
}

/// The browser was there first, and has sent a part of its request.
#[tokio::test]
async fn loopback_drops_silent_clients_before_a_slow_browser() {
    let waiting = wait().await;
    let mut browser = waiting.connect().await;
    let request =
        format!("GET /signed-in?code=c&state=s HTTP/1.1\r\nHost: {}\r\n\r\n", waiting.address);
    let (begun, rest) = request.split_at(20);
    browser.write_all(begun.as_bytes()).await.expect("sent");
    // It is read before the others connect.
    drop(waiting.ask("GET / HTTP/1.1\r\n\r\n").await);
    let mut silent = Vec::new();
    for _ in 0..2 * MAX_UNREAD_CONNECTIONS {
        silent.push(waiting.connect().await);
    }
    assert_eq!(read(silent.remove(0)).await, "", "it was sent away");
    browser.write_all(rest.as_bytes()).await.expect("sent");
    assert!(read(browser).await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(waiting.link().await, LINK);
}

#[tokio::test]
async fn loopback_serves_the_browser_despite_incomplete_requests() {
    let _alone = MANY_FILES.lock().await;
    let waiting = wait().await;
    let mut begun = Vec::new();
    for _ in 0..200 {
        let mut stream = waiting.connect().await;
        stream.write_all(b"GET /signed-in?").await.expect("sent");
        begun.push(stream);
    }
    let link = timeout(Duration::from_secs(1), waiting.ends()).await;
    assert_eq!(link.expect("the browser is answered within a second"), LINK);
}

#[tokio::test]
async fn loopback_serves_the_browser_despite_clients_that_stay_after_their_answer() {
    let _alone = MANY_FILES.lock().await;
    let waiting = wait().await;
    let mut staying = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        let mut stream = waiting.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("sent");
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.expect("an answer");
        assert_eq!(&status, b"HTTP/1.1 400");
        staying.push(stream);
    }
    let link = timeout(Duration::from_secs(20), waiting.ends()).await;
    assert_eq!(link.expect("the browser is answered"), LINK);
}

#[tokio::test(start_paused = true)]
async fn loopback_closes_silent_connections_after_a_timeout() {
    let waiting = wait().await;
    let mut silent = Vec::new();
    for number in 0..2 * MAX_UNREAD_CONNECTIONS {
        let mut stream = waiting.connect().await;
        let begun: &[u8] = if number % 2 == 0 { b"GET /signed-in?" } else { b"" };
        stream.write_all(begun).await.expect("sent");
        silent.push(stream);
    }
    let began = tokio::time::Instant::now();
    for stream in silent {
        assert_eq!(read(stream).await, "");
    }
    assert!(began.elapsed() <= 2 * REQUEST_TIMEOUT, "{:?}", began.elapsed());
    assert_eq!(waiting.ends().await, LINK);
}

#[tokio::test]
async fn loopback_returns_the_link_of_a_browser_that_disconnects() {
    let waiting = wait().await;
    drop(waiting.connect().await);
    let mut half = waiting.connect().await;
    half.write_all(b"GET /signed-in?code=c&st").await.expect("sent");
    drop(half);
    let mut stream = waiting.connect().await;
    let request =
        format!("GET /signed-in?code=c&state=s HTTP/1.1\r\nHost: {}\r\n\r\n", waiting.address);
    stream.write_all(request.as_bytes()).await.expect("sent");
    drop(stream);
    assert_eq!(waiting.link().await, LINK);
}

#[tokio::test(start_paused = true)]
async fn loopback_wait_ends_after_its_limit() {
    let waiting = wait().await;
    let error = waiting.end.await.expect("no panic").expect_err("no browser");
    assert_eq!(error.kind(), &ErrorKind::Cancelled);
    TcpStream::connect(waiting.address).await.expect_err("a closed port");
}

#[tokio::test]
async fn loopback_closes_its_port_when_dropped() {
    let waiting = wait().await;
    let held = waiting.connect().await;
    waiting.end.abort();
    assert!(waiting.end.await.expect_err("given up").is_cancelled());
    TcpStream::connect(waiting.address).await.expect_err("a closed port");
    drop(held);
}

#[tokio::test]
async fn loopback_binds_only_to_a_loopback_redirect() {
    for other in ["com.example.app:/signed-in", "https://127.0.0.1/signed-in"] {
        let redirect = RedirectUri::parse(other).expect("a redirect");
        assert_eq!(Loopback::bind(&redirect).await.expect_err(other).kind(), &ErrorKind::Usage);
    }
    let registered = RedirectUri::parse("http://127.0.0.1:7/signed-in?x=1").expect("a redirect");
    let loopback = Loopback::bind(&registered).await.expect("a port");
    let expected = format!("http://127.0.0.1:{}/signed-in?x=1", loopback.address.port());
    assert_eq!(loopback.redirect().as_str(), expected);
    assert_ne!(loopback.address.port(), 7);
}

#[test]
fn loopback_redirect_has_the_port_of_the_listener() {
    let six = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 49152));
    for (link, bound) in [
        ("http://[::1]/cb", "http://[::1]:49152/cb"),
        ("http://[::1]:7/cb?x=/", "http://[::1]:49152/cb?x=/"),
        ("http://[::1]?x", "http://[::1]:49152?x"),
        ("http://[::1]", "http://[::1]:49152"),
    ] {
        assert_eq!(at(six, link), bound);
    }
}
