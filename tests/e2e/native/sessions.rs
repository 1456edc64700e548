//! Signing in, the list of sessions, and ending them.

use http_body_util::Full;
use hyper::Request;
use propusk_tests::contract::Backdoor as _;
use propusk_tests::operator::{Operator, execute};
use propusk_wire::{SessionsResponse, TokenResponse};
use tokio::task::JoinSet;

use super::*;

/// Marks each refresh of these tests: none of them is a retry.
const ATTEMPT: &str = "aaaaaaaaaaaaaaaaaaaaaa";

async fn open_on(server: &TestServer, device: &str) -> TokenResponse {
    let body = json!({"identifier": EMAIL, "password": PASSWORD, "device_name": device});
    read(&post(server, "sessions", body).await, 200)
}

async fn listed(server: &TestServer, authorization: &str) -> Vec<propusk_wire::Session> {
    let answer = call(server, "GET", "sessions", Some(authorization), Value::Null).await;
    read::<SessionsResponse>(&answer, 200).sessions
}

async fn end(server: &TestServer, authorization: &str, what: &str, body: Value) -> Answer {
    call(server, "DELETE", what, Some(authorization), body).await
}

#[tokio::test]
async fn sign_in_works_with_each_identifier() {
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
async fn sign_in_answers_alike_for_unknown_and_wrong_and_reveals_suspension_only_with_the_password()
{
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
async fn sign_in_reveals_a_missing_activation_only_with_the_password() {
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
async fn sign_in_names_members_that_are_missing_or_wrong() {
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
async fn list_has_the_sessions_of_every_api_the_last_used_first() {
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
    let used = refresh(&server, &phone, ATTEMPT).await;
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
    // Expired sessions are not listed.
    server.clock.advance(86_400);
    let used: TokenResponse = read(&refresh(&server, &used, ATTEMPT).await, 200);
    let apis: Vec<_> =
        listed(&server, &bearer(&used)).await.into_iter().map(|one| one.api).collect();
    assert_eq!(apis, ["native", "native", "djoser_token"]);
}

#[tokio::test]
async fn sign_in_starts_a_session_of_its_own() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let (one, two) = (open_on(&server, "a").await, open_on(&server, "a").await);
    assert_ne!(one.session_id, two.session_id);
    assert_eq!(one.session_id.len(), 15);
    let renewed: TokenResponse = read(&refresh(&server, &one, ATTEMPT).await, 200);
    assert_eq!(renewed.session_id, one.session_id);
}

#[tokio::test]
async fn ending_the_own_session_needs_nothing_more() {
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
        assert_refused(&refresh(&server, &tokens, ATTEMPT).await, 401, "session_ended");
        let again = end(&server, &bearer(&tokens), "sessions/current", Value::Null).await;
        assert_refused(&again, 401, "session_ended");
    }
    // Sessions of every API are listed.
    let login = json!({"username": EMAIL, "password": PASSWORD});
    let pair = server.client.post("/api/auth/jwt/create/", &login).await;
    let jwt = format!("Bearer {}", pair.field("access"));
    assert_done(&end(&server, &jwt, "sessions/current", Value::Null).await, 204);
    assert!(!is_alive(&server, &jwt).await);
}

#[tokio::test]
async fn ending_other_sessions_needs_the_password_or_a_recent_sign_in() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    for what in ["one", "all"] {
        let victim = open_on(&server, "lost phone").await;
        let acting = open_on(&server, "tablet").await;
        let path = match what {
            "one" => format!("sessions/{}", victim.session_id),
            _ => "sessions".to_owned(),
        };
        // A refresh does not count as a recent sign-in.
        server.clock.advance(RECENT + 1);
        let acting: TokenResponse = read(&refresh(&server, &acting, ATTEMPT).await, 200);
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
    assert_refused(&refresh(&server, &victim, ATTEMPT).await, 401, "session_ended");
    assert_eq!(listed(&server, &bearer(&acting)).await.len(), 1);
}

#[tokio::test]
async fn ending_one_session_concurrently_never_reports_the_own_session_as_ended() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    for _ in 0..10 {
        let victim = open_on(&server, "lost phone").await;
        let acting = open_on(&server, "tablet").await;
        let mut at_once = JoinSet::new();
        for _ in 0..8 {
            let (path, bearer) = (format!("sessions/{}", victim.session_id), bearer(&acting));
            let client = server.client.clone();
            at_once.spawn(async move {
                call(&client, "DELETE", &path, Some(&bearer), Value::Null).await.status
            });
        }
        let mut statuses = at_once.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses[0], 204);
        assert!(statuses[1..].iter().all(|status| *status == 404), "{statuses:?}");
    }
}

#[tokio::test]
async fn session_of_another_account_is_unknown() {
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
async fn ending_a_session_is_not_reported_if_the_database_fails() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/propusk/v1/accounts", &body).await.status, 201);
    let tokens = open(&server, EMAIL).await;
    let store = operator.store().await;
    execute(&store, "alter table revocations rename to gone".to_owned()).await;
    let current = "sessions/current";
    let answer = call(&server, "DELETE", current, Some(&bearer(&tokens)), Value::Null).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
}

#[tokio::test]
async fn other_methods_are_answered_with_those_allowed() {
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
