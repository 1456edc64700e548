//! Other screens than the sign-in: registration, mailed links, passwords, the profile.

use propusk::{ErrorKind, FieldCode, Registered, Registration, UpdateAccountRequest};

use super::{EMAIL, HOUR, PASSWORD, kind, rejection, server, signed_in};

const OTHER: &str = "boris@example.org";

#[tokio::test]
async fn registration_creates_an_account_that_signs_in() {
    let server = server().await;
    let client = server.client();
    let new = Registration::new(PASSWORD).email(OTHER).display_name("Boris");
    assert_eq!(client.register(&new).await.expect("an account"), Registered::Active);
    client.sign_in(OTHER, PASSWORD).await.expect("a sign-in");
    let profile = client.profile().await.expect("a profile");
    assert_eq!(profile.display_name.as_deref(), Some("Boris"));
    assert_eq!(profile.email_verified, Some(false));
    server.confirm_email(OTHER);
    let profile = client.profile().await.expect("a profile");
    assert_eq!(profile.email_verified, Some(true));
}

#[tokio::test]
async fn registration_reports_problems() {
    let server = server().await;
    let client = server.client();
    let taken = rejection(client.register(&Registration::new(PASSWORD).email(EMAIL)).await);
    assert_eq!(taken.code.to_string(), "identifier_taken");
    assert_eq!(taken.fields["email"][0].code, FieldCode::Taken);
    let weak = rejection(client.register(&Registration::new("short").email(OTHER)).await);
    assert_eq!(weak.code.to_string(), "weak_password");
    let nameless = rejection(client.register(&Registration::new(PASSWORD)).await);
    assert_eq!(nameless.code.to_string(), "invalid_fields");
}

#[tokio::test]
async fn registration_requires_activation_if_configured() {
    let server = server().await;
    server.require_activation();
    let client = server.client();
    let new = Registration::new(PASSWORD).email(OTHER);
    assert_eq!(client.register(&new).await.expect("an account"), Registered::ActivationRequired);
    let inactive = rejection(client.sign_in(OTHER, PASSWORD).await);
    assert_eq!(inactive.code.to_string(), "account_inactive");
    let first = server.mailed_link(OTHER).expect("a mail");
    client.resend_activation(OTHER).await.expect("another mail");
    let link = server.mailed_link(OTHER).expect("a mail");
    assert_eq!(rejection(client.activate(&first).await).code.to_string(), "link_invalid");
    client.activate(&link).await.expect("active");
    assert!(server.mailed_link(OTHER).is_none());
    client.sign_in(OTHER, PASSWORD).await.expect("a sign-in");
}

#[tokio::test]
async fn password_reset_works_only_for_the_requesting_app() {
    let (server, client) = signed_in().await;
    client.request_reset(EMAIL).await.expect("a mail");
    client.request_reset("unknown@example.org").await.expect("the same answer");
    let link = server.mailed_link(EMAIL).expect("a mail");
    let another = server.client().confirm_reset(&link, "another harbour").await;
    assert_eq!(rejection(another).code.to_string(), "link_invalid");
    client.confirm_reset(&link, "another harbour").await.expect("a new password");
    assert!(matches!(kind(client.profile().await), ErrorKind::SignedOut { .. }));
    client.sign_in(EMAIL, "another harbour").await.expect("a sign-in");
}

#[tokio::test]
async fn password_is_changed_with_the_current_one() {
    let (server, client) = signed_in().await;
    server.advance(HOUR);
    let unproved = client.change_password(None, "another harbour").await;
    assert_eq!(rejection(unproved).code.to_string(), "reauthentication_required");
    let wrong = client.change_password(Some("wrong".into()), "another harbour").await;
    assert_eq!(rejection(wrong).code.to_string(), "wrong_password");
    let right = client.change_password(Some(PASSWORD.into()), "another harbour").await;
    right.expect("a new password");
    client.profile().await.expect("the session that asks goes on");
}

#[tokio::test]
async fn profile_change_keeps_a_new_address_pending() {
    let (server, client) = signed_in().await;
    let changes = UpdateAccountRequest {
        email: Some(Some(OTHER.to_owned())),
        display_name: Some(Some("Anna".to_owned())),
        ..UpdateAccountRequest::default()
    };
    let profile = client.update_profile(&changes).await.expect("a profile");
    assert_eq!(profile.display_name.as_deref(), Some("Anna"));
    assert_eq!(profile.email.as_deref(), Some(EMAIL));
    server.confirm_email(OTHER);
    let profile = client.profile().await.expect("a profile");
    assert_eq!(profile.email.as_deref(), Some(OTHER));
}

#[tokio::test]
async fn account_is_deleted_by_its_owner() {
    let (server, client) = signed_in().await;
    client.delete_account(None).await.expect("deleted");
    let unknown = rejection(server.client().sign_in(EMAIL, PASSWORD).await);
    assert_eq!(unknown.code.to_string(), "invalid_credentials");
}
