//! Starting: schemas, locks, the superuser, generated secrets.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use propusk_server::store::{Database, Store};
use propusk_tests::operator::*;
use propusk_tests::process::{self, Finished, Process};
use propusk_tests::user::*;
use serde_json::json;

/// A migration of a future version.
const OF_TOMORROW: &str = "insert into _sqlx_migrations
    select 99999999999999, description, installed_on, success, checksum, execution_time
    from _sqlx_migrations";

/// The whole schema, and the rows that a start may write.
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
async fn schema_newer_than_the_binary_is_refused_and_left_as_it_is() {
    let operator = Operator::new().await;
    let store = operator.store().await;
    execute(&store, OF_TOMORROW.to_owned()).await;
    let before = contents(&store).await;
    let superuser = [
        NO_SECRET,
        ("PROPUSK_SUPERUSER__EMAIL", "root@example.com"),
        ("PROPUSK_SUPERUSER__PASSWORD", PASSWORD),
    ];
    for command in [&[] as &[_], &["migrate"], &["user", "list"], &["check-config"]] {
        let Finished { status, stdout, stderr: said } = operator.run(&superuser, command, "").await;
        assert_eq!(status.code(), Some(1), "{command:?}");
        assert!(!stdout.contains("can be used"), "{stdout}");
        assert!(said.contains("written by a newer version of Propusk"), "{said}");
        assert!(said.contains("99999999999999"), "{said}");
    }
    assert_eq!(contents(&store).await, before);
}

#[tokio::test]
async fn migrate_makes_the_schema_and_may_be_run_again() {
    let operator = Operator::new().await;
    for _ in 0..2 {
        let Finished { status, stdout, stderr } = operator.run(&[], &["migrate"], "").await;
        assert!(status.success(), "{stderr}");
        assert_eq!(stdout, format!("on {}: the schema is up to date\n", operator.name()));
    }
    let names = "select key from identifiers";
    assert!(column(&operator.store().await, names, names).await.is_empty());
}

#[tokio::test]
async fn second_server_on_a_data_directory_is_refused_and_the_first_keeps_running() {
    let operator = Operator::new().await;
    let first = operator.start(&[]).await;
    let (access, _) = signed_up(&first.client, "anna@example.com").await;
    let said = operator.refused(&[], &["serve"]).await;
    assert!(said.contains("another server is running on the same data"), "{said}");
    assert_eq!(me(&first.client, &access).await.status, 200);
    assert_eq!(register(&first.client, "email", "bob@example.com").await.status, 201);
    // A killed server leaves no lock that must be removed.
    first.kill().await;
    let second = operator.start(&[]).await;
    assert_eq!(me(&second.client, &access).await.status, 200);
}

#[tokio::test]
async fn address_in_use_is_reported() {
    let (operator, other) = (Operator::new().await, Operator::new().await);
    let server = operator.start(&[]).await;
    let address = server.address.to_string();
    let Finished { status, stderr, .. } = other.run(&[("PROPUSK_LISTEN", &address)], &[], "").await;
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains(&format!("cannot listen on {address}")), "{stderr}");
}

#[tokio::test]
async fn healthz_answers_ok_and_readyz_while_the_database_is_there() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = server.client.get(path, None).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, text));
    }
}

#[tokio::test]
async fn sqlite_file_is_never_shared_by_two_servers() {
    let (operator, other) = (Operator::new().await, Operator::new().await);
    let url = format!("sqlite://{}", operator.path().join("shared.sqlite3").display());
    let url = ("PROPUSK_DATABASE_URL", url.as_str());
    let server = operator.start(&[url]).await;
    let (access, _) = signed_up(&server.client, "anna@example.com").await;
    let said = other.refused(&[url], &[]).await;
    assert!(said.contains("another server is running on the same data"), "{said}");
    assert_eq!(me(&server.client, &access).await.status, 200);
    server.terminate().await;
    let server = other.start(&[url]).await;
    assert_eq!(me(&server.client, &access).await.status, 200);
}

#[tokio::test]
async fn sqlite_file_has_one_server_whatever_its_path() {
    let (operator, other) = (Operator::new().await, Operator::new().await);
    // Both paths name the file directly, so this is about SQLite on every engine.
    let file = operator.path().join("propusk.sqlite3");
    let own = format!("sqlite://{}", file.display());
    let server = operator.start(&[("PROPUSK_DATABASE_URL", &own)]).await;
    let link = other.path().join("link.sqlite3");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    for path in [file, link] {
        let url = format!("sqlite://{}", path.display());
        let said = other.refused(&[("PROPUSK_DATABASE_URL", &url)], &[]).await;
        assert!(said.contains("another server is running on the same data"), "{said}");
    }
    assert_eq!(server.client.get("/readyz", None).await.status, 200);
}

/// Files below a folder, with their modes.
fn modes_below(folder: &Path) -> Vec<(String, u32)> {
    let mut modes = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let meta = entry.metadata().expect("its mode");
        modes.push((entry.path().display().to_string(), meta.permissions().mode() & 0o777));
        if meta.is_dir() {
            modes.extend(modes_below(&entry.path()));
        }
    }
    modes
}

#[tokio::test]
async fn files_are_readable_by_their_owner_alone_whatever_the_umask() {
    let operator = Operator::new().await;
    let data = operator.path().join("made/here");
    let url = format!("sqlite://{}", data.join("propusk.sqlite3").display());
    let settings =
        [NO_SECRET, ("PROPUSK_DATA_DIR", "made/here"), ("PROPUSK_DATABASE_URL", url.as_str())];
    let server = Process::start_with_umask("000", operator.path(), None, &settings).await;
    signed_up(&server.client, "anna@example.com").await;
    let body = json!({"email": "anna@example.com"});
    let asked = server.client.post("/auth/users/reset_password/", &body).await;
    assert_eq!(asked.status, 204);
    let mails = || std::fs::read_dir(data.join("mail")).map_or(0, Iterator::count);
    soon("a mail is written", || async { mails() > 0 }).await;
    let modes = modes_below(&operator.path().join("made"));
    for file in ["sqlite3", "sqlite3-wal", "sqlite3-shm", "sqlite3-serving", "/lock", "/secret"] {
        assert!(modes.iter().any(|(path, _)| path.ends_with(file)), "{file}: {modes:?}");
    }
    for (path, mode) in modes {
        let is_folder = Path::new(&path).is_dir();
        assert_eq!(mode, if is_folder { 0o700 } else { 0o600 }, "{path}");
    }
}

/// Files that an earlier start, a restore or another program has left.
#[tokio::test]
async fn files_that_others_can_read_are_restricted_or_cause_a_warning() {
    let operator = Operator::new().await;
    let elsewhere = operator.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("a folder");
    let url = format!("sqlite://{}", elsewhere.join("x.db").display());
    let settings = [("PROPUSK_DATABASE_URL", url.as_str())];
    let opened = |names: &[&str], mode| {
        for name in names {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(operator.path().join(name), mode).expect("a mode");
        }
    };
    let owned = ["lock", "numbers", "elsewhere/x.db", "elsewhere/x.db-serving"];
    for name in owned {
        operator.write(name, "");
    }
    opened(&owned, 0o644);
    let (_, said) = operator.start(&settings).await.terminate().await;
    assert!(!said.contains("x.db; run"), "{said}");
    for (path, mode) in modes_below(operator.path()) {
        assert!(mode == 0o600 || Path::new(&path).is_dir(), "{path}: {mode:o}");
    }
    // The contents may have been read already: the operator has to decide.
    opened(&["elsewhere/x.db"], 0o644);
    let server = operator.start(&settings).await;
    signed_up(&server.client, "anna@example.com").await;
    opened(&["elsewhere/x.db-wal"], 0o604);
    let checked = operator.run(&settings, &["check-config"], "").await.stdout;
    for file in ["x.db", "x.db-wal"] {
        let path = elsewhere.join(file).canonicalize().expect("the file");
        let warning = format!("database_url: others on this machine can read {}; ", path.display());
        assert!(checked.contains(&warning), "{checked}");
    }
    let (_, said) = server.terminate().await;
    assert!(said.contains("x.db; run: chmod 600"), "{said}");
    let mode = std::fs::metadata(elsewhere.join("x.db")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[tokio::test]
async fn secrets_that_others_can_read_cause_a_warning() {
    let operator = Operator::new().await;
    let open = |name: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(operator.path().join(name), mode).expect("a mode");
    };
    let quiet = operator.start(&[NO_SECRET]).await.terminate().await.1;
    assert!(!quiet.contains("others on this machine"), "{quiet}");
    operator.write("smtp.txt", "smtp://127.0.0.1:2525");
    operator.write(".env", "");
    operator.write("propusk.toml", "[product]\nname = \"Tea\"\n");
    for (name, mode) in [
        ("smtp.txt", 0o604),
        (".env", 0o644),
        ("propusk.toml", 0o644),
        ("secret", 0o604),
        ("", 0o755),
    ] {
        open(name, mode);
    }
    let settings = [NO_SECRET, ("PROPUSK_MAIL__SMTP_URL_FILE", "smtp.txt")];
    let logged = operator.start(&settings).await.terminate().await.1;
    let checked = operator.run(&settings, &["check-config"], "").await.stdout;
    for warning in [
        "mail.smtp_url_file: others on this machine can read smtp.txt; run: chmod 600 smtp.txt",
        ".env: others on this machine can read .env",
        "/secret; run: chmod 600",
        "run: chmod 700",
    ] {
        assert!(logged.contains(warning) && checked.contains(warning), "{logged}{checked}");
    }
    // Settings without secrets may be readable by all.
    assert!(!checked.contains("propusk.toml;"), "{checked}");
    let secret = "[superuser]\nusername = \"root\"\npassword = \"correct horse battery\"\n";
    operator.write("propusk.toml", secret);
    let warning = "propusk.toml: others on this machine can read propusk.toml; run: chmod 600";
    let checked = operator.run(&settings, &["check-config"], "").await.stdout;
    assert!(checked.contains(warning), "{checked}");
    let overridden = [NO_SECRET, ("PROPUSK_SUPERUSER__PASSWORD", PASSWORD)];
    let checked = operator.run(&overridden, &["check-config"], "").await.stdout;
    assert!(!checked.contains(warning), "{checked}");
}

#[tokio::test]
async fn first_steps_are_shown_on_a_terminal_alone() {
    let operator = Operator::new().await;
    let url = "https://auth.example.com";
    let settings = [("PROPUSK_PUBLIC_URL", url)];
    let piped = operator.start(&settings).await.terminate().await.1;
    assert!(!piped.contains("curl") && piped.contains("listening on http://127"), "{piped}");
    let last = "/api/auth/users/me/ -H \"Authorization: Bearer $TOKEN\"";
    let database = operator.database.url();
    let (_, shown) =
        Process::on_a_terminal(last, operator.path(), database, &settings).await.terminate().await;
    for step in [&format!("described at {url}/docs"), &format!("curl {url}/api/auth/users/ ")] {
        assert!(shown.contains(step), "{shown}");
    }
}

#[tokio::test]
async fn command_creates_no_database() {
    let operator = Operator::new().await;
    for command in [
        &["user", "list"] as &[_],
        &["user", "create", "anna@example.com"],
        &["user", "delete", "anna@example.com", "--yes"],
        &["client", "list"],
        &["client", "create", "--id", "app", "--name", "App"],
        &["mail", "list"],
        &["mail", "retry"],
        &["key", "list"],
        &["key", "rotate", "--now"],
        &["key", "revoke", "x"],
        &["session", "invalidate-all", "--yes"],
    ] {
        let said = operator.refused(&[NO_SECRET], command).await;
        let problem = format!("there is no database of Propusk at {}", operator.name());
        assert!(said.contains(&problem), "{command:?}: {said}");
    }
    let checked = operator.run(&[NO_SECRET], &["check-config"], "").await;
    let database = format!("database: {}: none yet", operator.name());
    assert!(checked.stdout.contains(&database), "{}", checked.stdout);
    let left = std::fs::read_dir(operator.path()).expect("the directory").count();
    assert_eq!(left, 0, "nothing was made");
    let migrated = operator.run(&[NO_SECRET], &["migrate"], "").await;
    assert!(migrated.status.success(), "{}", migrated.stderr);
    let done = operator.run(&[], &["session", "invalidate-all", "--yes"], "").await;
    assert_eq!(done.stdout, format!("on {}: 0 sessions ended\n", operator.name()));
}

#[tokio::test]
async fn empty_file_is_no_database() {
    let operator = Operator::new().await;
    let file = operator.path().join("empty.sqlite3");
    operator.write("empty.sqlite3", "");
    let url = format!("sqlite://{}", file.display());
    let said = operator.refused(&[("PROPUSK_DATABASE_URL", &url)], &["user", "list"]).await;
    assert!(said.contains(&format!("there is no database of Propusk at {url}")), "{said}");
    assert_eq!(std::fs::metadata(&file).expect("the file").len(), 0);
}

#[tokio::test]
async fn commands_use_the_configured_data_directory() {
    let (here, there) = (Operator::new().await, Operator::new().await);
    // SQLite on every engine: it is found by its directory.
    let run = async |arguments: &[&str]| process::run(here.path(), None, &[], arguments, "").await;
    let elsewhere = there.path().join("data");
    let elsewhere = elsewhere.to_str().expect("a path");
    assert!(run(&["migrate", "--data-dir", elsewhere]).await.status.success());
    let done = run(&["session", "invalidate-all", "--yes", "--data-dir", elsewhere]).await;
    assert_eq!(done.stdout, format!("on sqlite://{elsewhere}/propusk.sqlite3: 0 sessions ended\n"));
    assert_eq!(run(&["user", "list"]).await.status.code(), Some(1));
}

#[tokio::test]
async fn older_schema_is_reported_by_commands_and_left_to_migrate() {
    let operator = Operator::new().await;
    let store = operator.store().await;
    execute(&store, "update _sqlx_migrations set success = false".to_owned()).await;
    let before = contents(&store).await;
    let said = operator.refused(&[], &["user", "list"]).await;
    assert!(said.contains("is older: run propusk migrate first"), "{said}");
    assert_eq!(contents(&store).await, before);
}

/// No migration leads there: the advice to migrate would lead in a circle.
#[tokio::test]
async fn schema_of_an_unreleased_version_is_refused_by_everything_and_not_changed() {
    let operator = Operator::new().await;
    let store = operator.store().await;
    let changed = match operator.database.url() {
        Some(_) => "update _sqlx_migrations set checksum = decode('00', 'hex')",
        None => "update _sqlx_migrations set checksum = x'00'",
    };
    execute(&store, changed.to_owned()).await;
    let before = contents(&store).await;
    for arguments in [&["user", "list"] as &[_], &["migrate"], &[]] {
        let said = operator.refused(&[], arguments).await;
        let what = "is that of an unreleased version of Propusk";
        assert!(said.contains(what) && !said.contains("propusk migrate"), "{arguments:?}: {said}");
    }
    let Finished { status, stdout, stderr } = operator.run(&[], &["check-config"], "").await;
    assert_eq!(status.code(), Some(1), "{stdout}");
    assert!(stderr.contains("unreleased") && !stdout.contains("can be used"), "{stdout}{stderr}");
    assert_eq!(contents(&store).await, before);
}

#[tokio::test]
async fn superuser_of_the_environment_is_made_once() {
    let operator = Operator::new().await;
    operator.write("password.txt", &format!("{PASSWORD}\n"));
    let superuser = [
        ("PROPUSK_SUPERUSER__EMAIL", "Root@Example.com"),
        ("PROPUSK_SUPERUSER__USERNAME", "root"),
        ("PROPUSK_SUPERUSER__PASSWORD_FILE", "password.txt"),
    ];
    let server = operator.start(&superuser).await;
    let access = sign_in(&server.client, "root@example.com", PASSWORD).await.field("access");
    assert_eq!(me(&server.client, &access).await.json()["is_superuser"], true);
    let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let path = "/api/auth/users/set_password/";
    let changed = server.client.post_as(&format!("Bearer {access}"), path, &change).await;
    assert_eq!(changed.status, 204);
    server.terminate().await;
    let server = operator.start(&superuser).await;
    assert_eq!(sign_in(&server.client, "root@example.com", PASSWORD).await.status, 401);
    assert_eq!(sign_in(&server.client, "root@example.com", NEW_PASSWORD).await.status, 200);
    assert_eq!(operator.user(&["list"]).await, "       1  active    root  Root@example.com\n");
}

#[tokio::test]
async fn superuser_without_a_password_or_with_an_invalid_name_is_refused() {
    let operator = Operator::new().await;
    let (email, password) =
        (("PROPUSK_SUPERUSER__EMAIL", "root@example.com"), ("PROPUSK_SUPERUSER__PASSWORD", "x"));
    for (settings, problem) in [
        (&[email] as &[_], "superuser: a password is missing"),
        (&[password, ("PROPUSK_SUPERUSER__EMAIL", "root")], "superuser: not an e-mail address"),
        (&[password, ("PROPUSK_SUPERUSER__PHONE", "12345")], "superuser: not a phone number"),
        (&[password, ("PROPUSK_SUPERUSER__USERNAME", "a@b")], "superuser: not a username"),
    ] {
        let Finished { status, stderr, .. } = operator.run(settings, &[], "").await;
        assert_eq!(status.code(), Some(1));
        assert!(stderr.contains(problem), "{stderr}");
    }
}

/// All files in the directory, with modes and hashes of their contents, except the files that
/// SQLite removes when the database is closed.
fn lies_in(operator: &Operator) -> Vec<(String, u32, u64)> {
    let hash = |path: &String| {
        let mut hasher = DefaultHasher::new();
        std::fs::read(path).unwrap_or_default().hash(&mut hasher);
        hasher.finish()
    };
    let files = modes_below(operator.path()).into_iter();
    let files = files.filter(|(path, _)| !path.ends_with("-wal") && !path.ends_with("-shm"));
    let mut all: Vec<_> = files.map(|(path, mode)| (path.clone(), mode, hash(&path))).collect();
    all.sort();
    all
}

/// A refused start leaves its last writes in a file next to the database; the next process that
/// closes the database moves them into it.
async fn settle(operator: &Operator) {
    if operator.path().join("propusk.sqlite3").exists() {
        let database = Database::of(None, operator.path()).expect("a database");
        database.schema().await.expect("it opens");
    }
}

/// `check-config` and `serve` refuse with the same text, and `check-config` writes nothing.
async fn refused_by_both(operator: &Operator, settings: &[(&str, &str)], problem: &str) {
    settle(operator).await;
    let before = lies_in(operator);
    let Finished { status, stdout, stderr } = operator.run(settings, &["check-config"], "").await;
    assert_eq!(status.code(), Some(1), "{problem}: {stdout}");
    assert!(stderr.contains(problem) && !stdout.contains("can be used"), "{stdout}{stderr}");
    assert_eq!(lies_in(operator), before, "{problem}");
    let Finished { status, stderr, .. } = operator.run(settings, &[], "").await;
    assert_eq!(status.code(), Some(1), "{problem}");
    assert!(stderr.contains(problem), "{stderr}");
}

#[tokio::test]
async fn check_config_refuses_what_a_start_refuses() {
    let operator = Operator::new().await;
    operator.write("file", "");
    let root = ("PROPUSK_SUPERUSER__EMAIL", "root@example.com");
    let password = ("PROPUSK_SUPERUSER__PASSWORD", PASSWORD);
    for (settings, problem) in [
        (&[("PROPUSK_PASSWORD__MEMORY_KIB", "1")] as &[_], "password hashing"),
        (&[("PROPUSK_PASSWORD__TIME", "0")], "password hashing"),
        (&[password, ("PROPUSK_SUPERUSER__USERNAME", "a@b")], "superuser: not a username"),
        (&[root], "superuser: a password is missing"),
        (&[("PROPUSK_DATABASE_URL", "postgres://[")], "database_url"),
        (
            &[("PROPUSK_DATABASE_URL", "postgres://a@localhost/a?sslmode=verify")],
            "database_url: sslmode verify is unknown",
        ),
        (&[("PROPUSK_DATABASE_URL", "sqlite:///nonexistent/dir/x.db")], "/nonexistent/dir"),
        (&[("PROPUSK_DATA_DIR", "file")], "file"),
        (&[("PROPUSK_DATA_DIR", "file/data")], "file"),
        (
            &[("PROPUSK_LISTEN", "127.0.0.1:9"), ("PROPUSK_METRICS__LISTEN", "127.0.0.1:9")],
            "metrics.listen: must not be the address of listen",
        ),
    ] {
        refused_by_both(&operator, settings, problem).await;
    }
    if let Some(url) = operator.database.url().filter(|url| url.contains("postgres@")) {
        let url = url.replace("postgres@", "propusk_nobody@");
        let nobody = [("PROPUSK_DATABASE_URL", url.as_str())];
        refused_by_both(&operator, &nobody, "(28000)").await;
    }
    // A database that may start later.
    let absent = [("PROPUSK_DATABASE_URL", "postgres://a@127.0.0.1:1/a"), root];
    let Finished { status, stdout, .. } = operator.run(&absent, &["check-config"], "").await;
    assert!(status.success() && stdout.contains("cannot be reached"), "{stdout}");
}

#[tokio::test]
async fn check_config_looks_at_the_database_as_a_start_does() {
    let operator = Operator::new().await;
    let root = ("PROPUSK_SUPERUSER__EMAIL", "anna@example.com");
    let server = operator.start(&[]).await;
    signed_up(&server.client, "anna@example.com").await;
    server.terminate().await;
    refused_by_both(&operator, &[NO_SECRET], "set the same PROPUSK_TOKENS__SECRET").await;
    refused_by_both(&operator, &[OTHER_SECRET], ANOTHER_SECRET).await;
    refused_by_both(&operator, &[("PROPUSK_ACCOUNTS__FIRST_ID", "100")], "accounts.first_id").await;
    let other = ("PROPUSK_SUPERUSER__EMAIL", "root@example.com");
    refused_by_both(&operator, &[other], "superuser: a password is missing").await;
    // An account has this address, so no password is needed.
    settle(&operator).await;
    let before = lies_in(&operator);
    let checked = operator.run(&[root], &["check-config"], "").await;
    assert!(checked.status.success(), "{}", checked.stderr);
    assert_eq!(lies_in(&operator), before);
    operator.write("numbers", "seven");
    refused_by_both(&operator, &[], "does not hold two numbers").await;
}

#[tokio::test]
async fn generated_secret_is_kept_and_only_its_owner_reads_it() {
    let operator = Operator::new().await;
    let server = operator.start(&[NO_SECRET]).await;
    let (access, token) = signed_up(&server.client, "anna@example.com").await;
    server.terminate().await;
    let path = operator.path().join("secret");
    let mode = std::fs::metadata(&path).expect("the secret").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(std::fs::read(&path).expect("the secret").len() >= 32);
    let server = operator.start(&[NO_SECRET]).await;
    assert_eq!(me(&server.client, &access).await.status, 200);
    assert_eq!(refresh(&server.client, &token).await.status, 200);
}

#[tokio::test]
async fn generated_secrets_differ() {
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let operator = Operator::new().await;
        operator.start(&[NO_SECRET]).await.terminate().await;
        secrets.push(std::fs::read(operator.path().join("secret")).expect("the secret"));
    }
    assert_ne!(secrets[0], secrets[1]);
}

#[tokio::test]
async fn database_keeps_its_generated_secret() {
    let operator = Operator::new().await;
    operator.start(&[NO_SECRET]).await.terminate().await;
    let path = operator.path().join("secret");
    let secret = std::fs::read(&path).expect("the secret");
    std::fs::remove_file(&path).expect("the secret");
    let copy = "copy the file \"secret\" there".to_owned();
    for command in [&["serve"] as &[_], &["key", "rotate"]] {
        let said = operator.refused(&[NO_SECRET], command).await;
        assert!(said.contains("is not the secret that this database is used with"), "{said}");
        assert!(said.contains(&copy) && said.contains(&path.display().to_string()), "{said}");
        assert!(!path.exists(), "no other one was made");
    }
    std::fs::write(&path, "another-0123456789abcdef0123456789abcdef").expect("the secret");
    let said = operator.refused(&[NO_SECRET], &[]).await;
    assert!(said.contains("is not the secret that this database is used with"), "{said}");
    assert!(said.contains(&copy), "{said}");
    std::fs::write(&path, secret).expect("the secret");
    operator.start(&[NO_SECRET]).await;
}

#[tokio::test]
async fn missing_secret_is_not_replaced_by_a_generated_one() {
    let operator = Operator::new().await;
    operator.start(&[]).await.terminate().await;
    let said = operator.refused(&[NO_SECRET], &[]).await;
    assert!(said.contains("set the same PROPUSK_TOKENS__SECRET"), "{said}");
    assert!(!operator.path().join("secret").exists());
    operator.start(&[]).await;
}

const OTHER_SECRET: (&str, &str) =
    ("PROPUSK_TOKENS__SECRET", "another-key-0123456789abcdef0123456789abcdef");

#[tokio::test]
async fn secret_of_another_database_is_refused_whichever_apis_are_on() {
    let operator = Operator::new().await;
    let server = operator.start(&[WITHOUT_NATIVE]).await;
    let (access, _) = signed_up(&server.client, "anna@example.com").await;
    server.terminate().await;
    let refused = async |settings: &[(&str, &str)], command: &[&str]| {
        let said = operator.refused(settings, command).await;
        assert!(said.contains(ANOTHER_SECRET) && said.contains("key rotate --now"), "{said}");
    };
    refused(&[OTHER_SECRET, WITHOUT_NATIVE], &[]).await;
    refused(&[OTHER_SECRET], &[]).await;
    refused(&[OTHER_SECRET], &["key", "rotate"]).await;
    // No mistake has replaced the secret of the database.
    let server = operator.start(&[WITHOUT_NATIVE]).await;
    assert_eq!(me(&server.client, &access).await.status, 200);
    server.terminate().await;
    // A deliberate change, and back again.
    let rotate = ["key", "rotate", "--now"];
    assert!(operator.run(&[OTHER_SECRET, WITHOUT_NATIVE], &rotate, "").await.status.success());
    refused(&[WITHOUT_NATIVE], &[]).await;
    let server = operator.start(&[OTHER_SECRET, WITHOUT_NATIVE]).await;
    assert_eq!(me(&server.client, &access).await.status, 401);
    server.terminate().await;
    assert!(operator.run(&[], &rotate, "").await.status.success());
    refused(&[OTHER_SECRET, WITHOUT_NATIVE], &[]).await;
    let server = operator.start(&[]).await;
    assert_eq!(me(&server.client, &access).await.status, 200);
}

#[tokio::test]
async fn secret_of_an_operator_does_not_replace_a_generated_one_by_itself() {
    let operator = Operator::new().await;
    operator.start(&[NO_SECRET, WITHOUT_NATIVE]).await.terminate().await;
    let said = operator.refused(&[WITHOUT_NATIVE], &[]).await;
    assert!(said.contains(ANOTHER_SECRET), "{said}");
    operator.start(&[NO_SECRET, WITHOUT_NATIVE]).await.terminate().await;
    // The same secret in another file is the same.
    let generated = std::fs::read_to_string(operator.path().join("secret")).expect("the secret");
    let moved = [("PROPUSK_TOKENS__SECRET", generated.trim())];
    operator.start(&moved).await.terminate().await;
    assert!(operator.run(&[], &["key", "rotate", "--now"], "").await.status.success());
    operator.start(&[]).await;
}

#[tokio::test]
async fn secret_that_an_earlier_version_did_not_record_is_recorded_if_its_keys_fit() {
    let operator = Operator::new().await;
    operator.start(&[]).await.terminate().await;
    let store = operator.store().await;
    let noted = "select value from meta where name = 'generated_secret'";
    let fingerprint = column(&store, noted, noted).await;
    let earlier = "update meta set value = 'the operator''s' where name = 'generated_secret'";
    execute(&store, earlier.to_owned()).await;
    let said = operator.refused(&[OTHER_SECRET, WITHOUT_NATIVE], &[]).await;
    assert!(said.contains("sealed under another tokens.secret"), "{said}");
    let said = operator.refused(&[NO_SECRET], &[]).await;
    assert!(said.contains("set the same PROPUSK_TOKENS__SECRET"), "{said}");
    assert_eq!(column(&store, noted, noted).await, ["the operator's"]);
    operator.start(&[WITHOUT_NATIVE]).await.terminate().await;
    assert_eq!(column(&store, noted, noted).await, fingerprint);
}

#[tokio::test]
async fn command_line_needs_no_secret_and_generates_none() {
    let operator = Operator::new().await;
    assert!(operator.run(&[NO_SECRET], &["migrate"], "").await.status.success());
    let create = ["user", "create", "anna@example.com"];
    let made = operator.run(&[NO_SECRET], &create, PASSWORD).await;
    assert!(made.status.success(), "{}", made.stderr);
    assert!(!operator.path().join("secret").exists());
    operator.start(&[NO_SECRET]).await.terminate().await;
    // Nor is a secret from their environment stored in the database.
    operator.user(&["show", "anna@example.com"]).await;
    let server = operator.start(&[NO_SECRET]).await;
    assert_eq!(sign_in(&server.client, "anna@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn database_error_is_reported_in_its_own_words() {
    let operator = Operator::new().await;
    let Some(url) = operator.database.url().filter(|url| url.starts_with("postgres")) else {
        return;
    };
    let (server, _) = url.rsplit_once('/').expect("a URL with a database");
    let missing = format!("{server}/propusk_missing");
    let said = operator.refused(&[("PROPUSK_DATABASE_URL", &missing)], &["migrate"]).await;
    assert!(said.contains("database \"propusk_missing\" does not exist (3D000)"), "{said}");
    assert!(!said.contains("at line") && !said.contains("returned from"), "{said}");
}

#[tokio::test]
async fn start_logs_nothing_about_existing_tables() {
    let operator = Operator::new().await;
    for _ in 0..2 {
        let (_, output) = operator.start(&[]).await.terminate().await;
        assert!(!output.contains("already exists"), "{output}");
    }
}
