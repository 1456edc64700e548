//! Refresh tokens of an API of the settings: whether they are replaced, spent, and when.

use propusk_tests::server::TestServer;
use propusk_tests::tokens::django;
use propusk_tests::user::{PASSWORD, me, new_account};
use serde_json::json;

use super::{refresh_at, serve, sign_in_at};

const ANNA: &str = "anna@example.com";

/// A server with an API at `/spends` and one at `/keeps`, and an account.
async fn spending_and_keeping() -> TestServer {
    let server = TestServer::with(|config| {
        serve(config, "spends", "/spends", |api| api.rotating = Some(true));
        serve(config, "keeps", "/keeps", |api| {
            api.rotating = Some(true);
            api.blacklist_after_rotation = Some(false);
        });
    })
    .await;
    new_account(&server, ANNA).await;
    server
}

#[tokio::test]
async fn rotated_token_is_spent_unless_the_settings_say_otherwise() {
    let server = spending_and_keeping().await;
    let client = &server.client;
    for (prefix, status) in [("/spends", 401), ("/keeps", 200)] {
        let first = sign_in_at(client, prefix, ANNA).await.field("refresh");
        server.clock.advance(1);
        let second = refresh_at(client, prefix, &first).await.field("refresh");
        assert_ne!(first, second);
        assert_eq!(refresh_at(client, prefix, &first).await.status, status, "{prefix}");
        let third = refresh_at(client, prefix, &second).await;
        assert_eq!(third.status, 200, "{prefix}");
    }
}

/// SimpleJWT 5.5 has another text for a token that is in its blacklist.
#[tokio::test]
async fn spent_token_is_called_blacklisted_where_the_library_has_a_blacklist() {
    let server = TestServer::with(|config| {
        for (name, prefix) in [("spends", "/spends"), ("ends", "/ends")] {
            let api = config.api(name);
            api.dialect = Some("simplejwt".to_owned());
            api.prefix = Some(prefix.to_owned());
            api.signs_in_by = vec!["email".to_owned()];
        }
        config.api("spends").rotating = Some(true);
        config.api("ends").paths.insert("sign_out".to_owned(), "/ends/logout/".to_owned());
    })
    .await;
    new_account(&server, ANNA).await;
    let client = &server.client;
    for (prefix, spending) in [("/spends", "/spends/token/refresh/"), ("/ends", "/ends/logout/")] {
        let body = json!({"username": ANNA, "password": PASSWORD});
        let pair = client.post(&format!("{prefix}/login/"), &body).await;
        let refresh = json!({"refresh": pair.field("refresh")});
        assert_eq!(client.post(spending, &refresh).await.status, 200, "{prefix}");
        for path in [spending, &format!("{prefix}/token/refresh/")] {
            let spent = client.post(path, &refresh).await;
            assert_eq!(spent.status, 401, "{path}");
            let expected = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
            assert_eq!(spent.json(), expected, "{path}");
        }
    }
}

/// With `BLACKLIST_AFTER_ROTATION` the library looks into the blacklist for refresh tokens, and calls
/// that an error of the field. Without it, it does not look; there the session has ended here.
#[tokio::test]
async fn verification_of_a_spent_token_is_400_where_a_rotation_spends_tokens() {
    let server = spending_and_keeping().await;
    let client = &server.client;
    let blacklisted = json!({"non_field_errors": ["Token is blacklisted"]});
    let ended = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
    for (prefix, expected) in [("/spends", (400, blacklisted)), ("/keeps", (401, ended.clone()))] {
        let pair = sign_in_at(client, prefix, ANNA).await;
        let (access, refresh) = (pair.field("access"), pair.field("refresh"));
        let body = json!({"refresh": refresh});
        assert_eq!(client.post(&format!("{prefix}/logout/"), &body).await.status, 200);
        let verify = format!("{prefix}/jwt/verify/");
        let answer = client.post(&verify, &json!({"token": refresh})).await;
        assert_eq!((answer.status.as_u16(), answer.json()), expected, "{prefix}");
        let answer = client.post(&verify, &json!({"token": access})).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (401, ended.clone()), "{prefix}");
    }
}

#[tokio::test]
async fn token_that_is_kept_after_a_rotation_ends_at_its_own_time_and_the_new_one_later() {
    let server = TestServer::with(|config| {
        serve(config, "keeps", "/keeps", |api| {
            api.rotating = Some(true);
            api.blacklist_after_rotation = Some(false);
            api.refresh_seconds = Some(1_000);
        });
    })
    .await;
    new_account(&server, ANNA).await;
    let client = &server.client;
    let first = sign_in_at(client, "/keeps", ANNA).await.field("refresh");
    server.clock.advance(600);
    let second = refresh_at(client, "/keeps", &first).await.field("refresh");
    server.clock.advance(399);
    assert_eq!(refresh_at(client, "/keeps", &first).await.status, 200);
    server.clock.advance(1);
    assert_eq!(refresh_at(client, "/keeps", &first).await.status, 401);
    assert_eq!(refresh_at(client, "/keeps", &second).await.status, 200);
}

#[tokio::test]
async fn tokens_live_as_long_as_the_settings_say() {
    let server = TestServer::with(|config| {
        serve(config, "long", "/long", |api| {
            api.access_seconds = Some(3_600);
            api.refresh_seconds = Some(7_200);
        });
    })
    .await;
    new_account(&server, ANNA).await;
    let pair = sign_in_at(&server.client, "/long", ANNA).await;
    let (access, refresh) = (pair.field("access"), pair.field("refresh"));
    server.clock.advance(3_599);
    assert_eq!(me(&server, &access).await.status, 200);
    server.clock.advance(1);
    assert_eq!(me(&server, &access).await.status, 401);
    server.clock.advance(3_599);
    assert_eq!(refresh_at(&server.client, "/long", &refresh).await.status, 200);
    server.clock.advance(1);
    assert_eq!(refresh_at(&server.client, "/long", &refresh).await.status, 401);
}

#[tokio::test]
async fn early_refresh_is_refused_where_the_settings_say_so() {
    let server = TestServer::with(|config| {
        serve(config, "late", "/late", |api| {
            api.rotating = Some(true);
            api.early_refresh_seconds = Some(10);
        });
    })
    .await;
    new_account(&server, ANNA).await;
    let refresh = sign_in_at(&server.client, "/late", ANNA).await.field("refresh");
    let early = refresh_at(&server.client, "/late", &refresh).await;
    assert_eq!(early.status, 401);
    assert_eq!(early.header("Retry-After").as_deref(), Some("290"));
    server.clock.advance(290);
    assert_eq!(refresh_at(&server.client, "/late", &refresh).await.status, 200);
}

/// A token of the replaced server that an API without a blacklist has rotated stays good, and the
/// new one lives its whole life.
#[tokio::test]
async fn foreign_token_follows_the_rotation_of_the_api() {
    let server = TestServer::with(|config| {
        config.tokens.accept_foreign = true;
        config.accounts.first_id = Some(1_000);
        serve(config, "spends", "/spends", |api| api.rotating = Some(true));
        serve(config, "keeps", "/keeps", |api| {
            api.rotating = Some(true);
            api.blacklist_after_rotation = Some(false);
        });
    })
    .await;
    server.import(ANNA, PASSWORD, 1, None).await;
    let client = &server.client;
    for (prefix, jti, status) in [
        ("/spends", "0123456789abcdef0123456789abcdef", 401),
        ("/keeps", "123456789abcdef0123456789abcdef0", 200),
    ] {
        let foreign = django(&server, 1, "refresh", 80_000, jti);
        let next = refresh_at(client, prefix, &foreign).await.field("refresh");
        assert_eq!(refresh_at(client, prefix, &foreign).await.status, status, "{prefix}");
        server.clock.advance(80_000);
        assert_eq!(refresh_at(client, prefix, &next).await.status, 200, "{prefix}");
    }
}

#[tokio::test]
async fn foreign_token_that_another_api_has_refreshed_gets_a_token_that_is_good() {
    let server = TestServer::with(|config| {
        config.tokens.accept_foreign = true;
        config.accounts.first_id = Some(1_000);
        serve(config, "stays", "/stays", |_| {});
        serve(config, "keeps", "/keeps", |api| {
            api.rotating = Some(true);
            api.blacklist_after_rotation = Some(false);
        });
    })
    .await;
    server.import(ANNA, PASSWORD, 1, None).await;
    let client = &server.client;
    let foreign = django(&server, 1, "refresh", 0, "0123456789abcdef0123456789abcdef");
    assert_eq!(refresh_at(client, "/stays", &foreign).await.status, 200);
    let next = refresh_at(client, "/keeps", &foreign).await.field("refresh");
    let after = refresh_at(client, "/keeps", &next).await;
    assert_eq!(after.status, 200, "{}", after.text());
    assert_eq!(me(&server, &after.field("access")).await.status, 200);
    assert_eq!(refresh_at(client, "/stays", &foreign).await.status, 200);
    // The end of the foreign token is known everywhere.
    let ended = client.post("/stays/logout/", &json!({"refresh": foreign})).await;
    assert_eq!(ended.status, 200);
    for prefix in ["/stays", "/keeps"] {
        assert_eq!(refresh_at(client, prefix, &foreign).await.status, 401, "{prefix}");
    }
}
