//! One account store behind all APIs: which credentials work in other APIs, and which do not.

use propusk_tests::http::Client;
use propusk_tests::server::TestServer;
use propusk_tests::user::PASSWORD;
use serde_json::{Value, json};

/// An API, with the sign-in of an account of its own.
struct Api {
    register: (&'static str, Value),
    sign_in: (&'static str, Value),
    refresh: &'static str,
}

fn apis() -> [Api; 3] {
    let name = |email: &str| json!({"username": email, "password": PASSWORD});
    [
        Api {
            register: (
                "/api/auth/register/",
                json!({"username": "ann", "email": "ann@example.com", "password": PASSWORD}),
            ),
            sign_in: ("/api/auth/login/", name("ann")),
            refresh: "/api/auth/token/refresh/",
        },
        Api {
            register: (
                "/v1/creat_autor",
                json!({"login": "Bob", "email": "bob@example.com", "password": PASSWORD}),
            ),
            sign_in: ("/token", json!({"email": "bob@example.com", "password": PASSWORD})),
            refresh: "/token/refresh",
        },
        Api {
            register: (
                "/api/auth/users/",
                json!({"email": "cid@example.com", "password": PASSWORD}),
            ),
            sign_in: ("/api/auth/jwt/create/", name("cid@example.com")),
            refresh: "/api/auth/jwt/refresh/",
        },
    ]
}

impl Api {
    async fn signed_in(&self, client: &Client) -> (String, String) {
        assert_eq!(client.post(self.register.0, &self.register.1).await.status, 201);
        let pair = client.post(self.sign_in.0, &self.sign_in.1).await;
        (pair.field("access"), pair.field("refresh"))
    }
}

#[tokio::test]
async fn access_token_of_any_api_opens_every_profile() {
    let server = TestServer::start().await;
    for (api, name) in apis().into_iter().zip(["ann", "bob@example.com", "cid@example.com"]) {
        let (access, _) = api.signed_in(&server.client).await;
        for profile in ["/api/auth/profile/", "/api/auth/users/me/"] {
            let answer = server.client.get(profile, Some(&format!("Bearer {access}"))).await;
            assert_eq!((answer.status.as_u16(), answer.field("username").as_str()), (200, name));
        }
    }
}

#[tokio::test]
async fn refresh_token_is_good_only_in_its_own_api() {
    let server = TestServer::with(|config| {
        config.dialect("simplejwt_rotating").early_refresh_seconds = Some(300)
    })
    .await;
    for own in apis() {
        let (_, refresh) = own.signed_in(&server.client).await;
        let body = json!({"refresh": refresh});
        for other in apis().iter().filter(|other| other.refresh != own.refresh) {
            assert_eq!(
                server.client.post(other.refresh, &body).await.status,
                401,
                "{}",
                other.refresh
            );
        }
        if own.refresh != "/api/auth/jwt/refresh/" {
            assert_eq!(server.client.post("/api/auth/logout/", &body).await.status, 401);
        }
        assert_eq!(server.client.post(own.refresh, &body).await.status, 200, "{}", own.refresh);
    }
}

#[tokio::test]
async fn account_signs_in_through_every_api_that_takes_its_identifier() {
    let server = TestServer::start().await;
    for api in apis() {
        api.signed_in(&server.client).await;
    }
    let by_email = ["ann", "bob", "cid"].map(|name| format!("{name}@example.com"));
    for email in &by_email {
        let pair =
            server.client.post("/token", &json!({"email": email, "password": PASSWORD})).await;
        assert_eq!(pair.status, 200);
        let pair = server
            .client
            .post("/api/auth/jwt/create/", &json!({"username": email, "password": PASSWORD}))
            .await;
        assert_eq!(pair.status, 200);
        let chosen = server
            .client
            .post("/api/auth/login/", &json!({"username": email, "password": PASSWORD}))
            .await;
        assert_eq!(chosen.status, 401, "only a chosen username signs in there");
    }
}
