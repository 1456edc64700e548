//! An independent OpenID provider: the npm package `oidc-provider` as a child process, and the
//! browser of a user who signs in there. `oidc-provider/provider.mjs` describes its configuration.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use url::{Position, Url};

use crate::http::{Answer, Client};

/// Longer than a busy machine takes to start Node.js.
const PATIENCE: Duration = Duration::from_secs(60);
/// Node.js may hang while it starts.
const STARTS: usize = 2;
const READY: &str = "ready ";
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/oidc-provider");
/// More than a sign-in takes.
const REDIRECTS: usize = 10;

/// A running provider; killed when dropped.
pub struct OidcProvider {
    /// This is also its address: `http://127.0.0.1:PORT`.
    pub issuer: String,
    pub client: Client,
    _process: Child,
}

impl OidcProvider {
    pub async fn start(config: &Value) -> Self {
        for _ in 0..STARTS {
            let mut process = spawn(config);
            let stdout = process.stdout.take().expect("stdout is a pipe");
            if let Ok(issuer) = timeout(PATIENCE, issuer(stdout)).await {
                let client = Client::new(issuer.clone());
                return OidcProvider { client, issuer, _process: process };
            }
        }
        panic!("the OpenID provider does not start in {PATIENCE:?}, {STARTS} times");
    }

    /// Its discovery document.
    pub async fn discovery(&self) -> Value {
        self.client.get("/.well-known/openid-configuration", None).await.json()
    }

    /// Opens the URL of an authorization request like a new browser, and follows redirects up to
    /// the first address outside the provider. The account is named by the request's `login_hint`.
    pub async fn authorize(&self, url: &str) -> String {
        let mut url = Url::parse(url).expect("a URL");
        let mut cookies = Cookies::default();
        for _ in 0..REDIRECTS {
            if url.origin().ascii_serialization() != self.issuer {
                return url.into();
            }
            let answer = self.open(&url, &cookies).await;
            cookies.keep(&answer);
            let location = answer.header("Location").unwrap_or_else(|| {
                panic!("{url} leads nowhere: {} {}", answer.status, answer.text())
            });
            url = url.join(&location).expect("a URL");
        }
        panic!("redirected without end, lastly to {url}");
    }

    /// Replaces its signing keys; sessions and codes stay.
    pub async fn rotate(&self) {
        let answer = self.client.post("/_rotate", &json!({})).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
    }

    async fn open(&self, url: &Url, cookies: &Cookies) -> Answer {
        let request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
            .header("Cookie", cookies.header())
            .body(Full::default())
            .expect("a path and cookies as the provider gave them");
        self.client.send(request).await.unwrap_or_else(|error| panic!("{url}: {error:?}"))
    }
}

/// The cookies of one sign-in. Their paths are ignored: there is one request at a time.
#[derive(Default)]
struct Cookies(BTreeMap<String, String>);

impl Cookies {
    /// An empty value deletes a cookie.
    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all("Set-Cookie") {
            let cookie = cookie.to_str().expect("a cookie in ASCII");
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a name and a value");
            if value.is_empty() {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn header(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }
}

fn spawn(config: &Value) -> Child {
    let modules = Path::new(DIRECTORY).join("node_modules");
    assert!(modules.is_dir(), "{} is missing: run `npm ci` in {DIRECTORY}", modules.display());
    let node = Command::new("node")
        .arg("provider.mjs")
        .current_dir(DIRECTORY)
        .env("OIDC_PROVIDER", config.to_string())
        // The process ends when the pipe closes, however the tests end.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    match node {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("no node on the PATH; the tests need Node.js 20.12 or newer with npm")
        }
        Err(error) => panic!("node does not start: {error}"),
    }
}

/// The address that it prints in its only line.
async fn issuer(stdout: ChildStdout) -> String {
    let mut lines = BufReader::new(stdout).lines();
    let line = lines.next_line().await.expect("readable output");
    let line = line.unwrap_or_else(|| {
        panic!("the OpenID provider ended (see above); after an update run `npm ci` in {DIRECTORY}")
    });
    let issuer = line.strip_prefix(READY).unwrap_or_else(|| panic!("not the ready line: {line}"));
    issuer.to_owned()
}
