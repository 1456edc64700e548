//! Sign-ins that are interrupted between two steps, or between two starts of the server, and their
//! effects.

use hyper::Request;
use propusk_server::store::Store;
use propusk_server::store::accounts::{self, NewAccount};
use propusk_server::store::identities::{self, Identity};
use propusk_stand_in::{Behaviour, Endpoint};
use propusk_tests::limits::{ANY, limits};
use propusk_tests::operator::Operator;
use propusk_tests::process::Process;
use propusk_tests::providers::{CLIENT_ID, register_at, variables};
use propusk_tests::user::PASSWORD;

use super::linking::{convert, me, register_app, send};
use super::*;

const ME: &str = "/api/auth/users/me/";

fn owner() -> User {
    User::new("greta").with_id("700")
}

#[tokio::test]
async fn provider_token_is_no_recent_sign_in() {
    let site = Site::start().await;
    let by_app = site.sign_in(&owner(), Provider::Google).await.field("access_token");
    let token = site.stand_in.access_token(Provider::Google, CLIENT_ID, &owner());
    let by_token = site.enter(Provider::Google, "login", &token).await.field("access");
    let body = json!({"email": "thief@example.com"});
    let refused = send(&site, "PATCH", ME, &by_token, &body).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let body = json!({"phone": "+491701234567"});
    let allowed = send(&site, "PATCH", ME, &by_app, &body).await;
    assert_eq!(allowed.status, 200, "{}", allowed.text());
}

#[tokio::test]
async fn own_address_in_another_spelling_stays_proved() {
    let site = Site::start().await;
    let access = site.sign_in(&owner(), Provider::Google).await.field("access_token");
    let body = json!({"email": "Greta@Example.com", "phone": "+491701234567"});
    let changed = send(&site, "PATCH", ME, &access, &body).await;
    assert_eq!(changed.field("email"), "Greta@example.com");
    let again = site.sign_in(&owner(), Provider::Google).await;
    assert_eq!(again.json()["account"]["email_verified"], true);
    assert_eq!(again.json()["account"]["phone"], "+491701234567");
    assert_eq!(me(&site, &access).await.status, 200, "nothing was taken over");
}

#[tokio::test]
async fn slow_provider_and_impatient_clients_lock_no_account() {
    let site = Site::with(|config| config.limits = limits(5, ANY, ANY)).await;
    let new = json!({"email": "anna@example.com", "password": PASSWORD});
    assert_eq!(site.client().post("/api/auth/users/", &new).await.status, 201);
    site.stand_in.behave(Provider::Yandex, Endpoint::UserInfo, Behaviour::Never);
    for count in 1..=8 {
        let token = site.stand_in.access_token(Provider::Yandex, CLIENT_ID, &owner());
        let asking = site.enter(Provider::Yandex, "login", &token);
        let has_been_asked = async {
            while asked(&site) < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            answer = asking => panic!("{}", answer.text()),
            () = has_been_asked => {}
        }
    }
    let body = json!({"username": "anna@example.com", "password": PASSWORD});
    let signed_in = site.client().post("/api/auth/jwt/create/", &body).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.text());
}

fn asked(site: &Site) -> usize {
    let requests = site.stand_in.requests();
    requests.iter().filter(|request| request.endpoint == Endpoint::UserInfo).count()
}

#[tokio::test]
async fn slow_sign_in_within_the_time_limit_succeeds() {
    let site = Site::start().await;
    let begun = site.begin(Provider::Vk, REDIRECT).await;
    site.server.clock.advance(599);
    let callback = site.at_provider(&owner(), Provider::Vk, &begun.authorize_url).await;
    let link = site.link_to_app(&callback).await;
    site.server.clock.advance(59);
    site.server.auth.sweep().await.expect("the database answers");
    let done = site.complete(&parameter(&link, "code"), VERIFIER).await;
    assert_eq!(done.status, 200, "{}", done.text());
}

#[tokio::test]
async fn refused_sign_in_leaves_its_code_to_the_app() {
    let site = Site::start().await;
    let id = site.sign_in(&owner(), Provider::Vk).await.json()["account"]["id"].clone();
    let id = id.as_i64().expect("an id");
    let begun = site.begin(Provider::Vk, REDIRECT).await;
    let callback = site.at_provider(&owner(), Provider::Vk, &begun.authorize_url).await;
    let code = parameter(&site.link_to_app(&callback).await, "code");
    for (is_active, status) in [(false, 403), (true, 200)] {
        let auth = &site.server.auth;
        assert!(auth.set_active(id, is_active).await.expect("the database answers"));
        let answer = site.complete(&code, VERIFIER).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    assert_eq!(site.complete(&code, VERIFIER).await.status, 400, "it has done its work");
}

#[tokio::test]
async fn head_request_spends_and_creates_nothing() {
    let site = Site::start().await;
    let link = site.link(Provider::Yandex).await;
    let callback = site.at_provider(&owner(), Provider::Yandex, &link).await;
    let code = site.client().get(&callback, None).await.field("code");
    let token = site.stand_in.access_token(Provider::Yandex, CLIENT_ID, &owner());
    let redeem = format!("/yandex/get/token?code={code}");
    let register = format!("/yandex/registration?access_token={token}");
    for path in [&redeem, &register] {
        let request = Request::head(path).body(Default::default()).expect("a path");
        let looked = site.client().send(request).await.expect("an answer");
        assert_eq!((looked.status.as_u16(), looked.body.len()), (200, 0), "{path}");
    }
    for path in [&redeem, &register] {
        let answer = site.client().get(path, None).await;
        assert_eq!(answer.status, 200, "{path} {}", answer.text());
    }
}

#[tokio::test]
async fn application_ends_sessions_of_its_own_only() {
    let site = Site::start().await;
    register_app(&site.server).await;
    let new = propusk_server::auth::NewClient {
        id: "another".to_owned(),
        name: "Another".to_owned(),
        secret: None,
        is_public: true,
        allows_password: false,
        introspects: false,
    };
    assert!(site.server.auth.create_client(new).await.expect("the database answers"));
    let access = convert(&site, &owner(), Provider::Google).await.field("access_token");
    let path = "/auth/invalidate-sessions/";
    let bearer = format!("Bearer {access}");
    let refused = site.client().post_as(&bearer, path, &json!({"client_id": "another"})).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(me(&site, &access).await.status, 200);
}

/// The settings of a server with the providers of a stand-in.
fn settings(variables: &[(String, String)]) -> Vec<(&str, &str)> {
    variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

async fn begin_at(server: &Process, provider: Provider) -> String {
    let answer = server.client.get(&format!("{}/link", root_of(provider)), None).await;
    answer.json().as_str().expect("a link").to_owned()
}

/// The code of a sign-in that was started at this server.
async fn fetched_code(server: &Process, stand_in: &StandIn) -> String {
    let base = format!("http://{}", server.address);
    register_at(stand_in, &base);
    stand_in.sign_in_as(Provider::Yandex, owner());
    let sent = browse(&begin_at(server, Provider::Yandex).await).await;
    let callback = sent.header("location").expect("a redirect");
    browse(&callback).await.field("code")
}

#[tokio::test]
async fn code_of_another_secret_is_unknown() {
    let (operator, stand_in) =
        (Operator::new().await, StandIn::start().await.expect("the stand-in"));
    let variables = variables(&stand_in);
    let server = operator.start(&settings(&variables)).await;
    let code = fetched_code(&server, &stand_in).await;
    server.terminate().await;
    let other = ("PROPUSK_TOKENS__SECRET", "another-signing-key-0123456789abcdef0123456789");
    assert!(operator.run(&[other], &["key", "rotate", "--now"], "").await.status.success());
    let server = operator.start(&[settings(&variables), vec![other]].concat()).await;
    let answer = server.client.get(&format!("/yandex/get/token?code={code}"), None).await;
    assert_eq!((answer.status.as_u16(), answer.field("detail").as_str()), (400, "Invalid code"));
}

#[tokio::test]
async fn account_of_a_removed_provider_is_recovered_by_mail() {
    let (operator, stand_in) =
        (Operator::new().await, StandIn::start().await.expect("the stand-in"));
    let variables = variables(&stand_in);
    let asks_for_reset = async |settings: &[(&str, &str)]| {
        let server = operator.start(settings).await;
        let body = json!({"email": "greta@example.com"});
        let answer = server.client.post("/auth/users/reset_password/", &body).await;
        assert_eq!(answer.status, 204);
        while !operator.run(&[], &["mail", "list"], "").await.stdout.is_empty() {}
        server.terminate().await;
        std::fs::read_dir(operator.path().join("mail")).map_or(0, Iterator::count)
    };
    let server = operator.start(&settings(&variables)).await;
    let token = stand_in.access_token(Provider::Google, CLIENT_ID, &owner());
    let registered = format!("/google/registration?access_token={token}");
    assert_eq!(server.client.get(&registered, None).await.status, 200);
    server.terminate().await;
    assert_eq!(asks_for_reset(&settings(&variables)).await, 0, "Google lets them in");
    assert_eq!(asks_for_reset(&[]).await, 1);
}

#[tokio::test]
async fn provider_cannot_take_the_name_of_another_that_has_accounts() {
    let operator = Operator::new().await;
    let corp = |issuer| {
        [
            ("PROPUSK_PROVIDERS__CORP__ISSUER", issuer),
            ("PROPUSK_PROVIDERS__CORP__CLIENT_ID", "x"),
            ("PROPUSK_PROVIDERS__CORP__CLIENT_SECRET", "a secret"),
        ]
    };
    let [slip, right, other] =
        ["https://id.example.com/", "https://id.example.com", "https://login.example.org"];
    for issuer in [slip, right, slip, other] {
        operator.start(&corp(issuer)).await.terminate().await;
    }
    let store = operator.store().await;
    insert_corp_sign_in(&store).await;
    store.close().await;
    let said = operator.refused(&corp(right), &["serve"]).await;
    assert!(said.contains("providers.corp: issuer has changed"), "{said}");
    operator.start(&corp(other)).await.terminate().await;
    let moved = operator.run(&corp(right), &["provider", "moved", "corp"], "").await;
    assert!(moved.status.success(), "{}", moved.stderr);
    operator.start(&corp(right)).await.terminate().await;
    for nothing in ["google", "nobody"] {
        let said = operator.refused(&corp(right), &["provider", "moved", nothing]).await;
        assert!(said.contains("no OpenID Connect provider of this name"), "{said}");
    }
}

/// Inserts a sign-in with the provider.
async fn insert_corp_sign_in(store: &Store) {
    let person = |account_id| Identity {
        provider: "corp".to_owned(),
        subject: "1".to_owned(),
        account_id,
        email: None,
        email_verified: false,
        name: None,
        avatar_url: None,
        phone: None,
        created_at: 0,
        last_used_at: 0,
        linked_by_sign_in_at: None,
    };
    let new = NewAccount {
        password: None,
        display_name: None,
        sign_up_name: None,
        is_superuser: false,
        awaits_activation: false,
        language: None,
        created_at: 0,
    };
    let made = store.write(move |tx| {
        Box::pin(async move {
            let id = accounts::insert_account(tx, &new).await?;
            identities::insert_identity(tx, person(id)).await
        })
    });
    assert!(made.await.expect("the database answers"));
}

#[tokio::test]
async fn operator_manages_accounts_while_a_provider_is_misconfigured() {
    let operator = Operator::new().await;
    let broken = [("PROPUSK_PROVIDERS__VK__CA_FILE", "/nowhere.pem")];
    assert!(operator.refused(&broken, &["serve"]).await.contains("providers.vk: ca_file"));
    let listed = operator.run(&broken, &["client", "list"], "").await;
    assert!(listed.status.success(), "{}", listed.stderr);
}
