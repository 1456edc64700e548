//! The pages behind mailed links: opening one changes nothing, using it works once, and every
//! refusal is a page that explains it.

mod accessibility;
mod browser;
mod language;
mod refused;
mod shown;

use std::net::{IpAddr, Ipv4Addr};

use hyper::Request;
use propusk_server::auth::password::Password;
use propusk_server::auth::{NewPassword, Policy, Registration, Requester};
use propusk_server::config::Config;
use propusk_server::identifier::{Email, Identifier, Kind};
use propusk_tests::http::Answer;
use propusk_tests::server::TestServer;
use serde_json::json;

const EMAIL: &str = "anna@example.com";
const PASSWORD: &str = "correct horse battery";
const NEW_PASSWORD: &str = "another horse, another day";
/// The text on the page of a link that does nothing.
const DEAD: &str = "This link no longer works";
/// How long a link works, in seconds.
const LIFETIME: i64 = 259_200;

/// The purpose of a link, by the root of its path.
const ACTIVATION: &str = "/auth/activate";
const RESET: &str = "/auth/reset";
const EMAIL_RESET: &str = "/auth/reset-email";
const ROOTS: [&str; 3] = [ACTIVATION, RESET, EMAIL_RESET];

/// An API whose users get mails.
const POLICY: Policy = Policy {
    name: "djoser_jwt",
    code: 3,
    signs_in_by: &[Kind::Email],
    max_sessions: 200,
    ..Policy::BASE
};

/// A server with one account that is not activated.
struct Site {
    server: TestServer,
}

impl Site {
    async fn start() -> Self {
        Site::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::with(change).await;
        server.auth.register(anna(), None).await.expect("a new account");
        Site { server }
    }

    /// The path, with uid and token, of the link in a mail that is requested now.
    async fn mailed(&self, root: &str) -> String {
        let (auth, asked) = (
            &self.server.auth,
            Requester { challenge: None, from: Ipv4Addr::LOCALHOST.into(), language: None },
        );
        if root != ACTIVATION {
            self.activate().await;
        }
        let requested = match root {
            // The registration has requested it.
            ACTIVATION => return self.arrived(root).await,
            RESET => auth.request_password_reset(&POLICY, EMAIL, asked).await,
            _ => auth.request_email_reset(&POLICY, EMAIL, asked).await,
        };
        requested.expect("a mail");
        self.arrived(root).await
    }

    async fn activate(&self) {
        let link = self.arrived(ACTIVATION).await;
        let (uid, token) = uid_and_token(&link);
        let from = IpAddr::from(Ipv4Addr::LOCALHOST);
        self.server.auth.activate(uid, token, from).await.expect("an open link");
    }

    /// The path of the link in the first mail that has one below `root`.
    async fn arrived(&self, root: &str) -> String {
        let link = self.arrived_with(&format!("{root}/")).await;
        let from = link.find(root).expect("below the root");
        link[from..].to_owned()
    }

    /// The first link with this part in any mail.
    async fn arrived_with(&self, part: &str) -> String {
        let found = self.links().await.into_iter().find(|link| link.contains(part));
        found.unwrap_or_else(|| panic!("no mail with {part} has arrived"))
    }

    async fn links(&self) -> Vec<String> {
        let mails = self.server.mails().await;
        let texts = mails.iter().map(|mail| mail.letter().text).collect::<Vec<_>>().join("\n");
        let words = texts.split_whitespace();
        words.filter(|word| word.contains("://")).map(str::to_owned).collect()
    }

    async fn get(&self, path: &str) -> Answer {
        self.server.client.get(path, None).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Default::default()).expect("a request");
        self.server.client.send(request).await.expect("an answer")
    }

    /// Sends a form like a browser.
    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form.into())
            .expect("a request");
        self.server.client.send(request).await.expect("an answer")
    }

    /// Uses a link in the same way as its page.
    async fn make_use_of(&self, link: &str) -> Answer {
        self.submit(link, filled_in(link)).await
    }

    async fn signs_in(&self, who: &str, password: &str) -> bool {
        let body = json!({"username": who, "password": password});
        self.server.client.post("/api/auth/jwt/create/", &body).await.status == 200
    }
}

/// What the owner enters in the form behind a link.
fn filled_in(link: &str) -> &'static [(&'static str, &'static str)] {
    match root_of(link) {
        ACTIVATION => &[],
        RESET => &[("password", NEW_PASSWORD), ("repeat", NEW_PASSWORD)],
        _ => &[("email", "anna@example.org")],
    }
}

fn root_of(link: &str) -> &'static str {
    let below = |root: &&str| link.strip_prefix(*root).is_some_and(|rest| rest.starts_with('/'));
    ROOTS.into_iter().find(below).expect("a link")
}

fn uid_and_token(link: &str) -> (&str, &str) {
    let mut parts = link.rsplit('/');
    let token = parts.next().expect("a token");
    (parts.next().expect("a uid"), token)
}

fn anna() -> Registration {
    let email = Email::parse(EMAIL).expect("an address");
    Registration {
        identifiers: vec![Identifier::Email(email)],
        password: NewPassword::Plain(Password::parse(PASSWORD).expect("short enough")),
        display_name: None,
        sign_up_name: None,
        is_superuser: false,
        language: None,
        awaits_activation: true,
    }
}

/// The only heading of a page.
fn heading(page: &Answer) -> String {
    let html = page.text();
    assert_eq!(html.matches("<h1>").count(), 1, "{html}");
    between(&html, "<h1>", "</h1>").to_owned()
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end} in {text}")).0
}
