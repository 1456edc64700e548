//! Passwords: changed by their owners, and set by a mailed link.

use propusk_server::config::Limits;
use propusk_tests::limits::{ANY, limits};
use propusk_tests::links::Link;

use super::*;

async fn change(server: &TestServer, session: &str, body: Value) -> Answer {
    call(server, "POST", "account/password", Some(session), body).await
}

async fn confirm(server: &TestServer, uid: &str, token: &str, new: &str) -> Answer {
    let body = json!({"uid": uid, "token": token, "new_password": new});
    post(server, "password/reset/confirm", body).await
}

/// Sessions of every API for the account with [`PASSWORD`].
async fn sessions_of_all_apis(server: &TestServer) -> Vec<String> {
    let email = json!({"email": EMAIL, "hash_password": PASSWORD, "password": PASSWORD});
    let username = json!({"username": EMAIL, "password": PASSWORD});
    let client = &server.client;
    vec![
        sign_in(server, EMAIL, PASSWORD).await.expect("it signs in"),
        format!("Bearer {}", client.post("/token", &email).await.field("access")),
        format!("Bearer {}", client.post("/api/auth/jwt/create/", &username).await.field("access")),
        format!("Token {}", client.post("/auth/token/login/", &username).await.field("auth_token")),
        {
            let pair = client.post("/authorization/login/email", &email).await;
            format!("Bearer {}", pair.field("access"))
        },
    ]
}

#[tokio::test]
async fn changed_password_ends_every_session_but_the_one_that_changed_it() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    let others = sessions_of_all_apis(&server).await;
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    let refresh = post(&server, "sessions", body).await.field("refresh_token");
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    assert_done(&change(&server, &session, body).await, 204);
    assert!(is_alive(&server, &session).await);
    for other in others {
        assert!(!is_alive(&server, &other).await, "{other}");
    }
    let answer = post(&server, "sessions/refresh", json!({"refresh_token": refresh})).await;
    assert_refused(&answer, 401, "session_ended");
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await, None);
    assert!(sign_in(&server, EMAIL, NEW_PASSWORD).await.is_some());
}

#[tokio::test]
async fn changed_password_kills_the_links_that_were_mailed_before() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    post(&server, "password/reset", json!({"email": EMAIL})).await;
    let link = server.link_to(EMAIL).await;
    assert_done(&change(&server, &session, json!({"new_password": NEW_PASSWORD})).await, 204);
    let answer = confirm(&server, &link.uid, &link.token, "whatever comes 1").await;
    assert_refused(&answer, 400, "link_invalid");
    assert!(sign_in(&server, EMAIL, NEW_PASSWORD).await.is_some());
}

#[tokio::test]
async fn new_password_is_measured_like_one_at_a_registration() {
    let server = TestServer::start().await;
    let session = signed_up(&server, "anna.smith@example.com").await;
    let body = json!({"username": "shalott", "display_name": "Lady Guinevere"});
    assert_eq!(call(&server, "PATCH", "account", Some(&session), body).await.status, 200);
    for (new, codes) in [
        ("12345", json!(["too_short", "too_common", "entirely_numeric"])),
        ("anna.smith@example.com", json!(["too_similar"])),
        ("shalott1", json!(["too_similar"])),
        ("guinevere", json!(["too_similar"])),
    ] {
        let answer = change(&server, &session, json!({"new_password": new})).await;
        assert_refused_with(&answer, 422, "weak_password", json!({"new_password": codes}));
    }
    let answer = change(&server, &session, json!({"new_password": "x".repeat(1_025)})).await;
    let fields = json!({"new_password": ["too_long"]});
    assert_refused_with(&answer, 422, "invalid_fields", fields);
    let answer = change(&server, &session, json!({"current_password": PASSWORD})).await;
    let fields = json!({"new_password": ["required"]});
    assert_refused_with(&answer, 422, "invalid_fields", fields);
    assert!(sign_in(&server, "anna.smith@example.com", PASSWORD).await.is_some());
}

#[tokio::test]
async fn reset_is_answered_alike_and_mailed_only_to_accounts() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let off = signed_up(&server, "off@example.com").await;
    let off = own(&server, &off).await.id;
    assert!(server.auth.set_active(off, false).await.expect("the database answers"));
    let mut answers = Vec::new();
    for email in [" Anna@Example.com ", "off@example.com", "nobody@example.com", "no address", ""] {
        let answer = post(&server, "password/reset", json!({"email": email})).await;
        let mut headers = answer.headers.clone();
        headers.remove("date");
        headers.remove("x-request-id");
        answers.push((answer.status.as_u16(), headers, answer.text()));
    }
    assert_eq!(answers[0].0, 202);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(mailed(&server, 0).await, [EMAIL]);
}

#[tokio::test]
async fn mailed_link_sets_a_password_once_and_ends_every_session() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    let others = sessions_of_all_apis(&server).await;
    post(&server, "password/reset", json!({"email": EMAIL})).await;
    let link = server.link_to(EMAIL).await;
    assert!(link.url.starts_with(&format!("{}/auth/reset/", server.public_url)), "{}", link.url);
    let answer = confirm(&server, &link.uid, &link.token, "12345678").await;
    let fields = json!({"new_password": ["too_common", "entirely_numeric"]});
    assert_refused_with(&answer, 422, "weak_password", fields);
    assert!(is_alive(&server, &session).await, "a weak password leaves the link as it was");
    assert_done(&confirm(&server, &link.uid, &link.token, NEW_PASSWORD).await, 204);
    let answer = confirm(&server, &link.uid, &link.token, PASSWORD).await;
    assert_refused(&answer, 400, "link_invalid");
    for session in others.iter().chain([&session]) {
        assert!(!is_alive(&server, session).await, "{session}");
    }
    let session = sign_in(&server, EMAIL, NEW_PASSWORD).await.expect("it signs in");
    assert!(own(&server, &session).await.email_verified, "the link has proved the mailbox");
}

#[tokio::test]
async fn link_for_another_account_or_purpose_sets_no_password() {
    let server = TestServer::start().await;
    for email in [EMAIL, "mallory@example.com"] {
        signed_up(&server, email).await;
        post(&server, "password/reset", json!({"email": email})).await;
    }
    let (hers, theirs) = (server.link_to(EMAIL).await, server.link_to("mallory@example.com").await);
    for (uid, token) in [
        (&*hers.uid, &*theirs.token),
        (&hers.uid, ""),
        (&hers.uid, "\u{0}"),
        ("", &hers.token),
        ("я", &hers.token),
    ] {
        let answer = confirm(&server, uid, token, NEW_PASSWORD).await;
        assert_refused(&answer, 400, "link_invalid");
    }
    let body = json!({"uid": hers.uid, "token": hers.token});
    assert_refused(&post(&server, "accounts/activate", body).await, 400, "link_invalid");
    assert_eq!(sign_in(&server, EMAIL, NEW_PASSWORD).await, None);
    assert_done(&confirm(&server, &hers.uid, &hers.token, NEW_PASSWORD).await, 204);
}

/// A code verifier: 32 bytes in base64url.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Its S256 challenge, both from RFC 7636 appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn reset_link_to_an_apps_scheme_needs_the_code_verifier_of_that_app() {
    let server = TestServer::of_an_app().await;
    signed_up(&server, EMAIL).await;
    let ask = json!({"email": EMAIL, "code_challenge": CHALLENGE});
    assert_eq!(post(&server, "password/reset", ask).await.status, 202);
    let link = server.link_to(EMAIL).await;
    assert!(link.url.starts_with("myapp://reset/"), "{}", link.url);
    let (uid, token) = (link.uid.as_str(), link.token.as_str());
    let confirm = |verifier: Value| json!({"uid": uid, "token": token, "new_password": NEW_PASSWORD, "code_verifier": verifier});
    for verifier in [Value::Null, json!(""), json!(CHALLENGE), json!(format!("{VERIFIER}x"))] {
        let answer = post(&server, "password/reset/confirm", confirm(verifier)).await;
        assert_eq!((answer.status.as_u16(), answer.field("code").as_str()), (400, "link_invalid"));
    }
    // The server's own page does not open either for a stolen link.
    let page = server.client.get(&format!("/auth/reset/{uid}/{token}"), None).await;
    assert!(!page.text().contains("<form"), "{}", page.text());
    let answer = post(&server, "password/reset/confirm", confirm(json!(VERIFIER))).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert!(sign_in(&server, EMAIL, NEW_PASSWORD).await.is_some());
}

#[tokio::test]
async fn challenge_of_a_stranger_does_not_hinder_the_owners_reset() {
    let server = TestServer::of_an_app().await;
    signed_up(&server, EMAIL).await;
    // The code verifier of the stranger's app is not the owner's.
    let foreign = "A".repeat(43);
    for challenge in [&*foreign, &foreign, &foreign, CHALLENGE] {
        let ask = json!({"email": EMAIL, "code_challenge": challenge});
        assert_eq!(post(&server, "password/reset", ask).await.status, 202);
    }
    server.mails().await;
    let letters = server.smtp.mails_to(EMAIL);
    let links: Vec<_> = letters.iter().filter_map(Link::of).collect();
    let bound = links.iter().filter(|link| link.url.starts_with("myapp://")).count();
    assert_eq!((links.len(), bound), (4, 1), "{links:?}");
    // Mails are sent concurrently, so their order means nothing.
    let of_server = |link: &&Link| link.url.starts_with(&server.public_url);
    let link = links.iter().find(of_server).expect("a link to the server");
    let path = link.url.trim().strip_prefix(&server.public_url).expect("a link to the server");
    assert!(path.starts_with("/auth/reset/"), "{path}");
    let page = server.client.get(path, None).await;
    assert!(page.text().contains("<form"), "{}", page.text());
    assert_done(&confirm(&server, &link.uid, &link.token, NEW_PASSWORD).await, 204);
    assert!(sign_in(&server, EMAIL, NEW_PASSWORD).await.is_some());
}

#[tokio::test]
async fn challenge_of_a_stranger_does_not_hinder_the_owners_late_mail() {
    let few = Limits { mails_per_recipient: 1, ..limits(ANY, ANY, ANY) };
    let server = TestServer::of_an_app_with(|config| config.limits = few).await;
    signed_up(&server, EMAIL).await;
    let foreign = "A".repeat(43);
    for challenge in [&*foreign, CHALLENGE, CHALLENGE, CHALLENGE] {
        let ask = json!({"email": EMAIL, "code_challenge": challenge});
        assert_eq!(post(&server, "password/reset", ask).await.status, 202);
    }
    server.mails().await;
    assert_eq!(server.smtp.mails_to(EMAIL).len(), 1);
    for _ in 0..2 {
        server.clock.advance(3_600);
        server.mails().await;
        // The late mail is sent now, and its link works without a code verifier.
        assert_eq!(server.smtp.mails_to(EMAIL).len(), 2);
    }
    let link = server.link_to(EMAIL).await;
    assert!(link.url.contains("/auth/reset/"), "{}", link.url);
    assert_done(&confirm(&server, &link.uid, &link.token, NEW_PASSWORD).await, 204);
}

#[tokio::test]
async fn reset_without_a_challenge_leads_to_the_servers_page() {
    let server = TestServer::of_an_app().await;
    signed_up(&server, EMAIL).await;
    assert_eq!(post(&server, "password/reset", json!({"email": EMAIL})).await.status, 202);
    let link = server.link_to(EMAIL).await.url;
    assert!(link.starts_with("http") && link.contains("/auth/reset/"), "{link}");
    for challenge in ["", "x", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cMx"] {
        let body = json!({"email": EMAIL, "code_challenge": challenge});
        let answer = post(&server, "password/reset", body).await;
        assert_eq!(answer.status, 422, "{challenge}");
    }
}
