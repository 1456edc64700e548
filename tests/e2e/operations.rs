//! What an operator does: settings, starts that must not happen, stopping, and work on accounts from the
//! command line while the server runs.

use std::future::Future;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use propusk_server::store::{self, Store};
use propusk_tests::SECRET;
use propusk_tests::database::Database;
use propusk_tests::http::{Answer, Client};
use propusk_tests::process::{self, Finished, Process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, interval};

use crate::wire::{Wire, post};

const PASSWORD: &str = "correct horse battery";
const NEW_PASSWORD: &str = "another fair password";
/// How soon a running server hears of what the command line did.
const SOON: Duration = Duration::from_secs(3);
/// What Docker waits before it kills.
const STOP: Duration = Duration::from_secs(10);
/// No secret from the environment: the server makes one, or a file has it.
const NO_SECRET: (&str, &str) = ("PROPUSK_TOKENS__SECRET", "");

/// Where servers and commands of one test work: a directory and a database.
struct Place {
    data: TempDir,
    database: Database,
}

impl Place {
    async fn new() -> Self {
        let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
        Place { data, database }
    }

    fn path(&self) -> &Path {
        self.data.path()
    }

    async fn start(&self, settings: &[(&str, &str)]) -> Process {
        Process::start(self.path(), self.database.url(), settings).await
    }

    async fn run(&self, settings: &[(&str, &str)], arguments: &[&str], input: &str) -> Finished {
        process::run(self.path(), self.database.url(), settings, arguments, input).await
    }

    /// `propusk user …`, which succeeds.
    async fn user(&self, arguments: &[&str]) -> String {
        self.user_with(arguments, "").await
    }

    async fn user_with(&self, arguments: &[&str], input: &str) -> String {
        let Finished { status, stdout, stderr } =
            self.run(&[], &[&["user"], arguments].concat(), input).await;
        assert!(status.success(), "{arguments:?}: {stderr}");
        stdout
    }

    /// What a command that does not succeed says; it says nothing else.
    async fn refused(&self, settings: &[(&str, &str)], arguments: &[&str]) -> String {
        let Finished { status, stdout, stderr } = self.run(settings, arguments, "").await;
        assert_eq!((status.code(), stdout.as_str()), (Some(1), ""), "{arguments:?}");
        stderr
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a file");
    }

    /// The database by the side of the server.
    async fn store(&self) -> Store {
        store::connect(self.database.url(), self.path()).await.expect("the database")
    }
}

/// The only column of a query, which may differ between the engines.
async fn column(store: &Store, sqlite: &'static str, postgres: &'static str) -> Vec<String> {
    let rows = match store {
        Store::Sqlite { readers, .. } => sqlx::query_scalar(sqlite).fetch_all(readers).await,
        Store::Postgres(pool) => sqlx::query_scalar(postgres).fetch_all(pool).await,
    };
    rows.expect("a query of the test's own")
}

async fn register(client: &Client, field: &str, name: &str) -> Answer {
    client.post("/api/auth/users/", &json!({field: name, "password": PASSWORD})).await
}

async fn sign_in(client: &Client, name: &str, password: &str) -> Answer {
    client.post("/api/auth/jwt/create/", &json!({"username": name, "password": password})).await
}

async fn refresh(client: &Client, token: &str) -> Answer {
    client.post("/api/auth/jwt/refresh/", &json!({"refresh": token})).await
}

async fn me(client: &Client, access: &str) -> Answer {
    client.get("/api/auth/users/me/", Some(&format!("Bearer {access}"))).await
}

/// A registered account, signed in: access and refresh token.
async fn signed_up(client: &Client, email: &str) -> (String, String) {
    assert_eq!(register(client, "email", email).await.status, 201);
    let pair = sign_in(client, email, PASSWORD).await;
    (pair.field("access"), pair.field("refresh"))
}

/// Asks until the answer is the wanted one, or for too long.
async fn soon<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let began = Instant::now();
    let mut ticks = interval(Duration::from_millis(20));
    while !is_so().await {
        assert!(began.elapsed() < SOON, "{what}: not after {SOON:?}");
        ticks.tick().await;
    }
}

async fn soon_me_is(client: &Client, access: &str, status: u16, code: &Value) {
    let what = format!("{status} {code}");
    soon(&what, || async {
        let answer = me(client, access).await;
        answer.status == status && answer.json()["code"] == *code
    })
    .await;
}

/// Whether a token is good, which no look at the account's row tells.
async fn soon_verified_is(client: &Client, token: &str, status: u16) {
    soon(&format!("verified {status}"), || async {
        let body = json!({"token": token});
        client.post("/api/auth/jwt/verify/", &body).await.status == status
    })
    .await;
}

// ---- settings ----------------------------------------------------------------------------------

#[tokio::test]
async fn an_unknown_setting_is_refused_and_the_nearest_known_one_named() {
    let place = Place::new().await;
    for (name, nearest) in [
        ("TOKENS__SECERT", "unknown setting tokens.secert; did you mean tokens.secret?"),
        ("TOKENS_SECRET", "unknown setting tokens_secret; did you mean tokens.secret?"),
        ("PUBLIC_ULR", "unknown setting public_ulr; did you mean public_url?"),
        ("DIALECTS__DJOSER__ENABLED", "did you mean dialects.djoser_jwt.enabled?"),
    ] {
        let settings = [(&*format!("PROPUSK_{name}"), "canary-value")];
        for command in [&["check-config"] as &[_], &[], &["user", "list"]] {
            let said = place.refused(&settings, command).await;
            assert!(said.contains(nearest), "{said}");
            assert!(!said.contains("canary"), "{said}");
        }
    }
}

#[tokio::test]
async fn an_unknown_setting_of_a_file_is_refused_too() {
    let place = Place::new().await;
    place.write("propusk.toml", "[http]\ntrusted_proxy = [\"10.0.0.0/8\"]\n");
    let said = place.refused(&[], &[]).await;
    assert!(said.contains("http.trusted_proxy; did you mean http.trusted_proxies?"), "{said}");
    place.write("propusk.toml", "");
    place.write(".env", "PROPUSK_LIMITS__PER_ADRESS=1\n");
    let said = place.refused(&[], &[]).await;
    assert!(said.contains("limits.per_adress; did you mean limits.per_address?"), "{said}");
    place.write(".env", "OF_SOMETHING_ELSE=1\n");
    assert!(place.run(&[], &["check-config"], "").await.status.success());
}

#[tokio::test]
async fn what_others_set_in_the_environment_is_no_setting() {
    let place = Place::new().await;
    // Kubernetes beside a service called `propusk`, and a shell that exports something else.
    let others = [
        ("PROPUSK_PORT", "tcp://10.0.0.1:8000"),
        ("PROPUSK_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("PROPUSK_SERVICE_HOST", "10.0.0.1"),
        ("PROPUSKX_TOKENS__SECRET", "x"),
        ("TOKENS__SECRET", "x"),
    ];
    let Finished { status, stderr, .. } = place.run(&others, &["check-config"], "").await;
    assert!(status.success(), "{stderr}");
}

#[tokio::test]
async fn a_weak_secret_is_refused_wherever_it_comes_from() {
    let place = Place::new().await;
    for (secret, problem) in [
        ("short", "tokens.secret: must have at least 32 bytes"),
        ("0123456789abcdef0123456789abcde", "tokens.secret: must have at least 32 bytes"),
        ("abababababababababababababababababababab", "tokens.secret: is a sample value"),
        ("Change-Me-0123456789abcdef0123456789abcdef", "tokens.secret: is a sample value"),
        ("replace-this-0123456789abcdef0123456789abcdef", "tokens.secret: is a sample value"),
    ] {
        place.write("secret.txt", secret);
        let from_file = [NO_SECRET, ("PROPUSK_TOKENS__SECRET_FILE", "secret.txt")];
        for settings in [&[("PROPUSK_TOKENS__SECRET", secret)] as &[_], &from_file] {
            let said = place.refused(settings, &[]).await;
            assert!(said.contains(problem) && !said.contains(secret), "{said}");
        }
    }
    assert!(!place.path().join("propusk.sqlite3").exists(), "nothing was opened");
}

#[tokio::test]
async fn a_server_that_others_reach_needs_its_public_url() {
    let place = Place::new().await;
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8000"] {
        let listen = ("PROPUSK_LISTEN", listen);
        let said = place.refused(&[listen], &[]).await;
        assert!(said.contains("public_url: must be set"), "{said}");
        for url in ["auth.example.com", "ftp://example.com", "https://example.com/?a", "https://"] {
            let said = place.refused(&[listen, ("PROPUSK_PUBLIC_URL", url)], &[]).await;
            assert!(said.contains("public_url: must be http:// or https://"), "{url}: {said}");
        }
        let url = ("PROPUSK_PUBLIC_URL", "https://auth.example.com");
        assert!(place.run(&[listen, url], &["check-config"], "").await.status.success());
    }
}

/// The lines `name = value` of `check-config`.
async fn settings_in_force(
    place: &Place,
    settings: &[(&str, &str)],
    names: &[&str],
) -> Vec<String> {
    let Finished { status, stdout, stderr } = place.run(settings, &["check-config"], "").await;
    assert!(status.success(), "{stderr}");
    let is_asked_for =
        |line: &&str| names.iter().any(|name| line.starts_with(&format!("{name} =")));
    stdout.lines().filter(is_asked_for).map(str::to_owned).collect()
}

#[tokio::test]
async fn check_config_prints_the_settings_and_no_secret() {
    let place = Place::new().await;
    let secrets = [
        ("PROPUSK_TOKENS__SECRET", "canary-0123456789abcdef0123456789abcdef"),
        ("PROPUSK_SUPERUSER__PASSWORD", "canary-of-the-superuser"),
        ("PROPUSK_DATABASE_URL", "postgres://propusk:canary-of-the-database@db.example/x"),
    ];
    let Finished { status, stdout, stderr } = place.run(&secrets, &["check-config"], "").await;
    assert!(status.success(), "{stderr}");
    for line in [
        "tokens.secret = \"[redacted]\"",
        "superuser.password = \"[redacted]\"",
        "database_url = \"[redacted]\"",
        "listen = \"127.0.0.1:0\"",
        "limits.enabled = false",
        "password.memory_kib = 64",
        "dialects.djoser_jwt.access_seconds = 300",
        "http.trusted_proxies = []",
    ] {
        assert!(stdout.lines().any(|printed| printed == line), "{line}:\n{stdout}");
    }
    assert!(!(stdout + &stderr).contains("canary"));
}

#[tokio::test]
async fn check_config_prints_no_secret_of_a_file_either() {
    let place = Place::new().await;
    place.write("password.txt", "canary-of-the-file");
    let file = [("PROPUSK_SUPERUSER__PASSWORD_FILE", "password.txt")];
    let printed = settings_in_force(&place, &file, &["superuser.password"]).await;
    assert_eq!(printed, ["superuser.password = \"[redacted]\""]);
}

#[tokio::test]
async fn a_start_that_fails_tells_no_secret() {
    let place = Place::new().await;
    for url in [
        "postgres://propusk:canary@127.0.0.1:1/propusk",
        "postgres://propusk:canary@127.0.0.1:x/propusk",
        "mysql://propusk:canary@127.0.0.1/propusk",
        "propusk:canary@127.0.0.1",
    ] {
        let Finished { status, stdout, stderr } =
            place.run(&[("PROPUSK_DATABASE_URL", url)], &[], "").await;
        assert_eq!(status.code(), Some(1));
        assert!(stderr.contains("error: "), "{stderr}");
        assert!(!(stdout + &stderr).contains("canary"), "{stderr}");
    }
}

#[tokio::test]
async fn a_settings_file_that_cannot_be_read_is_refused_without_showing_its_secrets() {
    let place = Place::new().await;
    for (name, text) in [
        (".env", "PROPUSK_TOKENS__SECRET=canary in two words 0123456789abcdef\n"),
        (".env", "PROPUSK_SUPERUSER__PASSWORD='canary\n"),
        ("propusk.toml", "[superuser]\npassword = canary\n"),
        ("propusk.toml", "[superuser]\npassword = \"canary\n"),
    ] {
        place.write(name, text);
        let said = place.refused(&[NO_SECRET], &["check-config"]).await;
        assert!(said.contains(name), "the file is named: {said}");
        assert!(!said.contains("canary"), "{said}");
        place.write(name, "");
    }
}

#[tokio::test]
async fn a_setting_of_another_type_is_named_without_its_value() {
    let place = Place::new().await;
    for (text, problem) in [
        ("[superuser]\npassword = [\"canary\"]\n", "superuser.password: expected a string"),
        ("[limits]\nper_address = \"canary\"\n", "limits.per_address: expected an integer"),
    ] {
        place.write("propusk.toml", text);
        let said = place.refused(&[], &["check-config"]).await;
        assert!(said.contains(problem) && !said.contains("canary"), "{said}");
    }
}

#[tokio::test]
async fn the_environment_wins_over_dot_env_and_that_over_the_file() {
    let place = Place::new().await;
    place.write(
        "propusk.toml",
        "log = \"of-toml\"\n[limits]\nper_address = 1\nper_account = 1\nper_account_and_address = 1\n",
    );
    place.write(".env", "PROPUSK_LIMITS__PER_ACCOUNT=2\nPROPUSK_LIMITS__PER_ADDRESS=2\n");
    let names =
        ["log", "limits.per_account", "limits.per_account_and_address", "limits.per_address"];
    let printed = settings_in_force(&place, &[("PROPUSK_LIMITS__PER_ADDRESS", "3")], &names).await;
    let expected = [
        "limits.per_account = 2",
        "limits.per_account_and_address = 1",
        "limits.per_address = 3",
        "log = \"of-toml\"",
    ];
    assert_eq!(printed, expected);
}

#[tokio::test]
async fn another_settings_file_takes_the_place_of_the_usual_one() {
    let place = Place::new().await;
    place.write("propusk.toml", "[limits]\nper_address = 1\nper_account = 1\n");
    place.write("other.toml", "[limits]\nper_address = 2\n");
    let other = ["--config", "other.toml", "check-config"];
    let Finished { stdout, .. } = place.run(&[], &other, "").await;
    assert!(stdout.contains("limits.per_address = 2\n"), "{stdout}");
    assert!(stdout.contains("limits.per_account = 100\n"), "{stdout}");
    let said = place.refused(&[], &["--config", "missing.toml", "check-config"]).await;
    assert!(said.contains("missing.toml"), "{said}");
}

#[tokio::test]
async fn a_list_of_networks_may_come_from_the_environment() {
    let place = Place::new().await;
    let proxies = |text| [("PROPUSK_HTTP__TRUSTED_PROXIES", text)];
    let given = proxies("10.0.0.0/8, 192.0.2.1,::1");
    let printed = settings_in_force(&place, &given, &["http.trusted_proxies"]).await;
    let expected = "http.trusted_proxies = [\"10.0.0.0/8\",\"192.0.2.1/32\",\"::1/128\"]";
    assert_eq!(printed, [expected]);
    let said = place.refused(&proxies("10.0.0.0/8,anywhere"), &["check-config"]).await;
    assert!(said.contains("anywhere is no network"), "{said}");
}

#[tokio::test]
async fn a_secret_file_signs_as_the_secret_itself_does() {
    let place = Place::new().await;
    place.write("secret.txt", &format!("{SECRET}\n"));
    let file = ("PROPUSK_TOKENS__SECRET_FILE", "secret.txt");
    let server = place.start(&[NO_SECRET, file]).await;
    let (access, _) = signed_up(&server.client, "anna@example.com").await;
    server.terminate().await;
    let server = place.start(&[]).await;
    assert_eq!(me(&server.client, &access).await.status, 200);
    server.terminate().await;
    let other = ("PROPUSK_TOKENS__SECRET", "another-key-0123456789abcdef0123456789abcdef");
    let server = place.start(&[other]).await;
    assert_eq!(me(&server.client, &access).await.status, 401);
}

#[tokio::test]
async fn a_secret_comes_from_one_place_and_its_file_is_there() {
    let place = Place::new().await;
    place.write("secret.txt", SECRET);
    let file = |name| ("PROPUSK_TOKENS__SECRET_FILE", name);
    let said = place.refused(&[file("secret.txt")], &[]).await;
    assert!(said.contains("tokens.secret_file: set the value or the file, not both"), "{said}");
    let said = place.refused(&[NO_SECRET, file("missing.txt")], &[]).await;
    assert!(said.contains("tokens.secret_file: missing.txt cannot be read"), "{said}");
}

// ---- starting ----------------------------------------------------------------------------------

/// A row of a version that nobody has written yet.
const OF_TOMORROW: &str = "insert into _sqlx_migrations
    select 99999999999999, description, installed_on, success, checksum, execution_time
    from _sqlx_migrations";

async fn execute(store: &Store, statement: &'static str) {
    let done = match store {
        Store::Sqlite { readers, .. } => sqlx::query(statement).execute(readers).await.map(drop),
        Store::Postgres(pool) => sqlx::query(statement).execute(pool).await.map(drop),
    };
    done.expect("a statement of the test's own");
}

/// The whole schema, and what a start may write.
async fn contents(store: &Store) -> [Vec<String>; 4] {
    let columns = "select table_name || '.' || column_name || ' ' || data_type
        from information_schema.columns where table_schema = 'public' order by 1";
    let versions = "select cast(version as text) from _sqlx_migrations order by 1";
    let (names, meta) = ("select key from identifiers", "select name || value from meta");
    [
        column(store, "select coalesce(sql, name) from sqlite_master order by 1", columns).await,
        column(store, versions, versions).await,
        column(store, names, names).await,
        column(store, meta, meta).await,
    ]
}

#[tokio::test]
async fn a_schema_newer_than_the_binary_is_refused_and_left_as_it_is() {
    let place = Place::new().await;
    let store = place.store().await;
    execute(&store, OF_TOMORROW).await;
    let before = contents(&store).await;
    let superuser = [
        NO_SECRET,
        ("PROPUSK_SUPERUSER__EMAIL", "root@example.com"),
        ("PROPUSK_SUPERUSER__PASSWORD", PASSWORD),
    ];
    for command in [&[] as &[_], &["migrate"], &["user", "list"]] {
        let said = place.refused(&superuser, command).await;
        assert!(said.contains("written by a newer version of Propusk"), "{said}");
        assert!(said.contains("99999999999999"), "{said}");
    }
    assert_eq!(contents(&store).await, before);
}

#[tokio::test]
async fn migrate_makes_the_schema_and_may_be_run_again() {
    let place = Place::new().await;
    for _ in 0..2 {
        let Finished { status, stdout, stderr } = place.run(&[], &["migrate"], "").await;
        assert!(status.success(), "{stderr}");
        assert_eq!(stdout, "the schema is up to date\n");
    }
    let names = "select key from identifiers";
    assert!(column(&place.store().await, names, names).await.is_empty());
}

#[tokio::test]
async fn a_second_server_on_a_data_directory_is_refused_and_the_first_goes_on() {
    let place = Place::new().await;
    let first = place.start(&[]).await;
    let (access, _) = signed_up(&first.client, "anna@example.com").await;
    let said = place.refused(&[], &["serve"]).await;
    assert!(said.contains("another server is running on the same data"), "{said}");
    assert_eq!(me(&first.client, &access).await.status, 200);
    assert_eq!(register(&first.client, "email", "bob@example.com").await.status, 201);
    // A killed server leaves nothing behind that somebody would have to remove.
    first.kill().await;
    let second = place.start(&[]).await;
    assert_eq!(me(&second.client, &access).await.status, 200);
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let (place, other) = (Place::new().await, Place::new().await);
    let server = place.start(&[]).await;
    let address = server.address.to_string();
    let Finished { status, stderr, .. } = other.run(&[("PROPUSK_LISTEN", &address)], &[], "").await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains(&format!("cannot listen on {address}")), "{stderr}");
}

#[tokio::test]
async fn healthz_answers_ok_and_readyz_while_the_database_is_there() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = server.client.get(path, None).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, text));
    }
}

#[tokio::test]
async fn two_servers_never_share_a_file_of_sqlite() {
    let (place, other) = (Place::new().await, Place::new().await);
    let url = format!("sqlite://{}", place.path().join("shared.sqlite3").display());
    let url = ("PROPUSK_DATABASE_URL", url.as_str());
    let server = place.start(&[url]).await;
    let (access, _) = signed_up(&server.client, "anna@example.com").await;
    let said = other.refused(&[url], &[]).await;
    assert!(said.contains("another server is running on the same data"), "{said}");
    assert_eq!(me(&server.client, &access).await.status, 200);
    server.terminate().await;
    let server = other.start(&[url]).await;
    assert_eq!(me(&server.client, &access).await.status, 200);
}

#[tokio::test]
async fn a_data_directory_is_made_for_its_owner_alone() {
    let place = Place::new().await;
    place.start(&[("PROPUSK_DATA_DIR", "made/here")]).await;
    for directory in ["made", "made/here"] {
        let made = std::fs::metadata(place.path().join(directory)).expect("the directory");
        assert_eq!(made.permissions().mode() & 0o777, 0o700, "{directory}");
    }
}

#[tokio::test]
async fn the_superuser_of_the_environment_is_made_once() {
    let place = Place::new().await;
    place.write("password.txt", &format!("{PASSWORD}\n"));
    let superuser = [
        ("PROPUSK_SUPERUSER__EMAIL", "Root@Example.com"),
        ("PROPUSK_SUPERUSER__USERNAME", "root"),
        ("PROPUSK_SUPERUSER__PASSWORD_FILE", "password.txt"),
    ];
    let server = place.start(&superuser).await;
    let access = sign_in(&server.client, "root@example.com", PASSWORD).await.field("access");
    assert_eq!(me(&server.client, &access).await.json()["is_superuser"], true);
    let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let path = "/api/auth/users/set_password/";
    let changed = server.client.post_as(&format!("Bearer {access}"), path, &change).await;
    assert_eq!(changed.status, 204);
    server.terminate().await;
    let server = place.start(&superuser).await;
    assert_eq!(sign_in(&server.client, "root@example.com", PASSWORD).await.status, 401);
    assert_eq!(sign_in(&server.client, "root@example.com", NEW_PASSWORD).await.status, 200);
    assert_eq!(place.user(&["list"]).await, "       1  active    root  Root@example.com\n");
}

#[tokio::test]
async fn a_superuser_without_a_password_or_with_a_name_that_is_none_is_refused() {
    let place = Place::new().await;
    let (email, password) =
        (("PROPUSK_SUPERUSER__EMAIL", "root@example.com"), ("PROPUSK_SUPERUSER__PASSWORD", "x"));
    for (settings, problem) in [
        (&[email] as &[_], "superuser: a password is missing"),
        (&[password, ("PROPUSK_SUPERUSER__EMAIL", "root")], "superuser: not an e-mail address"),
        (&[password, ("PROPUSK_SUPERUSER__PHONE", "12345")], "superuser: not a phone number"),
        (&[password, ("PROPUSK_SUPERUSER__USERNAME", "a@b")], "superuser: not a username"),
    ] {
        let Finished { status, stderr, .. } = place.run(settings, &[], "").await;
        assert_eq!(status.code(), Some(1));
        assert!(stderr.contains(problem), "{stderr}");
    }
}

#[tokio::test]
async fn a_generated_secret_is_kept_and_only_its_owner_reads_it() {
    let place = Place::new().await;
    let server = place.start(&[NO_SECRET]).await;
    let (access, token) = signed_up(&server.client, "anna@example.com").await;
    server.terminate().await;
    let path = place.path().join("secret");
    let mode = std::fs::metadata(&path).expect("the secret").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(std::fs::read(&path).expect("the secret").len() >= 32);
    let server = place.start(&[NO_SECRET]).await;
    assert_eq!(me(&server.client, &access).await.status, 200);
    assert_eq!(refresh(&server.client, &token).await.status, 200);
}

#[tokio::test]
async fn no_two_servers_generate_the_same_secret() {
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let place = Place::new().await;
        place.start(&[NO_SECRET]).await.terminate().await;
        secrets.push(std::fs::read(place.path().join("secret")).expect("the secret"));
    }
    assert_ne!(secrets[0], secrets[1]);
}

#[tokio::test]
async fn a_database_keeps_to_the_secret_that_was_generated_for_it() {
    let place = Place::new().await;
    place.start(&[NO_SECRET]).await.terminate().await;
    let path = place.path().join("secret");
    let secret = std::fs::read(&path).expect("the secret");
    std::fs::remove_file(&path).expect("the secret");
    let said = place.refused(&[NO_SECRET], &[]).await;
    assert!(said.contains("is not the secret that this database is used with"), "{said}");
    std::fs::write(&path, secret).expect("the secret");
    place.start(&[NO_SECRET]).await;
}

#[tokio::test]
async fn a_forgotten_secret_is_not_replaced_by_a_generated_one() {
    let place = Place::new().await;
    place.start(&[]).await.terminate().await;
    let said = place.refused(&[NO_SECRET], &[]).await;
    assert!(said.contains("set the same PROPUSK_TOKENS__SECRET"), "{said}");
    place.start(&[]).await;
}

#[tokio::test]
async fn the_command_line_needs_no_secret_and_makes_none() {
    let place = Place::new().await;
    let create = ["user", "create", "anna@example.com"];
    let made = place.run(&[NO_SECRET], &create, PASSWORD).await;
    assert!(made.status.success(), "{}", made.stderr);
    assert!(!place.path().join("secret").exists());
    place.start(&[NO_SECRET]).await.terminate().await;
    // Nor does one of its environment stick to the database.
    place.user(&["show", "anna@example.com"]).await;
    let server = place.start(&[NO_SECRET]).await;
    assert_eq!(sign_in(&server.client, "anna@example.com", PASSWORD).await.status, 200);
}

// ---- stopping ----------------------------------------------------------------------------------

/// A sign-in whose handler waits for its body.
async fn begun_sign_in(server: SocketAddr, body: &str) -> Wire {
    let headers = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", body.len());
    let mut wire = Wire::with(server, post("/api/auth/jwt/create/", &headers, "")).await;
    assert_eq!(wire.head().await.status, 100);
    wire
}

async fn refuses_connections(server: SocketAddr) -> bool {
    let refused = TcpStream::connect(server).await.err();
    refused.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_has_begun_and_takes_nothing_new() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let (client, address) = (server.client.clone(), server.address);
    assert_eq!(register(&client, "email", "anna@example.com").await.status, 201);
    let body = json!({"username": "anna@example.com", "password": PASSWORD}).to_string();
    let mut running = Vec::new();
    for _ in 0..8 {
        running.push(begun_sign_in(address, &body).await);
    }
    let began = Instant::now();
    let stopping = tokio::spawn(server.terminate());
    soon("new connections are refused", || refuses_connections(address)).await;
    for wire in &mut running {
        wire.send(&body).await;
        let answer = wire.answer().await;
        assert!(answer.status == 200 && answer.json()["refresh"].is_string(), "{answer:?}");
        assert_eq!(wire.rest().await, "");
    }
    let (status, output) = stopping.await.expect("the server stops");
    assert_eq!((status.code(), began.elapsed() < STOP), (Some(0), true), "{output}");
}

#[tokio::test]
async fn a_client_that_never_ends_holds_no_stop_up() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let _no_body = begun_sign_in(server.address, "of a length").await;
    let _half_a_head = Wire::with(server.address, "POST /token HTTP/1.1\r\nHo").await;
    let _nothing = Wire::open(server.address).await;
    assert_eq!(server.client.get("/healthz", None).await.status, 200);
    let began = Instant::now();
    let (status, output) = server.terminate().await;
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(began.elapsed() < STOP, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stop_at_rest_takes_no_time_and_keeps_everything() {
    let place = Place::new().await;
    let server = place.start(&[]).await;
    let (access, _) = signed_up(&server.client, "anna@example.com").await;
    let _idle = Wire::open(server.address).await;
    let began = Instant::now();
    let (status, _) = server.terminate().await;
    assert_eq!(status.code(), Some(0));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(me(&place.start(&[]).await.client, &access).await.status, 200);
}

// ---- accounts, from the command line, while the server runs ------------------------------------

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
    assert_eq!(place.user(&["sign-out", "anna@example.com"]).await, "sessions ended: 2\n");
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
        assert!(stderr.contains("Delete account 1 (anna@example.com) for good?"), "{stderr}");
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
    assert!(said.contains("no account holds this phone number"), "{said}");
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
        (&["a@b@c"], PASSWORD, "neither an e-mail address nor a phone number nor a username"),
        (&["bob"], "\n", "the password is empty"),
        (&["bob"], &"x".repeat(1_025), "the password is longer than 1024 bytes"),
        (&["bob", "--hashed"], PASSWORD, "not a hash of a known scheme"),
        (&["bob", "--hashed"], "md5$salt$0123456789abcdef", "not a hash of a known scheme"),
        (&["bob", "--password-file", "missing.txt"], "", "No such file"),
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
    let rehashed = column(&store, stored, stored).await;
    assert!(rehashed[0].starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{rehashed:?}");
    assert_eq!(sign_in(client, "anna@example.com", PASSWORD).await.status, 200);
    assert_eq!(column(&store, stored, stored).await, rehashed);
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
        assert!(said.contains("say id:2 or id:1"), "{said}");
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
    let name = "\u{1b}]0;owned\u{7}\u{1b}[2J\rid            2";
    let body = json!({"login": name, "email": "anna@example.com", "password": PASSWORD});
    assert_eq!(server.client.post("/v1/creat_autor", &body).await.status, 201);
    for command in [&["show", "anna@example.com"] as &[_], &["list"]] {
        let printed = place.user(command).await;
        assert!(!printed.contains(|c: char| c.is_control() && c != '\n'), "{printed:?}");
    }
}
