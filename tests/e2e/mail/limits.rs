//! Limits on mails: the number that a mailbox gets, and the number that an address may request,
//! whether or not there is an account.

use propusk_server::config::Limits;
use propusk_tests::http::Answer;
use propusk_tests::limits::{ANY, assert_throttled, limited, limits};
use propusk_tests::server::TestServer;
use propusk_tests::user::{PASSWORD, change_me, new_account};
use serde_json::json;

/// Limits on mails and no others.
fn mail_limits(mails_per_address: u32, mails_per_recipient: u32) -> Limits {
    Limits { mails_per_address, mails_per_recipient, ..limits(ANY, ANY, ANY) }
}

/// The ways to request a mail, with the answer for an unknown address.
const MAILING: [(&str, u16); 3] = [
    ("/auth/users/reset_password/", 204),
    ("/auth/users/resend_activation/", 400),
    ("/api/auth/password/reset/", 400),
];

async fn ask_for_a_mail(server: &TestServer, path: &str, email: &str) -> Answer {
    server.client.post(path, &json!({"email": email})).await
}

#[tokio::test]
async fn mailbox_gets_no_more_mails_in_an_hour_than_the_limit() {
    let server = limited(mail_limits(ANY, 3)).await;
    new_account(&server, "anna@example.com").await;
    // Every spelling and every API share one counter, and all answers are as usual.
    for (path, spelling) in [
        ("/auth/users/reset_password/", "anna@example.com"),
        ("/api/auth/password/reset/", "ANNA@Example.com"),
        ("/auth/users/reset_password/", " anna@ｅｘａｍｐｌｅ．com"),
        ("/auth/users/reset_password/", "Anna@example.com"),
        ("/api/auth/password/reset/", "anna@example.com"),
    ] {
        assert!(ask_for_a_mail(&server, path, spelling).await.status.is_success(), "{spelling}");
    }
    assert_eq!(server.mails().await.len(), 3);
    // The link that was sent stays valid.
    let link = server.link_to("anna@example.com").await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": "A-new-pass-99"});
    let reset = server.client.post("/auth/users/reset_password_confirm/", &body).await;
    assert_eq!(reset.status, 204);
}

/// Resets the password with the newest link, so that no link is valid.
async fn reset_by_mail(server: &TestServer, email: &str) {
    let link = server.link_to(email).await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": "A-new-pass-99"});
    let reset = server.client.post("/auth/users/reset_password_confirm/", &body).await;
    assert_eq!(reset.status, 204);
}

/// The number of mails to addresses that start with this.
async fn mails_to(server: &TestServer, start: &str) -> usize {
    let mails = server.mails().await;
    mails.iter().flat_map(|mail| &mail.to).filter(|to| to.starts_with(start)).count()
}

#[tokio::test]
async fn mail_beyond_the_limit_is_sent_late_and_once_if_no_link_is_valid() {
    let server = limited(mail_limits(ANY, 1)).await;
    new_account(&server, "anna@example.com").await;
    let path = MAILING[0].0;
    let ask = || ask_for_a_mail(&server, path, "anna@example.com");
    // The first reset proves the address, which then has its own count.
    for _ in 0..2 {
        assert_eq!(ask().await.status, 204);
        reset_by_mail(&server, "anna@example.com").await;
    }
    let before = mails_to(&server, "anna").await;
    for _ in 0..3 {
        assert_eq!(ask().await.status, 204);
    }
    assert_eq!(mails_to(&server, "anna").await, before);
    server.clock.advance(3_599);
    assert_eq!(mails_to(&server, "anna").await, before);
    server.clock.advance(1);
    assert_eq!(mails_to(&server, "anna").await, before + 1);
    // The mail counts in the hour in which it is sent.
    reset_by_mail(&server, "anna@example.com").await;
    let before = mails_to(&server, "anna").await;
    assert_eq!(ask().await.status, 204);
    assert_eq!(mails_to(&server, "anna").await, before);
}

/// The mail would otherwise go at the end of the old hour, and until then new ones are dropped.
#[tokio::test]
async fn unlock_sends_a_mail_that_waits_for_its_limit() {
    let server = limited(mail_limits(ANY, 1)).await;
    new_account(&server, "anna@example.com").await;
    let ask = || ask_for_a_mail(&server, MAILING[0].0, "anna@example.com");
    for _ in 0..2 {
        assert_eq!(ask().await.status, 204);
        reset_by_mail(&server, "anna@example.com").await;
    }
    let before = mails_to(&server, "anna").await;
    assert_eq!(ask().await.status, 204);
    assert_eq!(mails_to(&server, "anna").await, before);
    assert!(server.auth.unlock(1).await.expect("the database answers") > 0);
    assert_eq!(mails_to(&server, "anna").await, before + 1);
}

#[tokio::test]
async fn unlock_sends_a_mail_to_an_address_that_waits_for_its_confirmation() {
    let server = limited(mail_limits(ANY, 1)).await;
    let anna = "anna@example.com";
    new_account(&server, anna).await;
    assert_eq!(ask_for_a_mail(&server, MAILING[0].0, anna).await.status, 204);
    reset_by_mail(&server, anna).await;
    let pair = json!({"username": anna, "password": "A-new-pass-99"});
    let access = server.client.post("/api/auth/jwt/create/", &pair).await.field("access");
    for email in ["one@example.com", "two@example.com", "one@example.com"] {
        assert_eq!(change_me(&server, &access, &json!({ "email": email })).await.status, 200);
        server.mails().await;
    }
    assert_eq!(mails_to(&server, "one").await, 1);
    server.auth.unlock(1).await.expect("the database answers");
    assert_eq!(mails_to(&server, "one").await, 2);
}

#[tokio::test]
async fn reset_works_whatever_is_asked_about_other_addresses_of_the_mailbox() {
    let server = limited(mail_limits(ANY, 3)).await;
    new_account(&server, "owner@example.com").await;
    for (path, unknown) in MAILING {
        for number in 0..10 {
            let email = format!("owner+{number}@example.com");
            assert_eq!(ask_for_a_mail(&server, path, &email).await.status, unknown, "{path}");
        }
    }
    let asked = ask_for_a_mail(&server, MAILING[0].0, "owner@example.com").await;
    assert_eq!(asked.status, 204);
    assert_eq!(mails_to(&server, "owner").await, 1);
}

/// Registers an account that waits for its mail.
async fn register_waiting(server: &TestServer, email: &str) {
    let password = "Str0ng-pass-77";
    let body = json!({"email": email, "password": password, "re_password": password});
    assert_eq!(server.client.post("/auth/users/", &body).await.status, 201, "{email}");
}

#[tokio::test]
async fn accounts_at_tagged_addresses_do_not_hinder_the_owner_of_the_mailbox() {
    let server = limited(mail_limits(ANY, 2)).await;
    for number in 0..6 {
        register_waiting(&server, &format!("owner+{number}@example.com")).await;
    }
    // The owner's own mail does not wait for those.
    register_waiting(&server, "owner@example.com").await;
    assert_eq!(mails_to(&server, "owner").await, 3);
    let link = server.link_to("owner@example.com").await;
    let body = json!({"uid": link.uid, "token": link.token});
    assert_eq!(server.client.post("/auth/users/activation/", &body).await.status, 204);
    for total in [5, 7, 7] {
        server.clock.advance(3_600);
        assert_eq!(mails_to(&server, "owner").await, total);
    }
}

#[tokio::test]
async fn proved_address_gets_its_mail_whatever_its_mailbox_gets_for_others() {
    let server = limited(mail_limits(ANY, 2)).await;
    register_waiting(&server, "owner@gmail.com").await;
    let link = server.link_to("owner@gmail.com").await;
    let body = json!({"uid": link.uid, "token": link.token});
    assert_eq!(server.client.post("/auth/users/activation/", &body).await.status, 204);
    let others = ["owner+0", "owner+1", "owner+2", "o.wner", "ow.ner", "own.er"];
    for name in others {
        new_account(&server, &format!("{name}@gmail.com")).await;
    }
    let path = MAILING[0].0;
    for name in others {
        ask_for_a_mail(&server, path, &format!("{name}@gmail.com")).await;
    }
    let before = mails_to(&server, "owner@").await;
    assert_eq!(ask_for_a_mail(&server, path, "owner@gmail.com").await.status, 204);
    assert_eq!(mails_to(&server, "owner@").await, before + 1);
    // Two of each class, except one that has had only one.
    assert_eq!(mails_to(&server, "o").await - before, 2 + 2 + 1);
}

#[tokio::test]
async fn late_mail_is_sent_before_later_requests() {
    let server = limited(mail_limits(ANY, 1)).await;
    // At Gmail a mailbox has many plain addresses.
    for name in ["owner", "o.wner", "ow.ner"] {
        new_account(&server, &format!("{name}@gmail.com")).await;
    }
    let path = MAILING[0].0;
    for name in ["o.wner", "owner"] {
        ask_for_a_mail(&server, path, &format!("{name}@gmail.com")).await;
    }
    assert_eq!((mails_to(&server, "o.wner").await, mails_to(&server, "owner").await), (1, 0));
    // A request in the first second of the hour comes after the late mail.
    server.clock.advance(3_600);
    ask_for_a_mail(&server, path, "ow.ner@gmail.com").await;
    assert_eq!((mails_to(&server, "ow.ner").await, mails_to(&server, "owner").await), (0, 1));
    server.clock.advance(3_600);
    assert_eq!(mails_to(&server, "ow.ner").await, 1);
}

#[tokio::test]
async fn limit_is_shared_by_all_spellings_of_a_mailbox() {
    let server = limited(mail_limits(ANY, 2)).await;
    let mailboxes: [&[&str]; 3] = [
        &["vic+0@example.com", "vic+1@ｅxample.com", "vic+2@example。com"],
        &["one+0@münchen.de", "one+1@xn--mnchen-3ya.de", "one+2@MÜNCHEN.de"],
        &["two@gmail.com", "t.wo@gmail.com", "t.w.o@googlemail.com"],
    ];
    for spellings in mailboxes {
        let before = server.mails().await.len();
        for spelling in spellings {
            register_waiting(&server, spelling).await;
        }
        assert_eq!(server.mails().await.len(), before + 2, "{spellings:?}");
    }
}

#[tokio::test]
async fn late_mail_is_sent_as_long_as_its_link_works() {
    let server = limited(mail_limits(ANY, 1)).await;
    let anna = "anna@example.com";
    new_account(&server, anna).await;
    let path = MAILING[0].0;
    let asked = || ask_for_a_mail(&server, path, anna);
    assert_eq!(asked().await.status, 204);
    reset_by_mail(&server, anna).await;
    let leave = async |email: &str| {
        let pair = json!({"username": anna, "password": "A-new-pass-99"});
        let access = server.client.post("/api/auth/jwt/create/", &pair).await.field("access");
        assert_eq!(change_me(&server, &access, &json!({ "email": email })).await.status, 200);
    };
    let come_back = async || {
        let url = server.link_back_to(anna).await.url;
        let path = url.trim().strip_prefix(&server.public_url).expect("a link to the server");
        assert_eq!(server.client.post(path, &json!({})).await.status, 200);
    };
    leave("one@example.com").await;
    come_back().await;
    assert_eq!(asked().await.status, 204);
    reset_by_mail(&server, anna).await;
    // The second link back within the hour is late, and works for seven days.
    let before = mails_to(&server, "anna").await;
    leave("two@example.com").await;
    assert_eq!(mails_to(&server, "anna").await, before);
    server.clock.advance(4 * 24 * 3_600);
    assert_eq!(mails_to(&server, "anna").await, before + 1);
    come_back().await;
}

#[tokio::test]
async fn address_may_ask_for_a_limited_number_of_mails_to_any_recipient() {
    let server = limited(mail_limits(4, ANY)).await;
    new_account(&server, "anna@example.com").await;
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
async fn answers_beyond_the_limit_are_alike_for_known_and_unknown_mailboxes() {
    let server = limited(mail_limits(ANY, 2)).await;
    new_account(&server, "anna@example.com").await;
    let mut seen = Vec::new();
    for email in ["anna@example.com", "nobody@example.com"] {
        let mut answers = Vec::new();
        for _ in 0..5 {
            let answer = ask_for_a_mail(&server, MAILING[0].0, email).await;
            answers.push((answer.status, answer.text(), answer.header("Retry-After")));
        }
        seen.push(answers);
    }
    assert!(seen[0].iter().all(|(status, ..)| *status == 204));
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn notices_do_not_flood_a_mailbox() {
    let server = limited(mail_limits(ANY, 3)).await;
    new_account(&server, "anna@example.com").await;
    let pair = json!({"username": "anna@example.com", "password": PASSWORD});
    let access = server.client.post("/api/auth/jwt/create/", &pair).await.field("access");
    for number in 0..10 {
        // A stranger's address is set and removed, and would be notified each time.
        for email in [format!("stranger+{number}@example.com"), format!("own{number}@example.com")]
        {
            let body = json!({ "email": email });
            assert_eq!(change_me(&server, &access, &body).await.status, 200);
        }
    }
    let to_stranger = |to: &String| to.starts_with("stranger");
    let mails = server.mails().await;
    let flooded = mails.iter().flat_map(|mail| &mail.to).filter(|to| to_stranger(to)).count();
    assert_eq!(flooded, 3);
    for number in 0..5 {
        register_waiting(&server, &format!("other+{number}@example.com")).await;
    }
    assert_eq!(mails_to(&server, "other").await, 3);
}

#[tokio::test]
async fn notices_do_not_count_towards_the_limit_of_links() {
    let server = limited(mail_limits(ANY, 1)).await;
    new_account(&server, "anna@example.com").await;
    let pair = json!({"username": "anna@example.com", "password": PASSWORD});
    let access = server.client.post("/api/auth/jwt/create/", &pair).await.field("access");
    for email in ["other@example.com", "anna@example.com"] {
        assert_eq!(change_me(&server, &access, &json!({ "email": email })).await.status, 200);
        // Before the next change cancels a mail that is in transit.
        server.mails().await;
    }
    let before = mails_to(&server, "anna").await;
    assert_eq!(ask_for_a_mail(&server, MAILING[0].0, "anna@example.com").await.status, 204);
    assert_eq!(mails_to(&server, "anna").await, before + 1);
}

#[tokio::test]
async fn limits_on_mails_are_on_by_default() {
    let server = limited(Limits::default()).await;
    new_account(&server, "anna@example.com").await;
    for _ in 0..11 {
        let answer = ask_for_a_mail(&server, MAILING[0].0, "anna@example.com").await;
        assert_eq!(answer.status, 204);
    }
    assert_eq!(server.mails().await.len(), 10);
    for number in 12..=100 {
        let email = format!("somebody{number}@example.com");
        assert_eq!(ask_for_a_mail(&server, MAILING[0].0, &email).await.status, 204, "{number}");
    }
    let answer = ask_for_a_mail(&server, MAILING[0].0, "somebody@example.com").await;
    assert_throttled(&answer, "600 seconds");
}
