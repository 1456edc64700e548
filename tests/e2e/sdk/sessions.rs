//! Failing networks, proxies that answer instead of the server, and the list of sessions.

use propusk::{Client, ErrorKind, Phase};

use super::{EMAIL, EXPIRED, Home, PASSWORD};

const REFRESH: &str = "POST /propusk/v1/sessions/refresh";

fn answer(status: &str, media_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn session_ends_only_by_an_answer_of_the_server() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    let html = "<html>Sign in to the hotel's network</html>";
    let problem = "application/problem+json";
    let impostors = [
        None,
        Some(answer("200 OK", "text/html", html)),
        Some(answer("401 Unauthorized", "text/html", html)),
        Some(answer("401 Unauthorized", "application/json", "{\"detail\":\"Invalid token.\"}")),
        Some(answer("401 Unauthorized", problem, "{\"code\":\"session_end")),
        Some(answer("403 Forbidden", "text/html", html)),
        Some(answer("407 Proxy Authentication Required", "text/html", html)),
        Some(answer("429 Too Many Requests", "text/html", html)),
        Some(answer("500 Internal Server Error", problem, "{\"code\":\"session_ended\"}")),
        Some(answer("502 Bad Gateway", "text/html", html)),
        Some(answer("503 Service Unavailable", "text/plain", "")),
        Some(answer("200 OK", "application/json", "{\"access_token\":\"x\"}")),
        Some("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"access_token\":".to_owned()),
        Some("garbage".to_owned()),
    ];
    for impostor in impostors {
        home.advance(EXPIRED);
        tap.answer(REFRESH, impostor.as_deref());
        let outcome = client.access_token().await;
        let kind = outcome.expect_err("no token").kind().clone();
        assert!(
            matches!(kind, ErrorKind::Network | ErrorKind::RetryLater { .. }),
            "{impostor:?}: {kind:?}"
        );
        assert!(client.status().await.expect("a status").is_signed_in(), "{impostor:?}");
        client.refresh().await.expect("a token, once the server answers");
    }
}

#[tokio::test]
async fn status_is_known_without_a_network() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    client.profile().await.expect("a profile");
    let before = tap.url();
    drop(tap);
    let nowhere = Client::builder("http://127.0.0.1:9")
        .former_server(before)
        .clock(home.clock.clone())
        .vault(home.vault())
        .build()
        .expect("a client");
    assert_eq!(nowhere.status().await.expect("a status").phase, Phase::SignedIn);
    let profile = nowhere.cached_profile().await.expect("no network is needed");
    assert_eq!(profile.and_then(|profile| profile.email).as_deref(), Some(EMAIL));
    nowhere.access_token().await.expect("a token that still works");
    home.advance(EXPIRED);
    let error = nowhere.access_token().await.expect_err("no network");
    assert_eq!(*error.kind(), ErrorKind::Network);
    assert_eq!(nowhere.status().await.expect("a status").phase, Phase::Offline);
}

#[tokio::test]
async fn status_changes_when_the_server_answers_again() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED - 3);
    tap.answer(REFRESH, None);
    // The token is valid for three more seconds and cannot be renewed now.
    client.access_token().await.expect("a token");
    assert_eq!(client.status().await.expect("a status").phase, Phase::Offline);
    client.verify().await.expect("an answer");
    assert_eq!(client.status().await.expect("a status").phase, Phase::SignedIn);
}

#[tokio::test]
async fn busy_server_reports_the_retry_time() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED);
    let busy = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\n\
                content-type: application/problem+json\r\ncontent-length: 2\r\n\r\n{}";
    tap.answer(REFRESH, Some(busy));
    let error = client.access_token().await.expect_err("later");
    let after = std::time::Duration::from_secs(7);
    assert_eq!(*error.kind(), ErrorKind::RetryLater { after });
}

#[tokio::test]
async fn sessions_are_listed_with_device_names_and_ended() {
    let home = Home::start().await;
    let phone = home.builder().device_name("Anna's phone").build().expect("a client");
    phone.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let laptop = home.builder().device_name("Anna's laptop").build().expect("a client");
    laptop.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let sessions = laptop.sessions().await.expect("a list");
    let mut names: Vec<_> =
        sessions.iter().map(|one| (one.device_name.as_deref(), one.current)).collect();
    names.sort_unstable();
    assert_eq!(names, [(Some("Anna's laptop"), true), (Some("Anna's phone"), false)]);
    let other = sessions.iter().find(|session| !session.current).expect("the phone's");
    laptop.end_session(&other.id, None).await.expect("it ends");
    assert_eq!(super::reason(phone.profile().await), propusk::SignOutReason::Ended);
    assert_eq!(laptop.sessions().await.expect("a list").len(), 1);
}

#[tokio::test]
async fn sign_in_replaces_the_previous_session() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    client.sign_in(EMAIL, PASSWORD).await.expect("another sign-in");
    // The server is informed of the end of the first session in the background.
    for _ in 0..1_000 {
        if client.sessions().await.expect("a list").len() == 1 {
            return;
        }
    }
    panic!("the session of before is still there");
}

#[tokio::test]
async fn debug_output_contains_no_secret() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    let token = client.access_token().await.expect("a token");
    let shown = format!("{client:?} {token:?} {:?} {:?}", home.vault(), client.api());
    assert!(!shown.contains(token.token().expose()) && !shown.contains(PASSWORD), "{shown}");
    let error = home.memory().sign_in(EMAIL, "wrong password").await.expect_err("a refusal");
    assert!(!format!("{error:?} {error}").contains("wrong password"));
}
