//! Addresses that look like a registered one. Either it is the same mailbox, then mail goes to the
//! registered spelling; or it is not, then no token for it opens the account.

mod disguises;

use std::collections::BTreeMap;

use disguises::Kin::{Other, Same};
use disguises::{DISGUISES, Kin, Random};
use propusk_tests::links::Link;
use propusk_tests::server::TestServer;
use serde_json::json;
use url::Url;

const PAIRS: usize = 5_000;
const PASSWORD: &str = "Str0ng-pass-77";
const LOCALS: [&str; 6] =
    ["anna.kiss", "skifs", "Ivan.Smirnov", "o'brien-kelly", "ops+list", "Mix_1l0O"];
const DOMAINS: [&str; 6] = [
    "example.com",
    "Kiosk.example.org",
    "strasse.example",
    "пример.рф",
    "bücher.example",
    "xn--mnchen-3ya.example",
];

/// An account whose address is imitated.
struct Owner {
    local: &'static str,
    domain: &'static str,
    /// The address in the answer to the registration.
    stored: String,
    is_active: bool,
}

/// Every local part at every domain; every second account still waits for its activation.
async fn owners(server: &TestServer) -> Vec<Owner> {
    let mut owners = Vec::new();
    for (i, local) in LOCALS.into_iter().enumerate() {
        for (j, domain) in DOMAINS.into_iter().enumerate() {
            let (email, is_active) = (format!("{local}@{domain}"), (i + j).is_multiple_of(2));
            let path = if is_active { "/api/auth/users/" } else { "/auth/users/" };
            let body = json!({"email": email, "password": PASSWORD, "re_password": PASSWORD});
            let answer = server.client.post(path, &body).await;
            assert_eq!(answer.status, 201, "{email}: {}", answer.text());
            owners.push(Owner { local, domain, stored: answer.field("email"), is_active });
        }
    }
    owners
}

#[tokio::test]
async fn mail_for_a_look_alike_goes_to_the_registered_spelling_or_nowhere() {
    let server = TestServer::start().await;
    let owners = owners(&server).await;
    let before = server.mails().await.len();
    let (mut random, mut expected) = (Random(33), BTreeMap::new());
    for (owner, kin, name, typed) in pairs(&mut random, &owners) {
        ask_with(&server, owner, kin, name, &typed, random.below(2)).await;
        if kin == Same {
            *expected.entry(mailed(&owner.stored)).or_insert(0) += 1;
        }
    }
    let mut mailed = BTreeMap::new();
    for mail in server.mails().await.split_off(before) {
        let [recipient] = &mail.to[..] else { panic!("{:?}", mail.to) };
        assert_eq!(mail.letter().to, *recipient);
        *mailed.entry(recipient.clone()).or_insert(0) += 1;
    }
    assert_eq!(mailed, expected);
    assert!(expected.values().sum::<usize>() > PAIRS / 5, "enough of them are the owners'");
}

/// Applies the disguises in turn to one owner after another.
fn pairs<'o>(
    random: &mut Random,
    owners: &'o [Owner],
) -> Vec<(&'o Owner, Kin, &'static str, String)> {
    let mut pairs = Vec::new();
    let mut disguises = DISGUISES.iter().cycle();
    while pairs.len() < PAIRS {
        let (kin, name, disguise) = disguises.next().expect("a circle");
        let owner = &owners[random.below(owners.len())];
        let typed = disguise(random, owner.local, owner.domain);
        pairs.extend(typed.map(|typed| (owner, *kin, *name, typed)));
    }
    pairs
}

/// Requests every mail that the owner could get.
async fn ask_with(
    server: &TestServer,
    owner: &Owner,
    kin: Kin,
    name: &str,
    typed: &str,
    turn: usize,
) {
    let (path, known, unknown): (_, u16, &[u16]) = match (owner.is_active, turn) {
        (false, _) => ("/auth/users/resend_activation/", 204, &[400]),
        // The answer reveals an invalid address, but not whether there is an account.
        (true, 0) => ("/auth/users/reset_password/", 204, &[204, 400]),
        (true, _) => ("/api/auth/password/reset/", 200, &[400]),
    };
    let answer = server.client.post(path, &json!({"email": typed})).await;
    let status = answer.status.as_u16();
    let is_right = if kin == Same { status == known } else { unknown.contains(&status) };
    assert!(is_right, "{name}: {typed:?} for {}: {status} {}", owner.stored, answer.text());
}

#[tokio::test]
async fn owners_mailbox_cannot_be_registered_again_in_any_disguise() {
    let server = TestServer::start().await;
    let owners = owners(&server).await;
    let mut random = Random(34);
    for (owner, kin, name, typed) in pairs(&mut random, &owners).into_iter().take(500) {
        if kin == Other {
            continue;
        }
        let body = json!({"email": typed, "password": PASSWORD, "re_password": PASSWORD});
        let answer = server.client.post("/auth/users/", &body).await;
        let duplicate = json!({"email": ["user with this email already exists."]});
        let got = (answer.status.as_u16(), answer.json());
        assert_eq!(got, (400, duplicate), "{name}: {typed:?} for {}", owner.stored);
    }
}

#[tokio::test]
async fn token_that_was_mailed_to_a_look_alike_opens_no_other_account() {
    let server = TestServer::start().await;
    let owners = owners(&server).await;
    let mut random = Random(35);
    let mut tried = 0;
    for (owner, kin, name, typed) in pairs(&mut random, &owners).into_iter().take(700) {
        let body = json!({"email": typed, "password": PASSWORD});
        if kin == Same
            || !owner.is_active
            || server.client.post("/api/auth/users/", &body).await.status != 201
        {
            continue;
        }
        // The look-alike has become an account of its own.
        for email in [&owner.stored, &typed] {
            let path = "/auth/users/reset_password/";
            server.client.post(path, &json!({"email": email})).await;
        }
        let account = server.auth.find_account(&typed).await.expect("an answer");
        let own = account.and_then(|account| account.email).expect("its address");
        let (theirs, own) = (link(&server, &owner.stored).await, link(&server, &own).await);
        for (uid, token) in [(&theirs.uid, &own.token), (&own.uid, &theirs.token)] {
            assert_eq!(reset(&server, uid, token).await, 400, "{name}: {typed:?}");
        }
        assert_eq!(reset(&server, &own.uid, &own.token).await, 204, "{name}: {typed:?}");
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
}

/// The address as in a mail: with the domain as in DNS.
fn mailed(stored: &str) -> String {
    let (local, domain) = stored.rsplit_once('@').expect("an address");
    let host = Url::parse(&format!("http://{domain}")).expect("a domain");
    format!("{local}@{}", host.host_str().expect("a host"))
}

async fn link(server: &TestServer, stored: &str) -> Link {
    server.link_to(&mailed(stored)).await
}

async fn reset(server: &TestServer, uid: &str, token: &str) -> u16 {
    let body = json!({"uid": uid, "token": token, "new_password": "An0ther-pass-88"});
    let answer = server.client.post("/auth/users/reset_password_confirm/", &body).await;
    answer.status.as_u16()
}
