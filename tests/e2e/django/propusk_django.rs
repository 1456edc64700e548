//! The package `propusk-django` in a real Django, configured as in the handbook: which row an account
//! gets, and that nobody gets the row of another.

use propusk_server::config::{Config, Secret};
use propusk_tests::SECRET;
use propusk_tests::django::Django;
use propusk_tests::http::Answer;
use propusk_tests::operator::soon;
use propusk_tests::server::TestServer;
use propusk_tests::user::{self, PASSWORD};
use serde_json::{Value, json};

use super::resource_servers::{
    ORDERS_SECRET, example, forged, register_orders, server_with, signed_up,
};

/// `accounts.first_id` in the handbook.
const FIRST_ID: i64 = 100_000;
/// The superuser of the Django.
const ADMIN: i64 = 1;

/// A server that has taken the place of a Django.
async fn successor() -> TestServer {
    server_with(|config: &mut Config| config.accounts.first_id = Some(FIRST_ID)).await
}

async fn whoami(django: &Django, token: &str) -> Answer {
    django.client.get("/whoami/", Some(&format!("Bearer {token}"))).await
}

/// The row is that of this account, and has no rights.
fn assert_is(answer: &Answer, id: i64) {
    let expected = json!({
        "id": id, "username": format!("propusk-{id}"), "is_staff": false, "is_superuser": false,
    });
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected), "{}", answer.text());
}

fn assert_refused(answer: &Answer) {
    let expected = json!({"detail": "Invalid token."});
    assert_eq!((answer.status.as_u16(), answer.json()), (401, expected), "{}", answer.text());
    assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer realm=\"api\""));
}

#[tokio::test]
async fn propusk_django_makes_the_row_of_a_new_account_by_published_keys() {
    let server = successor().await;
    let django = Django::resource_server(&example("propusk-django", &server)).await;
    // Named like the superuser of the Django.
    let (id, token) = signed_up(&server, "admin").await;
    assert_eq!(id, FIRST_ID);
    for _ in 0..2 {
        assert_is(&whoami(&django, &token).await, id);
    }
    for wrong in [forged(&token), "x".to_owned()] {
        assert_refused(&whoami(&django, &wrong).await);
    }
}

#[tokio::test]
async fn propusk_django_accepts_tokens_by_the_shared_key() {
    let server = successor().await;
    let settings = example("propusk-django", &server)
        + &format!(
            "\nPROPUSK = {{'CHECK': 'shared_key', 'SECRET': '{SECRET}', 'FIRST_ID': {FIRST_ID}}}"
        );
    let django = Django::resource_server(&settings).await;
    let (access, refresh) = user::signed_up(&server, "anna@example.com").await;
    assert_is(&whoami(&django, &access).await, FIRST_ID);
    for wrong in [forged(&access), refresh] {
        assert_refused(&whoami(&django, &wrong).await);
    }
    // Signed with a key that these settings do not have.
    let (_, of_native) = signed_up(&server, "boris").await;
    assert_refused(&whoami(&django, &of_native).await);
}

#[tokio::test]
async fn propusk_django_learns_of_a_sign_out_by_introspection() {
    let server = successor().await;
    register_orders(&server).await;
    let asked = format!(
        "
PROPUSK['CHECK'] = 'introspection'
PROPUSK['CLIENT_ID'], PROPUSK['CLIENT_SECRET'] = 'orders', '{ORDERS_SECRET}'
PROPUSK['CACHE_SECONDS'] = 0
"
    );
    let settings = example("propusk-django", &server) + &asked;
    let django = Django::resource_server(&settings).await;
    let (id, token) = signed_up(&server, "anna").await;
    assert_is(&whoami(&django, &token).await, id);
    assert_refused(&whoami(&django, &forged(&token)).await);
    let bearer = format!("Bearer {token}");
    let path = "/propusk/v1/sessions/current";
    let ended = server.client.call("DELETE", path, Some(&bearer), &Value::Null).await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    assert_refused(&whoami(&django, &token).await);
}

/// Without a first number both sides give the same ones.
#[tokio::test]
async fn propusk_django_refuses_an_account_with_the_number_of_another_user() {
    let server = server_with(|_| {}).await;
    let settings = example("propusk-django", &server) + "\nPROPUSK['FIRST_ID'] = 1";
    let django = Django::resource_server(&settings).await;
    let (id, token) = signed_up(&server, "anna").await;
    assert_eq!(id, ADMIN);
    assert_refused(&whoami(&django, &token).await);
    let (id, token) = signed_up(&server, "boris").await;
    assert_is(&whoami(&django, &token).await, id);
}

#[tokio::test]
async fn propusk_django_opens_the_admin_with_the_password_of_the_server() {
    let server = successor().await;
    server.import("root@example.com", PASSWORD, ADMIN, None).await;
    let settings = example("propusk-django", &server)
        + "\nAUTHENTICATION_BACKENDS = ['propusk_django.backends.PropuskBackend']";
    let django = Django::resource_server(&settings).await;
    signed_up(&server, "admin").await;
    let sign_in = async |name: &str, password: &str| {
        let body = json!({"username": name, "password": password});
        django.client.post("/sign-in/", &body).await
    };
    let opened = sign_in("root@example.com", PASSWORD).await;
    assert_eq!(opened.json()["username"], "admin", "{}", opened.text());
    assert_eq!(opened.json()["is_superuser"], true);
    // The name of the superuser is another account here, which has no row there.
    for (name, password) in [("admin", PASSWORD), ("root@example.com", "wrong password")] {
        assert_eq!(sign_in(name, password).await.status, 401, "{name}");
    }
}

#[tokio::test]
async fn propusk_django_disables_the_user_of_a_deleted_account() {
    let settings = format!(
        "
INSTALLED_APPS += ['propusk_django']
PROPUSK = {{
    'CHECK': 'shared_key', 'SECRET': '{SECRET}', 'FIRST_ID': {FIRST_ID}, 'WEBHOOK_SECRET': '{SECRET}',
}}
REST_FRAMEWORK = {{
    'DEFAULT_AUTHENTICATION_CLASSES': ['propusk_django.authentication.PropuskAuthentication'],
}}
"
    );
    let django = Django::resource_server(&settings).await;
    let server = server_with(|config: &mut Config| {
        config.accounts.first_id = Some(FIRST_ID);
        config.webhooks.url = Some(format!("{}/hooks/propusk/", django.url));
        config.webhooks.secret = Some(Secret::new(SECRET));
    })
    .await;
    let (access, _) = user::signed_up(&server, "anna@example.com").await;
    assert_is(&whoami(&django, &access).await, FIRST_ID);
    assert!(server.auth.delete_account(FIRST_ID).await.expect("the database answers"));
    soon("the user is disabled", || async { whoami(&django, &access).await.status == 401 }).await;
    let expected = json!({"detail": "User inactive or deleted."});
    assert_eq!(whoami(&django, &access).await.json(), expected);
}

#[tokio::test]
async fn propusk_django_answers_503_while_the_server_cannot_be_asked() {
    let server = successor().await;
    let (_, token) = signed_up(&server, "anna").await;
    // Nothing listens there.
    let settings = example("propusk-django", &server) + "\nPROPUSK['URL'] = 'http://127.0.0.1:1'";
    let django = Django::resource_server(&settings).await;
    let answer = whoami(&django, &token).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("retry-after").as_deref(), Some("5"));
}
