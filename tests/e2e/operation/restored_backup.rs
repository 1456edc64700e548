//! A restored backup: account numbers that may be known to others are not used again, and tokens of
//! accounts that the backup does not contain are refused.

use propusk_server::store::Store;
use propusk_tests::http::Client;
use propusk_tests::operator::{Operator, column, execute, soon};
use propusk_tests::process::Process;
use propusk_tests::user::{me, register, sign_in, signed_up};
use serde_json::json;

const ANNA: &str = "anna@example.com";
const BOB: &str = "bob@example.com";
const CARL: &str = "carl@example.com";

/// Two accounts, of which the backup contains only the first, and their tokens.
struct Site {
    operator: Operator,
    anna: String,
    bob: String,
    bobs_refresh: String,
}

impl Site {
    /// The server has stopped, or was killed, and the backup is restored.
    async fn restored(is_killed: bool) -> Self {
        let operator = Operator::new().await;
        let server = operator.start(&[]).await;
        let (anna, _) = signed_up(&server.client, ANNA).await;
        let (bob, bobs_refresh) = signed_up(&server.client, BOB).await;
        if is_killed {
            server.kill().await;
        } else {
            server.terminate().await;
        }
        go_back(&operator.store().await).await;
        Site { operator, anna, bob, bobs_refresh }
    }

    fn lose_the_numbers(&self) {
        let files = std::fs::read_dir(self.operator.path()).expect("a directory");
        let names = files.map(|file| file.expect("a file").path());
        let found = names.filter(|path| path.file_name().is_some_and(|name| name == "numbers"));
        assert_eq!(found.map(std::fs::remove_file).filter(Result::is_ok).count(), 1);
    }
}

/// Restores the state before the second account was created.
async fn go_back(store: &Store) {
    let sequence = match store {
        Store::Sqlite { .. } => "update sqlite_sequence set seq = 1 where name = 'accounts'",
        Store::Postgres(_) => "alter sequence accounts_id_seq restart with 2",
    };
    for statement in [
        "delete from sessions where account_id > 1",
        "delete from accounts where id > 1",
        "delete from revocations",
        "delete from meta where name = 'numbers_kept'",
        sequence,
    ] {
        execute(store, statement.to_owned()).await;
    }
}

async fn new_number(client: &Client, email: &str) -> i64 {
    let answer = register(client, "email", email).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_i64().expect("a number")
}

async fn verify(client: &Client, token: &str) -> u16 {
    let body = json!({"token": token});
    client.post("/api/auth/jwt/verify/", &body).await.status.as_u16()
}

async fn assert_lost(server: &Process, token: &str) {
    assert_eq!(verify(&server.client, token).await, 401);
    assert_eq!(me(&server.client, token).await.status, 401);
}

#[tokio::test]
async fn data_directory_that_survives_knows_the_numbers() {
    for is_killed in [false, true] {
        let site = Site::restored(is_killed).await;
        let server = site.operator.start(&[]).await;
        assert_lost(&server, &site.bob).await;
        assert_eq!(verify(&server.client, &site.anna).await, 200);
        assert!(new_number(&server.client, CARL).await > 2);
        assert_lost(&server, &site.bob).await;
    }
}

#[tokio::test]
async fn data_directory_knows_the_numbers_of_quiet_registrations() {
    let strict = ("PROPUSK_DIALECTS__DJOSER_JWT__STRICT", "true");
    // The second account is created, or its number is used up because the address is in use.
    for email in [BOB, ANNA] {
        let operator = Operator::new().await;
        let server = operator.start(&[]).await;
        assert_eq!(new_number(&server.client, ANNA).await, 1);
        server.terminate().await;
        let server = operator.start(&[strict]).await;
        assert_eq!(new_number(&server.client, email).await, 2);
        server.terminate().await;
        go_back(&operator.store().await).await;
        let server = operator.start(&[]).await;
        assert_eq!(new_number(&server.client, CARL).await, 3, "{email}");
    }
}

#[tokio::test]
async fn database_exchanged_under_a_running_server_reuses_no_number() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    signed_up(&server.client, ANNA).await;
    let (bob, _) = signed_up(&server.client, BOB).await;
    let store = operator.store().await;
    go_back(&store).await;
    let everybody = "select cast(count(*) as text) from revocations";
    soon("the server knows", || async {
        column(&store, everybody, everybody).await.first().is_some_and(|rows| rows != "0")
    })
    .await;
    assert!(new_number(&server.client, CARL).await > 2);
    assert_lost(&server, &bob).await;
}

#[tokio::test]
async fn data_directory_knows_the_numbers_of_all_servers() {
    let operator = Operator::new().await;
    // SQLite allows one server.
    let Some(url) = operator.database.url() else { return };
    let other = tempfile::tempdir().expect("a directory");
    let servers = [operator.start(&[]).await, Process::start(other.path(), Some(url), &[]).await];
    signed_up(&servers[0].client, ANNA).await;
    let (bob, _) = signed_up(&servers[1].client, BOB).await;
    let knows = || async {
        let text = std::fs::read_to_string(operator.path().join("numbers")).expect("a file");
        text.starts_with("00000000000000000002 ")
    };
    soon("the first server's directory knows", knows).await;
    for server in servers {
        server.terminate().await;
    }
    go_back(&operator.store().await).await;
    let server = operator.start(&[]).await;
    assert!(new_number(&server.client, CARL).await > 2);
    assert_lost(&server, &bob).await;
}

#[tokio::test]
async fn database_with_an_empty_data_directory_is_a_restored_one() {
    let site = Site::restored(false).await;
    let store = site.operator.store().await;
    execute(&store, "insert into meta (name, value) values ('numbers_kept', 'yes')".into()).await;
    store.close().await;
    site.lose_the_numbers();
    let server = site.operator.start(&[]).await;
    let number = new_number(&server.client, CARL).await;
    // A server on Postgres may start with an empty directory at any time.
    assert_eq!(number > 100_000, site.operator.database.url().is_none());
    server.terminate().await;
    let server = site.operator.start(&[]).await;
    assert_eq!(new_number(&server.client, BOB).await, number + 1);
}

#[tokio::test]
async fn token_that_names_an_unknown_number_moves_the_numbers_above_it() {
    for door in ["header", "verify", "verify a refresh token", "refresh", "logout"] {
        let site = Site::restored(false).await;
        site.lose_the_numbers();
        let server = site.operator.start(&[]).await;
        let spent = json!({"refresh": site.bobs_refresh});
        let refused = match door {
            "header" => me(&server.client, &site.bob).await.status.as_u16(),
            "verify" => verify(&server.client, &site.bob).await,
            "verify a refresh token" => verify(&server.client, &site.bobs_refresh).await,
            "refresh" => server.client.post("/api/auth/jwt/refresh/", &spent).await.status.as_u16(),
            _ => server.client.post("/api/auth/logout/", &spent).await.status.as_u16(),
        };
        assert!([400, 401].contains(&refused), "{door}: {refused}");
        assert_eq!(new_number(&server.client, CARL).await, 3, "{door}");
        assert_lost(&server, &site.bob).await;
        assert_eq!(me(&server.client, &site.anna).await.status, 200);
    }
}

#[tokio::test]
async fn commands_skip_numbers() {
    let site = Site::restored(false).await;
    site.lose_the_numbers();
    for (command, said, above) in [
        (vec!["restored"], "new accounts get numbers above 100001\n", 100_001),
        (vec!["restored", "--above", "100500"], "new accounts get numbers above 100500\n", 100_500),
        (vec!["restored", "--above", "7"], "new accounts get numbers above 100501\n", 100_501),
        (vec!["session", "invalidate-all", "--yes"], "ended", 200_502),
    ] {
        let done = site.operator.run(&[], &command, "").await;
        assert!(done.stdout.contains(said), "{command:?}: {} {}", done.stdout, done.stderr);
        let server = site.operator.start(&[]).await;
        let number = new_number(&server.client, &format!("carl{above}@example.com")).await;
        assert_eq!(number, above + 1, "{command:?}");
        assert_lost(&server, &site.bob).await;
        server.terminate().await;
    }
    for wrong in ["0", "-1", "9007199254740992", "x"] {
        let refused = site.operator.run(&[], &["restored", "--above", wrong], "").await;
        assert_eq!(refused.status.code(), Some(2), "{wrong}");
    }
}

#[tokio::test]
async fn restart_skips_no_number() {
    let operator = Operator::new().await;
    for number in 1..4 {
        let server = operator.start(&[]).await;
        let email = format!("person{number}@example.com");
        assert_eq!(new_number(&server.client, &email).await, number);
        assert_eq!(
            sign_in(&server.client, &email, propusk_tests::user::PASSWORD).await.status,
            200
        );
        server.terminate().await;
    }
}
