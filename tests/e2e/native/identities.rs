//! Identities at providers: linked from a session, listed and unlinked.

use propusk_stand_in::{Provider, User};
use propusk_wire::{IdentitiesResponse, Identity};
use tokio::task::JoinSet;

use super::*;
use crate::providers::{CHALLENGE, REDIRECT, Site, VERIFIER, parameter};

const LINKED: &str = "A sign-in was added to your account";
const UNLINKED: &str = "A sign-in was removed from your account";

/// Starts to link an identity to the session's account.
async fn start_link(site: &Site, session: &str, provider: &str, more: Value) -> Answer {
    let mut body = json!({"redirect": REDIRECT, "code_challenge": CHALLENGE, "link": true});
    if let Some(password) = more["current_password"].as_str() {
        body["current_password"] = json!(password);
    }
    let path = format!("providers/{provider}/start");
    call(&site.server, "POST", &path, Some(session), body).await
}

/// The code that the browser hands to the app.
async fn code_of(site: &Site, user: &User, provider: Provider, started: &Answer) -> String {
    assert_eq!(started.status, 200, "{}", started.text());
    let callback = site.at_provider(user, provider, &started.field("authorize_url")).await;
    let link = site.link_to_app(&callback).await;
    assert_eq!(parameter(&link, "state"), started.field("state"));
    parameter(&link, "code")
}

/// A code that links the user's identity to the session's account.
pub async fn link_code(site: &Site, session: &str, user: &User, provider: Provider) -> String {
    let name = propusk_tests::providers::name_of(provider);
    let started = start_link(site, session, name, json!({})).await;
    code_of(site, user, provider, &started).await
}

/// A code of an ordinary sign-in.
async fn sign_in_code(site: &Site, user: &User, provider: Provider) -> String {
    let started = site.begin(provider, REDIRECT).await;
    let callback = site.at_provider(user, provider, &started.authorize_url).await;
    parameter(&site.link_to_app(&callback).await, "code")
}

pub async fn finish(site: &Site, session: &str, code: &str, verifier: &str) -> Answer {
    let body = json!({"code": code, "code_verifier": verifier});
    call(&site.server, "POST", "account/identities", Some(session), body).await
}

pub async fn link(site: &Site, session: &str, user: &User, provider: Provider) -> Answer {
    let code = link_code(site, session, user, provider).await;
    finish(site, session, &code, VERIFIER).await
}

async fn unlink(site: &Site, session: &str, provider: &str, subject: &str) -> Answer {
    let subject: String =
        form_urlencoded::byte_serialize(subject.as_bytes()).collect::<String>().replace('+', "%20");
    let path = format!("account/identities/{provider}/{subject}");
    call(&site.server, "DELETE", &path, Some(session), Value::Null).await
}

/// Provider and subject of the account's identities.
async fn listed(site: &Site, session: &str) -> Vec<(String, String)> {
    let answer = call(&site.server, "GET", "account/identities", Some(session), Value::Null).await;
    let IdentitiesResponse { identities } = read(&answer, 200);
    identities.into_iter().map(|one| (one.provider, one.subject)).collect()
}

/// The account that a provider's user signs in to.
async fn account_of(site: &Site, user: &User, provider: Provider) -> Option<i64> {
    let done = site.sign_in(user, provider).await;
    (done.status == 200).then(|| done.json()["account"]["id"].as_i64().expect("an id"))
}

/// Subjects of the mails to this address, in alphabetical order.
async fn subjects_to(site: &Site, email: &str) -> Vec<String> {
    site.server.mails().await;
    let letters = site.server.smtp.mails_to(email).into_iter();
    let mut subjects: Vec<_> = letters.map(|letter| letter.subject).collect();
    subjects.sort();
    subjects
}

#[tokio::test]
async fn linked_identity_opens_the_account_from_now_on() {
    let site = Site::start().await;
    let session = signed_up(&site.server, EMAIL).await;
    let id = own(&site.server, &session).await.id;
    assert!(listed(&site, &session).await.is_empty());
    for (provider, subject) in Provider::ALL.into_iter().zip(["601", "602", "603", "604"]) {
        let user = User::new(format!("user{subject}")).with_id(subject);
        let linked: Identity = read(&link(&site, &session, &user, provider).await, 201);
        assert_eq!(linked.provider, propusk_tests::providers::name_of(provider));
        assert_eq!(linked.subject, subject);
        assert_eq!(linked.email, user.email);
        let now = site.server.clock.now();
        assert_eq!((linked.created_at, linked.last_used_at), (now, now));
        site.server.clock.advance(1);
        assert_eq!(account_of(&site, &user, provider).await, Some(id), "{provider:?}");
    }
    let answer = call(&site.server, "GET", "account/identities", Some(&session), Value::Null).await;
    let IdentitiesResponse { identities } = read(&answer, 200);
    assert_eq!(identities.len(), Provider::ALL.len());
    assert!(identities.iter().all(|one| one.last_used_at == one.created_at + 1));
    assert!(is_alive(&site.server, &session).await);
    let mails = subjects_to(&site, EMAIL).await;
    assert_eq!(mails.len(), Provider::ALL.len());
    assert!(mails.iter().all(|subject| subject.starts_with(LINKED)), "{mails:?}");
}

#[tokio::test]
async fn link_begins_only_with_reauthentication() {
    let site = Site::start().await;
    let session = signed_up(&site.server, EMAIL).await;
    site.server.clock.advance(RECENT + 1);
    site.stand_in.forget_requests();
    let started = start_link(&site, "Bearer x", "google", json!({})).await;
    assert_refused(&started, 401, "invalid_credentials");
    let started = start_link(&site, &session, "google", json!({})).await;
    assert_refused(&started, 403, "reauthentication_required");
    let wrong = json!({"current_password": "wrong"});
    let started = start_link(&site, &session, "google", wrong).await;
    assert_refused(&started, 403, "wrong_password");
    let right = json!({"current_password": PASSWORD});
    assert_refused(&start_link(&site, &session, "nobody", right.clone()).await, 404, "not_found");
    let started = start_link(&site, &session, "google", right).await;
    let code = code_of(&site, &User::new("greta"), Provider::Google, &started).await;
    assert_eq!(finish(&site, &session, &code, VERIFIER).await.status, 201);
}

#[tokio::test]
async fn code_of_a_link_cannot_sign_in_and_code_of_a_sign_in_cannot_link() {
    let site = Site::start().await;
    let session = signed_up(&site.server, EMAIL).await;
    let user = User::new("greta");
    for provider in Provider::ALL {
        let code = link_code(&site, &session, &user, provider).await;
        assert_refused(&site.complete(&code, VERIFIER).await, 400, "sign_in_unknown");
        let answer = finish(&site, &session, &code, VERIFIER).await;
        assert_refused(&answer, 400, "sign_in_unknown");

        let code = sign_in_code(&site, &user, provider).await;
        let answer = finish(&site, &session, &code, VERIFIER).await;
        assert_refused(&answer, 400, "sign_in_unknown");
        assert_refused(&site.complete(&code, VERIFIER).await, 400, "sign_in_unknown");
    }
    // The same for the endpoints of the recorded API.
    let code = link_code(&site, &session, &user, Provider::Yandex).await;
    let path = format!("/yandex/get/token?code={code}");
    assert_eq!(site.client().get(&path, None).await.status, 400);
    assert!(listed(&site, &session).await.is_empty());
    assert!(site.server.auth.find_account("greta@example.com").await.expect("it asks").is_none());
}

#[tokio::test]
async fn link_ends_in_the_account_that_began_it() {
    let site = Site::start().await;
    let (hers, theirs) =
        (signed_up(&site.server, EMAIL).await, signed_up(&site.server, "bob@example.com").await);
    let user = User::new("greta");
    let code = link_code(&site, &theirs, &user, Provider::Google).await;
    let answer = finish(&site, "Bearer x", &code, VERIFIER).await;
    assert_refused(&answer, 401, "invalid_credentials");
    assert_refused(&finish(&site, &hers, &code, VERIFIER).await, 400, "sign_in_unknown");
    assert_refused(&finish(&site, &theirs, &code, VERIFIER).await, 400, "sign_in_unknown");
    let code = link_code(&site, &theirs, &user, Provider::Google).await;
    let other = format!("{VERIFIER}x");
    assert_refused(&finish(&site, &theirs, &code, &other).await, 400, "sign_in_unknown");
    assert_refused(&finish(&site, &theirs, &code, VERIFIER).await, 400, "sign_in_unknown");
    let code = link_code(&site, &theirs, &user, Provider::Google).await;
    site.server.clock.advance(60);
    assert_refused(&finish(&site, &theirs, &code, VERIFIER).await, 400, "sign_in_unknown");
    for session in [&hers, &theirs] {
        assert!(listed(&site, session).await.is_empty());
    }
}

#[tokio::test]
async fn link_dies_with_the_session_that_began_it() {
    let site = Site::start().await;
    let session = signed_up(&site.server, EMAIL).await;
    let stolen = sign_in(&site.server, EMAIL, PASSWORD).await.expect("it signs in");
    let user = User::new("mallory");
    let code = link_code(&site, &stolen, &user, Provider::Google).await;
    let body = json!({"new_password": NEW_PASSWORD});
    let path = "account/password";
    assert_done(&call(&site.server, "POST", path, Some(&session), body).await, 204);
    assert_refused(&finish(&site, &session, &code, VERIFIER).await, 400, "sign_in_unknown");
    assert!(listed(&site, &session).await.is_empty());
    // Another session of the account may cancel a link that is in progress.
    let code = link_code(&site, &session, &user, Provider::Google).await;
    let other = sign_in(&site.server, EMAIL, NEW_PASSWORD).await.expect("it signs in");
    assert_eq!(finish(&site, &other, &code, VERIFIER).await.status, 201);
}

#[tokio::test]
async fn identity_of_another_account_stays_there() {
    let site = Site::start().await;
    let user = User::new("greta");
    let theirs = account_of(&site, &user, Provider::Vk).await;
    let session = signed_up(&site.server, EMAIL).await;
    let code = link_code(&site, &session, &user, Provider::Vk).await;
    for _ in 0..2 {
        // The refusal does not spend the code, which can only be used for its own purpose.
        let answer = finish(&site, &session, &code, VERIFIER).await;
        assert_refused(&answer, 409, "identity_taken");
    }
    assert!(listed(&site, &session).await.is_empty());
    assert_eq!(account_of(&site, &user, Provider::Vk).await, theirs);
    assert!(subjects_to(&site, EMAIL).await.is_empty());
}

#[tokio::test]
async fn link_of_a_linked_identity_answers_the_same_and_mails_nothing() {
    let site = Site::start().await;
    let session = signed_up(&site.server, EMAIL).await;
    let user = User::new("greta");
    let first: Identity = read(&link(&site, &session, &user, Provider::Google).await, 201);
    site.server.clock.advance(5);
    let user = user.with_name("Greta", "Garbo");
    let again: Identity = read(&link(&site, &session, &user, Provider::Google).await, 201);
    assert_eq!(again.name.as_deref(), Some("Greta Garbo"), "what the provider tells is new");
    let last_used_at = first.last_used_at + 5;
    assert_eq!(again, Identity { name: again.name.clone(), last_used_at, ..first });
    assert_eq!(subjects_to(&site, EMAIL).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn race_of_two_accounts_for_one_identity_has_one_winner() {
    let site = Site::start().await;
    for round in 0..10 {
        let user = User::new(format!("user{round}")).with_id((700 + round).to_string());
        let mut links = JoinSet::new();
        let mut sessions = Vec::new();
        for name in ["anna", "bob"] {
            let session = signed_up(&site.server, &format!("{name}{round}@example.com")).await;
            let code = link_code(&site, &session, &user, Provider::Google).await;
            let body = json!({"code": code, "code_verifier": VERIFIER});
            let (client, authorization) = (site.client().clone(), session.clone());
            links.spawn(async move {
                let path = "/propusk/v1/account/identities";
                client.post_as(&authorization, path, &body).await.status.as_u16()
            });
            sessions.push(session);
        }
        let mut answers = links.join_all().await;
        answers.sort_unstable();
        assert_eq!(answers, [201, 409]);
        let held = [listed(&site, &sessions[0]).await, listed(&site, &sessions[1]).await].concat();
        assert_eq!(held.len(), 1);
    }
}

#[tokio::test]
async fn identity_with_the_accounts_address_proves_it_and_removes_nothing() {
    let site = Site::start().await;
    let session = signed_up(&site.server, EMAIL).await;
    let unproved = User::new("anna").with_id("801");
    // VK is not trusted for addresses, and another address proves nothing about this one.
    assert_eq!(link(&site, &session, &unproved, Provider::Vk).await.status, 201);
    let other = User::new("greta").with_id("802");
    assert_eq!(link(&site, &session, &other, Provider::Google).await.status, 201);
    assert!(!own(&site.server, &session).await.email_verified);
    let proved = User::new("anna").with_id("803");
    assert_eq!(link(&site, &session, &proved, Provider::Google).await.status, 201);
    let account = own(&site.server, &session).await;
    assert!(account.email_verified && account.has_password);
    assert_eq!(listed(&site, &session).await.len(), 3);
    for (user, provider) in
        [(&unproved, Provider::Vk), (&other, Provider::Google), (&proved, Provider::Google)]
    {
        assert_eq!(account_of(&site, user, provider).await, Some(account.id));
    }
    assert!(is_alive(&site.server, &session).await);
    assert!(sign_in(&site.server, EMAIL, PASSWORD).await.is_some());
}

#[tokio::test]
async fn unlinked_identity_opens_the_account_no_longer() {
    let site = Site::start().await;
    let session = signed_up(&site.server, EMAIL).await;
    let id = own(&site.server, &session).await.id;
    let odd = User::new("greta").with_id("a/b c%2F?ä");
    assert_eq!(link(&site, &session, &odd, Provider::Google).await.status, 201);
    let held = [("google".to_owned(), odd.id.clone())];
    assert_eq!(listed(&site, &session).await, held);
    for (provider, subject) in
        [("google", "nobody"), ("vk", &*odd.id), ("nobody", "1"), ("google", "\0")]
    {
        assert_refused(&unlink(&site, &session, provider, subject).await, 404, "not_found");
    }
    let path = "account/identities/google/%FF";
    let answer = call(&site.server, "DELETE", path, Some(&session), Value::Null).await;
    assert_refused(&answer, 404, "not_found");
    let other = signed_up(&site.server, "bob@example.com").await;
    assert_refused(&unlink(&site, &other, "google", &odd.id).await, 404, "not_found");
    assert_eq!(listed(&site, &session).await, held);

    assert_done(&unlink(&site, &session, "google", &odd.id).await, 204);
    assert_refused(&unlink(&site, &session, "google", &odd.id).await, 404, "not_found");
    assert!(listed(&site, &session).await.is_empty());
    let comes_to = account_of(&site, &odd, Provider::Google).await;
    assert!(comes_to.is_some_and(|other| other != id), "{comes_to:?}");
    let mails = subjects_to(&site, EMAIL).await;
    let [linked, unlinked] = &mails[..] else { panic!("{mails:?}") };
    assert!(linked.starts_with(LINKED) && unlinked.starts_with(UNLINKED), "{mails:?}");
    for letter in site.server.smtp.mails_to(EMAIL) {
        assert!(letter.text.contains("Sign-in with Google was "), "{}", letter.text);
    }
}

#[tokio::test]
async fn last_means_of_sign_in_is_not_unlinked() {
    let site = Site::start().await;
    let user = User::new("greta").with_id("901").without_email();
    let done = site.sign_in(&user, Provider::Vk).await;
    let session = format!("Bearer {}", done.field("access_token"));
    assert_refused(&unlink(&site, &session, "vk", "901").await, 409, "nothing_to_sign_in_by");
    // A password needs an identifier, and an identifier a password.
    let body = json!({"new_password": NEW_PASSWORD});
    let answer = call(&site.server, "POST", "account/password", Some(&session), body).await;
    assert_done(&answer, 204);
    assert!(own(&site.server, &session).await.has_password);
    assert_refused(&unlink(&site, &session, "vk", "901").await, 409, "nothing_to_sign_in_by");
    let body = json!({"username": "greta"});
    assert_eq!(call(&site.server, "PATCH", "account", Some(&session), body).await.status, 200);
    assert!(sign_in(&site.server, "greta", NEW_PASSWORD).await.is_some());
    assert_done(&unlink(&site, &session, "vk", "901").await, 204);
    let body = json!({"username": null});
    let answer = call(&site.server, "PATCH", "account", Some(&session), body).await;
    assert_refused(&answer, 409, "nothing_to_sign_in_by");
}

#[tokio::test]
async fn account_without_a_password_keeps_one_identity() {
    let site = Site::start().await;
    let user = User::new("greta").with_id("902");
    let done = site.sign_in(&user, Provider::Google).await;
    let session = format!("Bearer {}", done.field("access_token"));
    assert!(!own(&site.server, &session).await.has_password);
    let refused = unlink(&site, &session, "google", "902").await;
    assert_refused(&refused, 409, "nothing_to_sign_in_by");
    assert_eq!(link(&site, &session, &user, Provider::Vk).await.status, 201);
    assert_done(&unlink(&site, &session, "google", "902").await, 204);
    let refused = unlink(&site, &session, "vk", "902").await;
    assert_refused(&refused, 409, "nothing_to_sign_in_by");
    // With an identity left, the address may be removed.
    let body = json!({"email": null});
    assert_eq!(call(&site.server, "PATCH", "account", Some(&session), body).await.status, 200);
    let id = own(&site.server, &session).await.id;
    assert_eq!(account_of(&site, &user, Provider::Vk).await, Some(id));
}

#[tokio::test]
async fn account_from_a_provider_sets_a_first_password() {
    let site = Site::start().await;
    let done = site.sign_in(&User::new("greta"), Provider::Google).await;
    let session = format!("Bearer {}", done.field("access_token"));
    let other = site.sign_in(&User::new("greta"), Provider::Google).await;
    let other = format!("Bearer {}", other.field("access_token"));
    let body = json!({"new_password": NEW_PASSWORD, "current_password": ""});
    let path = "account/password";
    let answer = call(&site.server, "POST", path, Some(&session), body).await;
    assert_refused(&answer, 403, "wrong_password");
    site.server.clock.advance(RECENT + 1);
    let body = json!({"new_password": NEW_PASSWORD});
    let answer = call(&site.server, "POST", path, Some(&session), body.clone()).await;
    assert_refused(&answer, 403, "reauthentication_required");
    let fresh = site.sign_in(&User::new("greta"), Provider::Google).await;
    let fresh = format!("Bearer {}", fresh.field("access_token"));
    assert_done(&call(&site.server, "POST", path, Some(&fresh), body).await, 204);
    assert!(is_alive(&site.server, &fresh).await);
    for ended in [&session, &other] {
        assert!(!is_alive(&site.server, ended).await);
    }
    assert!(sign_in(&site.server, "greta@example.com", NEW_PASSWORD).await.is_some());
}

#[tokio::test]
async fn guessed_codes_are_counted_on_the_address() {
    let few =
        propusk_tests::limits::limits(2, propusk_tests::limits::ANY, propusk_tests::limits::ANY);
    let site = Site::with(|config| config.limits = few).await;
    let session = signed_up(&site.server, EMAIL).await;
    for status in [400, 400, 429] {
        assert_eq!(finish(&site, &session, "guessed", VERIFIER).await.status, status);
    }
}
