//! A provider with OpenID Connect, added by configuration alone: a real one, and a lying one.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use propusk_server::config::{Config, Secret};
use propusk_tests::oidc_provider::OidcProvider;
use sha2::{Sha256, Sha384, Sha512};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::hostile::{self, Issuer, Key};
use super::outbound::{convert, register_app};
use super::peer::{Asked, Peer, Reply};
use super::*;

const PUBLIC_URL: &str = "https://auth.example.com";
const CALLBACK: &str = "/providers/corp/callback";
/// Form encoding changes its characters in every way.
const CLIENT_SECRET: &str = "a secret: 100% + between & the=two";
/// How long discovery and keys are cached, and how soon an unknown key triggers a new fetch.
const KEPT: i64 = 3_600;
const ASKED_AGAIN: i64 = 60;

fn add_corp(config: &mut Config, issuer: &str) {
    let corp = config.provider("corp");
    corp.client_id = Some(hostile::CLIENT_ID.to_owned());
    corp.client_secret = Some(Secret::new(CLIENT_SECRET));
    corp.issuer = Some(issuer.to_owned());
    corp.title = Some("Corporate ID".to_owned());
}

async fn start_at_corp(site: &Site) -> Answer {
    let body = json!({"redirect": REDIRECT, "code_challenge": CHALLENGE});
    site.client().post("/propusk/v1/providers/corp/start", &body).await
}

async fn start_sign_in_at_corp(site: &Site) -> StartedSignIn {
    let answer = start_at_corp(site).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    StartedSignIn { authorize_url: answer.field("authorize_url"), state: answer.field("state") }
}

fn assert_unavailable(answer: &Answer) {
    assert_eq!(
        (answer.status.as_u16(), answer.field("code").as_str()),
        (502, "provider_unavailable")
    );
}

/// The real provider, and a server that uses it.
struct Corp {
    peer: OidcProvider,
    site: Site,
}

impl Corp {
    async fn start(client: Value, change: Value) -> Self {
        let peer = OidcProvider::start(&peer_config(client, change)).await;
        let site = Site::with(|config| {
            config.public_url = Some(PUBLIC_URL.to_owned());
            add_corp(config, &peer.issuer);
        });
        let site = site.await;
        // The provider uses the real time.
        site.server.clock.advance(now() - site.server.clock.now());
        Corp { peer, site }
    }

    /// The path at our server after the provider.
    async fn come_back(&self, hint: &str) -> (StartedSignIn, String) {
        let started = start_sign_in_at_corp(&self.site).await;
        let url = format!("{}&login_hint={hint}", started.authorize_url);
        let callback = self.peer.authorize(&url).await;
        let path = callback.strip_prefix(PUBLIC_URL).unwrap_or_else(|| panic!("{callback}"));
        assert!(path.starts_with(CALLBACK), "{callback}");
        (started, path.to_owned())
    }

    /// A whole sign-in; returns the account.
    async fn sign_in(&self, hint: &str) -> Value {
        let (_, callback) = self.come_back(hint).await;
        let link = self.site.link_to_app(&callback).await;
        let done = self.site.complete(&parameter(&link, "code"), VERIFIER).await;
        assert_eq!(done.status, 200, "{}", done.text());
        let bearer = format!("Bearer {}", done.field("access_token"));
        let me = self.site.client().get("/api/auth/users/me/", Some(&bearer)).await;
        assert_eq!(me.json()["id"], done.json()["account"]["id"], "{}", me.text());
        done.json()["account"].clone()
    }
}

#[expect(clippy::disallowed_methods, reason = "the provider's clock cannot be set")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a date after 1970");
    i64::try_from(since.as_secs()).expect("a date before the end of time")
}

fn peer_config(client: Value, change: Value) -> Value {
    let mut config = json!({
        "clients": [{
            "client_id": hostile::CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uris": [format!("{PUBLIC_URL}{CALLBACK}")],
        }],
        "accounts": {
            "anna": {"sub": "2001", "email": "anna@example.com", "email_verified": true, "name": "Anna"},
            "boris": {"sub": "2002", "email": "boris@example.com", "email_verified": false},
        },
    });
    extend(&mut config["clients"][0], client);
    extend(&mut config, change);
    config
}

fn extend(object: &mut Value, with: Value) {
    let with = with.as_object().expect("members").clone();
    object.as_object_mut().expect("members").extend(with);
}

#[tokio::test]
async fn sign_in_works_repeatedly_with_either_client_authentication() {
    for (client, change) in [
        (json!({}), json!({})),
        (
            json!({
                "token_endpoint_auth_method": "client_secret_post",
                "id_token_signed_response_alg": "ES256",
            }),
            json!({"client_auth_methods": ["client_secret_post"], "claims_in_id_token": true}),
        ),
    ] {
        let corp = Corp::start(client, change).await;
        let anna = corp.sign_in("anna").await;
        assert_eq!(anna["email"], "anna@example.com");
        assert_eq!(anna["email_verified"], true);
        assert_eq!(anna["display_name"], "Anna");
        let boris = corp.sign_in("boris").await;
        assert_eq!(boris["email_verified"], false);
        assert_ne!(boris["id"], anna["id"]);
        assert_eq!(corp.sign_in("anna").await, anna);
    }
}

#[tokio::test]
async fn configured_provider_is_listed_with_its_title() {
    let site = Site::with(|config| add_corp(config, "https://id.example.com")).await;
    let listed = site.client().get("/propusk/v1/providers", None).await.json();
    let listed = listed["providers"].as_array().expect("a list").clone();
    assert!(listed.contains(&json!({"name": "corp", "title": "Corporate ID"})), "{listed:?}");
}

#[tokio::test]
async fn cancellation_leads_back_to_the_app() {
    let corp = Corp::start(json!({}), json!({})).await;
    let (started, callback) = corp.come_back("deny").await;
    let link = corp.site.link_to_app(&callback).await;
    assert_eq!(link, format!("{REDIRECT}?error=access_denied&state={}", started.state));
}

#[tokio::test]
async fn provider_that_promises_the_iss_parameter_must_send_its_own() {
    let corp = Corp::start(json!({}), json!({})).await;
    for iss in [None, Some("https://evil.example.com"), Some(""), Some(PUBLIC_URL)] {
        let (started, callback) = corp.come_back("anna").await;
        let (path, query) = callback.split_once('?').expect("a query");
        let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "iss");
        let mut changed = form_urlencoded::Serializer::new(String::new());
        changed.extend_pairs(pairs).extend_pairs(iss.map(|iss| ("iss", iss)));
        let link = corp.site.link_to_app(&format!("{path}?{}", changed.finish())).await;
        assert_eq!(
            link,
            format!("{REDIRECT}?error=provider_refused&state={}", started.state),
            "{iss:?}"
        );
    }
}

#[tokio::test]
async fn provider_without_that_promise_may_omit_iss_but_not_send_another() {
    let corp = Corp::start(json!({}), json!({"authorization_response_iss": false})).await;
    corp.sign_in("anna").await;
    let (_, callback) = corp.come_back("anna").await;
    let link = corp.site.link_to_app(&format!("{callback}&iss=https://evil.example.com")).await;
    assert_eq!(parameter(&link, "error"), "provider_refused");
}

#[tokio::test]
async fn new_keys_are_looked_for_a_minute_after_the_last_look() {
    let corp = Corp::start(json!({}), json!({})).await;
    let anna = corp.sign_in("anna").await;
    corp.peer.rotate().await;
    corp.site.server.clock.advance(ASKED_AGAIN - 1);
    let (_, callback) = corp.come_back("anna").await;
    let link = corp.site.link_to_app(&callback).await;
    assert_eq!(parameter(&link, "error"), "provider_unavailable");
    corp.site.server.clock.advance(1);
    assert_eq!(corp.sign_in("anna").await, anna);
}

/// The lying provider, and a server that uses it.
struct Lying {
    issuer: Issuer,
    site: Site,
}

impl Lying {
    async fn start() -> Self {
        let issuer = Issuer::start().await;
        let site = Site::with(|config| {
            add_corp(config, &issuer.url);
            config.outbound.timeout_seconds = 2;
        });
        let site = site.await;
        Lying { issuer, site }
    }

    fn now(&self) -> i64 {
        self.site.server.clock.now()
    }

    /// A token of the first key with correct claims, then changed.
    fn token(&self, nonce: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.issuer.claims(nonce, self.now());
        change(&mut claims);
        self.issuer.keys[1].token(&claims)
    }

    /// The link to the app if the sign-in with this nonce gets this id token.
    async fn link(&self, id_token: impl FnOnce(&str) -> Option<String>) -> String {
        let started = start_sign_in_at_corp(&self.site).await;
        let nonce = parameter(&started.authorize_url, "nonce");
        self.issuer.give(id_token(&nonce).as_deref());
        let callback = format!("{CALLBACK}?code=any&state={}", started.state);
        self.site.link_to_app(&callback).await
    }

    async fn refuses(&self, what: &str, id_token: impl FnOnce(&str) -> Option<String>) {
        assert_link_refused(&self.link(id_token).await, what);
    }

    /// Checks that a correct token is accepted, so that refusals have the intended reason.
    async fn accepts(&self, what: &str, id_token: impl FnOnce(&str) -> Option<String>) -> Value {
        let link = self.link(id_token).await;
        assert!(link.contains("?code="), "{what}: {link}");
        let done = self.site.complete(&parameter(&link, "code"), VERIFIER).await;
        assert_eq!(done.status, 200, "{what}: {}", done.text());
        done.json()["account"].clone()
    }

    async fn assert_no_account(&self) {
        let found = self.site.server.auth.find_account("ivo@example.com").await;
        assert!(found.expect("the database answers").is_none());
    }
}

fn assert_link_refused(link: &str, what: &str) {
    assert!(!link.contains("code="), "{what}: {link}");
    let error = parameter(link, "error");
    assert!(
        ["provider_refused", "provider_unavailable"].contains(&error.as_str()),
        "{what} {link}"
    );
}

#[tokio::test]
async fn key_of_each_kind_signs_and_no_public_half_of_one_does() {
    let lying = Lying::start().await;
    for key in &lying.issuer.keys {
        for alg in ALGORITHMS {
            for (form, secret) in key.public_forms().iter().enumerate() {
                lying
                    .refuses(&format!("{} {alg} {form}", key.alg), |nonce| {
                        let claims = lying.issuer.claims(nonce, lying.now());
                        let header = json!({"alg": alg, "kid": key.alg});
                        Some(hostile::token(&header, &claims, |input| mac(alg, secret, input)))
                    })
                    .await;
            }
        }
    }
    lying.assert_no_account().await;
    for key in &lying.issuer.keys {
        let honest = |nonce: &str| Some(key.token(&lying.issuer.claims(nonce, lying.now())));
        assert_eq!(lying.accepts(key.alg, honest).await["email"], "ivo@example.com");
    }
}

const ALGORITHMS: [&str; 17] = [
    "none", "None", "NONE", "", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256",
    "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
];

fn mac(alg: &str, secret: &[u8], input: &[u8]) -> Vec<u8> {
    match alg.get(2..) {
        Some("384") => code::<Hmac<Sha384>>(secret, input),
        Some("512") => code::<Hmac<Sha512>>(secret, input),
        _ => code::<Hmac<Sha256>>(secret, input),
    }
}

fn code<M: Mac + KeyInit>(secret: &[u8], input: &[u8]) -> Vec<u8> {
    let mac = <M as KeyInit>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.chain_update(input).finalize().into_bytes().to_vec()
}

type Spoil = fn(&str) -> String;

#[tokio::test]
async fn id_token_is_signed_whole_by_a_key_of_the_provider() {
    let lying = Lying::start().await;
    let claims = |nonce: &str| lying.issuer.claims(nonce, lying.now());
    for alg in ["none", "None", "ES256"] {
        let unsigned = |nonce: &str| {
            Some(hostile::token(&json!({"alg": alg, "kid": "ES256"}), &claims(nonce), |_| vec![]))
        };
        lying.refuses(&format!("unsigned {alg}"), unsigned).await;
    }
    for alg in ["RS256", "ES256", "EdDSA"] {
        let another = Key::new(alg);
        lying.refuses("another key", |nonce| Some(another.token(&claims(nonce)))).await;
    }
    let honest = |nonce: &str| lying.token(nonce, |_| {});
    let spoilt: [(&str, Spoil); 6] = [
        ("cut", |token| token[..token.len() - 4].to_owned()),
        ("two parts", |token| token.rsplit_once('.').expect("parts").0.to_owned()),
        ("four parts", |token| format!("{token}.e30")),
        ("no header", |token| format!(".{}", token.split_once('.').expect("parts").1)),
        ("nothing", |_| String::new()),
        ("words", |_| "not a token".to_owned()),
    ];
    for (what, spoil) in spoilt {
        lying.refuses(what, |nonce| Some(spoil(&honest(nonce)))).await;
    }
    lying
        .refuses("another payload", |nonce| {
            let (other, token) =
                (lying.token(nonce, |claims| claims["sub"] = "1".into()), honest(nonce));
            let parts: Vec<_> = token.split('.').collect();
            let payload = other.split('.').nth(1).expect("a payload");
            Some(format!("{}.{payload}.{}", parts[0], parts[2]))
        })
        .await;
    for crit in [json!(["exp"]), json!(["b64"]), json!([])] {
        lying
            .refuses(&format!("critical {crit}"), |nonce| {
                let key = &lying.issuer.keys[1];
                let header = json!({"alg": "ES256", "kid": "ES256", "crit": crit, "b64": true});
                Some(hostile::token(&header, &claims(nonce), |input| key.sign(input)))
            })
            .await;
    }
    lying.assert_no_account().await;
    lying.accepts("an honest one", |nonce| Some(honest(nonce))).await;
}

#[tokio::test]
async fn key_that_the_provider_does_not_publish_signs_nothing() {
    let lying = Lying::start().await;
    let unnamed = |nonce: &str, kid: Value| {
        let mut header = json!({"alg": "ES256"});
        if !kid.is_null() {
            header["kid"] = kid;
        }
        let claims = lying.issuer.claims(nonce, lying.now());
        let own = Key::new("ES256");
        header["jwk"] = own.jwk();
        Some(hostile::token(&header, &claims, |input| own.sign(input)))
    };
    for kid in [json!(null), json!("unknown"), json!(""), json!("RS256"), json!("../../dev/null")] {
        lying.refuses(&kid.to_string(), |nonce| unnamed(nonce, kid.clone())).await;
    }
    lying.assert_no_account().await;
}

#[tokio::test]
async fn id_token_with_any_wrong_claim_is_refused() {
    let lying = Lying::start().await;
    let now = lying.now();
    let (url, client) = (lying.issuer.url.as_str(), hostile::CLIENT_ID);
    let other = "other-client";
    let cases = [
        (
            "iss",
            json!([
                format!("{url}/"), "https://evil.example.com", url.replace("http", "https"), "", null, 1,
                [url], {"iss": url}, true
            ]),
        ),
        (
            "aud",
            json!([
                other, "", format!("{client} "), null, [], [other], [client, other], [[client]],
                {client: true}, 1, true
            ]),
        ),
        ("azp", json!([other, "", null, [client], 1, {}])),
        ("nonce", json!(["", "another", null, 1, [], {}, true])),
        (
            "exp",
            json!([
                now - 30,
                now - 10_000,
                0,
                -1,
                -1e300,
                1e300,
                9_223_372_036_854_775_808_u64,
                null,
                true,
                (now + 300).to_string(),
                "",
                "never",
                [],
                [now + 300],
                {}
            ]),
        ),
        ("iat", json!([now + 31, now + 10_000, 1e300, null, true, now.to_string(), [], [now], {}])),
        ("nbf", json!([now + 31, 1e300, null, true, now.to_string(), [], {}])),
        (
            "sub",
            json!([
                "",
                " ",
                "x".repeat(256),
                "a\nb",
                "a\u{0}b",
                null,
                1001,
                1.5,
                true,
                ["1001"],
                {}
            ]),
        ),
    ];
    for (name, values) in cases {
        for value in values.as_array().expect("a list") {
            let changed = |nonce: &str| Some(lying.token(nonce, |c| c[name] = value.clone()));
            lying.refuses(&format!("{name} {value}"), changed).await;
        }
    }
    for name in ["iss", "sub", "aud", "exp", "iat", "nonce"] {
        lying
            .refuses(&format!("without {name}"), |nonce| {
                Some(lying.token(nonce, |c| drop(c.as_object_mut().map(|c| c.remove(name)))))
            })
            .await;
    }
    lying.assert_no_account().await;
    let shared = |nonce: &str| {
        Some(lying.token(nonce, |c| extend(c, json!({"aud": [other, client], "azp": client}))))
    };
    lying.accepts("shared, and declared as such", shared).await;
}

#[tokio::test]
async fn id_token_of_another_sign_in_is_refused() {
    let lying = Lying::start().await;
    let mut seen = None;
    let first = |nonce: &str| {
        seen = Some(lying.token(nonce, |_| {}));
        seen.clone()
    };
    lying.accepts("the first", first).await;
    assert!(seen.is_some());
    lying.refuses("the same again", |_| seen).await;
    lying.refuses("none", |_| None).await;
}

#[tokio::test]
async fn secrets_and_tokens_go_where_the_provider_wants_them_and_into_no_url() {
    let lying = Lying::start().await;
    for methods in [json!(["client_secret_basic", "client_secret_post"]), json!(null)] {
        let asked = exchanged(&lying, &methods).await;
        assert!(asked.headers.to_lowercase().contains("authorization: basic "), "{methods}");
        assert!(!asked.body.contains("client_secret"), "{methods}");
    }
    let asked = exchanged(&lying, &json!(["private_key_jwt", "client_secret_post"])).await;
    assert!(!asked.headers.to_lowercase().contains("authorization:"));
    let secret: String = form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
    assert!(asked.body.contains(&format!("client_secret={secret}")), "{}", asked.body);
    let userinfo = lying.issuer.peer.asked("/userinfo").pop().expect("it was asked");
    assert!(
        userinfo.headers.contains(": Bearer a-token-of-the-issuer\r\n"),
        "{}",
        userinfo.headers
    );
    assert_eq!((userinfo.method.as_str(), userinfo.query.as_str()), ("GET", ""));
}

/// The exchange with a provider that supports these methods of client authentication.
async fn exchanged(lying: &Lying, methods: &Value) -> Asked {
    let mut discovery = lying.issuer.discovery();
    discovery["token_endpoint_auth_methods_supported"] = methods.clone();
    lying.issuer.publish(&discovery);
    lying.site.server.clock.advance(KEPT);
    lying.accepts("an honest one", |nonce| Some(lying.token(nonce, |_| {}))).await;
    let asked = lying.issuer.peer.asked("/token").pop().expect("it was asked");
    assert_eq!((asked.method.as_str(), asked.query.as_str()), ("POST", ""));
    for parameter in
        ["grant_type=authorization_code", "code=any", "code_verifier=", "redirect_uri="]
    {
        assert!(asked.body.contains(parameter), "{parameter}: {}", asked.body);
    }
    asked
}

#[tokio::test]
async fn userinfo_of_another_person_is_refused() {
    let lying = Lying::start().await;
    let honest = |nonce: &str| Some(lying.token(nonce, |_| {}));
    for sub in [json!("1002"), json!(""), json!(null), json!(1001), json!(["1001"]), json!("1001 ")]
    {
        lying.issuer.peer.answer("/userinfo", Reply::Json(json!({"sub": sub, "name": "Ivo"})));
        lying.refuses(&format!("userinfo of {sub}"), honest).await;
    }
    lying.issuer.peer.answer("/userinfo", Reply::Json(json!({"name": "Ivo"})));
    lying.refuses("userinfo of nobody", honest).await;
    for reply in [Reply::Json(json!([])), Reply::Status(403), Reply::HangUp, Reply::Endless] {
        lying.issuer.peer.answer("/userinfo", reply);
        lying.refuses("no userinfo", honest).await;
    }
    lying.assert_no_account().await;
    let asked = lying.issuer.peer.asked("/userinfo");
    assert!(asked.iter().all(|asked| asked.query.is_empty() && asked.method == "GET"));
}

#[tokio::test]
async fn address_is_proved_only_by_the_answer_that_names_it() {
    let lying = Lying::start().await;
    for (token, userinfo) in [
        (
            json!({"email": "a@example.com", "email_verified": null}),
            json!({"email": "b@example.com"}),
        ),
        (json!({"email": "a@example.com", "email_verified": "True"}), json!({})),
        (json!({"email": "a@example.com", "email_verified": " true"}), json!({})),
        (json!({"email": "a@example.com", "email_verified": "false"}), json!({})),
        (json!({"email": "a@example.com", "email_verified": "1"}), json!({})),
        (json!({"email": "a@example.com", "email_verified": 1}), json!({})),
        (json!({"email": "a@example.com", "email_verified": ["true"]}), json!({})),
        (
            json!({"email": "a@example.com", "email_verified": false}),
            json!({"email_verified": true}),
        ),
    ] {
        assert_unproved(&lying, &token, &userinfo, "a@example.com").await;
    }
    // Cognito and Apple send a text.
    for word in [json!(true), json!("true")] {
        let token = json!({"email": "a@example.com", "email_verified": word});
        assert_address(&lying, &token, &json!({}), ("a@example.com", true)).await;
        let userinfo = json!({"email": "a@example.com", "email_verified": word});
        assert_address(&lying, &json!({}), &userinfo, ("a@example.com", true)).await;
    }
    let without = json!({"email": "a@example.com"});
    let other = json!({"email": "b@example.com", "email_verified": true});
    assert_unproved(&lying, &without, &other, "a@example.com").await;
    let bare = json!({"email_verified": true});
    assert_unproved(&lying, &bare, &json!({"email": "a@example.com"}), "a@example.com").await;
}

async fn assert_unproved(lying: &Lying, token: &Value, userinfo: &Value, email: &str) {
    assert_address(lying, token, userinfo, (email, false)).await;
}

async fn assert_address(lying: &Lying, token: &Value, userinfo: &Value, expected: (&str, bool)) {
    let sub = format!("{token}{userinfo}").len().to_string();
    let mut answer = json!({"sub": sub});
    extend(&mut answer, userinfo.clone());
    lying.issuer.peer.answer("/userinfo", Reply::Json(answer));
    let id_token = |nonce: &str| {
        Some(lying.token(nonce, |claims| {
            let members = claims.as_object_mut().expect("members");
            members.remove("email");
            members.remove("email_verified");
            extend(claims, token.clone());
            claims["sub"] = sub.as_str().into();
        }))
    };
    let account = lying.accepts("an address", id_token).await;
    assert_eq!(account["email"], expected.0, "{token} {userinfo}");
    assert_eq!(account["email_verified"], expected.1, "{token} {userinfo}");
    let id = account["id"].as_i64().expect("an id");
    assert!(lying.site.server.auth.delete_account(id).await.expect("the database answers"));
}

#[tokio::test]
async fn provider_that_is_down_at_the_start_is_found_once_it_is_up() {
    let lying = Lying::start().await;
    lying.issuer.hang_up_at_discovery();
    for _ in 0..2 {
        assert_unavailable(&start_at_corp(&lying.site).await);
    }
    lying.issuer.publish(&lying.issuer.discovery());
    lying.accepts("up", |nonce| Some(lying.token(nonce, |_| {}))).await;
    let asked = lying.issuer.discoveries();
    lying.site.server.clock.advance(KEPT - 1);
    lying.accepts("kept", |nonce| Some(lying.token(nonce, |_| {}))).await;
    assert_eq!(lying.issuer.discoveries(), asked);
    lying.issuer.hang_up_at_discovery();
    lying.site.server.clock.advance(1);
    assert_unavailable(&start_at_corp(&lying.site).await);
}

#[tokio::test]
async fn wait_for_a_silent_provider_does_not_add_up() {
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    let site = Site::with(|config| {
        add_corp(config, &format!("http://127.0.0.1:{port}"));
        config.outbound.timeout_seconds = 1;
    });
    let site = site.await;
    let site = Arc::new(site);
    let mut all = JoinSet::new();
    for _ in 0..40 {
        let site = Arc::clone(&site);
        all.spawn(async move { start_at_corp(&site).await });
    }
    let all = timeout(Duration::from_secs(20), all.join_all()).await.expect("one time for all");
    all.iter().for_each(assert_unavailable);
}

#[tokio::test]
async fn discovery_document_that_is_invalid_starts_no_sign_in() {
    let lying = Lying::start().await;
    let url = &lying.issuer.url;
    for (name, values) in [
        ("issuer", json!([format!("{url}/"), "https://evil.example.com", "", null, 1, [url]])),
        (
            "authorization_endpoint",
            json!([
                null,
                "",
                1,
                "/authorize",
                "javascript:alert(1)",
                "data:text/html,x",
                "file:///etc/passwd",
                "intent://x",
                "http://id.example.com/",
                "http://127.0.0.1:1/",
                "https://u:p@example.com/",
                "https://id.example.com/#x"
            ]),
        ),
        ("token_endpoint", json!([null, "", 1, "/token", "://"])),
        ("jwks_uri", json!([null, "", 1, "/jwks", []])),
    ] {
        for value in values.as_array().expect("a list") {
            let mut discovery = lying.issuer.discovery();
            discovery[name] = value.clone();
            lying.issuer.publish(&discovery);
            let answer = start_at_corp(&lying.site).await;
            assert_eq!(answer.status, 502, "{name} {value}: {}", answer.text());
            assert_unavailable(&answer);
        }
    }
    for document in [json!({}), json!([]), json!(null), json!({"error": "no"})] {
        lying.issuer.publish(&document);
        let answer = start_at_corp(&lying.site).await;
        assert!(["provider_refused", "provider_unavailable"].contains(&&*answer.field("code")));
    }
    lying.issuer.publish(&lying.issuer.discovery());
    lying.accepts("the right one", |nonce| Some(lying.token(nonce, |_| {}))).await;
}

/// Spellings of this machine's address; the port of the trap and a path are added.
const THIS_MACHINE: &str = "127.0.0.1 127.1 127.0.1 0127.0.0.1 0x7f.1 0x7f000001 0X7F000001 2130706433 017700000001 \
    0x7f.0.0.0x1 127.0.0.1. 127.127.127.127 127.255.255.254 0 0.0.0.0 0.0.0.0. 0x0 00000000000 127.0x0.0.1 0177.1 \
    127.0.0.01 0x7F.0x0.0x0.0x1 127.2 0177.0.0.01 0x7f.0x1 [::1] [::] [0:0:0:0:0:0:0:1] [::0001] [0000::1] \
    [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:127.0.0.1] [0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1] [::7f00:1] \
    [::ffff:0.0.0.0] [::ffff:0:0] [64:ff9b::7f00:1] [64:ff9b::127.0.0.1] [2002:7f00:1::] １２７.０.０.１ \
    127。0。0。1 ①②⑦.⓪.⓪.① 127%2e0%2e0%2e1 %31%32%37.0.0.1 localhost LOCALHOST localhost. ｌｏｃａｌｈｏｓｔ \
    loc%61lhost example.com@127.0.0.1 user:password@127.0.0.1 @127.0.0.1 user@localhost example.com%40@127.0.0.1";

/// URLs that lead to a port of this machine, if they are followed.
fn ways_to(trap: u16) -> Vec<String> {
    let mut urls = Vec::new();
    for host in THIS_MACHINE.split_whitespace() {
        for scheme in ["http", "https"] {
            urls.push(format!("{scheme}://{host}:{trap}/x"));
        }
    }
    urls.extend([
        format!("http:127.0.0.1:{trap}/x"),
        format!("http:\\\\127.0.0.1:{trap}\\x"),
        format!("http:///127.0.0.1:{trap}/x"),
        format!("HTTP://127.0.0.1:{trap}"),
        format!(" http://127.0.0.1:{trap}/x"),
        format!("http://127.0.\t0.1:{trap}/x"),
        format!("ht\ntp://127.0.0.1:{trap}/x"),
        format!("ftp://127.0.0.1:{trap}/x"),
        format!("ws://127.0.0.1:{trap}/x"),
        format!("gopher://127.0.0.1:{trap}/_x"),
    ]);
    urls.into_iter().filter(|url| Url::parse(url).is_ok()).collect()
}

#[tokio::test]
async fn discovery_document_endpoints_never_lead_to_private_addresses() {
    let (lying, trap) = (Lying::start().await, Peer::trap().await);
    trap.answer("/x", Reply::Json(json!({"sub": "1001", "keys": []})));
    let urls = ways_to(trap.port());
    assert!(urls.len() >= 100, "{}", urls.len());
    for name in ["token_endpoint", "jwks_uri", "userinfo_endpoint"] {
        for url in &urls {
            // The cached discovery document has expired.
            lying.site.server.clock.advance(KEPT);
            let mut discovery = lying.issuer.discovery();
            discovery[name] = url.as_str().into();
            lying.issuer.publish(&discovery);
            let what = format!("{name} {url}");
            lying.refuses(&what, |nonce| Some(lying.token(nonce, |_| {}))).await;
            assert_eq!(trap.connections(), 0, "{what}");
        }
    }
    lying.assert_no_account().await;
    drop(tokio::net::TcpStream::connect(("127.0.0.1", trap.port())).await.expect("a trap"));
    while trap.connections() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn issuer_on_localhost_opens_no_other_port() {
    let (issuer, trap) = (Issuer::start().await, Peer::trap().await);
    let url = format!("http://localhost:{}", issuer.peer.port());
    let site = Site::with(|config| {
        add_corp(config, &url);
        config.outbound.timeout_seconds = 2;
    });
    let site = site.await;
    let lying = Lying { issuer: Issuer { url, ..issuer }, site };
    for name in ["token_endpoint", "jwks_uri", "userinfo_endpoint"] {
        for scheme in ["http", "https"] {
            lying.site.server.clock.advance(KEPT);
            let mut discovery = lying.issuer.discovery();
            discovery[name] = format!("{scheme}://localhost:{}/x", trap.port()).into();
            lying.issuer.publish(&discovery);
            lying.refuses(name, |nonce| Some(lying.token(nonce, |_| {}))).await;
        }
    }
    assert_eq!(trap.connections(), 0);
    lying.site.server.clock.advance(KEPT);
    lying.issuer.publish(&lying.issuer.discovery());
    lying.accepts("its own", |nonce| Some(lying.token(nonce, |_| {}))).await;
}

#[tokio::test]
async fn private_endpoint_is_reached_if_the_settings_allow_its_network() {
    for (network, is_reached) in [("10.0.0.0/8", false), ("127.0.0.0/8", true)] {
        let (issuer, inside) = (Issuer::start().await, Peer::trap().await);
        inside.answer("/userinfo", Reply::Json(json!({"sub": "1001", "name": "Ivo Inside"})));
        let site = Site::with(|config| {
            add_corp(config, &issuer.url);
            config.outbound.internal_networks = vec![network.parse().expect("a network")];
        });
        let lying = Lying { site: site.await, issuer };
        let mut discovery = lying.issuer.discovery();
        discovery["userinfo_endpoint"] = inside.url("/userinfo").into();
        lying.issuer.publish(&discovery);
        let honest = |nonce: &str| Some(lying.token(nonce, |_| {}));
        match is_reached {
            true => drop(lying.accepts(network, honest).await),
            false => lying.refuses(network, honest).await,
        }
        assert_eq!(inside.connections() > 0, is_reached, "{network}");
    }
}

#[tokio::test]
async fn redirect_of_the_provider_is_not_followed() {
    let (lying, trap) = (Lying::start().await, Peer::trap().await);
    for path in ["/token", "/jwks", "/userinfo"] {
        for status in [301, 302, 303, 307, 308] {
            lying.site.server.clock.advance(KEPT);
            lying.redirected(path, status, &trap.url("/x")).await;
        }
    }
    lying.site.server.clock.advance(KEPT);
    for status in [301, 302, 307] {
        let to = trap.url("/x");
        lying.issuer.peer.answer(hostile::DISCOVERY, Reply::Redirect(status, to));
        assert_unavailable(&start_at_corp(&lying.site).await);
    }
    assert_eq!(trap.connections(), 0);
}

impl Lying {
    /// A sign-in during which one path redirects.
    async fn redirected(&self, path: &str, status: u16, to: &str) {
        self.issuer.restore();
        let started = start_sign_in_at_corp(&self.site).await;
        let nonce = parameter(&started.authorize_url, "nonce");
        self.issuer.give(Some(&self.token(&nonce, |_| {})));
        self.issuer.peer.answer(path, Reply::Redirect(status, to.to_owned()));
        let callback = format!("{CALLBACK}?code=any&state={}", started.state);
        let link = self.site.link_to_app(&callback).await;
        assert_eq!(parameter(&link, "error"), "provider_unavailable", "{path} {status}");
    }
}

#[tokio::test]
async fn access_token_alone_of_such_a_provider_is_refused() {
    let lying = Lying::start().await;
    let client = lying.site.client();
    register_app(&lying.site).await;
    for backend in ["corp", "oidc", "openidconnect", "corp-oauth2", "/providers/corp"] {
        let answer = convert(&lying.site, backend, "a-token-of-the-issuer").await;
        assert_eq!(answer.field("error_description"), "Invalid backend parameter.", "{backend}");
    }
    for root in ["/corp", "/providers/corp"] {
        for what in ["registration", "login"] {
            let path = format!("{root}/{what}?access_token=a-token-of-the-issuer");
            assert_eq!(client.get(&path, None).await.status, 404, "{path}");
        }
    }
    let me = client.get("/api/auth/users/me/", Some("Bearer a-token-of-the-issuer")).await;
    assert_eq!(me.status, 401);
    assert_eq!(lying.issuer.peer.connections(), 0);
}
