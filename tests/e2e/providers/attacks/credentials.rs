//! Every kind of credential in every place that takes one: only the right kind works.

use super::*;

/// Everything that a user has after signing in with one provider in all ways, by kind.
struct Held {
    /// Credentials that open an account in any of our APIs.
    access: Vec<(&'static str, String)>,
    /// All others.
    other: Vec<(&'static str, String)>,
}

impl Held {
    async fn by(site: &Site, user: &User, provider: Provider) -> Self {
        let native = site.sign_in(user, provider).await;
        let theirs = site.fetch_tokens(user, provider).await;
        let theirs = |name: &str| theirs[name].as_str().unwrap_or("none").to_owned();
        let pair = site.enter(provider, "login", &theirs("access_token")).await;
        let oauth = convert(site, provider, &theirs("access_token")).await;
        let fetchable = Fetchable::of(site, user, provider).await;
        Held {
            access: vec![
                ("the app's", native.field("access_token")),
                ("the document's", pair.field("access")),
                ("an application's", oauth.field("access_token")),
            ],
            other: vec![
                ("the provider's token", theirs("access_token")),
                ("the provider's refresh token", theirs("refresh_token")),
                ("the document's refresh token", pair.field("refresh")),
                ("an application's refresh token", oauth.field("refresh_token")),
                ("a code of the document", fetchable.code),
                ("a spent state", fetchable.state),
                ("an open state", site.begin(provider, REDIRECT).await.state),
                ("a code for an app", app_code(site, user, provider).await),
                ("an invented handle", format!("ph1.{}", "A".repeat(43))),
            ],
        }
    }
}

/// The statuses of this credential in every place that takes an `Authorization`.
async fn opened(site: &Site, credential: &str) -> Vec<u16> {
    let client = site.client();
    let bearer = format!("Bearer {credential}");
    let in_url = query(&[("access_token", credential)]);
    let statuses = [
        client.get("/api/auth/users/me/", Some(&bearer)).await,
        client.get("/api/auth/profile/", Some(&bearer)).await,
        client.get("/auth/users/me/", Some(&bearer)).await,
        client.get("/auth/users/me/", Some(&format!("Token {credential}"))).await,
        client.get(&format!("/auth/users/me/?{in_url}"), None).await,
    ];
    statuses.map(|answer| answer.status.as_u16()).to_vec()
}

#[tokio::test]
async fn access_tokens_alone_authorize_a_request() {
    let site = Site::start().await;
    register_application(&site).await;
    for provider in Provider::ALL {
        let held = Held::by(&site, &victim(provider), provider).await;
        for (kind, credential) in &held.access {
            assert_eq!(opened(&site, credential).await, [200; 5], "{provider:?} {kind}");
        }
        for (kind, credential) in &held.other {
            assert_eq!(opened(&site, credential).await, [401; 5], "{provider:?} {kind}");
        }
        let access = held.access.iter().map(|one| (one, "true"));
        let other = held.other.iter().map(|one| (one, "false"));
        for ((kind, credential), is_valid) in access.chain(other) {
            let path = format!("/validate/jwt/access?{}", query(&[("access", credential)]));
            let answer = site.client().get(&path, None).await.text();
            assert_eq!(answer, is_valid, "{provider:?} {kind}");
        }
    }
}

#[tokio::test]
async fn provider_token_is_accepted_only_from_a_provider() {
    let site = Site::start().await;
    register_application(&site).await;
    for provider in Provider::ALL {
        let held = Held::by(&site, &victim(provider), provider).await;
        let watch = Watch::over(&site).await;
        for (kind, credential) in held.access.iter().chain(&held.other) {
            if *kind == "the provider's token" {
                continue;
            }
            is_invalid_token(&site.enter(provider, "registration", credential).await);
            is_invalid_token(&site.enter(provider, "login", credential).await);
            is_denied(&convert(&site, provider, credential).await);
        }
        watch.has_seen_nothing(&site).await;
    }
}

#[tokio::test]
async fn code_is_accepted_only_if_it_is_one() {
    let site = Site::start().await;
    register_application(&site).await;
    for provider in Provider::ALL {
        let held = Held::by(&site, &victim(provider), provider).await;
        let watch = Watch::over(&site).await;
        for (kind, credential) in held.access.iter().chain(&held.other) {
            if !kind.contains("code") {
                is_unknown_sign_in(&site.complete(credential, VERIFIER).await);
                let pairs = [("code", &**credential), ("device_id", "d")];
                is_invalid_code(&redeem(&site, provider, &pairs).await);
            }
        }
        watch.has_seen_nothing(&site).await;
    }
}

#[tokio::test]
async fn refresh_tokens_work_only_in_their_own_api() {
    let site = Site::start().await;
    register_application(&site).await;
    for provider in Provider::ALL {
        let held = Held::by(&site, &victim(provider), provider).await;
        for (kind, credential) in held.access.iter().chain(&held.other) {
            let path = format!("/validate/jwt/refresh?{}", query(&[("refresh", credential)]));
            let renewed = site.client().get(&path, None).await.status == 200;
            assert_eq!(renewed, *kind == "the document's refresh token", "{provider:?} {kind}");
            let body = json!({"grant_type": "refresh_token", "client_id": "app",
                              "client_secret": OAUTH_SECRET, "refresh_token": credential});
            let renewed = site.client().post("/auth/token/", &body).await.status == 200;
            assert_eq!(renewed, *kind == "an application's refresh token", "{provider:?} {kind}");
        }
    }
}

async fn strict() -> Site {
    let site = Site::with(|config| config.dialect("prehashed").strict = true).await;
    register_application(&site).await;
    site
}

async fn handle(site: &Site, user: &User, provider: Provider) -> String {
    let tokens = site.fetch_tokens(user, provider).await;
    let names: Vec<_> = tokens.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["access_token", "refresh_token", "expire_in"]);
    assert_eq!((&tokens["refresh_token"], &tokens["expire_in"]), (&json!(null), &json!(600)));
    let handle = tokens["access_token"].as_str().expect("a text").to_owned();
    assert!(handle.starts_with("ph1."), "{handle}");
    handle
}

#[tokio::test]
async fn handle_registers_and_signs_in_for_ten_minutes_and_not_a_second_longer() {
    let site = strict().await;
    for provider in Provider::ALL {
        let handle = handle(&site, &stranger(provider), provider).await;
        assert_eq!(site.enter(provider, "login", &handle).await.status, 404);
        assert_eq!(site.enter(provider, "registration", &handle).await.status, 200);
        assert_eq!(site.enter(provider, "registration", &handle).await.status, 409);
        site.server.clock.advance(599);
        assert_eq!(site.enter(provider, "login", &handle).await.status, 200);
        let watch = Watch::over(&site).await;
        is_invalid_token(&site.enter(provider, "login", &handle).await);
        is_invalid_token(&site.enter(provider, "registration", &handle).await);
        watch.has_seen_nothing(&site).await;
    }
}

#[tokio::test]
async fn handle_is_refused_everywhere_else() {
    let site = strict().await;
    for provider in Provider::ALL {
        assert_eq!(site.sign_in(&victim(provider), provider).await.status, 200);
        let handle = handle(&site, &victim(provider), provider).await;
        let watch = Watch::over(&site).await;
        site.stand_in.forget_requests();
        for other in Provider::ALL {
            is_denied(&convert(&site, other, &handle).await);
            if other != provider {
                is_invalid_token(&site.enter(other, "login", &handle).await);
                is_invalid_token(&site.enter(other, "registration", &handle).await);
            }
        }
        for changed in [format!("{handle}A"), handle[..46].to_owned(), "ph1.".to_owned()] {
            is_invalid_token(&site.enter(provider, "login", &changed).await);
        }
        assert!(site.stand_in.requests().is_empty(), "no provider hears of it");
        assert_eq!(opened(&site, &handle).await, [401; 5]);
        is_unknown_sign_in(&site.complete(&handle, VERIFIER).await);
        is_invalid_code(&redeem(&site, provider, &[("code", &handle), ("device_id", "d")]).await);
        watch.has_seen_nothing(&site).await;
    }
}

#[tokio::test]
async fn handle_contains_nothing_of_the_providers_token() {
    let site = strict().await;
    for provider in Provider::ALL {
        let link = site.link(provider).await;
        let brought = brought(&site, &stranger(provider), provider, &link).await;
        let pairs: Vec<_> = brought.iter().map(|(name, value)| (&**name, &**value)).collect();
        let fetched = redeem(&site, provider, &pairs).await;
        assert!(fetched.field("access_token").starts_with("ph1."), "{}", fetched.text());
        assert_eq!(fetched.json()["refresh_token"], json!(null));
    }
}

async fn change_address(site: &Site, path: &str, authorization: Option<&str>) -> Answer {
    let body = json!({"email": "evil@example.com"});
    site.client().call("PATCH", path, authorization, &body).await
}

const ME: &str = "/api/auth/users/me/";

#[tokio::test]
async fn application_credentials_do_not_change_the_owner_of_an_account() {
    let site = Site::start().await;
    register_application(&site).await;
    let user = victim(Provider::Google);
    let native = site.sign_in(&user, Provider::Google).await.field("access_token");
    let token = site.stand_in.access_token(Provider::Google, CLIENT_ID, &user);
    let oauth = convert(&site, Provider::Google, &token).await.field("access_token");
    let watch = Watch::over(&site).await;
    let answer = change_address(&site, ME, Some(&format!("Bearer {oauth}"))).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    for credential in [&native, &oauth] {
        for path in [ME, "/auth/users/me/"] {
            let path = format!("{path}?{}", query(&[("access_token", credential)]));
            change_address(&site, &path, None).await;
        }
    }
    watch.has_seen_nothing(&site).await;
}

#[tokio::test]
async fn app_changes_identifiers_for_five_minutes_after_its_sign_in() {
    let site = Site::start().await;
    for (provider, seconds) in Provider::ALL.into_iter().zip([0, 300, 301, 899]) {
        let native = site.sign_in(&victim(provider), provider).await.field("access_token");
        site.server.clock.advance(seconds);
        let answer = change_address(&site, ME, Some(&format!("Bearer {native}"))).await;
        let expected = if seconds <= 300 { 200 } else { 403 };
        assert_eq!(answer.status, expected, "{seconds} {}", answer.text());
        if seconds <= 300 {
            let account = site.server.auth.find_account("evil@example.com").await;
            let account = account.expect("the database answers").expect("an account");
            assert_eq!(account.email_verified_at, None);
            assert!(site.server.auth.delete_account(account.id).await.expect("it answers"));
        }
    }
}
