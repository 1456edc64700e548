//! Registration and activation.

use propusk_server::config::Limits;
use propusk_tests::limits::{ANY, limits};
use propusk_wire::{Activation, RegisterResponse};

use super::*;

#[tokio::test]
async fn account_is_registered_with_any_identifier() {
    let server = TestServer::start().await;
    for identifiers in [
        json!({"email": "Anna@Example.com"}),
        json!({"phone": "+49 170 1234567"}),
        json!({"username": "anna"}),
        json!({"email": "bob@example.com", "phone": "+491701234568", "username": "bob"}),
    ] {
        let mut body = identifiers.clone();
        body["password"] = json!(PASSWORD);
        body["display_name"] = json!(" Anna K. ");
        let made: RegisterResponse = read(&register(&server, body).await, 201);
        assert_eq!(made.activation, Activation::Active);
        let account = made.account.expect("the account");
        assert_eq!(account.display_name.as_deref(), Some("Anna K."));
        assert!(account.has_password && !account.email_verified);
        assert_eq!(account.created_at, server.clock.now());
        let names = [&account.email, &account.phone, &account.username];
        assert_eq!(names.iter().filter(|name| name.is_some()).count(), {
            identifiers.as_object().expect("an object").len()
        });
        for name in names.into_iter().flatten() {
            let session = sign_in(&server, name, PASSWORD).await.expect("it signs in");
            assert_eq!(own(&server, &session).await, account);
        }
    }
}

#[tokio::test]
async fn registration_names_all_mistakes_at_once() {
    let server = TestServer::start().await;
    let none = json!({"email": ["required"], "phone": ["required"], "username": ["required"]});
    let long = "x".repeat(1_025);
    let cases = [
        (json!({}), json!({"password": ["required"]})),
        (json!({"password": PASSWORD}), none.clone()),
        (json!({"password": PASSWORD, "email": null, "display_name": "Anna"}), none),
        (json!({"password": null, "email": EMAIL}), json!({"password": ["invalid"]})),
        (
            json!({"password": 1, "email": [], "phone": 491701234567_i64}),
            json!({"email": ["invalid"], "password": ["invalid"], "phone": ["invalid"]}),
        ),
        (
            json!({"password": PASSWORD, "email": "x", "phone": "112", "username": EMAIL}),
            json!({"email": ["invalid"], "phone": ["invalid"], "username": ["invalid"]}),
        ),
        // A username cannot be an address or a number, which may be another person's.
        (
            json!({"password": PASSWORD, "username": "+491701234567"}),
            json!({"username": ["invalid"]}),
        ),
        (
            json!({"password": PASSWORD, "email": "\"a\"@example.com"}),
            json!({"email": ["invalid"]}),
        ),
        (json!({"password": PASSWORD, "email": "a@b.com,c@d.com"}), json!({"email": ["invalid"]})),
        (
            json!({"password": PASSWORD, "email": EMAIL, "display_name": " "}),
            json!({"display_name": ["invalid"]}),
        ),
        (
            json!({"password": PASSWORD, "email": EMAIL, "display_name": "a\u{0}b"}),
            json!({"display_name": ["invalid"]}),
        ),
        (
            json!({"password": PASSWORD, "email": EMAIL, "display_name": "ä".repeat(151)}),
            json!({"display_name": ["invalid"]}),
        ),
        (json!({"password": long, "email": EMAIL}), json!({"password": ["too_long"]})),
    ];
    for (body, fields) in cases {
        let answer = register(&server, body).await;
        assert_refused_with(&answer, 422, "invalid_fields", fields);
    }
    for body in [json!([]), json!("x"), json!(null)] {
        assert_refused(&register(&server, body).await, 400, "invalid_json");
    }
    let listed = server.auth.accounts_after(0, 10).await.expect("the database answers");
    assert!(listed.is_empty(), "{listed:?}");
}

#[tokio::test]
async fn password_that_is_easy_to_guess_is_refused_with_the_reasons() {
    let server = TestServer::start().await;
    for (password, codes) in [
        ("", json!(["too_short"])),
        ("7777777", json!(["too_short", "too_common", "entirely_numeric"])),
        ("password1", json!(["too_common"])),
        ("48151623421", json!(["entirely_numeric"])),
        ("  short  ", json!(["too_short"])),
        ("anna-smith", json!(["too_similar"])),
        ("anna.smith@example.com", json!(["too_similar"])),
        ("+491701234567", json!(["too_similar"])),
        ("Lady of Shalott", json!(["too_similar"])),
    ] {
        let body = json!({
            "email": "anna.smith@example.com", "phone": "+491701234567", "username": "anna-smith",
            "display_name": "The Lady of Shalott", "password": password,
        });
        let answer = register(&server, body).await;
        assert_refused_with(&answer, 422, "weak_password", json!({"password": codes}));
    }
}

#[tokio::test]
async fn identifier_belongs_to_one_account_however_it_is_spelled() {
    let server = TestServer::start().await;
    let body = json!({
        "email": EMAIL, "phone": "+491701234567", "username": "anna", "password": PASSWORD,
    });
    assert_eq!(register(&server, body).await.status, 201);
    for (kind, spelling) in [
        ("email", "ANNA@example.com"),
        ("email", "anna@ｅxample.com"),
        ("phone", "+49 (170) 123-45-67"),
        ("username", "anna"),
    ] {
        let mut body = json!({"display_name": "Bob", "password": PASSWORD});
        body["username"] = json!("bob");
        body[kind] = json!(spelling);
        let answer = register(&server, body).await;
        assert_refused_with(&answer, 409, "identifier_taken", json!({kind: ["taken"]}));
    }
    assert!(server.auth.find_account("bob").await.expect("an answer").is_none());
}

/// A server where accounts wait for their activation.
async fn activating(strict: bool) -> TestServer {
    TestServer::with(|config| {
        let native = native(config);
        (native.activation, native.strict) = (Some(true), strict);
    })
    .await
}

#[tokio::test]
async fn account_waits_for_its_activation_link() {
    let server = activating(false).await;
    let body = json!({"username": "anna", "phone": "+491701234567", "password": PASSWORD});
    let answer = register(&server, body.clone()).await;
    assert_refused_with(&answer, 422, "invalid_fields", json!({"email": ["required"]}));
    let mut body = body;
    body["email"] = json!(EMAIL);
    let made: RegisterResponse = read(&register(&server, body).await, 201);
    assert_eq!(made.activation, Activation::Mailed);
    assert!(!made.account.expect("the account").email_verified);
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await, None);

    let link = server.link_to(EMAIL).await;
    let wrong = "d8f1x0-00112233445566778899aabbccddeeff";
    for (uid, token) in [(&*link.uid, wrong), ("OTk5OTk5", &*link.token), ("", ""), ("\u{0}", "я")]
    {
        let answer = post(&server, "accounts/activate", json!({"uid": uid, "token": token})).await;
        assert_refused(&answer, 400, "link_invalid");
    }
    let body = json!({"uid": link.uid, "token": link.token});
    assert_done(&post(&server, "accounts/activate", body.clone()).await, 204);
    assert_refused(&post(&server, "accounts/activate", body).await, 400, "link_invalid");
    let session = sign_in(&server, EMAIL, PASSWORD).await.expect("it signs in");
    assert!(own(&server, &session).await.email_verified);
}

#[tokio::test]
async fn activation_link_is_mailed_again_in_the_readers_language_without_revealing_the_account() {
    let server = activating(false).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let language = [("Accept-Language", "uk")];
    let answer =
        server.client.request("POST", "/propusk/v1/accounts", &language, Some(&body)).await;
    assert_eq!(answer.status, 201);
    server.mails().await;
    let first = server.smtp.newest_to(EMAIL).expect("a mail");
    assert!(first.subject.contains("Активація"), "{}", first.subject);
    for email in [EMAIL, " ANNA@EXAMPLE.COM ", "nobody@example.com", "no address", ""] {
        assert_done(&post(&server, "accounts/resend", json!({"email": email})).await, 202);
    }
    assert_eq!(mailed(&server, 1).await, [EMAIL, EMAIL]);
    let link = server.link_to(EMAIL).await;
    let body = json!({"uid": link.uid, "token": link.token});
    assert_done(&post(&server, "accounts/activate", body).await, 204);
    assert_done(&post(&server, "accounts/resend", json!({"email": EMAIL})).await, 202);
    assert_eq!(server.mails().await.len(), 3);
}

#[tokio::test]
async fn strict_registration_answers_alike_for_an_address_in_use_and_informs_its_owner() {
    for activation in [false, true] {
        let server = TestServer::with(|config| {
            let native = native(config);
            (native.activation, native.strict) = (Some(activation), true);
        })
        .await;
        let mut answers = Vec::new();
        for username in ["first", "second"] {
            let body = json!({"email": EMAIL, "username": username, "password": PASSWORD});
            let answer = register(&server, body).await;
            let made: RegisterResponse = read(&answer, 201);
            assert_eq!(made.activation == Activation::Mailed, activation);
            let mut headers: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
            headers.sort();
            answers.push((answer.text(), headers));
        }
        assert_eq!(answers[0], answers[1]);
        assert!(!answers[0].0.contains("account"), "{}", answers[0].0);
        assert!(server.auth.find_account("second").await.expect("an answer").is_none());
        server.mails().await;
        let mails: Vec<_> =
            server.smtp.mails_to(EMAIL).into_iter().map(|letter| letter.subject).collect();
        let in_use = mails.iter().filter(|mails| mails.contains("already have an account"));
        assert_eq!((mails.len(), in_use.count()), (1 + usize::from(activation), 1), "{mails:?}");
        // A username is public, so its use is reported.
        let body = json!({"username": "first", "email": "x@example.com", "password": PASSWORD});
        let answer = register(&server, body).await;
        assert_refused_with(&answer, 409, "identifier_taken", json!({"username": ["taken"]}));
    }
}

#[tokio::test]
async fn mailbox_beyond_its_limit_does_not_reveal_an_account() {
    let few = Limits { mails_per_recipient: 1, ..limits(ANY, ANY, ANY) };
    let server = TestServer::with(|config| {
        config.limits = few;
        let native = native(config);
        (native.activation, native.strict) = (Some(true), true);
    })
    .await;
    let account = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(register(&server, account).await.status, 201);
    server.clock.advance(3_600);
    for email in [EMAIL, "nobody@example.com"] {
        for _ in 0..3 {
            let answer = post(&server, "accounts/resend", json!({"email": email})).await;
            assert_eq!(answer.status, 202, "{email}");
        }
        for _ in 0..2 {
            let answer = register(&server, json!({"email": email, "password": PASSWORD})).await;
            assert_eq!(answer.status, 201, "{email}");
        }
    }
}

#[tokio::test]
async fn registrations_are_limited_for_an_address_whatever_their_outcome() {
    let few = Limits { registrations_per_address: 3, ..limits(ANY, ANY, ANY) };
    let server = TestServer::with(|config| config.limits = few).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    for (body, status) in [(body.clone(), 201), (body.clone(), 409), (json!({}), 422), (body, 429)]
    {
        assert_eq!(register(&server, body).await.status, status);
    }
}

#[tokio::test]
async fn wrong_links_are_counted_on_the_address() {
    let server = TestServer::with(|config| config.limits = limits(3, ANY, ANY)).await;
    let link = json!({"uid": "MQ", "token": "x", "new_password": NEW_PASSWORD});
    for (path, status) in [
        ("accounts/activate", 400),
        ("password/reset/confirm", 400),
        ("accounts/activate", 400),
        ("accounts/activate", 429),
        ("password/reset/confirm", 429),
    ] {
        assert_eq!(post(&server, path, link.clone()).await.status, status, "{path}");
    }
}
