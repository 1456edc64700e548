//! Providers that answer badly, slowly, never, or from addresses that must not be reached.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use propusk_server::auth::NewClient;
use propusk_server::config::Config;
use propusk_stand_in::{Behaviour, Endpoint};
use propusk_tests::providers::CLIENT_ID;
use propusk_tests::smtp::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::peer::{Peer, Reply};
use super::*;

const APP: (&str, &str) = ("an-app", "the secret of an app");
/// Longer than a busy machine needs for anything that ends, and much shorter than for ever.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ten times the limit of an answer.
const HUGE: usize = 10 * 1024 * 1024;

/// Lets an application convert providers' tokens.
pub async fn register_app(site: &Site) {
    let (id, secret) = APP;
    let new = NewClient {
        id: id.to_owned(),
        name: id.to_owned(),
        secret: Some(secret.to_owned()),
        is_public: false,
        allows_password: false,
        introspects: false,
    };
    assert!(site.server.auth.create_client(new).await.expect("the database answers"));
}

/// `convert-token` with that application.
pub async fn convert(site: &Site, backend: &str, token: &str) -> Answer {
    let body = json!({
        "grant_type": "convert_token", "client_id": APP.0, "client_secret": APP.1, "backend": backend,
        "token": token,
    });
    site.client().post("/auth/convert-token/", &body).await
}

fn backend_of(provider: Provider) -> &'static str {
    match provider {
        Provider::Google => "google-oauth2",
        Provider::Vk => "vk-oauth2",
        Provider::Yandex => "yandex-oauth2",
        Provider::MailRu => "mailru",
    }
}

/// The meaning of a faulty provider's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    No,
    Status(u16),
    Nothing,
}

fn meaning(provider: Provider, endpoint: Endpoint, behaviour: &Behaviour) -> Meaning {
    let is_vk = provider == Provider::Vk;
    match behaviour {
        Behaviour::Status(401) => Meaning::No,
        Behaviour::Status(503) => Meaning::Nothing,
        Behaviour::Status(status) => Meaning::Status(*status),
        Behaviour::RedirectTo(_) => Meaning::Status(307),
        // VK's error means a fault; that of the others an unknown token.
        Behaviour::ErrorWith200 if !is_vk => Meaning::No,
        // If the client is missing in the answer, the token is another's.
        Behaviour::EmptyObject if endpoint != Endpoint::Token && !is_vk => Meaning::No,
        _ => Meaning::Nothing,
    }
}

fn troubles(trap: &Peer) -> Vec<Behaviour> {
    let mut all: Vec<_> = [400, 401, 403, 404, 429, 500, 502, 503].map(Behaviour::Status).to_vec();
    all.extend([
        Behaviour::ErrorWith200,
        Behaviour::Garbage,
        Behaviour::EmptyObject,
        Behaviour::Huge(HUGE),
        Behaviour::Trickle,
        Behaviour::Never,
        Behaviour::RedirectTo(trap.url("/x")),
        Behaviour::CutOff,
    ]);
    all
}

fn impatient(config: &mut Config) {
    config.outbound.timeout_seconds = 1;
}

/// The endpoints that name the owner of a token.
const WITNESSES: [(Provider, Endpoint); 5] = [
    (Provider::Google, Endpoint::UserInfo),
    (Provider::Google, Endpoint::TokenInfo),
    (Provider::Vk, Endpoint::UserInfo),
    (Provider::Yandex, Endpoint::UserInfo),
    (Provider::MailRu, Endpoint::UserInfo),
];

#[tokio::test]
async fn token_whose_provider_is_out_of_order_is_not_converted() {
    let (site, trap) = (Site::with(impatient).await, Peer::trap().await);
    register_app(&site).await;
    for (provider, endpoint) in WITNESSES {
        let user = User::new("greta");
        let token = site.stand_in.access_token(provider, CLIENT_ID, &user);
        for trouble in troubles(&trap) {
            site.stand_in.behave(provider, endpoint, trouble.clone());
            let converted = convert(&site, backend_of(provider), &token);
            let answer = timeout(PATIENCE, converted).await.expect("an end");
            let meaning = meaning(provider, endpoint, &trouble);
            assert_eq!(answer.status, 400, "{provider:?} {trouble:?} {}", answer.text());
            assert_eq!(
                answer.json(),
                refusal_to_convert(provider, meaning),
                "{provider:?} {endpoint:?} {trouble:?}"
            );
        }
        site.stand_in.behave(provider, endpoint, Behaviour::Fine);
        let answer = convert(&site, backend_of(provider), &token).await;
        assert_eq!(answer.status, expected_after(provider), "{provider:?} {}", answer.text());
    }
    assert_eq!(trap.connections(), 0);
}

/// Google is trusted for the address, so it alone opens the first account.
fn expected_after(provider: Provider) -> u16 {
    match provider {
        Provider::Google => 200,
        Provider::Vk | Provider::Yandex | Provider::MailRu => 400,
    }
}

fn refusal_to_convert(provider: Provider, meaning: Meaning) -> Value {
    let (error, description) = match (meaning, provider) {
        (Meaning::No, Provider::Vk) => {
            ("access_denied", "User revoke access to the token".to_owned())
        }
        (Meaning::No, _) => ("access_denied", "Your credentials aren't allowed".to_owned()),
        (Meaning::Status(400), Provider::Google | Provider::Yandex | Provider::MailRu) => {
            ("access_denied", "Authentication process canceled".to_owned())
        }
        (Meaning::Status(status), Provider::Google | Provider::Yandex | Provider::MailRu) => {
            ("invalid_request", format!("Backend responded with HTTP{status}."))
        }
        (Meaning::Status(_) | Meaning::Nothing, _) => {
            ("access_denied", "The authentication provider could not be reached".to_owned())
        }
    };
    json!({"error": error, "error_description": description})
}

#[tokio::test]
async fn registration_and_sign_in_fail_while_the_provider_is_out_of_order() {
    let (site, trap) = (Site::with(impatient).await, Peer::trap().await);
    for ((provider, endpoint), id) in WITNESSES.into_iter().zip(["1", "2", "3", "4", "5"]) {
        let user = User::new(format!("user{id}")).with_id(id);
        let token = site.stand_in.access_token(provider, CLIENT_ID, &user);
        for trouble in troubles(&trap) {
            site.stand_in.behave(provider, endpoint, trouble.clone());
            for what in ["registration", "login"] {
                let entered = site.enter(provider, what, &token);
                let answer = timeout(PATIENCE, entered).await.expect("an end");
                let meaning = meaning(provider, endpoint, &trouble);
                assert_refusal(&answer, meaning, &format!("{provider:?} {what} {trouble:?}"));
            }
        }
        site.stand_in.behave(provider, endpoint, Behaviour::Fine);
        assert_eq!(site.enter(provider, "login", &token).await.status, 404, "nobody came in");
        for what in ["registration", "login"] {
            assert_eq!(site.enter(provider, what, &token).await.status, 200, "{provider:?} {what}");
        }
    }
    assert_eq!(trap.connections(), 0);
}

/// As in the document of the API.
fn assert_refusal(answer: &Answer, meaning: Meaning, what: &str) {
    let expected = match meaning {
        Meaning::No => (401, "Invalid provider token"),
        Meaning::Status(_) | Meaning::Nothing => (502, "Provider is not available"),
    };
    let detail = answer.field("detail");
    assert_eq!((answer.status.as_u16(), detail.as_str()), expected, "{what}");
}

#[tokio::test]
async fn code_is_exchanged_once_whatever_the_outcome() {
    let (site, trap) = (Site::with(impatient).await, Peer::trap().await);
    let user = User::new("greta");
    for provider in Provider::ALL {
        for trouble in troubles(&trap) {
            site.stand_in.behave(provider, Endpoint::Token, trouble.clone());
            let (meaning, what) =
                (meaning(provider, Endpoint::Token, &trouble), format!("{provider:?} {trouble:?}"));
            site.stand_in.forget_requests();
            let error = timeout(PATIENCE, error_of_app(&site, provider, &user)).await;
            assert_eq!(error.expect("an end"), word(meaning), "{what}");
            assert_eq!(exchanges(&site, provider), 1, "{what}");
            site.stand_in.forget_requests();
            let answer = timeout(PATIENCE, redeem_theirs(&site, provider, &user)).await;
            assert_refusal(&answer.expect("an end"), meaning, &what);
            assert_eq!(exchanges(&site, provider), 1, "{what}");
        }
        site.stand_in.behave(provider, Endpoint::Token, Behaviour::Fine);
        assert_eq!(redeem_theirs(&site, provider, &user).await.status, 200, "{provider:?}");
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn app_is_informed_that_its_provider_is_out_of_order() {
    let (site, trap) = (Site::with(impatient).await, Peer::trap().await);
    for ((provider, endpoint), id) in WITNESSES.into_iter().zip(["1", "2", "3", "4", "5"]) {
        let user = User::new(format!("user{id}")).with_id(id);
        for trouble in troubles(&trap) {
            site.stand_in.behave(provider, endpoint, trouble.clone());
            let error = timeout(PATIENCE, error_of_app(&site, provider, &user)).await;
            let expected = word(meaning(provider, endpoint, &trouble));
            assert_eq!(error.expect("an end"), expected, "{provider:?} {trouble:?}");
        }
        site.stand_in.behave(provider, endpoint, Behaviour::Fine);
        assert_eq!(site.sign_in(&user, provider).await.status, 200, "{provider:?}");
    }
    assert_eq!(trap.connections(), 0);
}

fn word(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::No => "provider_refused",
        Meaning::Status(_) | Meaning::Nothing => "provider_unavailable",
    }
}

/// The error that an app gets when a sign-in fails.
async fn error_of_app(site: &Site, provider: Provider, user: &User) -> String {
    let started = site.begin(provider, REDIRECT).await;
    let callback = site.at_provider(user, provider, &started.authorize_url).await;
    let link = site.link_to_app(&callback).await;
    assert_eq!(parameter(&link, "state"), started.state);
    parameter(&link, "error")
}

/// `get/token` with the provider's own code and the state of the sign-in.
async fn redeem_theirs(site: &Site, provider: Provider, user: &User) -> Answer {
    let link = site.link(provider).await;
    let callback = site.at_provider(user, provider, &link).await;
    let (_, query) = callback.split_once('?').expect("a query");
    site.client().get(&format!("{}/get/token?{query}", root_of(provider)), None).await
}

fn exchanges(site: &Site, provider: Provider) -> usize {
    let requests = site.stand_in.requests();
    let is_exchange =
        |r: &&propusk_stand_in::Request| r.provider == provider && r.endpoint == Endpoint::Token;
    requests.iter().filter(is_exchange).count()
}

#[tokio::test]
async fn requests_are_served_while_a_provider_is_silent() {
    let site = Arc::new(Site::with(|config| config.outbound.timeout_seconds = 60).await);
    let user = User::new("greta").with_id("1");
    let token = site.stand_in.access_token(Provider::Vk, CLIENT_ID, &user);
    site.stand_in.behave(Provider::Vk, Endpoint::UserInfo, Behaviour::Never);
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let (site, token) = (Arc::clone(&site), token.clone());
            tokio::spawn(async move { site.enter(Provider::Vk, "registration", &token).await })
        })
        .collect();
    while asked(&site, Endpoint::UserInfo) < waiting.len() {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.client().get("/propusk/v1/providers", None).await.status, 200);
    let other = User::new("other").with_id("2");
    assert_eq!(site.sign_in(&other, Provider::Google).await.status, 200);
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

fn asked(site: &Site, endpoint: Endpoint) -> usize {
    site.stand_in.requests().iter().filter(|request| request.endpoint == endpoint).count()
}

#[tokio::test]
async fn tokens_are_in_no_url_and_each_provider_is_asked_in_its_own_way() {
    let site = Site::start().await;
    register_app(&site).await;
    for (provider, id) in Provider::ALL.into_iter().zip(["1", "2", "3", "4"]) {
        let user = User::new(format!("user{id}")).with_id(id);
        assert_eq!(site.sign_in(&user, provider).await.status, 200);
        let tokens = site.fetch_tokens(&user, provider).await;
        let token = tokens["access_token"].as_str().expect("a token").to_owned();
        assert_eq!(site.enter(provider, "login", &token).await.status, 200);
        assert_eq!(convert(&site, backend_of(provider), &token).await.status, 200);
        let requests = site.stand_in.requests();
        let mut user_infos = requests.iter().filter(|request| {
            request.provider == provider && request.endpoint == Endpoint::UserInfo
        });
        let last = user_infos.next_back().expect("it was asked");
        let (method, header) = match provider {
            Provider::Google => ("GET", Some(format!("Bearer {token}"))),
            Provider::Yandex => ("GET", Some(format!("OAuth {token}"))),
            Provider::Vk | Provider::MailRu => ("POST", None),
        };
        assert_eq!(last.method, method, "{provider:?}");
        assert_eq!(last.header("authorization"), header.as_deref(), "{provider:?}");
        let in_form = last.in_form("access_token") == Some(&token);
        assert_eq!(in_form, method == "POST", "{provider:?}");
    }
    for request in site.stand_in.requests() {
        if request.endpoint == Endpoint::Authorize {
            continue;
        }
        let query: Vec<_> =
            request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected: &[&str] = match (request.provider, request.endpoint) {
            (Provider::Yandex, Endpoint::UserInfo) => &["format=json"],
            _ => &[],
        };
        assert_eq!(query, expected, "{request:?}");
    }
    assert!(asked(&site, Endpoint::TokenInfo) > 0);
}

/// Mail.ru imitated by the peer, except for its consent page.
fn play_mail_ru(config: &mut Config, url: &str) {
    let mail_ru = config.provider("mail_ru");
    mail_ru.token_url = Some(format!("{url}/token"));
    mail_ru.userinfo_url = Some(format!("{url}/userinfo"));
}

fn some_user_info() -> Reply {
    Reply::Json(json!({"id": "77", "client_id": CLIENT_ID, "email": "olga@example.com"}))
}

fn tokens() -> Reply {
    Reply::Json(json!({"access_token": "a-token", "refresh_token": "another", "expires_in": 3_600}))
}

#[tokio::test]
async fn application_that_is_removed_during_a_conversion_gets_no_session() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let site = Site::with(|config| play_mail_ru(config, &url)).await;
    register_app(&site).await;
    let provider = async {
        let (mut connection, _) = listener.accept().await.expect("a question");
        assert!(connection.read(&mut [0; 4_096]).await.expect("a request") > 0);
        let auth = &site.server.auth;
        assert!(auth.delete_client(APP.0).await.expect("the database answers"));
        let person = json!({"id": "77", "client_id": CLIENT_ID}).to_string();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
        let answer = format!("{head} {}\r\n\r\n{person}", person.len());
        connection.write_all(answer.as_bytes()).await.expect("an answer");
    };
    let (answer, ()) = tokio::join!(convert(&site, "mailru", "a-token"), provider);
    let error = (answer.status.as_u16(), answer.field("error_description"));
    assert_eq!(error, (400, "Invalid client_id parameter value.".to_owned()), "{}", answer.text());
    let accounts = site.server.auth.accounts_after(0, 10).await.expect("the database answers");
    assert_eq!(accounts.len(), 0);
}

#[tokio::test]
async fn request_that_times_out_is_not_retried() {
    let site = Site::with(impatient).await;
    let token = site.stand_in.access_token(Provider::Vk, CLIENT_ID, &User::new("greta"));
    site.stand_in.behave(Provider::Vk, Endpoint::UserInfo, Behaviour::Never);
    assert_eq!(site.enter(Provider::Vk, "login", &token).await.status, 502);
    assert_eq!(asked(&site, Endpoint::UserInfo), 1);
}

#[tokio::test]
async fn request_is_retried_after_a_broken_connection_and_an_exchange_never() {
    let peer = Peer::start().await;
    let site = Site::with(|config| play_mail_ru(config, &peer.url(""))).await;
    let user = User::new("olga");
    peer.answer("/token", Reply::HangUp);
    assert_eq!(error_of_app(&site, Provider::MailRu, &user).await, "provider_unavailable");
    assert_eq!(peer.asked("/token").len(), 1);
    peer.answer("/token", tokens());
    for status in [500, 502, 503, 504] {
        let before = peer.asked("/userinfo").len();
        peer.answer_in_turn("/userinfo", [Reply::Status(status), some_user_info()]);
        assert_eq!(error_of_app(&site, Provider::MailRu, &user).await, "provider_unavailable");
        assert_eq!(peer.asked("/userinfo").len(), before + 1, "{status}");
    }
    let before = peer.asked("/userinfo").len();
    peer.answer_in_turn("/userinfo", [Reply::HangUp, some_user_info()]);
    assert_eq!(site.sign_in(&user, Provider::MailRu).await.status, 200);
    assert_eq!(peer.asked("/userinfo").len(), before + 2);
    peer.answer("/userinfo", Reply::HangUp);
    assert_eq!(error_of_app(&site, Provider::MailRu, &user).await, "provider_unavailable");
    assert_eq!(peer.asked("/userinfo").len(), before + 4, "twice, and not for ever");
}

#[tokio::test]
async fn endless_answer_is_cut_off() {
    let peer = Peer::start().await;
    let site = Site::with(|config| play_mail_ru(config, &peer.url(""))).await;
    let user = User::new("olga");
    for path in ["/token", "/userinfo"] {
        peer.answer("/token", tokens());
        peer.answer("/userinfo", some_user_info());
        peer.answer(path, Reply::Endless);
        let before = peer.sent();
        let error = error_of_app(&site, Provider::MailRu, &user);
        assert_eq!(timeout(PATIENCE, error).await.expect("an end"), "provider_unavailable");
        let sent = peer.sent() - before;
        // The count includes bytes in the system's buffers.
        assert!(sent < HUGE, "{path}: {sent} bytes");
    }
}

#[tokio::test]
async fn unreachable_provider_is_reported_at_once() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    let site = Site::with(|config| {
        config.outbound.timeout_seconds = 60;
        play_mail_ru(config, &url);
    });
    let site = site.await;
    register_app(&site).await;
    let quickly = async {
        let error = error_of_app(&site, Provider::MailRu, &User::new("olga")).await;
        assert_eq!(error, "provider_unavailable");
        let answer = site.enter(Provider::MailRu, "login", "a-token").await;
        assert_refusal(&answer, Meaning::Nothing, "login");
        let answer = convert(&site, "mailru", "a-token").await;
        assert_eq!(answer.json(), refusal_to_convert(Provider::MailRu, Meaning::Nothing));
    };
    timeout(PATIENCE / 2, quickly).await.expect("no waiting for the time of a request");
}

#[tokio::test]
async fn provider_of_a_private_authority_is_reached_by_its_file_alone() {
    let (authority, another) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, authority: &Authority| {
        let path = folder.path().join(name);
        std::fs::write(&path, authority.pem()).expect("a file");
        path
    };
    let (own, foreign) = (file("own.pem", &authority), file("foreign.pem", &another));
    assert!(is_reached(&authority, "localhost", Some(&own)).await);
    assert!(!is_reached(&authority, "localhost", Some(&foreign)).await);
    assert!(!is_reached(&authority, "localhost", None).await);
    assert!(!is_reached(&authority, "id.example.com", Some(&own)).await);
    assert!(!is_reached(&authority, "127.0.0.1", Some(&own)).await, "it is asked for by name");
}

/// Whether a sign-in works at `https://localhost` with a certificate for this host.
async fn is_reached(authority: &Authority, host: &str, ca_file: Option<&Path>) -> bool {
    let peer = Peer::with_tls(authority.acceptor(host)).await;
    peer.answer("/userinfo", some_user_info());
    let site = Site::with(|config| {
        play_mail_ru(config, &format!("https://localhost:{}", peer.port()));
        config.provider("mail_ru").ca_file = ca_file.map(Path::to_owned);
    });
    let answer = site.await.enter(Provider::MailRu, "registration", "a-token").await;
    assert!(peer.connections() > 0);
    match answer.status.as_u16() {
        200 => true,
        _ => {
            assert_refusal(&answer, Meaning::Nothing, host);
            assert!(peer.asked("/userinfo").is_empty(), "no token was sent");
            false
        }
    }
}
