//! How an account changes its address, which notices are sent, and how the old address returns.

use propusk_stand_in::{Provider, User};
use propusk_tests::links::Link;
use propusk_tests::user::change_me;
use propusk_wire::Account;

use super::identities::{finish, link, link_code};
use super::*;
use crate::providers::linking::{convert, register_app};
use crate::providers::{Site, VERIFIER};

const NEW: &str = "anna@example.org";
const THIEF: &str = "thief@example.net";
const THIEFS_PASSWORD: &str = "a stolen horse, a stolen day";
/// How long an old address can return, in seconds.
const RETURNS_FOR: i64 = 7 * 24 * 3_600;
const DAY: i64 = 24 * 3_600;

// ---- what users do -----------------------------------------------------------------------------

async fn change(server: &TestServer, session: &str, body: Value) -> Answer {
    call(server, "PATCH", "account", Some(session), body).await
}

async fn moved(server: &TestServer, session: &str, body: Value) -> Account {
    read(&change(server, session, body).await, 200)
}

/// Requests a reset by this address; returns whether a link was mailed to the other one.
async fn resets(server: &TestServer, asked: &str, mailed_to: &str) -> bool {
    let before = server.mails().await.len();
    assert_done(&post(server, "password/reset", json!({"email": asked})).await, 202);
    let mails = server.mails().await.split_off(before);
    let links = mails.iter().filter(|mail| Link::of(&mail.letter()).is_some());
    links.flat_map(|mail| &mail.to).any(|to| to == mailed_to)
}

async fn reset(server: &TestServer, link: &Link, password: &str) -> Answer {
    let body = json!({"uid": link.uid, "token": link.token, "new_password": password});
    post(server, "password/reset/confirm", body).await
}

/// Opens the page of a link and presses its button.
async fn follow(server: &TestServer, link: &Link) -> u16 {
    let path = link.url.trim().strip_prefix(&server.public_url).expect("a link to the server");
    let page = server.client.get(path, None).await;
    let pressed = server.client.post(path, &json!({})).await;
    assert!(page.status == 200 && pressed.text().contains("<h1>"), "{}", pressed.text());
    pressed.status.as_u16()
}

/// An account with a proved address and [`PASSWORD`]; signed in just now.
async fn owner(server: &TestServer) -> String {
    signed_up(server, EMAIL).await;
    assert!(resets(server, EMAIL, EMAIL).await);
    assert_done(&reset(server, &server.link_to(EMAIL).await, PASSWORD).await, 204);
    sign_in(server, EMAIL, PASSWORD).await.expect("it signs in")
}

async fn subjects_to(server: &TestServer, email: &str) -> Vec<String> {
    server.mails().await;
    server.smtp.mails_to(email).into_iter().map(|letter| letter.subject).collect()
}

// ---- a new address -----------------------------------------------------------------------------

#[tokio::test]
async fn new_address_waits_until_its_mailbox_has_confirmed_it() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    let account = moved(&server, &session, json!({"email": NEW})).await;
    let waits =
        (account.email.as_deref(), account.email_verified, account.pending_email.as_deref());
    assert_eq!(waits, (Some(EMAIL), true, Some(NEW)));
    assert_eq!(own(&server, &session).await, account);
    assert!(sign_in(&server, NEW, PASSWORD).await.is_none());
    assert!(resets(&server, EMAIL, EMAIL).await && !resets(&server, NEW, NEW).await);

    let link = server.link_to(NEW).await;
    // A mail scanner only opens the page.
    let path = link.url.trim().strip_prefix(&server.public_url).expect("a link to the server");
    assert_eq!(server.client.get(path, None).await.status, 200);
    assert_eq!(own(&server, &session).await, account);
    assert_eq!(follow(&server, &link).await, 200);
    let account = own(&server, &session).await;
    let moved = (account.email.as_deref(), account.email_verified, account.pending_email);
    assert_eq!(moved, (Some(NEW), true, None));
    assert!(sign_in(&server, EMAIL, PASSWORD).await.is_none());
    assert!(sign_in(&server, NEW, PASSWORD).await.is_some());
    assert!(resets(&server, NEW, NEW).await && !resets(&server, EMAIL, EMAIL).await);
    assert_eq!(follow(&server, &link).await, 400);
}

#[tokio::test]
async fn new_address_that_is_not_confirmed_in_time_expires() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    moved(&server, &session, json!({"email": NEW})).await;
    let link = server.link_to(NEW).await;
    server.clock.advance(259_201);
    let session = sign_in(&server, EMAIL, PASSWORD).await.expect("it signs in");
    assert_eq!(own(&server, &session).await.pending_email, None);
    let path = link.url.trim().strip_prefix(&server.public_url).expect("a link to the server");
    assert_eq!(server.client.post(path, &json!({})).await.status, 400);
    assert_eq!(own(&server, &session).await.email.as_deref(), Some(EMAIL));
}

#[tokio::test]
async fn new_address_replaces_one_that_waits_and_the_present_one_cancels_it() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    moved(&server, &session, json!({"email": "typo@example.org"})).await;
    let first = server.link_to("typo@example.org").await;
    assert_eq!(
        moved(&server, &session, json!({"email": NEW})).await.pending_email.as_deref(),
        Some(NEW)
    );
    let second = server.link_to(NEW).await;
    let path = |link: &Link| link.url.trim().replace(&server.public_url, "");
    assert_eq!(server.client.post(&path(&first), &json!({})).await.status, 400);
    assert_eq!(moved(&server, &session, json!({"email": EMAIL})).await.pending_email, None);
    assert_eq!(server.client.post(&path(&second), &json!({})).await.status, 400);
    assert_eq!(own(&server, &session).await.email.as_deref(), Some(EMAIL));
}

#[tokio::test]
async fn new_address_that_another_account_takes_meanwhile_is_lost() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    moved(&server, &session, json!({"email": NEW})).await;
    let link = server.link_to(NEW).await;
    let others = signed_up(&server, NEW).await;
    assert_eq!(follow(&server, &link).await, 409);
    assert_eq!(own(&server, &session).await.email.as_deref(), Some(EMAIL));
    assert_eq!(own(&server, &others).await.email.as_deref(), Some(NEW));
}

// ---- the old address ---------------------------------------------------------------------------

#[tokio::test]
async fn thief_of_a_session_does_not_keep_the_account() {
    let site = Site::start().await;
    let server = &site.server;
    let session = owner(server).await;
    let own_identity = User::new("anna").with_id("11");
    assert_eq!(link(&site, &session, &own_identity, Provider::Yandex).await.status, 201);
    // A change without the password, and then everything else that an owner can do.
    moved(server, &session, json!({"email": THIEF})).await;
    assert_eq!(follow(server, &server.link_to(THIEF).await).await, 200);
    assert!(resets(server, THIEF, THIEF).await);
    assert_done(&reset(server, &server.link_to(THIEF).await, THIEFS_PASSWORD).await, 204);
    let thief = sign_in(server, THIEF, THIEFS_PASSWORD).await.expect("the thief signs in");
    let thiefs = User::new("thief").with_id("66").with_email(THIEF);
    assert_eq!(link(&site, &thief, &thiefs, Provider::Google).await.status, 201);
    assert!(resets(server, THIEF, THIEF).await);
    let open = server.link_to(THIEF).await;

    server.clock.advance(RETURNS_FOR - 600);
    assert_eq!(follow(server, &server.link_back_to(EMAIL).await).await, 200);
    assert!(!is_alive(server, &thief).await);
    for (email, password) in [(THIEF, THIEFS_PASSWORD), (EMAIL, THIEFS_PASSWORD), (EMAIL, PASSWORD)]
    {
        assert!(sign_in(server, email, password).await.is_none(), "{email} {password}");
    }
    assert_refused(&reset(server, &open, THIEFS_PASSWORD).await, 400, "link_invalid");
    assert!(!resets(server, THIEF, THIEF).await);
    assert!(resets(server, EMAIL, EMAIL).await);
    assert_done(&reset(server, &server.link_to(EMAIL).await, NEW_PASSWORD).await, 204);
    let session = sign_in(server, EMAIL, NEW_PASSWORD).await.expect("the owner signs in");
    let account = own(server, &session).await;
    assert_eq!((account.email.as_deref(), account.email_verified), (Some(EMAIL), true));
    let found = server.auth.identities(account.id).await.expect("the database answers");
    assert!(found.iter().all(|identity| identity.provider != "google"), "{found:?}");
}

#[tokio::test]
async fn return_of_an_address_also_removes_identities_linked_in_the_last_days() {
    for days in [0, 8] {
        let site = Site::start().await;
        let server = &site.server;
        let session = owner(server).await;
        let thiefs = User::new("thief").with_id("66").with_email(THIEF);
        assert_eq!(link(&site, &session, &thiefs, Provider::Vk).await.status, 201);
        server.clock.advance(days * 24 * 3_600);
        let session = sign_in(server, EMAIL, PASSWORD).await.expect("it signs in");
        moved(server, &session, json!({"email": THIEF})).await;
        assert_eq!(follow(server, &server.link_back_to(EMAIL).await).await, 200);
        // Identities that are older than the time to object belong to the owner.
        let entered = site.sign_in(&thiefs, Provider::Vk).await;
        let account = entered.json()["account"]["id"].as_i64();
        let owners = server.auth.find_account(EMAIL).await.expect("the database answers");
        assert_eq!(account == owners.map(|owner| owner.id), days > 7, "{days}");
        if days > 7 {
            // Now only a mailed link can set a password.
            let bearer = format!("Bearer {}", entered.field("access_token"));
            let body = json!({"new_password": THIEFS_PASSWORD});
            let answer = call(server, "POST", "account/password", Some(&bearer), body).await;
            assert_refused(&answer, 403, "reauthentication_required");
            assert!(sign_in(server, EMAIL, THIEFS_PASSWORD).await.is_none());
        }
    }
}

#[tokio::test]
async fn return_of_an_address_works_while_its_identities_are_unlinked() {
    for _ in 0..3 {
        let site = Site::start().await;
        let server = &site.server;
        let session = owner(server).await;
        moved(server, &session, json!({"email": THIEF})).await;
        let back = server.link_back_to(EMAIL).await;
        let path = back.url.trim().replace(&server.public_url, "");
        let mut codes = Vec::new();
        for number in 0..6 {
            let thiefs = User::new("thief").with_id(format!("6{number}"));
            codes.push(link_code(&site, &session, &thiefs, Provider::Vk).await);
        }
        let links = codes.iter().map(|code| finish(&site, &session, code, VERIFIER));
        let nothing = json!({});
        let returned = server.client.post(&path, &nothing);
        let (_, returned) = tokio::join!(futures_util::future::join_all(links), returned);
        assert_eq!(returned.status, 200, "{}", returned.text());
        assert!(!is_alive(server, &session).await);
    }
}

#[tokio::test]
async fn old_address_can_return_for_seven_days_and_is_reserved_meanwhile() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    moved(&server, &session, json!({"email": NEW})).await;
    assert_eq!(follow(&server, &server.link_to(NEW).await).await, 200);
    let link = server.link_back_to(EMAIL).await;
    let taken = register(&server, json!({"email": EMAIL, "password": PASSWORD})).await;
    assert_refused_with(&taken, 409, "identifier_taken", json!({"email": ["taken"]}));
    server.clock.advance(RETURNS_FOR + 1);
    let path = link.url.trim().replace(&server.public_url, "");
    assert_eq!(server.client.post(&path, &json!({})).await.status, 400);
    server.clock.advance(24 * 3_600);
    server.auth.sweep().await.expect("the database answers");
    signed_up(&server, EMAIL).await;
    assert!(sign_in(&server, NEW, PASSWORD).await.is_some());
}

#[tokio::test]
async fn change_with_the_password_only_notifies_unless_the_password_is_new_too() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    let body = json!({"email": NEW, "current_password": PASSWORD});
    moved(&server, &session, body).await;
    assert_eq!(follow(&server, &server.link_to(NEW).await).await, 200);
    let subjects = subjects_to(&server, EMAIL).await;
    assert!(subjects.last().expect("a mail").contains("was changed"), "{subjects:?}");
    let letters = server.smtp.mails_to(EMAIL);
    assert!(letters.iter().all(|letter| !letter.text.contains("/return-email/")));

    // A password that was set in a stolen session proves no more than the session.
    let body = json!({"new_password": THIEFS_PASSWORD});
    let answer = call(&server, "POST", "account/password", Some(&session), body).await;
    assert_done(&answer, 204);
    let body = json!({"new_password": NEW_PASSWORD, "current_password": THIEFS_PASSWORD});
    let answer = call(&server, "POST", "account/password", Some(&session), body).await;
    assert_done(&answer, 204);
    let body = json!({"email": THIEF, "current_password": NEW_PASSWORD});
    moved(&server, &session, body).await;
    assert_eq!(follow(&server, &server.link_to(THIEF).await).await, 200);
    assert_eq!(follow(&server, &server.link_back_to(NEW).await).await, 200);
    assert!(!is_alive(&server, &session).await);
    assert!(resets(&server, NEW, NEW).await);
}

#[tokio::test]
async fn address_removed_without_the_password_can_return() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    moved(&server, &session, json!({"email": null, "username": "thief"})).await;
    assert!(resets(&server, EMAIL, EMAIL).await);
    assert_eq!(follow(&server, &server.link_back_to(EMAIL).await).await, 200);
    assert!(!is_alive(&server, &session).await);
    assert!(resets(&server, EMAIL, EMAIL).await);
    assert_done(&reset(&server, &server.link_to(EMAIL).await, NEW_PASSWORD).await, 204);
    assert!(sign_in(&server, EMAIL, NEW_PASSWORD).await.is_some());
}

// ---- APIs that show a new address at once
// --------------------------------------------------------

async fn change_at_once(server: &TestServer, session: &str, email: &str) {
    let access = session.trim_start_matches("Bearer ");
    let answer = change_me(server, access, &json!({"email": email})).await;
    assert_eq!((answer.status.as_u16(), answer.field("email").as_str()), (200, email));
}

#[tokio::test]
async fn old_address_is_kept_as_long_as_its_return_link() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    change_at_once(&server, &session, NEW).await;
    server.clock.advance(5 * DAY);
    // The second change prolongs the link that the first one mailed.
    let session = sign_in(&server, NEW, PASSWORD).await.expect("it signs in");
    change_at_once(&server, &session, THIEF).await;
    assert_eq!(follow(&server, &server.link_to(THIEF).await).await, 200);
    server.clock.advance(4 * DAY);
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(follow(&server, &server.link_back_to(EMAIL).await).await, 200);
    assert!(resets(&server, EMAIL, EMAIL).await);
}

#[tokio::test]
async fn deletion_notifies_an_address_that_could_return() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    change_at_once(&server, &session, THIEF).await;
    assert_eq!(follow(&server, &server.link_to(THIEF).await).await, 200);
    let body = json!({"current_password": PASSWORD});
    assert_done(&call(&server, "DELETE", "account", Some(&session), body).await, 204);
    for recipient in [EMAIL, THIEF] {
        let subjects = subjects_to(&server, recipient).await;
        let deleted = subjects.iter().filter(|subject| subject.ends_with("was deleted")).count();
        assert_eq!(deleted, 1, "{recipient}: {subjects:?}");
    }
}

#[tokio::test]
async fn changed_address_gets_no_resets_until_it_is_confirmed() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    change_at_once(&server, &session, NEW).await;
    assert!(sign_in(&server, NEW, PASSWORD).await.is_some());
    assert!(sign_in(&server, EMAIL, PASSWORD).await.is_none());
    assert!(!own(&server, &session).await.email_verified);
    for asked in [NEW, EMAIL] {
        assert!(resets(&server, asked, EMAIL).await && !resets(&server, asked, NEW).await);
    }
    assert_eq!(follow(&server, &server.link_to(NEW).await).await, 200);
    assert!(own(&server, &session).await.email_verified);
    assert!(resets(&server, NEW, NEW).await && !resets(&server, EMAIL, EMAIL).await);
    assert_eq!(follow(&server, &server.link_back_to(EMAIL).await).await, 200);
    assert!(resets(&server, EMAIL, EMAIL).await && !resets(&server, NEW, NEW).await);
}

#[tokio::test]
async fn changed_address_gets_no_resets_even_with_the_password_until_it_is_confirmed() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    let login = json!({"username": EMAIL, "password": PASSWORD});
    let key = server.client.post("/auth/token/login/", &login).await.field("auth_token");
    let body = json!({"new_email": NEW, "current_password": PASSWORD});
    let path = "/auth/users/set_email/";
    let answer = server.client.post_as(&format!("Token {key}"), path, &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert!(sign_in(&server, NEW, PASSWORD).await.is_some());
    assert!(sign_in(&server, EMAIL, PASSWORD).await.is_none());
    for asked in [NEW, EMAIL] {
        assert!(resets(&server, asked, EMAIL).await && !resets(&server, asked, NEW).await);
    }
    let letters = server.smtp.mails_to(EMAIL);
    let brings_back = |link: &Link| link.url.contains("/auth/return-email/");
    assert!(!letters.iter().filter_map(Link::of).any(|link| brings_back(&link)), "{letters:?}");
    assert_eq!(follow(&server, &server.link_to(NEW).await).await, 200);
    assert!(own(&server, &session).await.email_verified);
    assert!(resets(&server, NEW, NEW).await && !resets(&server, EMAIL, EMAIL).await);
    // The old address cannot return: another account may register and prove it.
    signed_up(&server, EMAIL).await;
}

#[tokio::test]
async fn unproved_address_takes_nothing_from_the_owner_of_the_next() {
    for is_shown_at_once in [true, false] {
        let server = TestServer::start().await;
        let session = signed_up(&server, THIEF).await;
        if is_shown_at_once {
            change_at_once(&server, &session, EMAIL).await;
        } else {
            moved(&server, &session, json!({"email": EMAIL})).await;
            assert_eq!(follow(&server, &server.link_to(EMAIL).await).await, 200);
        }
        let back = server.link_back_to(THIEF).await;
        assert!(resets(&server, EMAIL, EMAIL).await);
        assert_done(&reset(&server, &server.link_to(EMAIL).await, NEW_PASSWORD).await, 204);
        let path = back.url.trim().replace(&server.public_url, "");
        assert_eq!(server.client.post(&path, &json!({})).await.status, 400);
        assert!(sign_in(&server, EMAIL, NEW_PASSWORD).await.is_some());
        // The other address is free again.
        signed_up(&server, THIEF).await;
    }
}

#[tokio::test]
async fn reset_at_the_old_address_discards_the_new_one() {
    let site = Site::start().await;
    let server = &site.server;
    let session = owner(server).await;
    change_at_once(server, &session, THIEF).await;
    let confirm = server.link_to(THIEF).await;
    let thiefs = User::new("thief").with_id("66").with_email(THIEF);
    assert_eq!(link(&site, &session, &thiefs, Provider::Vk).await.status, 201);
    assert!(resets(server, THIEF, EMAIL).await);
    assert_done(&reset(server, &server.link_to(EMAIL).await, NEW_PASSWORD).await, 204);
    assert!(!is_alive(server, &session).await);
    let path = confirm.url.trim().replace(&server.public_url, "");
    assert_eq!(server.client.post(&path, &json!({})).await.status, 400);
    assert_eq!(sign_in(server, THIEF, NEW_PASSWORD).await, None);
    let session = sign_in(server, EMAIL, NEW_PASSWORD).await.expect("the owner signs in");
    let account = own(server, &session).await;
    assert_eq!((account.email.as_deref(), account.email_verified), (Some(EMAIL), true));
    let found = server.auth.identities(account.id).await.expect("the database answers");
    assert!(found.is_empty(), "{found:?}");
    for asked in [THIEF, EMAIL] {
        assert!(!resets(server, asked, THIEF).await);
    }
    // A provider that is trusted for the thief's address opens an account of the thief's own.
    register_app(server).await;
    let entered = convert_by_google(&site, &thiefs.with_id("67")).await;
    assert_ne!(entered, Some(account.id));
    assert!(resets(server, EMAIL, EMAIL).await);
}

#[tokio::test]
async fn provider_takes_no_account_whose_older_address_may_return() {
    let site = Site::start().await;
    let server = &site.server;
    register_app(server).await;
    let owner = User::new("anna").with_id("11").with_email("anna@yandex.ru");
    let opened = site.sign_in(&owner, Provider::Yandex).await.field("access_token");
    let session = format!("Bearer {opened}");
    let id = own(server, &session).await.id;
    change_at_once(server, &session, "thief@gmail.com").await;
    let thief = User::new("thief").with_id("66").with_email("thief@gmail.com");
    let answer = convert(&site, &thief, Provider::Google).await;
    let expected = "This account is already in use.";
    assert_eq!(
        (answer.status.as_u16(), answer.field("error_description").as_str()),
        (400, expected)
    );
    // The same for an identity that the account has, and that proves the address only now.
    let silent = thief.clone().without_email().with_id("67");
    assert_eq!(link(&site, &session, &silent, Provider::Google).await.status, 201);
    let entered = convert_by_google(&site, &thief.with_id("67")).await;
    assert_eq!(entered, Some(id));
    assert!(is_alive(server, &session).await);
    let found = server.auth.identities(id).await.expect("the database answers");
    let mut subjects: Vec<_> = found.iter().map(|identity| identity.subject.as_str()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["11", "67"]);
}

#[tokio::test]
async fn address_that_is_named_again_is_no_change() {
    let server = TestServer::start().await;
    let session = owner(&server).await;
    change_at_once(&server, &session, NEW).await;
    // Now the sign-in is too old for a change.
    server.clock.advance(RECENT + 1);
    let before = server.mails().await.len();
    change_at_once(&server, &session, NEW).await;
    assert_eq!(mailed(&server, before).await, Vec::<String>::new());
}

/// The account that the user's Google identity opens.
async fn convert_by_google(site: &Site, user: &User) -> Option<i64> {
    let answer = convert(site, user, Provider::Google).await;
    let token = (answer.status == 200).then(|| answer.field("access_token"))?;
    Some(own(&site.server, &format!("Bearer {token}")).await.id)
}

// ---- notices -----------------------------------------------------------------------------------

#[tokio::test]
async fn owner_is_notified_of_changes_to_the_account() {
    let site = Site::start().await;
    let server = &site.server;
    let session = signed_up(server, EMAIL).await;
    let id = own(server, &session).await.id;
    moved(server, &session, json!({"phone": "+491701234567"})).await;
    let google = User::new("anna").with_id("12").with_email(EMAIL);
    assert_eq!(link(&site, &session, &google, Provider::Google).await.status, 201);
    let body = json!({"new_password": NEW_PASSWORD, "current_password": PASSWORD});
    assert_done(&call(server, "POST", "account/password", Some(&session), body).await, 204);
    assert!(resets(server, EMAIL, EMAIL).await);
    assert_done(&reset(server, &server.link_to(EMAIL).await, PASSWORD).await, 204);
    let password = propusk_server::auth::password::Password::parse(NEW_PASSWORD).expect("short");
    let new = propusk_server::auth::NewPassword::Plain(password);
    assert!(server.auth.set_password(id, new).await.expect("the database answers"));
    let session = sign_in(server, EMAIL, NEW_PASSWORD).await.expect("it signs in");
    assert_done(&call(server, "DELETE", "account", Some(&session), Value::Null).await, 204);
    let mut subjects = subjects_to(server, EMAIL).await;
    subjects.sort_unstable();
    let expected = [
        "A sign-in was added to your account",
        "An administrator set a new password for your account",
        "Set a new password",
        "The password of your account",
        "The password of your account",
        "The phone number of your account",
        "Your account at 127.0.0.1 was deleted",
    ];
    assert_eq!(subjects.len(), expected.len(), "{subjects:?}");
    for (subject, start) in subjects.iter().zip(expected) {
        assert!(subject.starts_with(start), "{subjects:?}");
    }
}

// ---- owners ------------------------------------------------------------------------------------

#[tokio::test]
async fn activated_account_is_its_owners_alone_after_the_first_reset() {
    let site = Site::start().await;
    register_app(&site.server).await;
    let server = &site.server;
    // A stranger registers the owner's address, and the owner follows the mailed link.
    let body = json!({"email": EMAIL, "password": THIEFS_PASSWORD, "re_password": THIEFS_PASSWORD});
    assert_eq!(server.client.post("/auth/users/", &body).await.status, 201);
    let link_of_mail = server.link_to(EMAIL).await;
    let body = json!({"uid": link_of_mail.uid, "token": link_of_mail.token});
    assert_eq!(server.client.post("/auth/users/activation/", &body).await.status, 204);
    let stranger = sign_in(server, EMAIL, THIEFS_PASSWORD).await.expect("the stranger signs in");
    let identity = User::new("thief").with_id("66").with_email(THIEF);
    assert_eq!(link(&site, &stranger, &identity, Provider::Google).await.status, 201);
    let body = json!({"phone": "+491701234567", "username": "stranger"});
    let id = moved(server, &stranger, body).await.id;
    let login = json!({"username": EMAIL, "password": THIEFS_PASSWORD});
    let key = server.client.post("/auth/token/login/", &login).await.field("auth_token");
    let pair = convert(&site, &identity, Provider::Google).await.field("access_token");

    assert!(resets(server, EMAIL, EMAIL).await);
    assert_done(&reset(server, &server.link_to(EMAIL).await, PASSWORD).await, 204);
    for credential in [&stranger, &format!("Token {key}"), &format!("Bearer {pair}")] {
        assert!(!is_alive(server, credential).await, "{credential}");
    }
    assert_ne!(convert_by_google(&site, &identity).await, Some(id));
    for name in [EMAIL, "+491701234567", "stranger"] {
        assert!(sign_in(server, name, THIEFS_PASSWORD).await.is_none(), "{name}");
    }
    let session = sign_in(server, EMAIL, PASSWORD).await.expect("the owner signs in");
    let account = own(server, &session).await;
    assert_eq!((account.phone, account.username.as_deref()), (None, Some("stranger")));

    // What the owner adds from now on survives the next reset.
    let own_identity = User::new("anna").with_id("12").with_email("anna@example.net");
    assert_eq!(link(&site, &session, &own_identity, Provider::Yandex).await.status, 201);
    assert!(resets(server, EMAIL, EMAIL).await);
    assert_done(&reset(server, &server.link_to(EMAIL).await, NEW_PASSWORD).await, 204);
    let found = server.auth.identities(id).await.expect("the database answers");
    assert_eq!(found.len(), 1);
}
