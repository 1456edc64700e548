//! Limits on asking for mails: so many to a mailbox, so many from an address, whether anybody is there or not.

use hyper::Request;
use propusk_server::config::Limits;
use propusk_tests::http::Answer;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};

use crate::limits::{ANY, PASSWORD, assert_throttled, limited, limits, register};

/// Limits on mails alone.
fn mail_limits(mails_per_address: u32, mails_per_recipient: u32) -> Limits {
    Limits { mails_per_address, mails_per_recipient, ..limits(ANY, ANY, ANY) }
}

/// The ways to ask for a mail, with what each answers where it knows nobody of that name.
const MAILING: [(&str, u16); 3] = [
    ("/auth/users/reset_password/", 204),
    ("/auth/users/resend_activation/", 400),
    ("/api/auth/password/reset/", 400),
];

async fn ask_for_a_mail(server: &TestServer, path: &str, email: &str) -> Answer {
    server.client.post(path, &json!({"email": email})).await
}

/// Changes one's own account.
async fn change(server: &TestServer, access: &str, body: Value) -> u16 {
    let request = Request::patch("/api/auth/users/me/")
        .header("Authorization", format!("Bearer {access}"))
        .header("Content-Type", "application/json")
        .body(body.to_string().into())
        .expect("a request");
    server.client.send(request).await.expect("an answer").status.as_u16()
}

#[tokio::test]
async fn a_mailbox_gets_so_many_mails_in_an_hour_and_no_more() {
    let server = limited(mail_limits(ANY, 3)).await;
    register(&server, "anna@example.com").await;
    // Every spelling and every API share one counter.
    for (path, spelling) in [
        ("/auth/users/reset_password/", "anna@example.com"),
        ("/api/auth/password/reset/", "ANNA@Example.com"),
        ("/auth/users/reset_password/", " anna@ｅxample．com"),
    ] {
        assert!(ask_for_a_mail(&server, path, spelling).await.status.is_success(), "{spelling}");
    }
    for path in ["/auth/users/reset_password/", "/api/auth/password/reset/"] {
        for spelling in ["Anna@example.com", "anna+tag@example.com"] {
            let answer = ask_for_a_mail(&server, path, spelling).await;
            assert_throttled(&answer, "3600 seconds");
        }
    }
    // What another mail needs is not used up.
    let resent =
        ask_for_a_mail(&server, "/auth/users/resend_activation/", "anna@example.com").await;
    assert_eq!(resent.status, 400);
    assert_eq!(server.mails().await.len(), 3);
    let other = ask_for_a_mail(&server, "/auth/users/reset_password/", "bob@example.com").await;
    assert_eq!(other.status, 204);
    // A link that has arrived is of use all the same.
    let link = server.link_to("anna@example.com").await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": "A-new-pass-99"});
    let reset = server.client.post("/auth/users/reset_password_confirm/", &body).await;
    assert_eq!(reset.status, 204);
    server.clock.advance(3_600);
    let again = ask_for_a_mail(&server, "/auth/users/reset_password/", "anna@example.com").await;
    assert_eq!(again.status, 204);
}

#[tokio::test]
async fn an_address_asks_for_so_many_mails_whoever_they_are_for() {
    let server = limited(mail_limits(4, ANY)).await;
    register(&server, "anna@example.com").await;
    for email in ["anna@example.com", "nobody@example.com", "other@example.com", "no address"] {
        ask_for_a_mail(&server, "/api/auth/password/reset/", email).await;
    }
    for (path, _) in MAILING {
        let answer = ask_for_a_mail(&server, path, "anna@example.com").await;
        assert_throttled(&answer, "600 seconds");
    }
    server.clock.advance(600);
    let answer = ask_for_a_mail(&server, "/api/auth/password/reset/", "anna@example.com").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn known_and_unknown_mailboxes_are_limited_alike() {
    let server = limited(mail_limits(ANY, 3)).await;
    register(&server, "anna@example.com").await;
    for (path, unknown) in MAILING {
        let email = format!("nobody{}@example.com", path.len());
        for status in [unknown, unknown, unknown, 429] {
            assert_eq!(ask_for_a_mail(&server, path, &email).await.status, status, "{path}");
        }
    }
    let mut seen = Vec::new();
    for email in ["anna@example.com", "nobody@example.com"] {
        let mut answers = Vec::new();
        for _ in 0..5 {
            let answer = ask_for_a_mail(&server, MAILING[0].0, email).await;
            answers.push((answer.status, answer.text(), answer.header("Retry-After")));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0].iter().filter(|(status, ..)| *status == 429).count(), 2);
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn nobody_is_flooded_with_mails_that_nobody_asked_for() {
    let server = limited(mail_limits(ANY, 3)).await;
    register(&server, "anna@example.com").await;
    let pair = json!({"username": "anna@example.com", "password": PASSWORD});
    let access = server.client.post("/api/auth/jwt/create/", &pair).await.field("access");
    for number in 0..10 {
        // The address of a stranger is taken and left, and each time it would be told.
        for email in [format!("stranger+{number}@example.com"), format!("own{number}@example.com")]
        {
            let body = json!({ "email": email });
            assert_eq!(change(&server, &access, body).await, 200);
        }
    }
    let to_stranger = |to: &String| to.starts_with("stranger");
    let mails = server.mails().await;
    let flooded = mails.iter().flat_map(|mail| &mail.to).filter(|to| to_stranger(to)).count();
    assert_eq!(flooded, 3);
    let mut statuses = Vec::new();
    for number in 0..5 {
        let email = format!("other+{number}@example.com");
        let password = "Str0ng-pass-77";
        let body = json!({"email": email, "password": password, "re_password": password});
        statuses.push(server.client.post("/auth/users/", &body).await.status.as_u16());
    }
    assert_eq!(statuses, [201, 201, 201, 429, 429]);
}

#[tokio::test]
async fn the_limits_on_mails_are_on_by_default() {
    let server = limited(Limits::default()).await;
    register(&server, "anna@example.com").await;
    let mut statuses = Vec::new();
    for _ in 0..11 {
        let answer = ask_for_a_mail(&server, MAILING[0].0, "anna@example.com").await;
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses, [&[204; 10][..], &[429]].concat());
    for number in 11..=100 {
        let email = format!("somebody{number}@example.com");
        assert_eq!(ask_for_a_mail(&server, MAILING[0].0, &email).await.status, 204, "{number}");
    }
    let answer = ask_for_a_mail(&server, MAILING[0].0, "somebody@example.com").await;
    assert_throttled(&answer, "600 seconds");
}
