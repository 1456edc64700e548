//! The real libraries whose APIs the SDK speaks, and those that accept our tokens: Django stacks as
//! child processes. `django/README.md` describes them.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::SECRET;
use crate::http::Client;
use crate::mailbox::Letter;

/// The OAuth application that is registered at [`Stack::DjoserToken`].
pub const CLIENT_ID: &str = "django-app";
pub const CLIENT_SECRET: &str = "django-app-secret";

/// The environment of [`Django::resource_server`], with PyJWT and python-jose in it, and of
/// [`Django::newest`].
pub const RESOURCE_SERVER: &str = "resource_server";
/// The stack whose settings are a project's.
const PROJECT: &str = "project";
/// Longer than a busy machine takes to start Django.
const PATIENCE: Duration = Duration::from_secs(60);
const READY: &str = "ready ";
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/django");
/// Runs the statements of a file on a database, and prints all that is there then.
const APPLY: &str = r"
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=20, isolation_level=None)
database.executescript(open(sys.argv[2], encoding='utf-8').read())
print('\n'.join(database.iterdump()))
";
const EXPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/integrations/export.py");

/// A stack; it has the name of its dialect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stack {
    DjoserToken,
    Simplejwt,
    SimplejwtRotating,
    DjoserJwt,
}

impl Stack {
    pub const ALL: [Stack; 4] =
        [Stack::DjoserToken, Stack::Simplejwt, Stack::SimplejwtRotating, Stack::DjoserJwt];

    fn name(self) -> &'static str {
        match self {
            Stack::DjoserToken => "djoser_token",
            Stack::Simplejwt => "simplejwt",
            Stack::SimplejwtRotating => "simplejwt_rotating",
            Stack::DjoserJwt => "djoser_jwt",
        }
    }

    /// Its libraries with their versions, a line each.
    pub fn libraries(self) -> String {
        let file = format!("{DIRECTORY}/requirements/{}.txt", self.requirements());
        fs::read_to_string(file).expect("a file of requirements")
    }

    /// The name of the file with its libraries.
    fn requirements(self) -> &'static str {
        match self {
            Stack::SimplejwtRotating => Stack::DjoserJwt.name(),
            other => other.name(),
        }
    }
}

/// A running stack with a database of its own; killed when dropped. Its tokens are signed with
/// [`SECRET`].
pub struct Django {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    pub client: Client,
    directory: TempDir,
    _process: Child,
}

impl Django {
    pub async fn start(stack: Stack) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Django::spawned(stack.name(), stack.requirements(), directory).await
    }

    /// The same with the newest libraries.
    pub async fn newest(stack: Stack) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Django::spawned(stack.name(), RESOURCE_SERVER, directory).await
    }

    /// A Django with an API of its own and these settings, which accepts the tokens of another
    /// server.
    pub async fn resource_server(settings: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("from_handbook.py"), settings).expect("a new file");
        Django::spawned(RESOURCE_SERVER, RESOURCE_SERVER, directory).await
    }

    /// A project with these settings, and these files beside them, with the libraries of this file of
    /// requirements.
    pub async fn project(requirements: &str, settings: &str, files: &[(String, String)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("project.py"), settings).expect("a new file");
        for (name, text) in files {
            fs::write(directory.path().join(name), text).expect("a new file");
        }
        Django::spawned(PROJECT, requirements, directory).await
    }

    async fn spawned(stack: &str, requirements: &str, directory: TempDir) -> Self {
        let mut process = spawn(stack, requirements, directory.path());
        let url = url(process.stdout.take().expect("stdout is a pipe")).await;
        Django { client: Client::new(url.clone()), url, directory, _process: process }
    }

    /// Moves its clock forward.
    pub async fn set_on(&self, seconds: i64) {
        self.control("clock", json!({ "ahead": seconds })).await;
    }

    /// Suspends or reactivates the account with this sign-in name.
    pub async fn set_active(&self, name: &str, is_active: bool) {
        self.control("account", json!({ "name": name, "is_active": is_active })).await;
    }

    /// Deletes the account with this sign-in name.
    pub async fn delete(&self, name: &str) {
        self.control("account", json!({ "name": name })).await;
    }

    /// Makes a user with these fields.
    pub async fn create(&self, password: &str, fields: &Value) {
        let body = json!({ "password": password, "fields": fields });
        let answer = self.client.post("/_control/user", &body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    }

    /// Changes these fields of the user with this address.
    pub async fn change(&self, email: &str, fields: &Value) {
        self.control("user", json!({ "email": email, "fields": fields })).await;
    }

    /// The newest mail to this address. It is there before the answer of the request that sends it.
    pub fn newest_to(&self, recipient: &str) -> Option<Letter> {
        let mut letters: Vec<_> = fs::read_dir(self.directory.path().join("mails"))
            .map(|mails| mails.map(|mail| mail.expect("a mail").path()).collect())
            .unwrap_or_default();
        letters.sort();
        let read = |path: &PathBuf| Letter::read(&fs::read(path).expect("a mail"));
        letters.iter().rev().map(read).find(|letter| letter.to == recipient)
    }

    /// The URL of its database, as `propusk adopt` reads it.
    pub fn database_url(&self) -> String {
        format!("sqlite://{}", self.directory.path().join("db.sqlite3").display())
    }

    /// Runs `export.py` in a shell of this Django, and returns the import file.
    pub async fn export(&self, stack: Stack) -> PathBuf {
        self.export_as("accounts.jsonl", stack).await
    }

    /// The same with this name, in the same folder.
    pub async fn export_as(&self, name: &str, stack: Stack) -> PathBuf {
        let file = self.directory.path().join(name);
        let mut shell = command(stack.requirements());
        let running = shell
            .args(["-m", "django", "shell"])
            .env("DJANGO_SETTINGS_MODULE", "settings")
            .env("DJANGO_STACK", stack.name())
            .env("DJANGO_DIRECTORY", self.directory.path())
            .env("PROPUSK_EXPORT", &file)
            .stdin(fs::File::open(EXPORT).expect("the script"))
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, running).await.expect("it ends").expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        file
    }

    /// Runs these statements on its database, and returns all that is there then.
    pub async fn apply(&self, stack: Stack, statements: &Path) -> String {
        let mut python = command(stack.requirements());
        let running = python
            .args(["-c", APPLY])
            .arg(self.directory.path().join("db.sqlite3"))
            .arg(statements)
            .kill_on_drop(true)
            .output();
        let output = timeout(PATIENCE, running).await.expect("it ends").expect("Python starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    async fn control(&self, what: &str, body: Value) {
        let answer = self.client.post(&format!("/_control/{what}"), &body).await;
        assert_eq!(answer.status, 204, "{what} {body}: {}", answer.text());
    }
}

/// The Python of an environment that has the libraries of this file of requirements.
pub fn python(requirements: &str) -> PathBuf {
    let python = environments().join(requirements).join("bin/python");
    assert!(python.exists(), "{} is missing: see {DIRECTORY}/README.md", python.display());
    python
}

/// Python with these libraries, in the folder of the stacks.
fn command(requirements: &str) -> Command {
    // The first start compiles the libraries for the others; no files are left in the sources.
    let compiled = environments().join(requirements).join("pycache");
    let mut command = Command::new(python(requirements));
    // No settings of the user who runs the tests.
    command
        .args(["-E", "-s", "-X"])
        .arg(format!("pycache_prefix={}", compiled.display()))
        .current_dir(DIRECTORY)
        .env("DJANGO_SECRET", SECRET);
    command
}

fn spawn(stack: &str, requirements: &str, directory: &Path) -> Child {
    command(requirements)
        .args(["serve.py", stack])
        .arg(directory)
        // The process ends when the pipe closes, however the tests end.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("Python starts")
}

/// In the target directory of cargo.
fn environments() -> PathBuf {
    let tests = env::current_exe().expect("the path of the tests");
    tests.ancestors().nth(3).expect("target/<profile>/deps").join("django")
}

/// The address that it prints in its only line.
async fn url(stdout: ChildStdout) -> String {
    let mut lines = BufReader::new(stdout).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.expect("Django starts");
    let line = line.expect("readable output").expect("it listens; else see above");
    let url = line.strip_prefix(READY).unwrap_or_else(|| panic!("not the ready line: {line}"));
    url.to_owned()
}
