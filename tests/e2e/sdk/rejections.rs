//! Rejections are the same in every API: a code, a sentence, and the problem of each field.

use propusk::{Dialect, ErrorKind, FieldCode, Registration, Rejection, RejectionCode};
use propusk_tests::django::Stack;
use propusk_tests::recording_proxy::RecordingProxy;

use super::peer::Peer;
use super::{EMAIL, Home, PASSWORD};

fn rejection<T: std::fmt::Debug>(outcome: propusk::Result<T>) -> Rejection {
    match outcome.expect_err("a refusal").kind() {
        ErrorKind::Rejected(rejection) => rejection.clone(),
        other => panic!("{other:?}"),
    }
}

/// Whether the field has one of the codes, with the server's own sentence if it sent one.
fn tells(rejection: &Rejection, field: &str, codes: &[FieldCode]) -> bool {
    let problems = rejection.fields.get(field).into_iter().flatten();
    problems.map(|problem| &problem.code).any(|code| codes.contains(code))
}

async fn refusals(peer: Peer) {
    let client = peer.builder().build().expect("a client");
    let dialect = peer.dialect;
    let refused = client.sign_in(&peer.identifier("nobody"), PASSWORD).await;
    let refused = rejection(refused);
    assert_eq!(refused.code, RejectionCode::InvalidCredentials, "{dialect:?}");
    assert_eq!(refused.to_string(), "The sign-in name or the password is wrong.");

    // The other APIs accept any password.
    if matches!(dialect, Dialect::Native | Dialect::DjoserToken | Dialect::DjoserJwt) {
        let weak = rejection(client.register(&peer.registration("maria", "2718")).await);
        assert_eq!(weak.code, RejectionCode::WeakPassword, "{dialect:?} {weak:?}");
        let codes = [FieldCode::TooShort, FieldCode::EntirelyNumeric, FieldCode::TooCommon];
        assert!(tells(&weak, "password", &codes), "{dialect:?} {weak:?}");
        assert!(!weak.message().contains("2718"), "{weak}");
    }
    // This Django does not check addresses.
    if dialect == Dialect::Simplejwt {
        return;
    }
    let new = peer.registration("m", PASSWORD).email("no address");
    let invalid = rejection(client.register(&new).await);
    assert_eq!(invalid.code, RejectionCode::InvalidFields, "{dialect:?} {invalid:?}");
    assert!(tells(&invalid, "email", &[FieldCode::Invalid]), "{dialect:?} {invalid:?}");
    assert!(invalid.to_string().contains("the e-mail address is not valid"), "{invalid}");
}

#[tokio::test]
async fn rejections_are_the_same_in_each_of_our_apis() {
    for dialect in Dialect::ALL {
        refusals(Peer::ours(dialect).await).await;
    }
}

#[tokio::test]
async fn rejections_are_the_same_in_each_django() {
    for stack in [Stack::DjoserToken, Stack::Simplejwt, Stack::SimplejwtRotating, Stack::DjoserJwt]
    {
        refusals(Peer::django(stack).await).await;
    }
}

#[tokio::test]
async fn fresh_token_that_is_refused_is_a_protocol_error() {
    let home = Home::start().await;
    let tap = RecordingProxy::open(home.server.address).await;
    let client = home.builder_at(&tap).dialect(Dialect::Simplejwt).build().expect("a client");
    let new = Registration::new(PASSWORD).username("anna").email("anna@example.com");
    client.register(&new).await.expect("an account");
    client.sign_in("anna", PASSWORD).await.expect("a sign-in");
    let refuse = |body: &str| {
        let head =
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\nconnection: close";
        let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        for _ in 0..2 {
            tap.answer("GET /api/auth/profile/", Some(&answer));
        }
    };
    refuse(r#"{"detail":"Given token not valid for any token type","code":"token_not_valid"}"#);
    let error = client.profile().await.expect_err("a refusal");
    assert_eq!(*error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("that it has just issued"), "{error}");
    refuse(r#"{"detail":"User is inactive","code":"user_inactive"}"#);
    assert_eq!(rejection(client.profile().await).code, RejectionCode::AccountInactive);
    client.profile().await.expect("still signed in");
}

#[tokio::test]
async fn link_of_an_unknown_sign_in_has_a_message() {
    let home = Home::start().await;
    let builder = home.builder().redirect("org.example.app:/signed-in");
    let client = builder.build().expect("a client");
    let error = client.complete_sign_in("org.example.app:/signed-in?code=c4f3&state=s7a7e").await;
    let error = error.expect_err("a refusal");
    assert_eq!(error.to_string(), "This sign-in is over or is not known: begin again.");
    let wrong = client.sign_in(EMAIL, "another password").await.expect_err("a refusal");
    assert!(!format!("{wrong} {wrong:?}").contains("another password"));
}
