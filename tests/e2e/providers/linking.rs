//! Which account an identity opens, and what is stored of it: users are identified by the
//! provider's id; an address counts if the provider is trusted for it, and its first proof leaves
//! one owner.

use propusk_server::auth::password::Password;
use propusk_server::auth::{Account, NewClient, NewPassword};
use propusk_server::store::identities::Identity;
use propusk_tests::contract::Backdoor;
use propusk_tests::providers::CLIENT_ID;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::{claims_of, django};
use propusk_tests::user::PASSWORD;

use super::*;

const NEW_PASSWORD: &str = "another fair password";
const OWNER: &str = "owner@example.com";
const PHONE: &str = "+79160000001";

/// The application that converts tokens.
const APP: &str = "linking-app";
const APP_SECRET: &str = "linking-app-secret-0123456789";

// ---- what users do -----------------------------------------------------------------------------

/// A site with that application which also accepts tokens of a Django.
async fn with_django() -> Site {
    let site = Site::with(|config| {
        config.tokens.accept_foreign = true;
        config.accounts.first_id = Some(1);
    });
    let site = site.await;
    register_app(&site.server).await;
    site
}

/// A site with an application that converts tokens.
async fn start() -> Site {
    let site = Site::start().await;
    register_app(&site.server).await;
    site
}

pub async fn register_app(server: &TestServer) {
    let (id, secret) = (APP.to_owned(), Some(APP_SECRET.to_owned()));
    let new = NewClient {
        name: id.clone(),
        id,
        secret,
        is_public: false,
        allows_password: false,
        introspects: false,
    };
    assert!(server.auth.create_client(new).await.expect("the database answers"));
}

/// Converts a provider's token.
pub async fn convert(site: &Site, user: &User, provider: Provider) -> Answer {
    let backend = match provider {
        Provider::Google => "google-oauth2",
        Provider::Vk => "vk-oauth2",
        Provider::Yandex => "yandex-oauth2",
        Provider::MailRu => "mailru",
    };
    let token = site.stand_in.access_token(provider, CLIENT_ID, user);
    let body = app_with(json!({"grant_type": "convert_token", "backend": backend, "token": token}));
    site.client().post("/auth/convert-token/", &body).await
}

/// `registration` or `login` of the recorded API, with a provider's token.
pub async fn enter(site: &Site, user: &User, provider: Provider, what: &str) -> Answer {
    let token = site.stand_in.access_token(provider, CLIENT_ID, user);
    site.enter(provider, what, &token).await
}

/// The body with the application's credentials.
pub fn app_with(mut body: Value) -> Value {
    body["client_id"] = json!(APP);
    body["client_secret"] = json!(APP_SECRET);
    body
}

pub async fn refresh_pair(site: &Site, refresh: &str) -> Answer {
    let body = app_with(json!({"grant_type": "refresh_token", "refresh_token": refresh}));
    site.client().post("/auth/token/", &body).await
}

pub async fn send(site: &Site, method: &str, path: &str, access: &str, body: &Value) -> Answer {
    site.client().call(method, path, Some(&format!("Bearer {access}")), body).await
}

/// The account of this credential.
pub async fn me(site: &Site, access: &str) -> Answer {
    site.client().get("/auth/users/me/", Some(&format!("Bearer {access}"))).await
}

async fn id_of(site: &Site, access: &str) -> i64 {
    let me = me(site, access).await;
    assert_eq!(me.status, 200, "{}", me.text());
    me.json()["id"].as_i64().expect("an id")
}

/// The account that a conversion opens.
async fn converted(site: &Site, user: &User, provider: Provider) -> i64 {
    let pair = convert(site, user, provider).await;
    assert_eq!(pair.status, 200, "{provider:?} {}", pair.text());
    id_of(site, &pair.field("access_token")).await
}

async fn account(site: &Site, who: &str) -> Account {
    let found = site.server.auth.find_account(who).await.expect("the database answers");
    found.unwrap_or_else(|| panic!("no account {who}"))
}

async fn is_unknown(site: &Site, who: &str) -> bool {
    site.server.auth.find_account(who).await.expect("the database answers").is_none()
}

async fn register_by_password(site: &Site, way: &str, email: &str) {
    let (path, body) = match way {
        "djoser_token" => {
            ("/auth/users/", json!({"email": email, "password": PASSWORD, "re_password": PASSWORD}))
        }
        "djoser_jwt" => {
            ("/api/auth/users/", json!({"email": email, "phone": PHONE, "password": PASSWORD}))
        }
        "prehashed" => (
            "/authorization/registration",
            json!({"email": email, "phone_number": PHONE, "hash_password": PASSWORD}),
        ),
        _ => ("/v1/creat_autor", json!({"login": "x", "email": email, "password": PASSWORD})),
    };
    let answer = site.client().post(path, &body).await;
    assert!(answer.status.is_success(), "{way} {}", answer.text());
}

async fn activate(site: &Site, email: &str) {
    let link = site.server.link_to(email).await;
    let body = json!({"uid": link.uid, "token": link.token});
    let answer = site.client().post("/auth/users/activation/", &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
}

async fn ask_for_reset(site: &Site, email: &str) {
    let body = json!({"email": email});
    let answer = site.client().post("/auth/users/reset_password/", &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
}

/// The owner of a mailbox sets a password by a mailed link.
async fn reset(site: &Site, email: &str) {
    ask_for_reset(site, email).await;
    let link = site.server.link_to(email).await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": NEW_PASSWORD});
    let answer = site.client().post("/auth/users/reset_password_confirm/", &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
}

async fn sign_in(site: &Site, who: &str, password: &str) -> Answer {
    let body = json!({"username": who, "password": password});
    site.client().post("/api/auth/jwt/create/", &body).await
}

async fn suspend(site: &Site, id: i64) {
    assert!(site.server.auth.set_active(id, false).await.expect("the database answers"));
}

async fn set_password_as_operator(site: &Site, id: i64) {
    let password = NewPassword::Plain(Password::parse(PASSWORD).expect("a password"));
    assert!(site.server.auth.set_password(id, password).await.expect("the database answers"));
}

/// Every way of sign-in with a provider is refused as for an address that belongs to an account
/// with a password.
async fn assert_in_use(site: &Site, user: &User, provider: Provider) {
    let answer = convert(site, user, provider).await;
    let expected = json!({"error": "access_denied",
        "error_description": "This account is already in use."});
    assert_eq!((answer.status.as_u16(), answer.json()), (400, expected));
    let answer = enter(site, user, provider, "login").await;
    let expected = json!({"detail": "This account is already in use"});
    assert_eq!((answer.status.as_u16(), answer.json()), (409, expected));
    assert_in_use_for_apps(site, user, provider).await;
}

async fn assert_in_use_for_apps(site: &Site, user: &User, provider: Provider) {
    let answer = enter(site, user, provider, "registration").await;
    let expected = json!({"detail": "User already exists"});
    assert_eq!((answer.status.as_u16(), answer.json()), (409, expected));
    let answer = site.sign_in(user, provider).await;
    assert_eq!((answer.status.as_u16(), answer.field("code").as_str()), (409, "account_in_use"));
}

/// The same for a user who only claims the address: `login` finds no account.
async fn assert_not_believed(site: &Site, user: &User, provider: Provider) {
    let answer = convert(site, user, provider).await;
    let expected = json!({"error": "access_denied",
        "error_description": "This account is already in use."});
    assert_eq!((answer.status.as_u16(), answer.json()), (400, expected), "{provider:?}");
    let answer = enter(site, user, provider, "login").await;
    let expected = json!({"detail": "User not found"});
    assert_eq!((answer.status.as_u16(), answer.json()), (404, expected), "{provider:?}");
    assert_in_use_for_apps(site, user, provider).await;
}

/// A user whose address Google confirms.
fn owner() -> User {
    User::new("owner").with_id("7001").with_email(OWNER)
}

/// A user who claims the address at VK.
fn squatter() -> User {
    User::new("squatter").with_id("666").with_email(OWNER)
}

// ---- identities --------------------------------------------------------------------------------

#[tokio::test]
async fn person_is_identified_by_the_providers_id_alone() {
    let site = start().await;
    for (number, provider) in Provider::ALL.into_iter().enumerate() {
        let email = format!("first{number}@example.com");
        let first = User::new("greta").with_id("501").with_email(&email).with_email_verified(false);
        let id = converted(&site, &first, provider).await;
        let changed = User::new("gerda").with_id("501").with_email("second@example.com");
        assert_eq!(converted(&site, &changed, provider).await, id, "{provider:?}");
        assert_eq!(account(&site, &email).await.id, id);
        assert!(is_unknown(&site, "second@example.com").await, "what they say is not theirs");
        assert_not_believed(&site, &first.clone().with_id("502"), provider).await;
        let namesake = converted(&site, &first.without_email().with_id("502"), provider).await;
        assert_ne!(namesake, id, "the same name, but not the same person");
    }
}

#[tokio::test]
async fn id_at_another_provider_is_another_person() {
    let site = start().await;
    let mut ids = Vec::new();
    for provider in Provider::ALL {
        let user = User::new("greta").with_id("501").without_email();
        ids.push(converted(&site, &user, provider).await);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn registration_works_once_and_sign_in_only_after_it() {
    let site = start().await;
    for (number, provider) in Provider::ALL.into_iter().enumerate() {
        let email = format!("user{number}@example.com");
        let user = User::new("user").with_id("501").with_email(&email);
        for (what, status, is_there) in [
            ("login", 404, false),
            ("registration", 200, true),
            ("registration", 409, true),
            ("login", 200, true),
        ] {
            let answer = enter(&site, &user, provider, what).await;
            assert_eq!(answer.status, status, "{provider:?} {what} {}", answer.text());
            assert_eq!(!is_unknown(&site, &email).await, is_there);
        }
    }
}

// ---- providers that are trusted for addresses --------------------------------------------------

/// Whether the first sign-in proves the address; the account and the identity must agree.
async fn proves(site: &Site, user: &User, provider: Provider) -> bool {
    let email = user.email.clone().expect("an address");
    let id = converted(site, user, provider).await;
    let account = account(site, &email).await;
    assert_eq!(account.id, id);
    let identities = site.server.auth.identities(id).await.expect("the database answers");
    assert_eq!(identities.len(), 1);
    assert_eq!(identities[0].email_verified, account.email_verified_at.is_some());
    identities[0].email_verified
}

#[tokio::test]
async fn google_is_trusted_if_email_verified_is_true() {
    let site = start().await;
    let words = [
        (json!(true), true),
        (json!(false), false),
        (json!("true"), false),
        (json!("True"), false),
        (json!(1), false),
        (json!([true]), false),
        (Value::Null, false),
    ];
    for (number, (word, expected)) in words.into_iter().enumerate() {
        let user = User::new("x").with_id(format!("{number}00"));
        let user =
            user.with_email(format!("g{number}@gmail.com")).with_email_verified(word.clone());
        assert_eq!(proves(&site, &user, Provider::Google).await, expected, "{word}");
    }
}

#[tokio::test]
async fn google_is_trusted_for_its_own_mailboxes_only() {
    let site = start().await;
    let cases = [
        ("gmail.com", false, true),
        ("GoogleMail.com", false, true),
        ("corp.example.com", true, true),
        ("corp.example.com", false, false),
        ("mail.gmail.com", false, false),
        ("gmail.com.example", false, false),
        ("notgmail.com", false, false),
    ];
    for (number, (domain, is_of_organisation, expected)) in cases.into_iter().enumerate() {
        let user = User::new("x").with_id(format!("{number}01"));
        let user = user.with_email(format!("k{number}@{domain}"));
        let user = if is_of_organisation { user } else { user.without_organisation() };
        assert_eq!(proves(&site, &user, Provider::Google).await, expected, "{domain}");
    }
}

#[tokio::test]
async fn email_of_a_provider_with_control_characters_is_ignored() {
    let site = start().await;
    let long = format!("{}@yandex.ru", "a".repeat(200_000));
    let mut number = 500;
    for provider in [Provider::Yandex, Provider::MailRu, Provider::Google] {
        for email in ["a\0@yandex.ru", "a\u{202e}@mail.ru", "a\u{1b}[2J@yandex.ru", &long] {
            number += 1;
            let user = User::new("x").with_id(number.to_string()).with_email(email);
            let id = converted(&site, &user, provider).await;
            let identities = site.server.auth.identities(id).await.expect("the database answers");
            assert_eq!(identities[0].email, None, "{provider:?} {email:.20}");
            assert!(!identities[0].email_verified);
        }
    }
}

#[tokio::test]
async fn yandex_and_mail_ru_are_trusted_for_their_own_mailboxes_only() {
    let site = start().await;
    let own = [
        (Provider::Yandex, ["yandex.ru", "YA.RU", "Yandex.Com", "yandex.com.tr"]),
        (Provider::MailRu, ["mail.ru", "INBOX.RU", "Bk.ru", "list.ru"]),
    ];
    let mut number = 100;
    for (provider, own) in own {
        let others = [
            "example.com",
            "gmail.com",
            "notyandex.ru",
            "mail.ru.example.com",
            "yandex.ru.example",
            "sub.yandex.ru",
            "sub.mail.ru",
            "yandex.rus",
            "xn--mail-zld.ru",
        ];
        let foreign = if provider == Provider::Yandex { "mail.ru" } else { "yandex.ru" };
        let own = own.map(|domain| (domain, true));
        let others = others.map(|domain| (domain, false)).into_iter().chain([(foreign, false)]);
        for (domain, expected) in own.into_iter().chain(others) {
            number += 1;
            let user = User::new("x").with_id(number.to_string());
            let user = user.with_email(format!("u{number}@{domain}"));
            assert_eq!(proves(&site, &user, provider).await, expected, "{provider:?} {domain}");
        }
    }
}

#[tokio::test]
async fn operator_configures_the_mailboxes_of_a_provider() {
    let site = Site::with(|config| {
        config.provider("yandex").mail_domains = vec!["Corp.Example".to_owned()];
        config.provider("mail_ru").mail_domains = Vec::new();
    });
    let site = site.await;
    register_app(&site.server).await;
    for (number, (provider, domain, expected)) in [
        (Provider::Yandex, "corp.example", true),
        (Provider::Yandex, "yandex.ru", false),
        (Provider::MailRu, "mail.ru", false),
    ]
    .into_iter()
    .enumerate()
    {
        let user = User::new("x").with_id(format!("{number}1"));
        let user = user.with_email(format!("u{number}@{domain}"));
        assert_eq!(proves(&site, &user, provider).await, expected, "{provider:?} {domain}");
    }
}

#[tokio::test]
async fn vk_is_never_trusted_for_an_address() {
    let site = start().await;
    for (number, domain) in ["vk.com", "mail.ru", "gmail.com", "example.com"].iter().enumerate() {
        let user = User::new("x").with_id(format!("{number}1"));
        let user = user.with_email(format!("u{number}@{domain}"));
        assert!(!proves(&site, &user, Provider::Vk).await, "{domain}");
    }
}

#[tokio::test]
async fn invalid_address_makes_an_account_without_one() {
    let site = start().await;
    let long = format!("{}@example.com", "x".repeat(255 - "@example.com".len()));
    let emails = [None, Some(""), Some(" "), Some("no address"), Some("@example.com")];
    let emails = emails.into_iter().chain([Some("\"q w\"@example.com"), Some(long.as_str())]);
    for (number, email) in emails.enumerate() {
        for provider in Provider::ALL {
            let user = User::new("x").with_id(format!("{number}00"));
            let user = match email {
                Some(email) => user.with_email(email),
                None => user.without_email(),
            };
            let pair = convert(&site, &user, provider).await;
            assert_eq!(pair.status, 200, "{provider:?} {email:?} {}", pair.text());
            let me = me(&site, &pair.field("access_token")).await.json();
            assert_eq!(me["email"], "", "{provider:?} {email:?}");
            assert_eq!(me["id"], converted(&site, &user, provider).await);
        }
    }
}

#[tokio::test]
async fn address_of_254_characters_is_one() {
    let site = start().await;
    let email = format!("{}@example.com", "x".repeat(254 - "@example.com".len()));
    let user = User::new("x").with_email(&email);
    let pair = convert(&site, &user, Provider::Vk).await;
    assert_eq!(me(&site, &pair.field("access_token")).await.json()["email"], email);
}

// ---- linking -----------------------------------------------------------------------------------

#[tokio::test]
async fn verified_address_at_two_providers_opens_one_account() {
    let site = start().await;
    let at_yandex = User::new("anna").with_id("11").with_email("Anna@yandex.ru");
    let at_google = User::new("anna").with_id("22").with_email("anna@YANDEX.ru");
    for (first, second) in
        [(Provider::Yandex, Provider::Google), (Provider::Google, Provider::Yandex)]
    {
        let user = |provider| if provider == Provider::Google { &at_google } else { &at_yandex };
        let id = converted(&site, user(first), first).await;
        let linked = enter(&site, user(second), second, "login").await;
        assert_eq!(linked.status, 200, "a sign-in, since the account is there: {}", linked.text());
        assert_eq!(converted(&site, user(second), second).await, id);
        assert_eq!(converted(&site, user(first), first).await, id, "the first goes on");
        let identities = site.server.auth.identities(id).await.expect("the database answers");
        assert_eq!(identities.len(), 2);
        assert!(site.server.auth.delete_account(id).await.expect("the database answers"));
    }
}

#[tokio::test]
async fn account_with_a_password_is_not_opened_by_an_identity() {
    for way in ["djoser_token", "djoser_jwt", "prehashed", "simplejwt_rotating"] {
        let site = start().await;
        register_by_password(&site, way, OWNER).await;
        assert_in_use(&site, &owner(), Provider::Google).await;
        let id = account(&site, OWNER).await.id;
        if way == "djoser_token" {
            activate(&site, OWNER).await;
            assert_in_use(&site, &owner(), Provider::Google).await;
        }
        suspend(&site, id).await;
        assert_in_use(&site, &owner(), Provider::Google).await;
        let identities = site.server.auth.identities(id).await.expect("the database answers");
        assert!(identities.is_empty(), "{way}");
    }
}

#[tokio::test]
async fn password_set_by_mail_lets_the_provider_in() {
    let site = start().await;
    register_by_password(&site, "djoser_jwt", OWNER).await;
    reset(&site, OWNER).await;
    let id = converted(&site, &owner(), Provider::Google).await;
    assert_eq!(id, account(&site, OWNER).await.id);
    let by_password = sign_in(&site, OWNER, NEW_PASSWORD).await;
    assert_eq!(id_of(&site, &by_password.field("access")).await, id, "the password goes on");
}

#[tokio::test]
async fn proof_of_the_old_mailbox_is_no_proof_of_a_new_one() {
    for way in ["set_email", "patch"] {
        let site = start().await;
        register_by_password(&site, "djoser_jwt", "old@example.com").await;
        reset(&site, "old@example.com").await;
        let access = sign_in(&site, "old@example.com", NEW_PASSWORD).await.field("access");
        let changed = match way {
            "set_email" => {
                let body = json!({"current_password": NEW_PASSWORD, "new_email": OWNER});
                let bearer = format!("Bearer {access}");
                site.client().post_as(&bearer, "/auth/users/set_email/", &body).await
            }
            _ => {
                let body = json!({"email": OWNER});
                send(&site, "PATCH", "/api/auth/users/me/", &access, &body).await
            }
        };
        assert!(changed.status.is_success(), "{way} {}", changed.text());
        assert_in_use(&site, &owner(), Provider::Google).await;
    }
}

#[tokio::test]
async fn password_set_by_an_operator_proves_nothing() {
    let site = start().await;
    register_by_password(&site, "djoser_jwt", OWNER).await;
    reset(&site, OWNER).await;
    set_password_as_operator(&site, account(&site, OWNER).await.id).await;
    assert_in_use(&site, &owner(), Provider::Google).await;
}

#[tokio::test]
async fn changed_password_is_the_owners_still() {
    let site = start().await;
    register_by_password(&site, "djoser_jwt", OWNER).await;
    reset(&site, OWNER).await;
    let access = sign_in(&site, OWNER, NEW_PASSWORD).await.field("access");
    let body = json!({"current_password": NEW_PASSWORD, "new_password": PASSWORD});
    let bearer = format!("Bearer {access}");
    let answer = site.client().post_as(&bearer, "/api/auth/users/set_password/", &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let id = converted(&site, &owner(), Provider::Google).await;
    assert_eq!(id, account(&site, OWNER).await.id);
}

#[tokio::test]
async fn claimed_address_opens_no_account_and_login_reveals_none() {
    let site = start().await;
    register_by_password(&site, "djoser_jwt", "password@example.com").await;
    register_by_password(&site, "djoser_token", "inactive@example.com").await;
    let proved = User::new("x").with_id("1").with_email("proved@example.com");
    converted(&site, &proved, Provider::Google).await;
    let unproved = User::new("x").with_id("2").with_email("unproved@example.com");
    converted(&site, &unproved, Provider::Vk).await;
    for name in ["password", "inactive", "proved", "unproved"] {
        let claims = User::new("liar").with_id("666").with_email_verified("true");
        let claims = claims.with_email(format!("{name}@EXAMPLE.com"));
        for provider in Provider::ALL {
            assert_not_believed(&site, &claims, provider).await;
        }
    }
    for provider in Provider::ALL {
        let nobody = User::new("liar").with_id("666").with_email_verified(false);
        let nobody = nobody.with_email("nobody@example.com");
        let answer = enter(&site, &nobody, provider, "login").await;
        assert_eq!(answer.json(), json!({"detail": "User not found"}), "as for an unknown one");
    }
}

// ---- the first proof of a mailbox --------------------------------------------------------------

/// Credentials of every kind that a user of a provider can have.
struct Held {
    access: Vec<String>,
    pair_refresh: String,
    named_refresh: String,
}

impl Held {
    /// From an identity, with its existing account or a new one.
    async fn by(site: &Site, user: &User, provider: Provider) -> Held {
        let pair = convert(site, user, provider).await;
        let app = site.sign_in(user, provider).await;
        let named = enter(site, user, provider, "login").await;
        let held = Held {
            access: vec![
                pair.field("access_token"),
                app.field("access_token"),
                named.field("access"),
            ],
            pair_refresh: pair.field("refresh_token"),
            named_refresh: named.field("refresh"),
        };
        for access in &held.access {
            assert_eq!(me(site, access).await.status, 200);
        }
        held
    }

    async fn assert_dead(&self, site: &Site) {
        for access in &self.access {
            let answer = me(site, access).await;
            assert_eq!(answer.status, 401, "{}", answer.text());
        }
        let answer = refresh_pair(site, &self.pair_refresh).await;
        assert_eq!(answer.field("error"), "invalid_grant");
        let path = format!("/validate/jwt/refresh?refresh={}", self.named_refresh);
        assert_eq!(site.client().get(&path, None).await.status, 401);
    }
}

/// The squatter has registered the owner's address with VK, with everything that can be added.
async fn squatted(site: &Site) -> (i64, Held) {
    let id = converted(site, &squatter(), Provider::Vk).await;
    let held = Held::by(site, &squatter(), Provider::Vk).await;
    let body = json!({"phone": PHONE});
    let key = &held.access[1];
    let answer = send(site, "PATCH", "/api/auth/users/me/", key, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(account(site, PHONE).await.id, id);
    (id, held)
}

/// The squatter returns: refused with the owner's address, accepted without it.
async fn assert_shut_out(site: &Site, id: i64, held: &Held) {
    held.assert_dead(site).await;
    assert!(is_unknown(site, PHONE).await);
    assert_not_believed(site, &squatter(), Provider::Vk).await;
    let own = converted(site, &squatter().without_email(), Provider::Vk).await;
    assert_ne!(own, id);
    // The squatter has an account now, so the claimed address changes nothing.
    assert_eq!(converted(site, &squatter(), Provider::Vk).await, own);
    held.assert_dead(site).await;
    assert_eq!(account(site, OWNER).await.id, id);
    let identities = site.server.auth.identities(id).await.expect("the database answers");
    assert!(identities.iter().all(|identity| identity.provider != "vk"));
}

#[tokio::test]
async fn owner_from_a_trusted_provider_is_alone_in_the_account() {
    for way in ["convert", "complete", "login"] {
        let site = with_django().await;
        let (id, held) = squatted(&site).await;
        site.server.imports_all().await;
        site.server.clock.advance(1);
        let of_django = django(&site.server, id, "access", 0, "0123456789abcdef0123456789abcdef");
        assert_eq!(id_of(&site, &of_django).await, id);
        ask_for_reset(&site, OWNER).await;
        let mailed = site.server.link_to(OWNER).await;
        let access = match way {
            "convert" => convert(&site, &owner(), Provider::Google).await.field("access_token"),
            "complete" => site.sign_in(&owner(), Provider::Google).await.field("access_token"),
            _ => enter(&site, &owner(), Provider::Google, "login").await.field("access"),
        };
        assert_eq!(id_of(&site, &access).await, id, "the owner keeps the account");
        let owned = account(&site, OWNER).await;
        let now = Some(site.server.clock.now());
        assert_eq!((owned.email_verified_at, owned.last_sign_in_at), (now, now));
        assert_shut_out(&site, id, &held).await;
        assert_eq!(me(&site, &of_django).await.status, 401);
        let body = json!({"uid": mailed.uid, "token": mailed.token, "new_password": NEW_PASSWORD});
        let late = site.client().post("/auth/users/reset_password_confirm/", &body).await;
        assert_eq!(late.status, 400, "{}", late.text());
        assert_eq!(id_of(&site, &access).await, id);
        assert_eq!(converted(&site, &owner(), Provider::Google).await, id);
    }
}

#[tokio::test]
async fn owner_with_a_mailed_link_is_alone_in_the_account() {
    let site = start().await;
    let (id, held) = squatted(&site).await;
    reset(&site, OWNER).await;
    assert_shut_out(&site, id, &held).await;
    let access = sign_in(&site, OWNER, NEW_PASSWORD).await.field("access");
    assert_eq!(id_of(&site, &access).await, id);
    assert_eq!(converted(&site, &owner(), Provider::Google).await, id, "by Google, too");
}

#[tokio::test]
async fn squatters_password_phone_and_sessions_end_with_the_owners_reset() {
    for way in ["djoser_jwt", "prehashed"] {
        let site = start().await;
        register_by_password(&site, way, OWNER).await;
        let id = account(&site, OWNER).await.id;
        let pair = sign_in(&site, PHONE, PASSWORD).await;
        let body = json!({"phone_number": PHONE, "hash_password": PASSWORD});
        let named = site.client().post("/authorization/login/phone/number", &body).await;
        let body = json!({"username": OWNER, "password": PASSWORD});
        let key = site.client().post("/auth/token/login/", &body).await.field("auth_token");
        reset(&site, OWNER).await;
        for access in [pair.field("access"), named.field("access"), key] {
            assert_eq!(me(&site, &access).await.status, 401, "{way}");
        }
        let body = json!({"refresh": pair.field("refresh")});
        assert_eq!(site.client().post("/api/auth/jwt/refresh/", &body).await.status, 401);
        let path = format!("/validate/jwt/refresh?refresh={}", named.field("refresh"));
        assert_eq!(site.client().get(&path, None).await.status, 401);
        for (who, password) in [(OWNER, PASSWORD), (PHONE, PASSWORD), (PHONE, NEW_PASSWORD)] {
            assert_eq!(sign_in(&site, who, password).await.status, 401, "{way} {who}");
        }
        assert_eq!(converted(&site, &owner(), Provider::Google).await, id);
    }
}

#[tokio::test]
async fn identity_that_proves_its_address_later_ends_all_other_access() {
    let site = start().await;
    let id = converted(&site, &owner().with_email_verified(false), Provider::Google).await;
    let held = Held::by(&site, &owner().with_email_verified(false), Provider::Google).await;
    assert_eq!(converted(&site, &owner(), Provider::Google).await, id);
    held.assert_dead(&site).await;
    assert!(account(&site, OWNER).await.email_verified_at.is_some());
    // That was the first proof; later ones end nothing.
    let held = Held::by(&site, &owner(), Provider::Google).await;
    assert_eq!(converted(&site, &owner(), Provider::Google).await, id);
    assert_eq!(me(&site, &held.access[0]).await.status, 200);
}

#[tokio::test]
async fn password_that_proved_nothing_ends_with_the_first_proof() {
    let site = start().await;
    let id = converted(&site, &owner().with_email_verified(false), Provider::Google).await;
    set_password_as_operator(&site, id).await;
    let access = sign_in(&site, OWNER, PASSWORD).await.field("access");
    assert_eq!(converted(&site, &owner(), Provider::Google).await, id);
    assert_eq!(me(&site, &access).await.status, 401);
    assert_eq!(sign_in(&site, OWNER, PASSWORD).await.status, 401);
}

#[tokio::test]
async fn proof_of_another_address_does_not_prove_the_accounts() {
    let site = start().await;
    let id = converted(&site, &owner().with_email_verified(false), Provider::Google).await;
    let other = owner().with_email("other@example.com");
    assert_eq!(converted(&site, &other, Provider::Google).await, id);
    assert!(account(&site, OWNER).await.email_verified_at.is_none());
}

#[tokio::test]
async fn squatter_who_is_late_gets_no_access() {
    let site = start().await;
    let id = converted(&site, &owner(), Provider::Google).await;
    assert_not_believed(&site, &squatter(), Provider::Vk).await;
    let own = converted(&site, &squatter().without_email(), Provider::Vk).await;
    assert_ne!(own, id);
    let identities = site.server.auth.identities(id).await.expect("the database answers");
    assert_eq!(identities.len(), 1);
}

#[tokio::test]
async fn reset_is_mailed_where_there_is_a_password_or_a_mailbox_to_prove() {
    let site = start().await;
    let proved = User::new("proved").with_id("1");
    converted(&site, &proved, Provider::Google).await;
    let unproved = User::new("unproved").with_id("2");
    converted(&site, &unproved, Provider::Vk).await;
    for name in ["proved", "unproved", "nobody"] {
        let email = format!("{name}@example.com");
        ask_for_reset(&site, &email).await;
        site.server.mails().await;
        let is_mailed = site.server.smtp.newest_to(&email).is_some();
        assert_eq!(is_mailed, name == "unproved", "{name}");
    }
}

// ---- what is stored ----------------------------------------------------------------------------

#[tokio::test]
async fn profile_from_a_provider_is_stored_and_renewed_at_each_sign_in() {
    let site = start().await;
    for provider in Provider::ALL {
        let user = User::new("anna").with_id("31").with_name("Anna", "Example").without_email();
        let id = converted(&site, &user, provider).await;
        let before = kept(&site, id).await;
        let tells_picture = provider == Provider::Yandex;
        assert_eq!(before.0.as_deref(), Some("Anna Example"), "{provider:?}");
        assert_eq!((before.1, before.2, before.3), (None, false, None), "{provider:?}");
        site.server.clock.advance(60);
        let email = format!("anna@{}", if tells_picture { "yandex.ru" } else { "mail.ru" });
        let picture = if tells_picture { "1/2-3" } else { "https://img.example/1.png" };
        let user = user.with_name("Anna", "Sample").with_email(&email).with_email_verified(true);
        let user = user.with_avatar(picture).with_phone("+79160000002");
        assert_eq!(converted(&site, &user, provider).await, id);
        let (name, told_email, verified, phone, avatar) = kept(&site, id).await;
        assert_eq!(name.as_deref(), Some("Anna Sample"));
        assert_eq!(told_email.as_deref(), Some(email.as_str()));
        assert_eq!(verified, provider != Provider::Vk);
        let tells_phone = matches!(provider, Provider::Vk | Provider::Yandex);
        assert_eq!(phone.as_deref(), tells_phone.then_some("+79160000002"), "{provider:?}");
        let expected = match tells_picture {
            true => "https://avatars.yandex.net/get-yapic/1/2-3/islands-200",
            false => picture,
        };
        assert_eq!(avatar.as_deref(), Some(expected), "{provider:?}");
        assert!(is_unknown(&site, "+79160000002").await, "nobody has proved the phone");
        assert!(is_unknown(&site, &email).await, "the account stays as it was");
    }
}

type Kept = (Option<String>, Option<String>, bool, Option<String>, Option<String>);

/// Name, e-mail, whether it is verified, phone, picture.
async fn kept(site: &Site, id: i64) -> Kept {
    let identities = site.server.auth.identities(id).await.expect("the database answers");
    let [identity] = <[_; 1]>::try_from(identities).expect("one identity");
    let now = site.server.clock.now();
    assert_eq!((identity.subject.as_str(), identity.last_used_at), ("31", now));
    let Identity { name, email, email_verified, phone, avatar_url, .. } = identity;
    (name, email, email_verified, phone, avatar_url)
}

#[tokio::test]
async fn picture_is_kept_only_from_where_it_is_safe() {
    let site = start().await;
    let urls = ["http://img.example/1", "javascript:alert(1)", "data:image/png;base64,", "/x", ""];
    for (number, url) in urls.into_iter().enumerate() {
        for provider in [Provider::Google, Provider::Vk, Provider::MailRu] {
            let user = User::new("x").with_id(format!("{number}1")).without_email();
            let id = converted(&site, &user.with_avatar(url), provider).await;
            let identities = site.server.auth.identities(id).await.expect("the database answers");
            assert_eq!(identities[0].avatar_url, None, "{provider:?} {url}");
        }
    }
}

// ---- suspended and deleted ---------------------------------------------------------------------

#[tokio::test]
async fn suspended_account_is_refused_by_every_way() {
    let site = start().await;
    let id = converted(&site, &owner(), Provider::Google).await;
    suspend(&site, id).await;
    let answer = convert(&site, &owner(), Provider::Google).await;
    let expected = json!({"error": "invalid_grant",
        "error_description": "User inactive or deleted."});
    assert_eq!((answer.status.as_u16(), answer.json()), (400, expected));
    for (what, status) in [("login", 401), ("registration", 409)] {
        assert_eq!(enter(&site, &owner(), Provider::Google, what).await.status, status, "{what}");
    }
    let answer = site.sign_in(&owner(), Provider::Google).await;
    assert_eq!((answer.status.as_u16(), answer.field("code").as_str()), (403, "account_inactive"));
    // The same for another identity with the same address, proved or not.
    assert_in_use(&site, &owner().with_id("7002"), Provider::Google).await;
    assert_not_believed(&site, &squatter(), Provider::Vk).await;
    assert!(site.server.auth.set_active(id, true).await.expect("the database answers"));
    assert_eq!(converted(&site, &owner(), Provider::Google).await, id);
}

#[tokio::test]
async fn deleted_account_frees_its_identity_and_address() {
    let site = start().await;
    register_by_password(&site, "djoser_jwt", OWNER).await;
    reset(&site, OWNER).await;
    let id = converted(&site, &owner(), Provider::Google).await;
    let access = sign_in(&site, OWNER, NEW_PASSWORD).await.field("access");
    let body = json!({"current_password": NEW_PASSWORD});
    let answer = send(&site, "DELETE", "/api/auth/users/me/", &access, &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(enter(&site, &owner(), Provider::Google, "login").await.status, 404);
    let squat = converted(&site, &squatter(), Provider::Vk).await;
    assert_ne!(squat, id, "the address is free");
    let own = converted(&site, &owner().without_email(), Provider::Google).await;
    assert!(own != id && own != squat, "the identity is free");
}

#[tokio::test]
async fn account_without_any_name_has_a_stand_in_and_tokens_that_work() {
    let site = start().await;
    let user = User::new("nobody").with_id("41").without_email();
    let pair = enter(&site, &user, Provider::Vk, "registration").await;
    let renewed = format!("/validate/jwt/refresh?refresh={}", pair.field("refresh"));
    let renewed = site.client().get(&renewed, None).await;
    let id = id_of(&site, &pair.field("access")).await;
    let stand_in = format!("propusk-{id}");
    assert_eq!((renewed.status.as_u16(), renewed.field("email")), (200, stand_in.clone()));
    for access in [pair.field("access"), renewed.field("access")] {
        assert_eq!(claims_of(&access)["user_name"], stand_in);
        let valid = format!("/validate/jwt/access?access={access}");
        assert_eq!(site.client().get(&valid, None).await.text(), "true");
        assert_eq!(me(&site, &access).await.json()["email"], "");
    }
    let converted = convert(&site, &user, Provider::Vk).await;
    let access = converted.field("access_token");
    assert_eq!(id_of(&site, &access).await, id_of(&site, &pair.field("access")).await);
    let refreshed = refresh_pair(&site, &converted.field("refresh_token")).await;
    assert_eq!(
        id_of(&site, &refreshed.field("access_token")).await,
        id_of(&site, &pair.field("access")).await
    );
    assert_eq!(me(&site, &access).await.status, 401, "a refresh replaces both");
}

#[tokio::test]
async fn accounts_without_any_name_are_distinguished_by_every_api() {
    let site = start().await;
    let mut shown = std::collections::BTreeSet::new();
    for id in ["41", "42"] {
        let user = User::new("nobody").with_id(id).without_email();
        let pair = enter(&site, &user, Provider::Vk, "registration").await;
        let access = pair.field("access");
        let id = id_of(&site, &access).await;
        let stand_in = format!("propusk-{id}");
        assert_eq!(claims_of(&access)["user_name"], stand_in);
        for path in ["/api/auth/users/me/", "/api/auth/profile/"] {
            let answer = site.client().get(path, Some(&format!("Bearer {access}"))).await;
            assert_eq!(answer.field("username"), stand_in, "{path}");
        }
        let found = site.server.auth.find_account(&stand_in).await.expect("an answer");
        assert_eq!(found.map(|account| account.id), Some(id));
        // Choosing a username changes neither the name in tokens nor existing tokens.
        let name = json!({"username": format!("somebody{id}")});
        let app = site.sign_in(&user, Provider::Vk).await.field("access_token");
        let path = "/propusk/v1/account";
        let named = send(&site, "PATCH", path, &app, &name).await;
        assert_eq!(named.status, 200, "{}", named.text());
        let valid = format!("/validate/jwt/access?access={access}");
        assert_eq!(site.client().get(&valid, None).await.text(), "true");
        let again = enter(&site, &user, Provider::Vk, "login").await;
        assert_eq!(claims_of(&again.field("access"))["user_name"], stand_in);
        shown.insert(stand_in);
    }
    assert_eq!(shown.len(), 2);
}

#[tokio::test]
async fn strict_api_does_not_reveal_who_has_an_address_that_is_only_claimed() {
    let site = Site::with(|config| {
        for dialect in ["djoser_token", "native", "prehashed"] {
            config.dialect(dialect).strict = true;
        }
    })
    .await;
    register_app(&site.server).await;
    register_by_password(&site, "djoser_jwt", OWNER).await;
    for (number, email) in [OWNER, "free@example.com"].into_iter().enumerate() {
        let claims = |id: usize| User::new("x").with_id(format!("8{number}{id}")).with_email(email);
        let pair = enter(&site, &claims(1), Provider::Vk, "registration").await;
        assert_eq!(pair.status, 200, "{email}: {}", pair.text());
        assert_eq!(me(&site, &pair.field("access")).await.field("email"), "", "{email}");
        let answer = enter(&site, &claims(2), Provider::Vk, "login").await;
        assert_eq!(answer.status, 404, "{email}: {}", answer.text());
        let pair = convert(&site, &claims(3), Provider::Vk).await;
        assert_eq!(me(&site, &pair.field("access_token")).await.field("email"), "", "{email}");
        let tokens = site.sign_in(&claims(4), Provider::Vk).await;
        assert_eq!(tokens.json()["account"]["email"], Value::Null, "{email}: {}", tokens.text());
    }
}

#[tokio::test]
async fn newcomers_by_a_provider_count_like_registrations() {
    let site = Site::with(|config| {
        config.limits = propusk_tests::limits::limits(1_000, 1_000, 1_000);
        config.limits.registrations_per_address = 4;
    })
    .await;
    register_app(&site.server).await;
    register_by_password(&site, "djoser_jwt", OWNER).await;
    assert_eq!(enter(&site, &User::new("known"), Provider::Vk, "registration").await.status, 200);
    for status in [409, 409, 429, 429] {
        assert_eq!(enter(&site, &squatter(), Provider::Vk, "registration").await.status, status);
    }
    assert_eq!(convert(&site, &squatter(), Provider::Vk).await.status, 429);
    assert_eq!(site.sign_in(&squatter(), Provider::Vk).await.status, 429);
    // Existing accounts are not limited.
    assert_eq!(enter(&site, &User::new("known"), Provider::Vk, "login").await.status, 200);
}

#[tokio::test]
async fn name_from_a_provider_is_cleaned() {
    let site = start().await;
    let user = User { name: "\u{202e}An\u{1b}[31mna\nB\u{2028}".to_owned(), ..owner() };
    let tokens = site.sign_in(&user, Provider::Google).await;
    assert_eq!(tokens.json()["account"]["display_name"], "An[31mna B");
    let bearer = format!("Bearer {}", tokens.field("access_token"));
    let own = site.client().get("/propusk/v1/account/identities", Some(&bearer)).await.json();
    assert_eq!(own["identities"][0]["name"], "An[31mna B");
}
