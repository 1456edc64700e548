//! Signing in, the list of where somebody is signed in, and ending what is on it.

use propusk_tests::contract::Backdoor as _;
use propusk_wire::{SessionsResponse, TokenResponse};
use tokio::task::JoinSet;

use super::*;
use propusk_tests::operator::{Place, execute};

async fn open_on(server: &TestServer, device: &str) -> TokenResponse {
    let body = json!({"identifier": EMAIL, "password": PASSWORD, "device_name": device});
    read(&post(server, "sessions", body).await, 200)
}

fn bearer(tokens: &TokenResponse) -> String {
    format!("Bearer {}", tokens.access_token.expose())
}

async fn listed(server: &TestServer, authorization: &str) -> Vec<propusk_wire::Session> {
    let answer = call(server, "GET", "sessions", Some(authorization), Value::Null).await;
    read::<SessionsResponse>(&answer, 200).sessions
}

async fn end(server: &TestServer, authorization: &str, what: &str, body: Value) -> Answer {
    call(server, "DELETE", what, Some(authorization), body).await
}

async fn refresh(server: &TestServer, tokens: &TokenResponse) -> Answer {
    let body = json!({"refresh_token": tokens.refresh_token, "attempt": "a".repeat(22)});
    post(server, "sessions/refresh", body).await
}

#[tokio::test]
async fn an_account_signs_in_by_each_of_its_names() {
    let server = TestServer::start().await;
    let body = json!({"email": EMAIL, "phone": "+491701234567", "username": "anna",
                      "password": PASSWORD});
    assert_eq!(register(&server, body).await.status, 201);
    for who in
        [EMAIL, "ANNA@example.com", "+49 170 1234567", "anna", " anna ", " anna@example.com "]
    {
        assert!(sign_in(&server, who, PASSWORD).await.is_some(), "{who}");
    }
}

#[tokio::test]
async fn unknown_and_wrong_are_not_told_apart_and_only_the_password_tells_that_an_account_rests() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let refusal = async |who: &str, password: &str| {
        let body = json!({"identifier": who, "password": password});
        let answer = post(&server, "sessions", body).await;
        (answer.status.as_u16(), answer.text(), answer.headers.len())
    };
    let wrong = refusal(EMAIL, "wrong").await;
    assert!(wrong.0 == 401 && wrong.1.contains("invalid_credentials"), "{wrong:?}");
    for (who, password) in [("bob@example.com", PASSWORD), ("", PASSWORD), (EMAIL, "")] {
        assert_eq!(refusal(who, password).await, wrong, "{who} {password}");
    }
    server.set_active(EMAIL, false).await;
    assert_eq!(refusal(EMAIL, "wrong").await, wrong);
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    assert_refused(&post(&server, "sessions", body).await, 403, "account_inactive");
}

#[tokio::test]
async fn an_account_that_waits_for_its_activation_is_told_so_by_its_password_alone() {
    let server = TestServer::with(|config| native(config).activation = Some(true)).await;
    register(&server, json!({"email": EMAIL, "password": PASSWORD})).await;
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    assert_refused(&post(&server, "sessions", body.clone()).await, 403, "account_inactive");
    let link = server.link_to(EMAIL).await;
    let activation = json!({"uid": link.uid, "token": link.token});
    assert!(post(&server, "accounts/activate", activation).await.status.is_success());
    assert_eq!(post(&server, "sessions", body).await.status, 200);
}

#[tokio::test]
async fn members_that_are_missing_or_wrong_are_named() {
    let server = TestServer::start().await;
    let answer = post(&server, "sessions", json!({"identifier": 7})).await;
    let fields = json!({"identifier": ["invalid"], "password": ["required"]});
    assert_refused_with(&answer, 422, "invalid_fields", fields);
    for name in ["", " ", &"a".repeat(101), "a\nb", "a\0b", "a\u{2028}b", "\u{202e}a"] {
        let body = json!({"identifier": EMAIL, "password": PASSWORD, "device_name": name});
        let answer = post(&server, "sessions", body).await;
        assert_refused_with(&answer, 422, "invalid_fields", json!({"device_name": ["invalid"]}));
    }
    for body in ["", "[]", "{", "null"] {
        let request = Request::post("/propusk/v1/sessions").body(Full::from(body));
        let answer = server.client.send(request.expect("a request")).await.expect("an answer");
        assert_refused(&answer, 400, "invalid_json");
    }
}

#[tokio::test]
async fn the_list_has_the_sessions_of_every_api_the_last_used_first() {
    let server = TestServer::start().await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    register(&server, body).await;
    signed_up(&server, "bob@example.com").await;
    let began = server.clock.now();
    let phone = open_on(&server, "  Ännas Telefon 📱 ").await;
    server.clock.advance(10);
    let login = json!({"username": EMAIL, "password": PASSWORD});
    server.client.post("/api/auth/jwt/create/", &login).await;
    server.clock.advance(10);
    server.client.post("/auth/token/login/", &login).await;
    server.clock.advance(10);
    let tablet = open_on(&server, "tablet").await;
    server.clock.advance(10);
    let used = refresh(&server, &phone).await;
    let used: TokenResponse = read(&used, 200);
    let sessions = listed(&server, &bearer(&used)).await;
    let shown: Vec<_> = sessions
        .iter()
        .map(|one| (one.api.as_str(), one.device_name.as_deref(), one.last_used_at - began))
        .collect();
    let expected = [
        ("native", Some("Ännas Telefon 📱"), 40),
        ("native", Some("tablet"), 30),
        ("djoser_token", None, 20),
        ("djoser_jwt", None, 10),
    ];
    assert_eq!(shown, expected);
    assert_eq!(sessions[0].id, phone.session_id);
    assert_eq!(sessions[1].id, tablet.session_id);
    assert_eq!(sessions.iter().filter(|one| one.current).count(), 1);
    assert!(sessions[0].current);
    assert_eq!((sessions[0].created_at, sessions[0].client.as_deref()), (began, None));
    assert_eq!(sessions[0].expires_at, began + 40 + 5_184_000);
    // What has expired is not on it.
    server.clock.advance(86_400);
    let used: TokenResponse = read(&refresh(&server, &used).await, 200);
    let apis: Vec<_> =
        listed(&server, &bearer(&used)).await.into_iter().map(|one| one.api).collect();
    assert_eq!(apis, ["native", "native", "djoser_token"]);
}

#[tokio::test]
async fn every_sign_in_is_a_session_of_its_own() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let (one, two) = (open_on(&server, "a").await, open_on(&server, "a").await);
    assert_ne!(one.session_id, two.session_id);
    assert_eq!(one.session_id.len(), 15);
    let renewed: TokenResponse = read(&refresh(&server, &one).await, 200);
    assert_eq!(renewed.session_id, one.session_id);
}

#[tokio::test]
async fn ending_ones_own_session_asks_for_nothing_more() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    for by_name in [false, true] {
        let tokens = open_on(&server, "phone").await;
        server.clock.advance(RECENT + 1);
        let path = match by_name {
            true => format!("sessions/{}", tokens.session_id),
            false => "sessions/current".to_owned(),
        };
        assert_done(&end(&server, &bearer(&tokens), &path, Value::Null).await, 204);
        assert!(!is_alive(&server, &bearer(&tokens)).await);
        assert_refused(&refresh(&server, &tokens).await, 401, "session_ended");
        let again = end(&server, &bearer(&tokens), "sessions/current", Value::Null).await;
        assert_refused(&again, 401, "session_ended");
    }
    // Whatever API has opened it.
    let login = json!({"username": EMAIL, "password": PASSWORD});
    let pair = server.client.post("/api/auth/jwt/create/", &login).await;
    let jwt = format!("Bearer {}", pair.field("access"));
    assert_done(&end(&server, &jwt, "sessions/current", Value::Null).await, 204);
    assert!(!is_alive(&server, &jwt).await);
}

#[tokio::test]
async fn ending_others_asks_for_the_password_or_a_sign_in_of_a_moment_ago() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    for what in ["one", "all"] {
        let victim = open_on(&server, "lost phone").await;
        let acting = open_on(&server, "tablet").await;
        let path = match what {
            "one" => format!("sessions/{}", victim.session_id),
            _ => "sessions".to_owned(),
        };
        // A refresh makes no sign-in younger.
        server.clock.advance(RECENT + 1);
        let acting: TokenResponse = read(&refresh(&server, &acting).await, 200);
        let refused = end(&server, &bearer(&acting), &path, Value::Null).await;
        assert_refused(&refused, 403, "reauthentication_required");
        let wrong = json!({"current_password": "wrong"});
        let refused = end(&server, &bearer(&acting), &path, wrong).await;
        assert_refused(&refused, 403, "wrong_password");
        assert!(is_alive(&server, &bearer(&victim)).await);
        let right = json!({"current_password": PASSWORD});
        assert_done(&end(&server, &bearer(&acting), &path, right).await, 204);
        assert!(!is_alive(&server, &bearer(&victim)).await);
        assert!(is_alive(&server, &bearer(&acting)).await, "the acting one stays");
    }
    let victim = open_on(&server, "lost phone").await;
    let acting = open_on(&server, "tablet").await;
    server.clock.advance(RECENT);
    assert_done(&end(&server, &bearer(&acting), "sessions", Value::Null).await, 204);
    assert_refused(&refresh(&server, &victim).await, 401, "session_ended");
    assert_eq!(listed(&server, &bearer(&acting)).await.len(), 1);
}

#[tokio::test]
async fn of_many_that_end_one_session_at_once_nobody_is_told_that_the_own_one_is_over() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    for _ in 0..10 {
        let victim = open_on(&server, "lost phone").await;
        let acting = open_on(&server, "tablet").await;
        let mut at_once = JoinSet::new();
        for _ in 0..8 {
            let request = Request::delete(format!("/propusk/v1/sessions/{}", victim.session_id))
                .header("Authorization", bearer(&acting))
                .body(Full::default());
            let (client, request) = (server.client.clone(), request.expect("a request"));
            at_once.spawn(async move { client.send(request).await.expect("an answer").status });
        }
        let mut statuses = at_once.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses[0], 204);
        assert!(statuses[1..].iter().all(|status| *status == 404), "{statuses:?}");
    }
}

#[tokio::test]
async fn another_accounts_session_is_as_good_as_none() {
    let server = TestServer::start().await;
    let anna = signed_up(&server, EMAIL).await;
    signed_up(&server, "bob@example.com").await;
    let bobs = json!({"identifier": "bob@example.com", "password": PASSWORD});
    let bob: TokenResponse = read(&post(&server, "sessions", bobs).await, 200);
    let ended = open_on(&server, "phone").await;
    assert_done(&end(&server, &bearer(&ended), "sessions/current", Value::Null).await, 204);
    let capitals = bob.session_id.to_uppercase();
    for id in [&*bob.session_id, &capitals, &ended.session_id, "000000000000000", "x", "-1", "%00"]
    {
        let answer = end(&server, &anna, &format!("sessions/{id}"), Value::Null).await;
        assert_refused(&answer, 404, "not_found");
    }
    assert!(is_alive(&server, &bearer(&bob)).await);
    for path in ["sessions", "sessions/current", "sessions/000000000000000"] {
        let answer = call(&server, "DELETE", path, None, Value::Null).await;
        assert_refused(&answer, 401, "invalid_credentials");
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_ended_is_not_said_to_be() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/propusk/v1/accounts", &body).await.status, 201);
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    let tokens: TokenResponse = read(&server.client.post("/propusk/v1/sessions", &body).await, 200);
    let store = place.store().await;
    execute(&store, "alter table revocations rename to gone".to_owned()).await;
    let request = Request::delete("/propusk/v1/sessions/current")
        .header("Authorization", bearer(&tokens))
        .body(Full::default());
    let answer = server.client.send(request.expect("a request")).await.expect("an answer");
    assert!(answer.status.is_server_error(), "{}", answer.status);
}

#[tokio::test]
async fn another_method_is_told_which_there_are() {
    let server = TestServer::start().await;
    for (path, allow) in [
        ("sessions", "GET, POST, DELETE, HEAD, OPTIONS"),
        ("sessions/refresh", "POST, OPTIONS"),
        ("sessions/current", "DELETE, OPTIONS"),
        ("sessions/000000000000000", "DELETE, OPTIONS"),
    ] {
        let answer = call(&server, "PUT", path, None, Value::Null).await;
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("Allow").as_deref(), Some(allow));
        let slashed = call(&server, "OPTIONS", &format!("{path}/"), None, Value::Null).await;
        assert_eq!(slashed.status, 204);
    }
}
