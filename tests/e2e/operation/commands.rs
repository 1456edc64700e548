//! Work on accounts from the command line, while the server runs.

use propusk_tests::http::Client;
use propusk_tests::process::Finished;
use propusk_tests::smtp::{Behaviour, SmtpServer};
use serde_json::{Value, json};

use propusk_tests::operator::*;

#[tokio::test]
async fn a_disabled_account_is_refused_at_once_and_lives_again_when_enabled() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let client = &server.client;
    let (access, token) = signed_up(client, "anna@example.com").await;
    let (other, _) = signed_up(client, "bob@example.com").await;
    assert_eq!(place.user(&["disable", "anna@example.com"]).await, "disabled\n");
    soon_me_is(client, &access, 401, &json!("user_inactive")).await;
    soon_verified_is(client, &access, 401).await;
    assert_eq!(refresh(client, &token).await.status, 401);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 401);
    assert_eq!(me(client, &other).await.status, 200);
    assert!(place.user(&["show", "anna@example.com"]).await.contains("state         disabled\n"));
    assert_eq!(place.user(&["enable", "anna@example.com"]).await, "enabled\n");
    soon_me_is(client, &access, 200, &Value::Null).await;
    soon_verified_is(client, &access, 200).await;
    assert_eq!(refresh(client, &token).await.status, 200);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 200);
}

/// Access and refresh token are refused as SimpleJWT refuses what is on its blacklist.
async fn soon_has_ended(client: &Client, access: &str, token: &str) {
    let spent = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
    let answer = refresh(client, token).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (401, spent));
    soon("the access token is refused", || async {
        let answer = me(client, access).await;
        answer.status == 401 && answer.json()["messages"][0]["message"] == "Token is blacklisted"
    })
    .await;
}

#[tokio::test]
async fn a_sign_out_ends_all_sessions_of_one_account() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let client = &server.client;
    let (access, token) = signed_up(client, "anna@example.com").await;
    let second = sign_in(client, "anna@example.com", PASSWORD).await;
    let (other, _) = signed_up(client, "bob@example.com").await;
    assert_eq!(place.user(&["sign-out", "anna@example.com"]).await, "2 sessions ended\n");
    soon_has_ended(client, &access, &token).await;
    soon_has_ended(client, &second.field("access"), &second.field("refresh")).await;
    assert_eq!(me(client, &other).await.status, 200);
    let again = sign_in(client, "anna@example.com", PASSWORD).await.field("access");
    assert_eq!(me(client, &again).await.status, 200);
}

#[tokio::test]
async fn a_password_set_by_the_operator_ends_all_sessions_and_works() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let client = &server.client;
    let (access, token) = signed_up(client, "anna@example.com").await;
    place.user_with(&["set-password", "anna@example.com"], &format!("{NEW_PASSWORD}\r\n")).await;
    soon_has_ended(client, &access, &token).await;
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 401);
    assert_eq!(sign_in(client, "anna@example.com", NEW_PASSWORD).await.status, 200);
    place.write("password.txt", &format!("{PASSWORD}\n"));
    place.user(&["set-password", "anna@example.com", "--password-file", "password.txt"]).await;
    assert_eq!(sign_in(client, "anna@example.com", NEW_PASSWORD).await.status, 401);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_deleted_account_is_gone_at_once() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let client = &server.client;
    let (access, token) = signed_up(client, "anna@example.com").await;
    assert_eq!(place.user(&["delete", "anna@example.com", "--yes"]).await, "deleted\n");
    soon_me_is(client, &access, 401, &json!("user_not_found")).await;
    soon_verified_is(client, &access, 401).await;
    assert_eq!(me(client, &access).await.field("detail"), "User not found");
    assert_eq!(refresh(client, &token).await.status, 401);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 401);
    assert_eq!(place.user(&["list"]).await, "");
    // Whoever has the name next does not get what was hers.
    assert_ne!(register(client, "email", "anna@example.com").await.json()["id"], 1);
    assert_eq!(me(client, &access).await.status, 401);
}

#[tokio::test]
async fn a_deletion_is_asked_about() {
    let place = Place::new().await;
    place.user_with(&["create", "anna@example.com"], PASSWORD).await;
    let delete = ["user", "delete", "anna@example.com"];
    for answer in ["", "n\n", "anna@example.com\n"] {
        let Finished { status, stderr, .. } = place.run(&[], &delete, answer).await;
        assert_eq!(status.code(), Some(1), "{answer:?}");
        assert!(stderr.contains("Delete account 1 (anna@example.com) permanently?"), "{stderr}");
    }
    assert!(place.user(&["list"]).await.contains("anna@example.com"));
    assert!(place.run(&[], &delete, "y\n").await.status.success());
    assert_eq!(place.user(&["list"]).await, "");
}

#[tokio::test]
async fn a_released_phone_is_free_for_another_account() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let client = &server.client;
    let body = json!({"email": "anna@example.com", "phone": "+491701234567", "password": PASSWORD});
    assert_eq!(client.post("/api/auth/users/", &body).await.status, 201);
    assert_eq!(register(client, "phone", "+491701234567").await.status, 400);
    assert_eq!(place.user(&["release-phone", "+49 (170) 123-45-67"]).await, "released\n");
    assert_eq!(sign_in(client, "+491701234567", PASSWORD).await.status, 401);
    assert_eq!(register(client, "phone", "+491701234567").await.status, 201);
    let access = sign_in(client, "anna@example.com", PASSWORD).await.field("access");
    assert_eq!(me(client, &access).await.json()["phone"], Value::Null);
    let said = place.refused(&[], &["user", "release-phone", "+491709999999"]).await;
    assert!(said.contains("no account has this phone number"), "{said}");
}

#[tokio::test]
async fn an_account_of_the_command_line_signs_in_by_the_name_it_was_given() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let client = &server.client;
    place.write("password.txt", &format!("{PASSWORD}\n"));
    let from_file = ["--password-file", "password.txt"];
    let made = place.user(&[&["create", "anna@example.com"], &from_file[..]].concat()).await;
    assert_eq!(made, "created account 1\n");
    place.user_with(&["create", "+49 170 1234567", "--superuser"], &format!("{PASSWORD}\n")).await;
    place.user_with(&["create", "bob"], PASSWORD).await;
    for (name, is_superuser) in [("anna@example.com", false), ("+491701234567", true)] {
        let access = sign_in(client, name, PASSWORD).await.field("access");
        let shown = me(client, &access).await.json();
        assert_eq!(shown["username"], name);
        assert_eq!(shown["is_superuser"], is_superuser);
    }
    let login = json!({"username": "bob", "password": PASSWORD});
    assert_eq!(client.post("/api/auth/login/", &login).await.status, 200);
}

#[tokio::test]
async fn an_account_that_cannot_be_made_is_refused() {
    let place = Place::new().await;
    place.user_with(&["create", "anna@example.com"], PASSWORD).await;
    for (arguments, input, problem) in [
        (&["ANNA@example.com"] as &[_], PASSWORD, "the email is taken"),
        (&["a@b@c"], PASSWORD, "not an e-mail address, a phone number or a username"),
        (&["bob"], "\n", "the password is empty"),
        (&["bob"], &"x".repeat(1_025), "the password is longer than 1024 bytes"),
        (&["bob", "--hashed"], PASSWORD, "not a hash of a known scheme"),
        (&["bob", "--hashed"], "md5$salt$0123456789abcdef", "not a hash of a known scheme"),
        (
            &["bob", "--password-file", "missing.txt"],
            "",
            "missing.txt cannot be read: No such file",
        ),
    ] {
        let arguments = [&["user", "create"], arguments].concat();
        let Finished { status, stderr, .. } = place.run(&[], &arguments, input).await;
        assert_eq!(status.code(), Some(1));
        assert!(stderr.contains(problem), "{stderr}");
        assert!(!stderr.contains(PASSWORD), "{stderr}");
    }
    assert_eq!(place.user(&["list"]).await.lines().count(), 1);
}

/// Django 5.0's encoding of [`PASSWORD`], with few rounds.
const DJANGO: &str =
    "pbkdf2_sha256$1000$NaClNaClNaClNaClNaClNa$zOSBrF8mPUkG90GOV62OFpOM15DKnWkFs33MZWjHi0Q=";

#[tokio::test]
async fn a_hash_of_djangos_is_taken_and_becomes_argon2id_at_the_first_sign_in() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let client = &server.client;
    place.user_with(&["create", "anna@example.com", "--hashed"], &format!("{DJANGO}\n")).await;
    let store = place.store().await;
    let stored = "select password from accounts";
    assert_eq!(column(&store, stored, stored).await, [DJANGO]);
    assert_eq!(sign_in(client, "anna@example.com", NEW_PASSWORD).await.status, 401);
    assert_eq!(column(&store, stored, stored).await, [DJANGO]);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 200);
    let is_new = |hash: &String| hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$");
    soon("hashed anew", || async { column(&store, stored, stored).await.iter().all(is_new) }).await;
    let rehashed = column(&store, stored, stored).await;
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 200);
    assert_eq!(column(&store, stored, stored).await, rehashed);
}

#[tokio::test]
async fn unusable_password_of_djangos_makes_an_account_without_one() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let client = &server.client;
    let unusable = "!K5w0eZyXCE2vTqMbkYh3pRs1LdAuJfGnUoVi7tZc";
    place.user_with(&["create", "anna@example.com", "--hashed"], &format!("{unusable}\n")).await;
    let store = place.store().await;
    let without = "select cast(count(*) as text) from accounts where password is null";
    assert_eq!(column(&store, without, without).await, ["1"]);
    for password in [unusable, &unusable[1..], "!", ""] {
        assert_ne!(sign_in(client, "anna@example.com", password).await.status, 200);
    }
    // Its owner sets a first one by mail, and the operator takes one away.
    let reset = json!({"email": "anna@example.com"});
    assert_eq!(client.post("/auth/users/reset_password/", &reset).await.status, 204);
    place.user_with(&["set-password", "anna@example.com"], PASSWORD).await;
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 200);
    place.user_with(&["set-password", "anna@example.com", "--hashed"], "!").await;
    assert_eq!(column(&store, without, without).await, ["1"]);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn password_that_is_taken_away_is_not_mailed_as_a_new_one() {
    let (place, smtp) = (Place::new().await, SmtpServer::start().await);
    let url = smtp.url();
    let server = place.start(&[("PROPUSK_MAIL__SMTP_URL", url.as_str())]).await;
    signed_up(&server.client, "anna@example.com").await;
    place.user_with(&["set-password", "anna@example.com", "--hashed"], "!").await;
    assert_eq!(sign_in(&server.client, "anna@example.com", PASSWORD).await.status, 401);
    place.user_with(&["set-password", "anna@example.com"], NEW_PASSWORD).await;
    smtp.wait_for("anna@example.com", 1).await;
    soon("nothing waits", || async {
        place.run(&[], &["mail", "list"], "").await.stdout.is_empty()
    })
    .await;
    let letters = smtp.mails_to("anna@example.com");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].subject.starts_with("An administrator set a new password"), "{letters:?}");
}

#[tokio::test]
async fn password_file_may_be_standard_input() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let stdin = ["create", "anna@example.com", "--password-file", "-"];
    place.user_with(&stdin, &format!("{PASSWORD}\n")).await;
    assert_eq!(sign_in(&server.client, "anna@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn what_an_editor_left_around_a_secret_is_no_part_of_it() {
    let place = Place::new().await;
    place.store().await.close().await;
    for (flawed, problem) in [
        ("\u{feff}correct horse battery\n", "byte order mark"),
        ("correct horse battery \n", "white space"),
        ("\"correct horse battery\"\n", "quotes"),
        ("'correct horse battery'", "quotes"),
    ] {
        place.write("secret.txt", flawed);
        for command in [
            &["user", "create", "anna@example.com", "--password-file", "secret.txt"] as &[_],
            &["client", "create", "--id", "app", "--name", "App", "--secret-file", "secret.txt"],
        ] {
            let said = place.refused(&[], command).await;
            assert!(said.contains("secret.txt") && said.contains(problem), "{said}");
        }
    }
}

#[tokio::test]
async fn an_account_is_found_by_every_name_it_has() {
    let place = Place::new().await;
    for name in ["anna@example.com", "+491701234567", "bob"] {
        place.user_with(&["create", name], PASSWORD).await;
    }
    for (id, names) in [
        ("1", ["anna@example.com", "ANNA@Example.com", "1"]),
        ("2", ["+491701234567", "+49 170 123-4567", "2"]),
        ("3", ["bob", " bob", "3"]),
    ] {
        let by_id = format!("id:{id}");
        for name in names.into_iter().chain([&*by_id]) {
            let shown = place.user(&["show", name]).await;
            assert!(shown.starts_with(&format!("id            {id}\n")), "{name}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_told() {
    let place = Place::new().await;
    place.user_with(&["create", "bob"], PASSWORD).await;
    for nobody in
        ["nobody@example.com", "+491709999999", "Bob", "2", "id:2", "id:bob", "0", "-", ""]
    {
        let said = place.refused(&[], &["user", "show", nobody]).await;
        assert!(said.contains("there is no such account"), "{nobody}: {said}");
    }
}

#[tokio::test]
async fn a_username_that_is_anothers_id_has_to_be_told_apart() {
    let place = Place::new().await;
    for name in ["anna@example.com", "1", "3"] {
        place.user_with(&["create", name], PASSWORD).await;
    }
    for command in [&["delete", "1", "--yes"] as &[_], &["disable", "1"], &["show", "1"]] {
        let said = place.refused(&[], &[&["user"], command].concat()).await;
        assert!(said.contains("use id:2 or id:1"), "{said}");
    }
    assert!(place.user(&["show", "id:1"]).await.contains("anna@example.com"));
    assert!(place.user(&["show", "3"]).await.contains("username      3\n"));
    assert_eq!(place.user(&["list"]).await.matches("active").count(), 3);
}

#[tokio::test]
async fn accounts_are_listed_in_the_order_of_their_ids() {
    let place = Place::new().await;
    for name in ["zoe@example.com", "+491701234567", "bob"] {
        place.user_with(&["create", name], PASSWORD).await;
    }
    place.user(&["disable", "2"]).await;
    let listed = "       1  active    zoe@example.com\n       2  disabled  +491701234567\n       3  active    bob\n";
    assert_eq!(place.user(&["list"]).await, listed);
}

#[tokio::test]
async fn a_name_of_somebodys_choice_does_nothing_to_the_terminal() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    // A mark of direction, which belongs to names of some scripts.
    for (name, status) in [("\u{1b}]0;owned\u{7}\u{1b}[2J\rid", 400), ("Anna\u{200f} 1", 201)] {
        let body = json!({"login": name, "email": "anna@example.com", "password": PASSWORD});
        assert_eq!(server.client.post("/v1/creat_autor", &body).await.status, status);
    }
    let shown = place.user(&["show", "anna@example.com"]).await;
    assert!(shown.contains("Anna\\u{200f} 1\n"), "{shown:?}");
}

#[tokio::test]
async fn a_mail_that_was_given_up_is_listed_and_sent_once_more() {
    let (place, smtp) = (Place::new().await, SmtpServer::start().await);
    let url = smtp.url();
    smtp.behave(Behaviour::RefuseRecipient);
    let server = place.start(&[("PROPUSK_MAIL__SMTP_URL", url.as_str())]).await;
    signed_up(&server.client, "anna@example.com").await;
    let mail = |command: &'static str| {
        let place = &place;
        async move { place.unnamed(&place.run(&[], &["mail", command], "").await.stdout) }
    };
    assert_eq!(mail("list").await, "");
    let asked = json!({"email": "anna@example.com"});
    let answer = server.client.post("/auth/users/reset_password/", &asked).await;
    assert_eq!(answer.status, 204);
    soon("the mail is given up", || async { mail("list").await.starts_with("failed") }).await;
    let listed = mail("list").await;
    assert!(listed.contains("anna@example.com") && listed.contains("attempts: 1"), "{listed}");
    assert!(!listed.contains("://"), "{listed}");
    smtp.behave(Behaviour::Fine);
    assert_eq!(mail("retry").await, "mails queued again: 1\n");
    assert_eq!(smtp.wait_for("anna@example.com", 1).await.len(), 1);
    soon("nothing waits", || async { mail("list").await.is_empty() }).await;
}
