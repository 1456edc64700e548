//! Postgres outages: of its network, of its connections, and at the start. Every wait of the server
//! has a limit, and it recovers without help. (SQLite has no such outages.)

use std::net::SocketAddr;
use std::time::Duration;

use propusk_server::config::{Config, Secret};
use propusk_server::store::{self, Store};
use propusk_tests::database::Database;
use propusk_tests::database_proxy::DatabaseProxy;
use propusk_tests::http::Client;
use propusk_tests::process::{self, Process};
use propusk_tests::server::TestServer;
use propusk_tests::user::{me, new_account, refresh, register, signed_up};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// The number of connections of the server.
const AT_ONCE: usize = 16;
/// The server's limit for one statement, plus the delay of a busy machine.
const HEALED_WITHIN: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with a proxy in front of its Postgres.
async fn behind_proxy(url: &str) -> (TestServer, DatabaseProxy) {
    let proxy = DatabaseProxy::open(url).await;
    let url = Secret::new(proxy.url(url));
    let server = TestServer::with(|config: &mut Config| config.database_url = Some(url)).await;
    (server, proxy)
}

async fn ask_at_once(client: &Client, access: &str) -> Vec<u16> {
    let mut asking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, access) = (client.clone(), access.to_owned());
        asking.spawn(async move { me(&client, &access).await.status.as_u16() });
    }
    timeout(PATIENCE, asking.join_all()).await.expect("every request is answered")
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_lost_during_statements_cost_seconds() {
    let database = Database::fresh().await;
    let Some(url) = database.url() else { return };
    let (server, proxy) = behind_proxy(url).await;
    let (access, token) = signed_up(&server.client, "anna@example.com").await;
    assert_eq!(ask_at_once(&server.client, &access).await, [200; AT_ONCE]);
    proxy.lose_open_connections();
    let began = Instant::now();
    let statuses = ask_at_once(&server.client, &access).await;
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(statuses.contains(&503), "the statements were in flight");
    assert!(began.elapsed() < HEALED_WITHIN, "{:?}", began.elapsed());
    // Every connection of the pools for reads and for writes is free again.
    assert_eq!(ask_at_once(&server.client, &access).await, [200; AT_ONCE]);
    assert_eq!(refresh(&server.client, &token).await.status, 200);
    assert_eq!(server.client.get("/readyz", None).await.status, 200);
}

#[tokio::test]
async fn lost_idle_connection_closes_the_others() {
    let database = Database::fresh().await;
    let Some(url) = database.url() else { return };
    let (server, proxy) = behind_proxy(url).await;
    let (access, _) = signed_up(&server.client, "anna@example.com").await;
    assert_eq!(ask_at_once(&server.client, &access).await, [200; AT_ONCE]);
    proxy.lose_open_connections();
    // The first request has the whole delay.
    let _ = me(&server.client, &access).await;
    for _ in 0..AT_ONCE {
        let began = Instant::now();
        assert_eq!(me(&server.client, &access).await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn connections_that_were_cut_are_replaced_unnoticed() {
    let database = Database::fresh().await;
    let Some(url) = database.url() else { return };
    let (server, proxy) = behind_proxy(url).await;
    let (access, token) = signed_up(&server.client, "anna@example.com").await;
    for _ in 0..3 {
        assert_eq!(ask_at_once(&server.client, &access).await, [200; AT_ONCE]);
        proxy.cut_open_connections();
        assert_eq!(me(&server.client, &access).await.status, 200);
        proxy.cut_open_connections();
        assert_eq!(refresh(&server.client, &token).await.status, 200);
    }
}

#[tokio::test]
async fn connections_that_the_database_ended_are_replaced_unnoticed() {
    let database = Database::fresh().await;
    let Some(url) = database.url() else { return };
    let (server, _proxy) = behind_proxy(url).await;
    let (access, token) = signed_up(&server.client, "anna@example.com").await;
    assert_eq!(ask_at_once(&server.client, &access).await, [200; AT_ONCE]);
    let end_all = "select count(pg_terminate_backend(pid)) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()";
    let Store::Postgres(pool) = store::connect(Some(url), "".as_ref()).await.expect("a database")
    else {
        panic!("a Postgres")
    };
    let mut operator = pool.acquire().await.expect("a connection");
    for _ in 0..2 {
        let ended: i64 =
            sqlx::query_scalar(end_all).fetch_one(&mut operator).await.expect("the operator may");
        assert!(ended > 0);
        assert_eq!(me(&server.client, &access).await.status, 200);
        sqlx::query(end_all).execute(&mut operator).await.expect("the operator may");
        assert_eq!(refresh(&server.client, &token).await.status, 200);
    }
}

#[tokio::test]
async fn connection_with_an_abandoned_statement_is_closed_and_others_are_kept() {
    let database = Database::fresh().await;
    let Some(url) = database.url() else { return };
    let Store::Postgres(pool) = store::connect(Some(url), "".as_ref()).await.expect("a database")
    else {
        panic!("a Postgres")
    };
    let which = "select pg_backend_pid()";
    let mut first = Vec::new();
    for _ in 0..3 {
        let mut connection = pool.acquire().await.expect("a connection");
        first.push(
            sqlx::query_scalar::<_, i32>(which).fetch_one(&mut connection).await.expect("it"),
        );
    }
    assert_eq!(first, [first[0]; 3], "one that has answered is used again");
    let mut connection = pool.acquire().await.expect("a connection");
    let given_up = sqlx::query("select pg_sleep(2)").execute(&mut connection);
    assert!(timeout(Duration::from_millis(200), given_up).await.is_err());
    drop(connection);
    let mut connection = pool.acquire().await.expect("a connection");
    let second: i32 = sqlx::query_scalar(which).fetch_one(&mut connection).await.expect("it");
    assert_ne!(second, first[0]);
}

#[tokio::test]
async fn write_is_retried_only_if_nothing_of_it_was_sent() {
    let database = Database::fresh().await;
    let Some(url) = database.url() else { return };
    let (server, proxy) = behind_proxy(url).await;
    proxy.lose_statement("begin");
    assert_eq!(register(&server.client, "email", "anna@example.com").await.status, 201);
    // The server also commits in the background, and that commit may be the lost one.
    for number in 0..20 {
        let email = format!("bob{number}@example.com");
        proxy.lose_statement("commit");
        if register(&server.client, "email", &email).await.status == 503 {
            assert_eq!(register(&server.client, "email", &email).await.status, 201);
            return;
        }
    }
    panic!("no registration has met the lost commit");
}

/// An address that is not in use yet.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    listener.local_addr().expect("its address")
}

#[tokio::test]
async fn database_that_is_not_ready_is_awaited_by_serve_alone() {
    let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
    let Some(url) = database.url() else { return };
    let address = free_address().await;
    let mut later = url::Url::parse(url).expect("a URL");
    later.set_host(Some("127.0.0.1")).expect("a host");
    later.set_port(Some(address.port())).expect("a port");
    let began = Instant::now();
    let migrated = process::run(data.path(), Some(later.as_str()), &[], &["migrate"], "").await;
    assert_eq!(migrated.status.code(), Some(1));
    assert!(migrated.stderr.contains("cannot be reached"), "{}", migrated.stderr);
    let checked = process::run(data.path(), Some(later.as_str()), &[], &["check-config"], "").await;
    assert!(checked.stdout.contains("cannot be reached"), "{}", checked.stdout);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let proxy = tokio::spawn({
        let url = url.to_owned();
        async move {
            // The server has tried once to connect.
            let absent = TcpListener::bind(address).await.expect("the address is free");
            absent.accept().await.expect("a connection");
            drop(absent);
            DatabaseProxy::open_at(address, &url).await
        }
    });
    let server = Process::start(data.path(), Some(later.as_str()), &[]).await;
    let _proxy = proxy.await.expect("the proxy");
    new_account(&server, "anna@example.com").await;
    let (_, output) = server.terminate().await;
    assert!(output.contains("waiting for the database"), "{output}");
}

#[tokio::test]
async fn server_that_waits_for_its_database_stops_on_request() {
    let data = tempfile::tempdir().expect("a directory");
    let url = format!("postgres://propusk:canary@{}/propusk", free_address().await);
    let waiting = Process::waiting_for("waiting for the database", data.path(), &url).await;
    let (status, output) = waiting.terminate().await;
    assert!(status.success() && !output.contains("canary"), "{output}");
}
