//! Attacks: tokens, states and codes in the wrong hands. A refused request creates no account,
//! opens no session, and changes nothing of any account.

mod codes;
mod credentials;
mod other_applications;
mod races;
mod states;
mod stolen;

use hyper::Request;
use propusk_server::auth::NewClient;
use propusk_stand_in::Endpoint;
use propusk_tests::providers::CLIENT_ID;

use super::*;

const OAUTH_SECRET: &str = "an application's secret";

/// A user who has an account beforehand: another person at each provider.
fn victim(provider: Provider) -> User {
    User::new(format!("victim{}", provider as usize)).with_id("700")
}

/// A user without an account.
fn stranger(provider: Provider) -> User {
    User::new(format!("stranger{}", provider as usize)).with_id("800")
}

/// All accounts, with their identities at the providers.
struct Watch(String);

impl Watch {
    /// Advances the clock, so that a later sign-in would be visible.
    async fn over(site: &Site) -> Self {
        site.server.clock.advance(1);
        Watch(everybody(site).await)
    }

    async fn has_seen_nothing(&self, site: &Site) {
        assert_eq!(everybody(site).await, self.0);
    }
}

/// Includes the times of the last sign-ins.
async fn everybody(site: &Site) -> String {
    let auth = &site.server.auth;
    let mut text = String::new();
    for account in auth.accounts_after(0, 1_000).await.expect("the database answers") {
        let identities = auth.identities(account.id).await.expect("the database answers");
        text += &format!("{account:?} {identities:?}\n");
    }
    text
}

/// The number of code exchanges at a provider.
fn exchanges(site: &Site) -> usize {
    let requests = site.stand_in.requests();
    requests.iter().filter(|request| request.endpoint == Endpoint::Token).count()
}

/// A query with these parameters.
fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The callback of a provider with any parameters.
fn callback_of(provider: Provider, pairs: &[(&str, &str)]) -> String {
    format!("{}/callback?{}", root_of(provider), query(pairs))
}

/// A code of the provider and the parameters that belong to it in a callback.
async fn brought(site: &Site, user: &User, provider: Provider, url: &str) -> Vec<(String, String)> {
    let callback = site.at_provider(user, provider, url).await;
    let (_, query) = callback.split_once('?').expect("a query");
    let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
    pairs.filter(|(name, _)| ["code", "state", "device_id"].contains(&&**name)).collect()
}

async fn redeem(site: &Site, provider: Provider, pairs: &[(&str, &str)]) -> Answer {
    let path = format!("{}/get/token?{}", root_of(provider), query(pairs));
    site.client().get(&path, None).await
}

/// The values that a client of the recorded API has after the callback: our code, and the device.
struct Fetchable {
    code: String,
    state: String,
    device_id: String,
}

impl Fetchable {
    async fn of(site: &Site, user: &User, provider: Provider) -> Self {
        let link = site.link(provider).await;
        let callback = site.at_provider(user, provider, &link).await;
        let returned = site.client().get(&callback, None).await;
        assert_eq!(returned.status, 200, "{}", returned.text());
        let device_id = returned.json()["device_id"].as_str().unwrap_or("none").to_owned();
        Fetchable { code: returned.field("code"), state: parameter(&link, "state"), device_id }
    }

    async fn redeem(&self, site: &Site, provider: Provider) -> Answer {
        redeem(site, provider, &[("code", &self.code), ("device_id", &self.device_id)]).await
    }
}

/// The code with which an app completes its sign-in.
async fn app_code(site: &Site, user: &User, provider: Provider) -> String {
    let started = site.begin(provider, REDIRECT).await;
    let callback = site.at_provider(user, provider, &started.authorize_url).await;
    parameter(&site.link_to_app(&callback).await, "code")
}

/// Checks that a callback shows a page without a way back.
async fn is_over(site: &Site, callback: &str) {
    let page = site.visit(callback).await;
    assert_eq!(page.status, 400, "{}", page.text());
    assert!(!page.text().contains("class=\"button\""), "{}", page.text());
    let data = site.client().get(callback, None).await;
    assert_eq!((data.status.as_u16(), data.field("detail").as_str()), (400, "sign_in_unknown"));
}

fn is_unknown_sign_in(answer: &Answer) {
    let refusal = (answer.status.as_u16(), answer.field("code"));
    assert_eq!(refusal, (400, "sign_in_unknown".to_owned()), "{}", answer.text());
}

fn is_invalid_code(answer: &Answer) {
    let refusal = (answer.status.as_u16(), answer.text());
    assert_eq!(refusal, (400, "{\"detail\":\"Invalid code\"}".to_owned()));
}

fn is_invalid_token(answer: &Answer) {
    let refusal = (answer.status.as_u16(), answer.text());
    assert_eq!(refusal, (401, "{\"detail\":\"Invalid provider token\"}".to_owned()));
}

/// Registers the application that converts tokens.
async fn register_application(site: &Site) {
    let client = NewClient {
        id: "app".to_owned(),
        name: "App".to_owned(),
        secret: Some(OAUTH_SECRET.to_owned()),
        is_public: false,
        allows_password: false,
        introspects: false,
    };
    assert!(site.server.auth.create_client(client).await.expect("the database answers"));
}

async fn convert(site: &Site, provider: Provider, token: &str) -> Answer {
    let backend = match provider {
        Provider::Google => "google-oauth2",
        Provider::Vk => "vk-oauth2",
        Provider::Yandex => "yandex-oauth2",
        Provider::MailRu => "mailru",
    };
    let body = json!({"grant_type": "convert_token", "backend": backend, "client_id": "app",
                      "client_secret": OAUTH_SECRET, "token": token});
    site.client().post("/auth/convert-token/", &body).await
}

fn is_denied(answer: &Answer) {
    let refusal = (answer.status.as_u16(), answer.field("error"));
    assert_eq!(refusal, (400, "access_denied".to_owned()), "{}", answer.text());
}

/// Sends a request without a body.
async fn send(site: &Site, request: hyper::http::request::Builder) -> Answer {
    let request: Request<_> = request.body(http_body_util::Full::default()).expect("a request");
    site.client().send(request).await.expect("an answer")
}
