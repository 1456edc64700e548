//! The way back from an adoption: what `propusk adopt --reverse` writes for the database of a
//! Django, as it is written.

use propusk_server::Clock;
use propusk_tests::import_file::import_file;
use propusk_tests::operator::Operator;
use propusk_tests::process::Finished;
use propusk_tests::user::PASSWORD;
use serde_json::{Value, json};

const SETTINGS: &[(&str, &str)] = &[("PROPUSK_ACCOUNTS__FIRST_ID", "1000000")];

async fn succeeds(
    operator: &Operator,
    settings: &[(&str, &str)],
    arguments: &[&str],
    input: &str,
) -> String {
    let Finished { status, stdout, stderr } = operator.run(settings, arguments, input).await;
    assert!(status.success(), "{arguments:?}: {stderr}");
    stdout
}

/// The statements for an account that was made here after an adoption, and what the command says of
/// them.
async fn statements_for_new(settings: &[(&str, &str)], address: &str) -> (String, Value) {
    let operator = Operator::new().await;
    operator.store().await.close().await;
    let users = json!({
        "engine": "postgresql", "table": "users", "id": "id", "login": "username",
        "email": "email", "username": "username", "password": "password",
        "is_active": "is_active", "others": {"is_staff": true, "is_superuser": false},
        "unique": ["username"], "lengths": {"username": 20, "email": 254},
    });
    let account = json!({"kind": "account", "id": 7, "email": "anna@example.com"});
    let text = import_file(Clock::system().now(), &[account]);
    let described = format!(r#"{{"django_users":{users},"#);
    operator.write("accounts.jsonl", &text.replacen('{', &described, 1));
    succeeds(&operator, settings, &["adopt", "accounts.jsonl", "--final"], "").await;
    succeeds(&operator, settings, &["adopt", "--complete"], "").await;
    succeeds(&operator, settings, &["user", "create", address], PASSWORD).await;
    let reverse = &["adopt", "--reverse", "back.sql", "--json"];
    let report = succeeds(&operator, settings, reverse, "").await;
    let statements = std::fs::read_to_string(operator.path().join("back.sql")).expect("a file");
    (statements, serde_json::from_str(&report).expect("JSON"))
}

#[tokio::test]
async fn name_that_is_longer_than_its_column_is_left_out() {
    let address = "a-long-name@example.com";
    let (statements, report) = statements_for_new(SETTINGS, address).await;
    assert_eq!(report["names_too_long"], 1, "{report}");
    assert_eq!(report["new_accounts"], 1, "{report}");
    assert!(statements.contains(&format!("'{address}'")), "{statements}");
    assert!(statements.contains("'propusk-1"), "{statements}");
    let named = format!("\"username\" = '{address}'");
    assert!(!statements.contains(&named), "{statements}");

    let (statements, report) = statements_for_new(SETTINGS, "anna@example.org").await;
    assert_eq!(report["names_too_long"], 0, "{report}");
    assert!(statements.contains("\"username\" = 'anna@example.org'"), "{statements}");
}

#[tokio::test]
async fn new_account_has_no_rights_there_whatever_the_default_of_the_project_is() {
    let (statements, _) = statements_for_new(SETTINGS, "anna@example.org").await;
    let columns =
        r#"("email", "id", "is_active", "is_staff", "is_superuser", "password", "username")"#;
    assert!(statements.contains(columns), "{statements}");
    assert!(statements.contains(", true, false, false, '"), "{statements}");
}

#[tokio::test]
async fn row_with_the_number_of_a_new_account_stays_unless_only_we_give_such_numbers() {
    let update = "update \"users\" set \"email\" = 'anna@example.org'";
    let without: &[(&str, &str)] = &[];
    for (settings, is_given_here_alone) in [(SETTINGS, true), (without, false)] {
        let (statements, _) = statements_for_new(settings, "anna@example.org").await;
        assert!(statements.contains("insert into \"users\""), "{statements}");
        assert_eq!(statements.contains(update), is_given_here_alone, "{statements}");
    }
}

#[tokio::test]
async fn nothing_is_written_if_the_report_cannot_be() {
    let operator = Operator::new().await;
    operator.store().await.close().await;
    operator.write("report.json", "");
    let arguments = &["adopt", "--reverse", "back.sql", "--report", "report.json"];
    let refused = operator.refused(&[], arguments).await;
    assert!(refused.contains("report.json cannot be written: it exists"), "{refused}");
    assert!(!operator.path().join("back.sql").exists());
}
