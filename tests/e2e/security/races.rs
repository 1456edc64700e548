//! Concurrent requests for something that may happen only once.

use propusk_tests::http::Answer;
use propusk_tests::links::Link;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const AT_ONCE: usize = 100;

/// Sends all bodies at once.
async fn all_at_once(server: &TestServer, path: &'static str, bodies: Vec<Value>) -> Vec<Answer> {
    let mut requests = JoinSet::new();
    for body in bodies {
        let client = server.client.clone();
        requests.spawn(async move { client.post(path, &body).await });
    }
    requests.join_all().await
}

/// `letters`, where each bit of `number` makes one capital: 128 spellings of seven letters.
fn spelling(letters: &str, number: usize) -> String {
    let letters = letters.chars().enumerate();
    letters
        .map(|(i, c)| if i < 7 && number >> i & 1 == 1 { c.to_ascii_uppercase() } else { c })
        .collect()
}

async fn one_is_registered(path: &'static str, body: fn(String) -> Value, duplicate: Value) {
    let server = TestServer::start().await;
    let bodies = (0..AT_ONCE).map(|number| body(spelling("someone@example.com", number)));
    let answers = all_at_once(&server, path, bodies.collect()).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 201).collect();
    assert_eq!(refused.len(), AT_ONCE - 1);
    for answer in refused {
        assert_eq!((answer.status.as_u16(), answer.json()), (400, duplicate.clone()));
    }
    let accounts = server.auth.accounts_after(0, 10).await.expect("the database answers");
    assert_eq!(accounts.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn mailbox_registered_in_a_hundred_spellings_becomes_one_account() {
    let duplicate = || json!({"email": ["user with this email already exists."]});
    let rotating =
        |email| json!({"login": "someone", "email": email, "password": "a fair password"});
    one_is_registered("/v1/creat_autor", rotating, duplicate()).await;
    let djoser = |email| json!({"email": email, "password": "a fair password"});
    one_is_registered("/api/auth/users/", djoser, duplicate()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn username_registered_a_hundred_times_becomes_one_account() {
    let server = TestServer::start().await;
    let body = |number| {
        let email = format!("someone{number}@example.com");
        json!({"username": "someone", "email": email, "password": "a fair password"})
    };
    let answers =
        all_at_once(&server, "/api/auth/register/", (0..AT_ONCE).map(body).collect()).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 201).collect();
    assert_eq!(refused.len(), AT_ONCE - 1);
    for answer in refused {
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (400, json!({"error": "Username already exists."}))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating_refresh_token_works_once() {
    let server = TestServer::start().await;
    let account =
        json!({"login": "anna", "email": "anna@example.com", "password": "a fair password"});
    assert_eq!(server.client.post("/v1/creat_autor", &account).await.status, 201);
    let refresh = server.client.post("/token", &account).await.field("refresh");
    server.clock.advance(301);

    let body = json!({"refresh": refresh});
    let answers = all_at_once(&server, "/token/refresh", vec![body; AT_ONCE]).await;
    let (fresh, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(fresh.len(), 1);
    for answer in refused {
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.json(),
            json!({"detail": "Token is blacklisted", "code": "token_not_valid"})
        );
    }
    // The losers do not affect the session of the winner.
    server.clock.advance(301);
    let next = json!({"refresh": fresh[0].field("refresh")});
    assert_eq!(server.client.post("/token/refresh", &next).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn mailed_token_works_once() {
    let server = TestServer::start().await;
    let password = "Str0ng-pass-77";
    let account =
        json!({"email": "anna@example.com", "password": password, "re_password": password});
    assert_eq!(server.client.post("/auth/users/", &account).await.status, 201);
    let link = server.link_to("anna@example.com").await;
    let body = json!({"uid": link.uid, "token": link.token});
    one_succeeds(&server, "/auth/users/activation/", vec![body; AT_ONCE]).await;

    let asked = json!({"email": "anna@example.com"});
    assert_eq!(server.client.post("/auth/users/reset_password/", &asked).await.status, 204);
    let link = server.link_to("anna@example.com").await;
    let password = |number| format!("An0ther-pass-{number}");
    let bodies = (0..AT_ONCE).map(
        |number| json!({"uid": link.uid, "token": link.token, "new_password": password(number)}),
    );
    let path = "/auth/users/reset_password_confirm/";
    let winner = one_succeeds(&server, path, bodies.collect()).await;
    // The password is the winner's.
    for (number, status) in [(winner, 200), ((winner + 1) % AT_ONCE, 400)] {
        let credentials = json!({"username": "anna@example.com", "password": password(number)});
        let answer = server.client.post("/auth/token/login/", &credentials).await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_do_not_outlive_the_address_they_were_mailed_to() {
    const ROUNDS: usize = 25;
    let server = TestServer::start().await;
    let password = "Str0ng-pass-77";
    for round in 0..ROUNDS {
        let (old, new) = (format!("old{round}@example.com"), format!("new{round}@example.com"));
        let account = json!({"email": old, "password": password, "re_password": password});
        assert_eq!(server.client.post("/auth/users/", &account).await.status, 201);
        let link = server.link_to(&old).await;
        let body = json!({"uid": link.uid, "token": link.token});
        assert_eq!(server.client.post("/auth/users/activation/", &body).await.status, 204);
        let credentials = json!({"username": old, "password": password});
        let key = server.client.post("/auth/token/login/", &credentials).await.field("auth_token");

        let asking = vec![json!({ "email": old }); 4];
        let body = json!({"new_email": new, "current_password": password});
        let authorization = format!("Token {key}");
        let (_, moved) = tokio::join!(
            all_at_once(&server, "/auth/users/reset_password/", asking),
            server.client.post_as(&authorization, "/auth/users/set_email/", &body),
        );
        assert_eq!(moved.status, 204);
    }
    server.mails().await;
    for round in 0..ROUNDS {
        // Until then resets go to the old address.
        let confirm = server.link_to(&format!("new{round}@example.com")).await.url;
        let path = confirm.trim().replace(&server.public_url, "");
        assert_eq!(server.client.post(&path, &json!({})).await.status, 200);
    }
    for round in 0..ROUNDS {
        let mails = server.smtp.mails_to(&format!("old{round}@example.com"));
        for link in mails.iter().filter_map(Link::of) {
            let body = json!({"uid": link.uid, "token": link.token, "new_password": "Str0nger-88"});
            let answer = server.client.post("/auth/users/reset_password_confirm/", &body).await;
            assert_eq!(answer.status, 400, "{}", link.url);
        }
    }
}

/// Sends all bodies at once. Exactly one is answered 204; returns its index.
async fn one_succeeds(server: &TestServer, path: &'static str, bodies: Vec<Value>) -> usize {
    let mut requests = JoinSet::new();
    for (number, body) in bodies.into_iter().enumerate() {
        let client = server.client.clone();
        requests.spawn(async move { (number, client.post(path, &body).await.status.as_u16()) });
    }
    let answers = requests.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, status)| *status == 204);
    assert!(lost.iter().all(|(_, status)| [400, 403].contains(status)), "{lost:?}");
    let [(number, _)] = won[..] else { panic!("{} have succeeded", won.len()) };
    number
}
