//! The samples of nginx and Caddy in front of the server: they write no secret of a URL or a header to
//! a log, and the server sees the client's address. Those for a Django beside it send each path to the
//! side that answers it. A test passes if its program is not installed.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use propusk_tests::handbook::sample;
use propusk_tests::http::Client;
use propusk_tests::process::Process;
use propusk_tests::replaced_django::ReplacedDjango;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::time::{Instant, interval};

use propusk_tests::operator::Operator;
use propusk_tests::user::PASSWORD;

/// Longer than a busy machine takes to start a proxy.
const PATIENCE: Duration = Duration::from_secs(60);
/// A part of every secret that the tests send.
const CANARY: &str = "canary";
const BEHIND_A_PROXY: [(&str, &str); 3] = [
    ("PROPUSK_HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ("PROPUSK_LIMITS__ENABLED", "true"),
    ("PROPUSK_LIMITS__PER_ADDRESS", "3"),
];
/// The API of the samples for a Django beside the server.
const BESIDE_A_DJANGO: [(&str, &str); 5] = [
    ("PROPUSK_DIALECTS__DJOSER_TOKEN__ENABLED", "false"),
    ("PROPUSK_APIS__SHOP__DIALECT", "djoser_jwt"),
    ("PROPUSK_APIS__SHOP__PREFIX", "/auth"),
    ("PROPUSK_APIS__SHOP__ROUTES__USERS", "django"),
    ("PROPUSK_APIS__SHOP__ROUTES__ME", "django"),
];
/// Paths with a secret in them.
const PATHS: [&str; 6] = [
    "/auth/reset/canary-uid/canary-token",
    "/auth/activate/canary-uid/canary-token/",
    "/api/auth/password/reset/confirm/?uid=canary&token=canary",
    "/google/callback?code=canary&state=canary",
    "/providers/corp/callback?code=canary",
    "/validate/jwt/access?access=canary",
];

struct Proxy {
    operator: Operator,
    /// `None` once it has stopped.
    server: Option<Process>,
    child: Child,
    address: String,
}

impl Proxy {
    /// The program with the sample, which `configured` changes to addresses and files of this test;
    /// `None` if it is not installed.
    async fn start(
        program: &str,
        configured: impl Fn(&Path, &str, &str) -> String,
    ) -> Option<Self> {
        Proxy::start_with(program, &[], configured).await
    }

    /// The same with further settings of the server.
    async fn start_with(
        program: &str,
        settings: &[(&str, &str)],
        configured: impl Fn(&Path, &str, &str) -> String,
    ) -> Option<Self> {
        let program = installed(program)?;
        let operator = Operator::new().await;
        let server = operator.start(&[&BEHIND_A_PROXY[..], settings].concat()).await;
        let address = free_address();
        let text = configured(operator.path(), &server.address.to_string(), &address);
        let file = operator.path().join("proxy");
        std::fs::write(&file, text).expect("a new file");
        let child = run(&program, &file, operator.path());
        wait_until_ready(&Client::new(format!("http://{address}"))).await;
        Some(Proxy { operator, server: Some(server), child, address })
    }

    /// The status of a request from this address of this machine, with secrets in its headers.
    async fn curl(&self, from: &str, path: &str, more: &[&str]) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"])
            .args(["--path-as-is", "--interface", from])
            .args(["--header", "Authorization: Bearer canary", "--referer", "https://a/canary"])
            .args(["--header", "X-Forwarded-For: 10.1.2.3", "--cookie", "a=canary"])
            .args(["--header", "X-Request-Id: canary"])
            .args(more)
            .arg(format!("http://{}{path}", self.address))
            .output();
        String::from_utf8_lossy(&output.await.expect("curl").stdout).into_owned()
    }

    async fn fail_to_sign_in(&self, from: &str) -> String {
        self.fail_to_sign_in_at("/api/auth/jwt/create/", from).await
    }

    async fn fail_to_sign_in_at(&self, path: &str, from: &str) -> String {
        let body = json!({"username": "canary@example.com", "password": PASSWORD}).to_string();
        let more = ["--json", body.as_str()];
        self.curl(from, path, &more).await
    }

    /// Everything that the proxy has logged, after its end.
    async fn logs(mut self) -> String {
        let pid = self.child.id().expect("it runs").to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status().await;
        assert!(kill.is_ok_and(|status: ExitStatus| status.success()));
        self.child.wait().await.expect("its end");
        let logs = ["access.log", "error.log", "output.log"];
        logs.map(|name| {
            std::fs::read_to_string(self.operator.path().join(name)).unwrap_or_default()
        })
        .concat()
    }
}

/// nginx leaves its workers behind if only its first process is killed.
impl Drop for Proxy {
    fn drop(&mut self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // The group may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Where a program is. Debian does not have the directory of nginx on the path of every user.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.exists())
}

async fn wait_until_ready(proxy: &Client) {
    let (began, mut ticks) = (Instant::now(), interval(Duration::from_millis(50)));
    let request = || hyper::Request::get("/healthz").body(Default::default()).expect("a request");
    while !proxy.send(request()).await.is_ok_and(|answer| answer.status == 200) {
        assert!(began.elapsed() < PATIENCE, "the proxy is ready");
        ticks.tick().await;
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

fn run(program: &Path, file: &Path, folder: &Path) -> Child {
    let output =
        || std::fs::File::options().create(true).append(true).open(folder.join("output.log"));
    let mut command = Command::new(program);
    if program.ends_with("nginx") {
        command.arg("-p").arg(folder).arg("-c").arg(file);
    } else {
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    }
    command
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stdout(output().expect("a file"))
        .stderr(output().expect("a file"))
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .expect("the program starts")
}

/// The text with these parts replaced, each of which it has.
fn replaced(text: String, parts: &[(&str, &str)]) -> String {
    parts.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

fn nginx(folder: &Path, server: &str, proxy: &str) -> String {
    nginx_of(sample("nginx.conf"), folder, server, proxy)
}

/// The sample in a whole configuration, without TLS.
fn nginx_of(sample: String, folder: &Path, server: &str, proxy: &str) -> String {
    let folder = folder.display().to_string();
    let listen = format!("listen {proxy};");
    let server = format!("server {server};");
    let redirect = format!("listen {};", free_address());
    let (certificate, key) = ("    ssl_certificate ", "    ssl_certificate_key ");
    let log = format!("{folder}/access.log");
    let site = replaced(
        sample,
        &[
            ("listen 443 ssl;", &listen),
            ("listen 80;", &redirect),
            ("server 127.0.0.1:8000;", &server),
            ("/var/log/nginx/propusk.log", &log),
            (certificate, "    #"),
            (key, "    #"),
        ],
    );
    format!(
        "user root;\ndaemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n\
         events {{}}\nhttp {{\n{}\n{site}}}\n",
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
            .concat(),
    )
}

fn caddy(folder: &Path, server: &str, proxy: &str) -> String {
    caddy_of(sample("Caddyfile"), folder, server, proxy)
}

/// The sample without TLS.
fn caddy_of(sample: String, folder: &Path, server: &str, proxy: &str) -> String {
    let log = format!("{}/access.log", folder.display());
    let site = format!("http://{proxy} {{");
    replaced(
        sample,
        &[
            ("{\n\tservers {", "{\n\tadmin off\n\tauto_https off\n\tservers {"),
            ("auth.example.com {", &site),
            ("127.0.0.1:8000", server),
            ("/var/log/caddy/propusk.log", &log),
        ],
    )
}

/// Sends secrets while the server answers, refuses, and has stopped: no log contains them.
async fn assert_secrets_stay_out_of_logs(mut proxy: Proxy) {
    for path in PATHS {
        let status = proxy.curl("127.0.0.1", path, &[]).await;
        assert!(["200", "400", "401", "404", "422"].contains(&status.as_str()), "{path}: {status}");
    }
    let large = proxy.operator.path().join("large");
    std::fs::write(&large, CANARY.repeat(30_000)).expect("a new file");
    let (large, header) =
        (format!("@{}", large.display()), format!("X-Large: {}", CANARY.repeat(20_000)));
    let refused = proxy.curl("127.0.0.1", PATHS[0], &["--data-binary", &large]).await;
    assert_eq!(refused, "413");
    let refused = proxy.curl("127.0.0.1", PATHS[0], &["--header", &header]).await;
    assert!(["400", "431"].contains(&refused.as_str()), "{refused}");
    proxy.server.take().expect("a server").terminate().await;
    for path in PATHS {
        assert_eq!(proxy.curl("127.0.0.1", path, &[]).await, "502", "{path}");
    }
    let logs = proxy.logs().await;
    assert!(logs.contains("/auth/reset") && logs.contains("502"), "it logs requests:\n{logs}");
    let leaks: Vec<&str> = logs.lines().filter(|line| line.contains(CANARY)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// The id of a request in the server's log, which its client has not chosen, and the proxy's log.
async fn id_and_logs(mut proxy: Proxy) -> (String, String) {
    proxy.curl("127.0.0.1", "/propusk/v1/account", &[]).await;
    let (_, output) = proxy.server.take().expect("a server").terminate().await;
    let line = output.lines().find(|line| line.contains("/propusk/v1/account"));
    let (_, rest) = line.expect("its line").split_once("request_id=").expect("an id");
    let id = rest.split(' ').next().expect("an id").to_owned();
    // Those of the server have 16 characters.
    assert!(!id.contains(CANARY) && id.len() >= 32, "of the proxy: {id}");
    (id, proxy.logs().await)
}

/// Each client has limits of its own, whatever it writes into `X-Forwarded-For`.
async fn assert_clients_are_separate(proxy: Proxy) {
    for _ in 0..3 {
        assert_eq!(proxy.fail_to_sign_in("127.0.0.2").await, "401");
    }
    assert_eq!(proxy.fail_to_sign_in("127.0.0.2").await, "429");
    assert_eq!(proxy.fail_to_sign_in("127.0.0.3").await, "401");
}

/// Each path goes to the side that answers it, and no log has a secret.
async fn assert_sides_are_told_apart(proxy: Proxy, mut django: ReplacedDjango) {
    assert_eq!(proxy.fail_to_sign_in_at("/auth/jwt/create/", "127.0.0.2").await, "401");
    for path in ["/auth/users/reset_password/", "/propusk/v1/account", "/.well-known/jwks.json"] {
        proxy.curl("127.0.0.2", path, &[]).await;
    }
    assert!(django.is_idle());
    for path in ["/auth/users/", "/auth/users/me/", "/orders/canary/?token=canary"] {
        assert_eq!(proxy.curl("127.0.0.2", path, &[]).await, "200", "{path}");
        let request = django.next().await;
        assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{request}");
        let request = request.to_lowercase();
        assert!(request.contains("\r\nx-forwarded-for: 127.0.0.2\r\n"), "{request}");
        assert!(request.contains("\r\nx-forwarded-proto: http"), "{request}");
    }
    let logs = proxy.logs().await;
    let leaks: Vec<&str> = logs.lines().filter(|line| line.contains("token=canary")).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[tokio::test]
async fn nginx_sample_sends_each_path_to_the_side_that_answers_it() {
    let django = ReplacedDjango::start().await;
    let at = django.address.to_string();
    let configured = |folder: &Path, server: &str, proxy: &str| {
        let sample = replaced(sample("django/nginx.conf"), &[("127.0.0.1:8001", &at)]);
        nginx_of(sample, folder, server, proxy)
    };
    let Some(proxy) = Proxy::start_with("nginx", &BESIDE_A_DJANGO, configured).await else {
        return;
    };
    assert_sides_are_told_apart(proxy, django).await;
}

#[tokio::test]
async fn caddy_sample_sends_each_path_to_the_side_that_answers_it() {
    let django = ReplacedDjango::start().await;
    let at = django.address.to_string();
    let configured = |folder: &Path, server: &str, proxy: &str| {
        let sample = replaced(sample("django/Caddyfile"), &[("127.0.0.1:8001", &at)]);
        caddy_of(sample, folder, server, proxy)
    };
    let Some(proxy) = Proxy::start_with("caddy", &BESIDE_A_DJANGO, configured).await else {
        return;
    };
    assert_sides_are_told_apart(proxy, django).await;
}

#[tokio::test]
async fn nginx_sample_logs_no_secret() {
    let Some(proxy) = Proxy::start("nginx", nginx).await else { return };
    assert_secrets_stay_out_of_logs(proxy).await;
}

#[tokio::test]
async fn nginx_sample_keeps_clients_apart() {
    let Some(proxy) = Proxy::start("nginx", nginx).await else { return };
    assert_clients_are_separate(proxy).await;
}

#[tokio::test]
async fn nginx_sample_gives_ids_that_are_in_both_logs() {
    let Some(proxy) = Proxy::start("nginx", nginx).await else { return };
    let (id, logs) = id_and_logs(proxy).await;
    assert!(logs.contains(&id), "{id}: {logs}");
}

#[tokio::test]
async fn caddy_sample_gives_ids() {
    let Some(proxy) = Proxy::start("caddy", caddy).await else { return };
    id_and_logs(proxy).await;
}

#[tokio::test]
async fn caddy_sample_logs_no_secret() {
    let Some(proxy) = Proxy::start("caddy", caddy).await else { return };
    assert_secrets_stay_out_of_logs(proxy).await;
}

#[tokio::test]
async fn caddy_sample_keeps_clients_apart() {
    let Some(proxy) = Proxy::start("caddy", caddy).await else { return };
    assert_clients_are_separate(proxy).await;
}
