//! Signing in with Google, VK ID, Yandex and Mail.ru, imitated by a strict stand-in, and with
//! OpenID Connect.

mod adopted;
mod applications;
mod at_django;
mod attacks;
mod browser;
mod document;
mod hostile;
mod interrupted;
pub mod linking;
mod model;
mod native;
mod oidc;
mod oidc_peer;
mod outbound;
mod peer;
mod redirects;
mod settings;

use propusk_stand_in::{Provider, StandIn, User};
use propusk_tests::http::{Answer, Client};
use propusk_tests::providers::{name_of, root_of};
use propusk_tests::server::TestServer;
use serde_json::{Value, json};
use url::Url;

/// The redirects that the server of these tests allows.
pub const REDIRECTS: [&str; 3] = [
    "com.example.app:/oauth",
    "https://app.example.com/signed-in?from=auth",
    "http://127.0.0.1/done",
];
pub const REDIRECT: &str = REDIRECTS[0];

/// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A server with all providers, and the stand-in for them.
pub struct Site {
    pub server: TestServer,
    pub stand_in: StandIn,
}

/// A sign-in that an app has started.
pub struct StartedSignIn {
    pub authorize_url: String,
    pub state: String,
}

impl Site {
    pub async fn start() -> Self {
        Site::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut propusk_server::config::Config)) -> Self {
        let (server, stand_in) = TestServer::with_providers(|config| {
            config.redirects.allowed = REDIRECTS.map(str::to_owned).to_vec();
            change(config);
        })
        .await;
        Site { server, stand_in }
    }

    pub fn client(&self) -> &Client {
        &self.server.client
    }

    /// Starts a sign-in as an app.
    pub async fn begin(&self, provider: Provider, redirect: &str) -> StartedSignIn {
        let body = json!({"redirect": redirect, "code_challenge": CHALLENGE});
        let path = format!("/propusk/v1/providers/{}/start", name_of(provider));
        let answer = self.client().post(&path, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        StartedSignIn { authorize_url: answer.field("authorize_url"), state: answer.field("state") }
    }

    /// The authorization URL from the recorded API.
    pub async fn link(&self, provider: Provider) -> String {
        let answer = self.client().get(&format!("{}/link", root_of(provider)), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json().as_str().expect("a JSON text").to_owned()
    }

    /// Goes through the provider as a browser; returns the path and query of the redirect to our
    /// server.
    pub async fn at_provider(
        &self,
        user: &User,
        provider: Provider,
        authorize_url: &str,
    ) -> String {
        self.stand_in.sign_in_as(provider, user.clone());
        let answer = browse(authorize_url).await;
        let location = answer.header("location");
        let location = location.unwrap_or_else(|| panic!("{}: {}", answer.status, answer.text()));
        location.strip_prefix(&self.server.public_url).unwrap_or(&location).to_owned()
    }

    /// The link back to the app on the page of a callback.
    pub async fn link_to_app(&self, callback: &str) -> String {
        let page = self.visit(callback).await;
        assert_eq!(page.status, 200, "{}", page.text());
        href(&page)
    }

    /// Opens a page like a browser.
    pub async fn visit(&self, path: &str) -> Answer {
        let request = hyper::Request::get(path).header("Accept", "text/html,*/*;q=0.8");
        let request = request.body(http_body_util::Full::default()).expect("a path");
        self.client().send(request).await.expect("an answer")
    }

    /// Redeems a code like an app.
    pub async fn complete(&self, code: &str, verifier: &str) -> Answer {
        let body = json!({"code": code, "code_verifier": verifier});
        self.client().post("/propusk/v1/providers/complete", &body).await
    }

    /// A whole sign-in of an app; returns its last answer.
    pub async fn sign_in(&self, user: &User, provider: Provider) -> Answer {
        let started = self.begin(provider, REDIRECT).await;
        let callback = self.at_provider(user, provider, &started.authorize_url).await;
        let link = self.link_to_app(&callback).await;
        self.complete(&parameter(&link, "code"), VERIFIER).await
    }

    /// The provider's tokens, from the endpoints of the recorded API.
    pub async fn fetch_tokens(&self, user: &User, provider: Provider) -> Value {
        let link = self.link(provider).await;
        let callback = self.at_provider(user, provider, &link).await;
        let returned = self.client().get(&callback, None).await;
        assert_eq!(returned.status, 200, "{}", returned.text());
        let mut query = format!("code={}", returned.field("code"));
        if provider == Provider::Vk {
            query.push_str(&format!("&device_id={}", returned.field("device_id")));
        }
        let answer =
            self.client().get(&format!("{}/get/token?{query}", root_of(provider)), None).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// `registration` or `login` of the recorded API.
    pub async fn enter(&self, provider: Provider, what: &str, token: &str) -> Answer {
        let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
        let path = format!("{}/{what}?access_token={token}", root_of(provider));
        self.client().get(&path, None).await
    }
}

/// Opens any URL once; redirects are not followed.
pub async fn browse(url: &str) -> Answer {
    let url = Url::parse(url).expect("a URL");
    let client = Client::new(url.origin().ascii_serialization());
    client.get(&url[url::Position::BeforePath..], None).await
}

/// The only button of a page.
pub fn href(page: &Answer) -> String {
    let html = page.text();
    let (_, rest) = html.split_once("class=\"button\" href=\"").unwrap_or_else(|| panic!("{html}"));
    let (link, _) = rest.split_once('"').expect("a whole attribute");
    link.replace("&#38;", "&").replace("&amp;", "&")
}

/// A parameter of a link.
pub fn parameter(link: &str, name: &str) -> String {
    let (_, query) = link.split_once('?').unwrap_or_else(|| panic!("no query: {link}"));
    let found = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("no {name}: {link}")).1.into_owned()
}
