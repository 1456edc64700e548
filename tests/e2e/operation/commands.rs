//! Managing accounts from the command line, while the server runs.

use propusk_tests::http::Client;
use propusk_tests::operator::*;
use propusk_tests::process::{Finished, run_unread};
use propusk_tests::smtp::{Behaviour, SmtpServer};
use propusk_tests::user::*;
use serde_json::{Value, json};

#[tokio::test]
async fn disabled_account_is_refused_at_once_and_works_again_when_enabled() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let client = &server.client;
    let (access, token) = signed_up(client, "anna@example.com").await;
    let (other, _) = signed_up(client, "bob@example.com").await;
    assert_eq!(operator.user(&["disable", "anna@example.com"]).await, "disabled\n");
    soon_me_is(client, &access, 401, &json!("user_inactive")).await;
    soon_verified_is(client, &access, 401).await;
    assert_eq!(refresh(client, &token).await.status, 401);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 401);
    assert_eq!(me(client, &other).await.status, 200);
    assert!(
        operator.user(&["show", "anna@example.com"]).await.contains("state         disabled\n")
    );
    assert_eq!(operator.user(&["enable", "anna@example.com"]).await, "enabled\n");
    soon_me_is(client, &access, 200, &Value::Null).await;
    soon_verified_is(client, &access, 200).await;
    assert_eq!(refresh(client, &token).await.status, 200);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 200);
}

/// Waits until both tokens are refused like a blacklisted token of SimpleJWT.
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
async fn sign_out_ends_all_sessions_of_one_account() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let client = &server.client;
    let (access, token) = signed_up(client, "anna@example.com").await;
    let second = sign_in(client, "anna@example.com", PASSWORD).await;
    let (other, _) = signed_up(client, "bob@example.com").await;
    assert_eq!(operator.user(&["sign-out", "anna@example.com"]).await, "2 sessions ended\n");
    soon_has_ended(client, &access, &token).await;
    soon_has_ended(client, &second.field("access"), &second.field("refresh")).await;
    assert_eq!(me(client, &other).await.status, 200);
    let again = sign_in(client, "anna@example.com", PASSWORD).await.field("access");
    assert_eq!(me(client, &again).await.status, 200);
}

#[tokio::test]
async fn password_set_by_the_operator_ends_all_sessions_and_works() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let client = &server.client;
    let (access, token) = signed_up(client, "anna@example.com").await;
    operator.user_with(&["set-password", "anna@example.com"], &format!("{NEW_PASSWORD}\r\n")).await;
    soon_has_ended(client, &access, &token).await;
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 401);
    assert_eq!(sign_in(client, "anna@example.com", NEW_PASSWORD).await.status, 200);
    operator.write("password.txt", &format!("{PASSWORD}\n"));
    operator.user(&["set-password", "anna@example.com", "--password-file", "password.txt"]).await;
    assert_eq!(sign_in(client, "anna@example.com", NEW_PASSWORD).await.status, 401);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn deleted_account_is_gone_at_once() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let client = &server.client;
    let (access, token) = signed_up(client, "anna@example.com").await;
    assert_eq!(operator.user(&["delete", "anna@example.com", "--yes"]).await, "deleted\n");
    soon_me_is(client, &access, 401, &json!("user_not_found")).await;
    soon_verified_is(client, &access, 401).await;
    assert_eq!(me(client, &access).await.field("detail"), "User not found");
    assert_eq!(refresh(client, &token).await.status, 401);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 401);
    assert_eq!(operator.user(&["list"]).await, "");
    // The next account with this address does not get what belonged to the first.
    assert_ne!(register(client, "email", "anna@example.com").await.json()["id"], 1);
    assert_eq!(me(client, &access).await.status, 401);
}

#[tokio::test]
async fn deletion_asks_for_confirmation() {
    let operator = Operator::new().await;
    operator.user_with(&["create", "anna@example.com"], PASSWORD).await;
    let delete = ["user", "delete", "anna@example.com"];
    for answer in ["", "n\n", "anna@example.com\n"] {
        let Finished { status, stderr, .. } = operator.run(&[], &delete, answer).await;
        assert_eq!(status.code(), Some(1), "{answer:?}");
        assert!(stderr.contains("Delete account 1 (anna@example.com) permanently?"), "{stderr}");
    }
    assert!(operator.user(&["list"]).await.contains("anna@example.com"));
    assert!(operator.run(&[], &delete, "y\n").await.status.success());
    assert_eq!(operator.user(&["list"]).await, "");
}

#[tokio::test]
async fn released_phone_is_free_for_another_account() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let client = &server.client;
    let body = json!({"email": "anna@example.com", "phone": "+491701234567", "password": PASSWORD});
    assert_eq!(client.post("/api/auth/users/", &body).await.status, 201);
    assert_eq!(register(client, "phone", "+491701234567").await.status, 400);
    assert_eq!(operator.user(&["release-phone", "+49 (170) 123-45-67"]).await, "released\n");
    assert_eq!(sign_in(client, "+491701234567", PASSWORD).await.status, 401);
    assert_eq!(register(client, "phone", "+491701234567").await.status, 201);
    let access = sign_in(client, "anna@example.com", PASSWORD).await.field("access");
    assert_eq!(me(client, &access).await.json()["phone"], Value::Null);
    let said = operator.refused(&[], &["user", "release-phone", "+491709999999"]).await;
    assert!(said.contains("no account has this phone number"), "{said}");
}

#[tokio::test]
async fn account_of_the_command_line_signs_in_by_the_name_it_was_given() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let client = &server.client;
    operator.write("password.txt", &format!("{PASSWORD}\n"));
    let from_file = ["--password-file", "password.txt"];
    let made = operator.user(&[&["create", "anna@example.com"], &from_file[..]].concat()).await;
    assert_eq!(made, "created account 1\n");
    operator
        .user_with(&["create", "+49 170 1234567", "--superuser"], &format!("{PASSWORD}\n"))
        .await;
    operator.user_with(&["create", "bob"], PASSWORD).await;
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
async fn account_that_cannot_be_made_is_refused() {
    let operator = Operator::new().await;
    operator.user_with(&["create", "anna@example.com"], PASSWORD).await;
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
        let Finished { status, stderr, .. } = operator.run(&[], &arguments, input).await;
        assert_eq!(status.code(), Some(1));
        assert!(stderr.contains(problem), "{stderr}");
        assert!(!stderr.contains(PASSWORD), "{stderr}");
    }
    assert_eq!(operator.user(&["list"]).await.lines().count(), 1);
}

/// Django 5.0's encoding of [`PASSWORD`], with few rounds.
const DJANGO: &str =
    "pbkdf2_sha256$1000$NaClNaClNaClNaClNaClNa$zOSBrF8mPUkG90GOV62OFpOM15DKnWkFs33MZWjHi0Q=";

#[tokio::test]
async fn hash_of_django_is_accepted_and_replaced_at_the_first_sign_in() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let client = &server.client;
    operator.user_with(&["create", "anna@example.com", "--hashed"], &format!("{DJANGO}\n")).await;
    let store = operator.store().await;
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
async fn unusable_password_of_django_makes_an_account_without_one() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let client = &server.client;
    let unusable = "!K5w0eZyXCE2vTqMbkYh3pRs1LdAuJfGnUoVi7tZc";
    operator.user_with(&["create", "anna@example.com", "--hashed"], &format!("{unusable}\n")).await;
    let store = operator.store().await;
    let without = "select cast(count(*) as text) from accounts where password is null";
    assert_eq!(column(&store, without, without).await, ["1"]);
    for password in [unusable, &unusable[1..], "!", ""] {
        assert_ne!(sign_in(client, "anna@example.com", password).await.status, 200);
    }
    // The owner sets a first password by mail, and the operator removes one.
    let reset = json!({"email": "anna@example.com"});
    assert_eq!(client.post("/auth/users/reset_password/", &reset).await.status, 204);
    operator.user_with(&["set-password", "anna@example.com"], PASSWORD).await;
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 200);
    operator.user_with(&["set-password", "anna@example.com", "--hashed"], "!").await;
    assert_eq!(column(&store, without, without).await, ["1"]);
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn password_that_is_removed_is_not_mailed_as_a_new_one() {
    let (operator, smtp) = (Operator::new().await, SmtpServer::start().await);
    let url = smtp.url();
    let server = operator.start(&[("PROPUSK_MAIL__SMTP_URL", url.as_str())]).await;
    signed_up(&server.client, "anna@example.com").await;
    operator.user_with(&["set-password", "anna@example.com", "--hashed"], "!").await;
    assert_eq!(sign_in(&server.client, "anna@example.com", PASSWORD).await.status, 401);
    operator.user_with(&["set-password", "anna@example.com"], NEW_PASSWORD).await;
    smtp.wait_for("anna@example.com", 1).await;
    soon("nothing waits", || async {
        operator.run(&[], &["mail", "list"], "").await.stdout.is_empty()
    })
    .await;
    let letters = smtp.mails_to("anna@example.com");
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].subject.starts_with("An administrator set a new password"), "{letters:?}");
}

#[tokio::test]
async fn password_file_may_be_standard_input() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let stdin = ["create", "anna@example.com", "--password-file", "-"];
    operator.user_with(&stdin, &format!("{PASSWORD}\n")).await;
    assert_eq!(sign_in(&server.client, "anna@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn secret_from_a_file_loses_what_an_editor_added() {
    let operator = Operator::new().await;
    operator.store().await.close().await;
    for (flawed, problem) in [
        ("\u{feff}correct horse battery\n", "byte order mark"),
        ("correct horse battery \n", "white space"),
        ("\"correct horse battery\"\n", "quotes"),
        ("'correct horse battery'", "quotes"),
    ] {
        operator.write("secret.txt", flawed);
        for command in [
            &["user", "create", "anna@example.com", "--password-file", "secret.txt"] as &[_],
            &["client", "create", "--id", "app", "--name", "App", "--secret-file", "secret.txt"],
        ] {
            let said = operator.refused(&[], command).await;
            assert!(said.contains("secret.txt") && said.contains(problem), "{said}");
        }
    }
}

#[tokio::test]
async fn account_is_found_by_every_name_it_has() {
    let operator = Operator::new().await;
    for name in ["anna@example.com", "+491701234567", "bob"] {
        operator.user_with(&["create", name], PASSWORD).await;
    }
    for (id, names) in [
        ("1", ["anna@example.com", "ANNA@Example.com", "1"]),
        ("2", ["+491701234567", "+49 170 123-4567", "2"]),
        ("3", ["bob", " bob", "3"]),
    ] {
        let by_id = format!("id:{id}");
        for name in names.into_iter().chain([&*by_id]) {
            let shown = operator.user(&["show", name]).await;
            assert!(shown.starts_with(&format!("id            {id}\n")), "{name}: {shown}");
        }
    }
}

#[tokio::test]
async fn unknown_name_is_reported() {
    let operator = Operator::new().await;
    operator.user_with(&["create", "bob"], PASSWORD).await;
    for nobody in
        ["nobody@example.com", "+491709999999", "Bob", "2", "id:2", "id:bob", "0", "-", ""]
    {
        let said = operator.refused(&[], &["user", "show", nobody]).await;
        assert!(said.contains("there is no such account"), "{nobody}: {said}");
    }
}

#[tokio::test]
async fn username_equal_to_another_accounts_id_is_ambiguous() {
    let operator = Operator::new().await;
    for name in ["anna@example.com", "1", "3"] {
        operator.user_with(&["create", name], PASSWORD).await;
    }
    for command in [&["delete", "1", "--yes"] as &[_], &["disable", "1"], &["show", "1"]] {
        let said = operator.refused(&[], &[&["user"], command].concat()).await;
        assert!(said.contains("use id:2 or id:1"), "{said}");
    }
    assert!(operator.user(&["show", "id:1"]).await.contains("anna@example.com"));
    assert!(operator.user(&["show", "3"]).await.contains("username      3\n"));
    assert_eq!(operator.user(&["list"]).await.matches("active").count(), 3);
}

#[tokio::test]
async fn accounts_are_listed_in_the_order_of_their_ids() {
    let operator = Operator::new().await;
    for name in ["zoe@example.com", "+491701234567", "bob"] {
        operator.user_with(&["create", name], PASSWORD).await;
    }
    operator.user(&["disable", "2"]).await;
    let listed = "       1  active    zoe@example.com\n       2  disabled  +491701234567\n       3  active    bob\n";
    assert_eq!(operator.user(&["list"]).await, listed);
}

#[tokio::test]
async fn name_with_control_characters_does_not_affect_the_terminal() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    // A directional mark, which names in some scripts contain.
    for (name, status) in [("\u{1b}]0;owned\u{7}\u{1b}[2J\rid", 400), ("Anna\u{200f} 1", 201)] {
        let body = json!({"login": name, "email": "anna@example.com", "password": PASSWORD});
        assert_eq!(server.client.post("/v1/creat_autor", &body).await.status, status);
    }
    let shown = operator.user(&["show", "anna@example.com"]).await;
    assert!(shown.contains("Anna\\u{200f} 1\n"), "{shown:?}");
}

#[tokio::test]
async fn failed_mail_is_listed_and_can_be_sent_again() {
    let (operator, smtp) = (Operator::new().await, SmtpServer::start().await);
    let url = smtp.url();
    smtp.behave(Behaviour::RefuseRecipient);
    let server = operator.start(&[("PROPUSK_MAIL__SMTP_URL", url.as_str())]).await;
    signed_up(&server.client, "o'neil@example.com").await;
    let mail = |command: &'static str| {
        let operator = &operator;
        async move { operator.unnamed(&operator.run(&[], &["mail", command], "").await.stdout) }
    };
    assert_eq!(mail("list").await, "");
    let asked = json!({"email": "o'neil@example.com"});
    let answer = server.client.post("/auth/users/reset_password/", &asked).await;
    assert_eq!(answer.status, 204);
    soon("the mail is given up", || async { mail("list").await.starts_with("failed") }).await;
    let listed = mail("list").await;
    assert!(listed.contains("o'neil@example.com") && listed.contains("attempts: 1"), "{listed}");
    assert!(!listed.contains("://"), "{listed}");
    smtp.behave(Behaviour::Fine);
    assert_eq!(mail("retry").await, "mails queued again: 1\n");
    let events = operator.run(&[], &["events", "--event", "mails_retried"], "").await.stdout;
    assert_eq!(events.lines().count(), 1, "{events}");
    assert_eq!(smtp.wait_for("o'neil@example.com", 1).await.len(), 1);
    soon("nothing waits", || async { mail("list").await.is_empty() }).await;
}

#[tokio::test]
async fn names_are_printed_alike_by_all_commands() {
    let operator = Operator::new().await;
    let name = "o'neil@example.com";
    operator.user_with(&["create", name], PASSWORD).await;
    assert!(operator.user(&["list"]).await.ends_with(&format!("  {name}\n")));
    assert!(operator.user(&["show", name]).await.contains(&format!("  {name}\n")));
    let client = ["client", "create", "--id", "o'neil", "--name", "O'Neil's app", "--public"];
    assert!(operator.run(&[], &client, "").await.status.success());
    let listed = operator.run(&[], &["client", "list"], "").await.stdout;
    assert!(listed.starts_with("o'neil  public  O'Neil's app"), "{listed}");
}

#[tokio::test]
async fn help_tells_who_is_meant_and_which_options_are_global() {
    let operator = Operator::new().await;
    let help = operator.run(&[], &["user", "show", "--help"], "").await.stdout;
    assert!(help.contains("An e-mail address, phone number, username or id (7 or id:7)"), "{help}");
    let (own, global) = help.split_once("Global options:").expect("the heading");
    for option in ["--config", "--data-dir", "--json"] {
        assert!(!own.contains(option) && global.contains(option), "{option}: {help}");
    }
}

/// As in `propusk user list | head`. A server that cannot say where it listens does not start.
#[tokio::test]
async fn closed_pipe_is_no_error_of_a_list() {
    let operator = Operator::new().await;
    operator.user_with(&["create", "anna@example.com"], PASSWORD).await;
    for list in [&["user", "list"] as &[_], &["events"], &["check-config"]] {
        let (status, said) = run_unread(operator.path(), operator.database.url(), list).await;
        assert!(status.success() && !said.contains("error"), "{list:?}: {said}");
    }
    let (status, said) = run_unread(operator.path(), operator.database.url(), &["serve"]).await;
    assert!(!status.success() && said.contains("error: "), "{said}");
}
