//! How long a session lives and what ends it: lifetimes, the early-refresh rule, sign-out, password
//! change, suspension and deletion, each seen through access and refresh tokens.

use propusk_tests::http::{Answer, Client};
use propusk_tests::server::TestServer;
use propusk_tests::tokens::claims_of;
use propusk_tests::user::{PASSWORD, new_account};
use serde_json::{Value, json};

const ME: &str = "/api/auth/users/me/";
const REFRESH: &str = "/api/auth/jwt/refresh/";

/// The tokens of one sign-in at `djoser_jwt`.
struct Session {
    access: String,
    refresh: String,
}

impl Session {
    async fn open(client: &Client, name: &str, password: &str) -> Session {
        let body = json!({"username": name, "password": password});
        let pair = client.post("/api/auth/jwt/create/", &body).await;
        Session { access: pair.field("access"), refresh: pair.field("refresh") }
    }

    async fn me(&self, client: &Client) -> Answer {
        client.get(ME, Some(&self.authorization())).await
    }

    async fn refresh(&self, client: &Client) -> Answer {
        client.post(REFRESH, &json!({"refresh": self.refresh})).await
    }

    async fn verify(&self, client: &Client) -> [u16; 2] {
        let status = async |token: &str| {
            let answer = client.post("/api/auth/jwt/verify/", &json!({"token": token})).await;
            answer.status.as_u16()
        };
        [status(&self.access).await, status(&self.refresh).await]
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.access)
    }

    /// Both tokens are refused because the session has ended.
    async fn has_ended(&self, client: &Client) {
        let me = self.me(client).await;
        assert_eq!(me.status, 401);
        assert_eq!(me.json()["messages"][0]["message"], "Token is blacklisted");
        let spent = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
        assert_eq!(self.refresh(client).await.json(), spent);
        assert_eq!(self.verify(client).await, [401, 401]);
    }

    async fn is_alive(&self, client: &Client) {
        assert_eq!(self.me(client).await.status, 200);
        assert_eq!(self.refresh(client).await.status, 200);
        assert_eq!(self.verify(client).await, [200, 200]);
    }
}

async fn with_account() -> TestServer {
    let server = TestServer::start().await;
    new_account(&server, "anna@example.com").await;
    server
}

async fn sign_in(server: &TestServer) -> Session {
    Session::open(&server.client, "anna@example.com", PASSWORD).await
}

async fn set_password(client: &Client, session: &Session, new: &str) -> u16 {
    let body = json!({"current_password": PASSWORD, "new_password": new});
    let path = "/api/auth/users/set_password/";
    client.post_as(&session.authorization(), path, &body).await.status.as_u16()
}

#[tokio::test]
async fn tokens_live_as_long_as_they_claim_and_not_a_second_longer() {
    let server = with_account().await;
    let session = sign_in(&server).await;
    server.clock.advance(299);
    session.is_alive(&server.client).await;
    server.clock.advance(1);
    assert_eq!(session.me(&server.client).await.status, 401);
    assert_eq!(session.refresh(&server.client).await.status, 200);
    server.clock.advance(86_400 - 301);
    assert_eq!(session.refresh(&server.client).await.status, 200);
    server.clock.advance(1);
    let answer = session.refresh(&server.client).await;
    let expired = json!({"detail": "Token is invalid or expired", "code": "token_not_valid"});
    assert_eq!((answer.status.as_u16(), answer.json()), (401, expired));
}

#[tokio::test]
async fn logout_ends_its_own_session_only() {
    let server = with_account().await;
    let (phone, tablet) = (sign_in(&server).await, sign_in(&server).await);
    let answer = server.client.post("/api/auth/logout/", &json!({"refresh": phone.refresh})).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({})));
    phone.has_ended(&server.client).await;
    tablet.is_alive(&server.client).await;
}

#[tokio::test]
async fn access_token_made_by_a_refresh_ends_with_its_session() {
    let server = with_account().await;
    let session = sign_in(&server).await;
    let access = session.refresh(&server.client).await.field("access");
    let younger = Session { access, refresh: session.refresh.clone() };
    server.client.post("/api/auth/logout/", &json!({"refresh": session.refresh})).await;
    younger.has_ended(&server.client).await;
}

#[tokio::test]
async fn password_change_ends_every_session_but_its_own() {
    let server = with_account().await;
    let (acting, other) = (sign_in(&server).await, sign_in(&server).await);
    assert_eq!(set_password(&server.client, &acting, "another fair password").await, 204);
    acting.is_alive(&server.client).await;
    other.has_ended(&server.client).await;
    let body = json!({"username": "anna@example.com", "password": PASSWORD});
    assert_eq!(server.client.post("/api/auth/jwt/create/", &body).await.status, 401);
    let again = Session::open(&server.client, "anna@example.com", "another fair password").await;
    again.is_alive(&server.client).await;
}

#[tokio::test]
async fn password_change_ends_the_sessions_of_the_other_apis() {
    let server = with_account().await;
    let body = json!({"email": "anna@example.com", "password": PASSWORD});
    let pair = server.client.post("/token", &body).await;
    let acting = sign_in(&server).await;
    assert_eq!(set_password(&server.client, &acting, "another fair password").await, 204);
    server.clock.advance(301);
    let refresh = json!({"refresh": pair.field("refresh")});
    let answer = server.client.post("/token/refresh", &refresh).await;
    let spent = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
    assert_eq!((answer.status.as_u16(), answer.json()), (401, spent));
    for token in ["refresh", "access"] {
        let body = json!({"token": pair.field(token)});
        assert_eq!(server.client.post("/token/verify", &body).await.status, 401, "{token}");
    }
}

#[tokio::test]
async fn suspended_account_is_refused_everywhere_and_works_again_afterwards() {
    let server = with_account().await;
    let session = sign_in(&server).await;
    let id = account_id(&server).await;
    assert!(server.auth.set_active(id, false).await.expect("the database answers"));
    let me = session.me(&server.client).await;
    assert_eq!(me.json(), json!({"detail": "User is inactive", "code": "user_inactive"}));
    let refused = json!({"detail": "No active account found for the given token."});
    assert_eq!(session.refresh(&server.client).await.json(), refused);
    assert_eq!(session.verify(&server.client).await, [401, 401]);
    let body = json!({"username": "anna@example.com", "password": PASSWORD});
    let answer = server.client.post("/api/auth/jwt/create/", &body).await;
    let unknown = json!({"detail": "No active account found with the given credentials"});
    assert_eq!((answer.status.as_u16(), answer.json()), (401, unknown));
    assert!(server.auth.set_active(id, true).await.expect("the database answers"));
    session.is_alive(&server.client).await;
}

#[tokio::test]
async fn deleted_account_loses_its_sessions() {
    let server = with_account().await;
    let session = sign_in(&server).await;
    let id = account_id(&server).await;
    assert!(server.auth.delete_account(id).await.expect("the database answers"));
    let me = session.me(&server.client).await;
    assert_eq!(me.json(), json!({"detail": "User not found", "code": "user_not_found"}));
    assert_eq!(session.refresh(&server.client).await.status, 401);
    assert_eq!(session.verify(&server.client).await, [401, 401]);
    let again = json!({"email": "anna@example.com", "password": PASSWORD});
    let account = server.client.post("/api/auth/users/", &again).await;
    assert_eq!(account.status, 201);
    assert_ne!(account.json()["id"], id, "an id is never used twice");
    assert_eq!(session.me(&server.client).await.status, 401);
}

/// The default leeway is 30 seconds.
#[tokio::test]
async fn rotating_refresh_waits_until_the_access_token_is_nearly_over() {
    let server = with_account().await;
    let body = json!({"email": "anna@example.com", "password": PASSWORD});
    let pair = server.client.post("/token", &body).await;
    let refresh = json!({"refresh": pair.field("refresh")});
    let early = json!({"detail": "Token is not valid yet", "code": "token_not_valid"});
    for (advance, wait) in [(0, "270"), (200, "70"), (69, "1")] {
        server.clock.advance(advance);
        let answer = server.client.post("/token/refresh", &refresh).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (401, early.clone()));
        assert_eq!(answer.headers["retry-after"], wait);
    }
    server.clock.advance(1);
    let renewed = server.client.post("/token/refresh", &refresh).await;
    assert_eq!(renewed.status, 200);
    // The new pair waits for its own access token, and the old token is reported as used rather
    // than as early.
    let next = json!({"refresh": renewed.field("refresh")});
    assert_eq!(server.client.post("/token/refresh", &next).await.json(), early);
    let spent = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
    let again = server.client.post("/token/refresh", &refresh).await;
    assert_eq!(again.json(), spent);
    assert!(!again.headers.contains_key("retry-after"), "no wait makes it good");
}

#[tokio::test]
async fn rotating_refresh_may_be_allowed_at_any_time_or_only_after_the_expiry() {
    for (leeway, access_life, granted_after) in [(0, 300, 300), (300, 300, 0), (400, 300, 0)] {
        let server = TestServer::with(|config| {
            let rotating = config.dialect("simplejwt_rotating");
            (rotating.early_refresh_seconds, rotating.access_seconds) = (Some(leeway), access_life);
        })
        .await;
        let new = json!({"login": "anna", "password": PASSWORD, "email": "anna@example.com"});
        assert_eq!(server.client.post("/v1/creat_autor", &new).await.status, 201);
        let body = json!({"email": "anna@example.com", "password": PASSWORD});
        let pair = server.client.post("/token", &body).await;
        let refresh = json!({"refresh": pair.field("refresh")});
        if granted_after > 0 {
            server.clock.advance(granted_after - 1);
            let answer = server.client.post("/token/refresh", &refresh).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.headers["retry-after"]),
                (401, &"1".parse().expect("a header"))
            );
            server.clock.advance(1);
        }
        assert_eq!(server.client.post("/token/refresh", &refresh).await.status, 200, "{leeway}");
    }
}

#[tokio::test]
async fn disabled_api_is_gone_with_its_credentials() {
    let server = with_account().await;
    let session = sign_in(&server).await;
    let off = TestServer::with(|config| config.dialect("djoser_jwt").enabled = false).await;
    assert_eq!(off.client.get(ME, Some(&session.authorization())).await.status, 404);
    let profile = off.client.get("/api/auth/profile/", Some(&session.authorization())).await;
    assert_eq!(profile.status, 401);
    assert_eq!(profile.json()["messages"][0]["message"], "Token is invalid");
    for token in [&session.access, &session.refresh] {
        let answer = off.client.post("/token/verify", &json!({"token": token})).await;
        assert_eq!(answer.status, 401);
    }
}

#[tokio::test]
async fn sign_in_time_is_in_no_other_token() {
    let server = with_account().await;
    let ids: Vec<Value> = {
        let (one, two) = (sign_in(&server).await, sign_in(&server).await);
        [&one.access, &one.refresh, &two.access, &two.refresh]
            .map(|token| claims_of(token)["jti"].clone())
            .into()
    };
    for (place, id) in ids.iter().enumerate() {
        assert!(!ids[..place].contains(id));
    }
}

async fn account_id(server: &TestServer) -> i64 {
    let found = server.auth.find_account("anna@example.com").await.expect("the database answers");
    found.expect("it is registered").id
}

#[tokio::test]
async fn date_header_uses_the_clock_of_the_tokens() {
    let server = TestServer::start().await;
    server.clock.advance(86_400);
    let answer = server.client.get("/healthz", None).await;
    // 1 790 000 000 is 2026-09-21 at 14:13:20.
    assert_eq!(answer.headers["date"], "Tue, 22 Sep 2026 14:13:20 GMT");
}
