//! Account numbers: imported accounts keep theirs, new ones begin above them.

use futures_util::future::join_all;
use propusk_server::store::Store;
use propusk_tests::operator::*;
use propusk_tests::server::TestServer;
use propusk_tests::user::*;

const ACCEPTING: (&str, &str) = ("PROPUSK_TOKENS__ACCEPT_FOREIGN", "true");

fn first_id(number: &str) -> (&'static str, &str) {
    ("PROPUSK_ACCOUNTS__FIRST_ID", number)
}

#[tokio::test]
async fn import_keeps_the_number_and_new_accounts_come_after_it() {
    let operator = Operator::new().await;
    let create = ["create", "anna@example.com", "--id", "41", "--joined", "2021-03-04T05:06:07Z"];
    assert_eq!(operator.user_with(&create, PASSWORD).await, "created account 41\n");
    let shown = operator.user(&["show", "id:41"]).await;
    assert!(shown.contains("created there: 2021-03-04T05:06:07Z"), "{shown}");
    let next = operator.user_with(&["create", "bob@example.com"], PASSWORD).await;
    assert_eq!(next, "created account 42\n");
    assert_eq!(
        operator.user_with(&["create", "carol@example.com", "--id", "7"], PASSWORD).await,
        "created account 7\n"
    );
    let next = operator.user_with(&["create", "dora@example.com"], PASSWORD).await;
    assert_eq!(next, "created account 43\n");
    operator.user(&["delete", "id:42", "--yes"]).await;
    for taken in ["41", "42"] {
        let arguments = ["user", "create", "emil@example.com", "--id", taken];
        let refused = operator.run(&[], &arguments, PASSWORD).await;
        assert!(refused.stderr.contains(&format!("the number {taken} belongs or")), "{taken}");
        assert_eq!(refused.status.code(), Some(1));
    }
    for wrong in ["0", "-1", "1073741824", "9223372036854775807"] {
        let id = format!("--id={wrong}");
        let arguments = ["user", "create", "emil@example.com", id.as_str()];
        let refused = operator.run(&[], &arguments, PASSWORD).await;
        assert!(refused.stderr.contains("--id: must be from 1 to"), "{wrong}: {}", refused.stderr);
    }
    for wrong in ["yesterday", "2021-13-01T00:00:00Z", "1614834367"] {
        let arguments = ["user", "create", "emil@example.com", "--id", "9", "--joined", wrong];
        let refused = operator.run(&[], &arguments, PASSWORD).await;
        assert!(refused.stderr.contains("not a time such as"), "{wrong}: {}", refused.stderr);
    }
    let times = ["2021-03-04T05:06:07.891+02:00", "2021-03-04 05:06:07", "2021-03-04"];
    for (id, joined) in ["10", "11", "12"].into_iter().zip(times) {
        let (name, joined) = (format!("user{id}@example.com"), format!("--joined={joined}"));
        let create = ["create", &name, "--id", id, &joined];
        assert_eq!(operator.user_with(&create, PASSWORD).await, format!("created account {id}\n"));
    }
}

#[tokio::test]
async fn numbers_of_new_accounts_begin_as_configured() {
    let operator = Operator::new().await;
    operator.user_with(&["create", "anna@example.com", "--id", "41"], PASSWORD).await;
    let superuser = [
        first_id("1000"),
        ("PROPUSK_SUPERUSER__EMAIL", "root@example.com"),
        ("PROPUSK_SUPERUSER__PASSWORD", PASSWORD),
    ];
    let server = operator.start(&superuser).await;
    let list = operator.user(&["list"]).await;
    assert!(list.contains("    1000  active    root@example.com"), "{list}");
    assert_eq!(register(&server.client, "email", "bob@example.com").await.json()["id"], 1001);
    drop(server);
    let created = ["user", "create", "carol@example.com"];
    let created = operator.run(&[first_id("1000")], &created, PASSWORD).await;
    assert_eq!(operator.unnamed(&created.stdout), "created account 1002\n", "{}", created.stderr);
    let imported = ["user", "create", "dora@example.com", "--id", "1000"];
    let imported = operator.run(&[first_id("1000")], &imported, PASSWORD).await;
    assert!(imported.stderr.contains("--id: must be from 1 to 999"), "{}", imported.stderr);
}

#[tokio::test]
async fn start_is_refused_if_one_number_could_mean_two_accounts() {
    let operator = Operator::new().await;
    let said = operator.refused(&[ACCEPTING], &["serve"]).await;
    assert!(said.contains("tokens.accept_foreign: needs accounts.first_id"), "{said}");
    for wrong in ["0", "-5", "1073741825"] {
        let said = operator.refused(&[first_id(wrong)], &["check-config"]).await;
        assert!(said.contains("accounts.first_id: must be from 1 to 1073741824"), "{said}");
    }
    operator.user_with(&["create", "anna@example.com", "--id", "41"], PASSWORD).await;
    for low in ["1", "41"] {
        let said = operator.refused(&[ACCEPTING, first_id(low)], &[]).await;
        assert!(said.contains("must be above every imported number, and account 41"), "{said}");
    }
    let created = operator.user_with(&["create", "bob@example.com"], PASSWORD).await;
    // A start that is refused skips numbers, like a kill.
    let number = created.trim_start_matches("created account ").trim();
    let said = operator.refused(&[ACCEPTING, first_id("1000")], &[]).await;
    assert!(said.contains("accounts that were registered here have lower numbers"), "{said}");
    assert!(said.contains(&format!(": {number}")), "{said}");
    let server = operator.start(&[ACCEPTING, first_id(number)]).await;
    let next = register(&server.client, "email", "carol@example.com").await.json()["id"].as_i64();
    assert!(next > number.parse().ok(), "{next:?} after {number}");
}

#[tokio::test]
async fn shared_key_without_a_first_number_causes_a_warning() {
    let operator = Operator::new().await;
    let checked = operator.run(&[], &["check-config"], "").await;
    let said = checked.stdout + &checked.stderr;
    assert!(said.contains("accounts.first_id: is not set"), "{said}");
    let (_, log) = operator.start(&[]).await.terminate().await;
    assert!(log.contains("accounts.first_id: is not set"), "{log}");
    for settings in [&[first_id("1000")] as &[_], &[NO_SECRET]] {
        let checked = operator.run(settings, &["check-config"], "").await;
        let said = checked.stdout + &checked.stderr;
        assert!(!said.contains("accounts.first_id: is not set"), "{said}");
    }
}

#[tokio::test]
async fn import_does_not_block_another_import() {
    let server = TestServer::start().await;
    let emails: Vec<_> =
        (1..=20).map(|number| (number, format!("user{number}@example.com"))).collect();
    join_all(emails.iter().map(|(number, email)| server.import(email, PASSWORD, *number, None)))
        .await;
    assert_eq!(register(&server.client, "email", "anna@example.com").await.json()["id"], 21);
}

#[tokio::test]
async fn import_of_a_low_number_does_not_change_the_next_number() {
    let server = TestServer::start().await;
    let store = server.store().await;
    let next_is_500 = match store {
        Store::Sqlite { .. } => "insert into sqlite_sequence (name, seq) values ('accounts', 499)",
        Store::Postgres(_) => "alter sequence accounts_id_seq restart with 500",
    };
    execute(&store, next_is_500.to_owned()).await;
    server.import("anna@example.com", PASSWORD, 7, None).await;
    assert_eq!(register(&server.client, "email", "bob@example.com").await.json()["id"], 500);
}
