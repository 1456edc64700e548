//! The database of a real Django, read directly: it gives the report of its export, and changes
//! nothing after it.

use propusk_tests::django::{CLIENT_ID, CLIENT_SECRET, Django, Stack};
use propusk_tests::links::Link;
use propusk_tests::operator::Operator;
use propusk_tests::process::Finished;
use serde_json::{Value, json};

const EMAIL: &str = "anna@example.com";
const WAITING: &str = "bob@example.com";
const PASSWORD: &str = "Str0ng-pass-77";
const NEW_PASSWORD: &str = "N3w-strong-pass-78";

const SETTINGS: &[(&str, &str)] =
    &[("PROPUSK_TOKENS__ACCEPT_FOREIGN", "true"), ("PROPUSK_ACCOUNTS__FIRST_ID", "1000")];
/// What the stack has in its settings, which are not in its database.
const WITH_MAILS: &[(&str, &str)] = &[
    ("PROPUSK_TOKENS__ACCEPT_FOREIGN", "true"),
    ("PROPUSK_ACCOUNTS__FIRST_ID", "1000"),
    ("PROPUSK_ADOPT__ACTIVATION_MAILS", "true"),
];

async fn posted(django: &Django, path: &str, body: &Value) -> Value {
    let answer = django.client.post(path, body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
    match answer.text().is_empty() {
        true => Value::Null,
        false => answer.json(),
    }
}

/// A Django with accounts, and with tokens and identities of each kind that its libraries have.
async fn filled(stack: Stack) -> Django {
    let django = Django::start(stack).await;
    match stack {
        Stack::DjoserToken => fill_djoser_token(&django).await,
        Stack::DjoserJwt => fill_djoser_jwt(&django).await,
        Stack::Simplejwt => {
            let account = json!({ "username": "anna", "email": EMAIL, "password": PASSWORD });
            posted(&django, "/api/auth/register/", &account).await;
        }
        Stack::SimplejwtRotating => {
            let account = json!({ "login": "Anna", "email": EMAIL, "password": PASSWORD });
            posted(&django, "/v1/creat_autor", &account).await;
            let credentials = json!({ "email": EMAIL, "password": PASSWORD });
            let pair = posted(&django, "/token", &credentials).await;
            posted(&django, "/token/refresh", &json!({ "refresh": pair["refresh"] })).await;
        }
    }
    django
}

async fn fill_djoser_token(django: &Django) {
    for email in [EMAIL, WAITING] {
        let account = json!({ "email": email, "password": PASSWORD, "re_password": PASSWORD });
        posted(django, "/auth/users/", &account).await;
    }
    let mail = django.newest_to(EMAIL).expect("a mail");
    let Link { uid, token, .. } = Link::of(&mail).expect("a link");
    posted(django, "/auth/users/activation/", &json!({ "uid": uid, "token": token })).await;
    let credentials = json!({ "username": EMAIL, "password": PASSWORD });
    posted(django, "/auth/token/login/", &credentials).await;
    let convert = json!({
        "grant_type": "convert_token", "backend": "google-oauth2", "token": "ok-anna",
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
    });
    posted(django, "/auth/convert-token/", &convert).await;
}

async fn fill_djoser_jwt(django: &Django) {
    let account = json!({ "email": EMAIL, "password": PASSWORD });
    posted(django, "/api/auth/users/", &account).await;
    let credentials = json!({ "username": EMAIL, "password": PASSWORD });
    posted(django, "/api/auth/jwt/create/", &credentials).await;
    let spent = posted(django, "/api/auth/jwt/create/", &credentials).await;
    posted(django, "/api/auth/logout/", &json!({ "refresh": spent["refresh"] })).await;
}

fn settings(stack: Stack) -> &'static [(&'static str, &'static str)] {
    match stack {
        Stack::DjoserToken => WITH_MAILS,
        Stack::DjoserJwt | Stack::Simplejwt | Stack::SimplejwtRotating => SETTINGS,
    }
}

/// What `propusk adopt` prints with these arguments, as JSON.
async fn adopt(operator: &Operator, stack: Stack, arguments: &[&str]) -> Value {
    let arguments = [&["adopt", "--json"], arguments].concat();
    let Finished { status, stdout, stderr } = operator.run(settings(stack), &arguments, "").await;
    assert!(status.success(), "{stack:?}: {stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

/// A report without what differs between two looks at the same Django.
fn comparable(mut report: Value) -> Value {
    let members = report.as_object_mut().expect("an object");
    members.remove("source");
    members.remove("taken_at");
    report
}

#[tokio::test]
async fn database_of_a_real_django_gives_the_report_of_its_export() {
    for stack in Stack::ALL {
        let django = filled(stack).await;
        let operator = Operator::new().await;
        let file = django.export(stack).await;
        let file = file.to_str().expect("a path");
        let exported = adopt(&operator, stack, &["--check", file]).await;
        let direct = adopt(&operator, stack, &["--check", &django.database_url()]).await;
        assert_eq!(comparable(direct), comparable(exported), "{stack:?}");
    }
}

#[tokio::test]
async fn nothing_changes_if_the_database_follows_its_export() {
    for stack in Stack::ALL {
        let django = filled(stack).await;
        let operator = Operator::new().await;
        operator.store().await.close().await;
        let file = django.export(stack).await;
        let stored = adopt(&operator, stack, &[file.to_str().expect("a path")]).await;
        assert_ne!(stored["new"], json!({}), "{stack:?}: {stored}");
        let again = adopt(&operator, stack, &[&django.database_url()]).await;
        for counts in ["new", "changed", "ended"] {
            assert_eq!(again[counts], json!({}), "{stack:?}: {again}");
        }
    }
}

#[tokio::test]
async fn owners_sign_in_at_a_django_that_was_read_directly_after_the_way_back() {
    let stack = Stack::Simplejwt;
    let django = filled(stack).await;
    let operator = Operator::new().await;
    operator.store().await.close().await;
    adopt(&operator, stack, &["--final", &django.database_url()]).await;
    let completed = operator.run(SETTINGS, &["adopt", "--complete"], "").await;
    assert!(completed.status.success(), "{}", completed.stderr);
    operator.user_with(&["set-password", "anna"], NEW_PASSWORD).await;
    operator.user_with(&["create", "dora"], NEW_PASSWORD).await;
    let file = operator.path().join("back.sql");
    let report = adopt(&operator, stack, &["--reverse", file.to_str().expect("a path")]).await;
    for (what, count) in [("new_accounts", 1), ("new_accounts_without_row", 0), ("passwords", 1)] {
        assert_eq!(report[what], count, "{what}: {report}");
    }
    django.apply(stack, &file).await;
    for name in ["anna", "dora"] {
        let credentials = json!({ "username": name, "password": NEW_PASSWORD });
        posted(&django, "/api/auth/login/", &credentials).await;
    }
}
