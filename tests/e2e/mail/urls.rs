//! No host from a request reaches a mail: every URL in every mail begins with the configured public
//! URL.

use std::net::SocketAddr;

use propusk_tests::connection::{Answer, Connection};
use propusk_tests::server::TestServer;
use propusk_tests::smtp::Received;
use serde_json::{Value, json};

const PUBLIC: &str = "https://auth.example.com";
const PASSWORD: &str = "a fair password";
/// The other host that every form names.
const ELSEWHERE: &str = "evil.example";

/// How a request names its target: the text before its path, its version, its headers.
type Form = (&'static str, &'static str, &'static str);

const FORMS: [Form; 30] = [
    ("", "1.1", "Host: evil.example"),
    ("", "1.1", "Host: evil.example:80"),
    ("", "1.1", "Host: auth.example.com:444"),
    ("", "1.1", "Host: auth.example.com.evil.example"),
    ("", "1.1", "Host: auth.example.com@evil.example"),
    ("", "1.1", "Host: user:auth.example.com@evil.example:80"),
    ("", "1.1", "Host: evil.example/auth.example.com"),
    ("", "1.1", "Host: auth.example.com evil.example"),
    ("", "1.1", "Host: auth.example.com\r\nHost: evil.example"),
    ("", "1.1", "Host: evil.example\r\nHost: auth.example.com"),
    ("", "1.1", "Host:"),
    ("", "1.1", "Accept: */*"),
    ("", "1.0", "Accept: */*"),
    ("", "1.0", "Host: evil.example"),
    ("http://evil.example", "1.1", "Host: auth.example.com"),
    ("http://evil.example", "1.1", "Host: evil.example"),
    ("https://auth.example.com@evil.example", "1.1", "Host: auth.example.com"),
    ("", "1.1", "Host: auth.example.com\r\nX-Forwarded-Host: evil.example"),
    ("", "1.1", "Host: auth.example.com\r\nX-Forwarded-Host: auth.example.com, evil.example"),
    ("", "1.1", "Host: auth.example.com\r\nX-Forwarded-Proto: evil.example"),
    ("", "1.1", "Host: auth.example.com\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 444"),
    ("", "1.1", "Host: auth.example.com\r\nX-Forwarded-Prefix: //evil.example"),
    ("", "1.1", "Host: auth.example.com\r\nForwarded: for=192.0.2.1;host=evil.example;proto=http"),
    ("", "1.1", "Host: auth.example.com\r\nX-Original-Host: evil.example\r\nX-Host: evil.example"),
    ("", "1.1", "Host: auth.example.com\r\nX-Forwarded-Server: evil.example"),
    ("", "1.1", "Host: auth.example.com\r\nX-HTTP-Host-Override: evil.example"),
    ("", "1.1", "Host: auth.example.com\r\nX-Rewrite-URL: http://evil.example/auth/users/"),
    ("", "1.1", "Host: auth.example.com\r\nX-Original-URL: http://evil.example/auth/users/"),
    ("", "1.1", "Host: auth.example.com\r\nOrigin: http://evil.example"),
    ("", "1.1", "Host: auth.example.com\r\nReferer: http://evil.example/auth/users/"),
];

#[tokio::test]
async fn link_begins_with_the_public_url_whatever_host_the_request_names() {
    let server = TestServer::with(|config| config.public_url = Some(PUBLIC.to_owned())).await;
    all_links_are_ours(&server).await;
}

#[tokio::test]
async fn proxy_that_is_trusted_for_addresses_is_not_trusted_for_hosts() {
    let server = TestServer::with(|config| {
        config.public_url = Some(PUBLIC.to_owned());
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    all_links_are_ours(&server).await;
}

async fn all_links_are_ours(server: &TestServer) {
    let account = json!({"email": "anna@example.com", "password": PASSWORD});
    assert_eq!(server.client.post("/api/auth/users/", &account).await.status, 201);
    prove_address(server).await;
    let before = server.mails().await.len();
    let mut asked = 0;
    for (number, form) in FORMS.iter().enumerate() {
        asked += asks(server.address, number, form).await;
    }
    // Some forms are not valid HTTP and are refused.
    assert!(asked >= 5 * (FORMS.len() - 9), "{asked} requests are answered");
    let mails = server.mails().await;
    assert_eq!(mails.len() - before, asked);
    // The earlier mails are notices, which have no link.
    for mail in &mails[before..] {
        assert_only_our_urls(mail);
    }
}

/// A mail can move only an address that was proved by mail.
async fn prove_address(server: &TestServer) {
    let asked = json!({"email": "anna@example.com"});
    assert_eq!(server.client.post("/auth/users/reset_password/", &asked).await.status, 204);
    let link = server.link_to("anna@example.com").await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": "An0ther-pass-88"});
    let path = "/auth/users/reset_password_confirm/";
    assert_eq!(server.client.post(path, &body).await.status, 204);
}

/// Requests each kind of mail and returns how many requests succeeded.
async fn asks(server: SocketAddr, number: usize, form: &Form) -> usize {
    let email = format!("new{number}@example.com");
    let anna = json!({"email": "anna@example.com"});
    let new = json!({"email": email, "password": PASSWORD, "re_password": PASSWORD});
    let requests = [
        ("/auth/users/", new),
        ("/auth/users/resend_activation/", json!({"email": email})),
        ("/auth/users/reset_password/", anna.clone()),
        ("/auth/users/reset_email/", anna.clone()),
        ("/api/auth/password/reset/", anna),
    ];
    let mut succeeded = 0;
    for (path, body) in requests {
        let answer = ask(server, form, path, &body).await;
        match answer.status {
            200..=299 => succeeded += 1,
            400..=499 if succeeded == 0 => {}
            _ => panic!("{path} {form:?}: {answer:?}"),
        }
    }
    succeeded
}

async fn ask(server: SocketAddr, form: &Form, path: &str, body: &Value) -> Answer {
    let ((before, version, headers), body) = (form, body.to_string());
    let length = body.len();
    let request = format!(
        "POST {before}{path} HTTP/{version}\r\n{headers}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    Connection::with(server, request).await.answer().await
}

#[track_caller]
fn assert_only_our_urls(mail: &Received) {
    let letter = mail.letter();
    let (text, html) = (&letter.text, &letter.html);
    let urls: Vec<_> = urls_in(text).chain(urls_in(html)).chain(targets_in(html)).collect();
    assert!(urls.len() >= 3, "text and HTML have the link: {urls:?}");
    for url in urls {
        assert!(url.starts_with(&format!("{PUBLIC}/")), "{url}");
    }
    let raw = String::from_utf8_lossy(&mail.content);
    for text in [text, html, raw.as_ref()] {
        assert!(!text.contains(ELSEWHERE), "{text}");
    }
}

fn urls_in(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| c.is_whitespace() || "\"'<>()".contains(c));
    words.filter(|word| word.contains("://"))
}

/// All URLs in the elements of a page.
fn targets_in(html: &str) -> impl Iterator<Item = &str> {
    let attributes = ["href=\"", "src=\"", "action=\"", "background=\""];
    attributes.into_iter().flat_map(|attribute| {
        let values = html.split(attribute).skip(1);
        values.map(|rest| rest.split('"').next().unwrap_or_default())
    })
}
