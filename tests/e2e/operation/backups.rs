//! A backup, made and restored with the commands of the handbook: earlier sessions work again, and the
//! files belong to the user of the server. The tests pass if the tools of the database are missing.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use propusk_tests::database::Database;
use propusk_tests::handbook::block_below;
use propusk_tests::process::Process;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use propusk_tests::operator::NO_SECRET;
use propusk_tests::user::{PASSWORD, me, refresh, sign_in, signed_up};

const ANNA: &str = "anna@example.com";
const BOB: &str = "bob@example.com";
/// Another user than root.
const SERVICE: u32 = 65534;

/// A machine: the working directory of a server, and its database.
struct Machine {
    folder: TempDir,
    database: Database,
    /// The user of the server.
    user: u32,
}

impl Machine {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let me = folder.path().metadata().expect("a directory").uid();
        let user = if me == 0 { SERVICE } else { me };
        std::fs::create_dir(folder.path().join("propusk-data")).expect("a new directory");
        for path in [folder.path(), &folder.path().join("propusk-data")] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).expect("a mode");
            chown(path, Some(user), Some(user)).expect("an owner");
        }
        Machine { folder, database: Database::fresh().await, user }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("propusk-data")
    }

    async fn start(&self) -> Process {
        let data = self.data().display().to_string();
        let settings = [NO_SECRET, ("PROPUSK_DATA_DIR", data.as_str())];
        Process::start_as(self.user, self.folder.path(), self.database.url(), &settings).await
    }

    /// Runs the commands of the handbook below this title, as the user of this test.
    async fn paste(&self, title: &str, backup: &Path) {
        let commands = block_below(title).replace("/backup", &backup.display().to_string());
        let mut bash = Command::new("bash");
        bash.args(["-e", "-c", &commands]).current_dir(self.folder.path()).stdin(Stdio::null());
        bash.envs(self.database.url().map(|url| ("PROPUSK_DATABASE_URL", url)));
        let output = bash.output().await.expect("bash");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn assert_owner_and_mode(&self) {
        for file in std::fs::read_dir(self.data()).expect("the data directory") {
            let file = file.expect("a file");
            let metadata = file.metadata().expect("its metadata");
            let found = (metadata.uid(), metadata.mode() & 0o077);
            assert_eq!(found, (self.user, 0), "{}", file.path().display());
        }
    }
}

fn engine(machine: &Machine) -> &'static str {
    if machine.database.url().is_some() { "Postgres" } else { "SQLite" }
}

/// What the commands need.
fn has_tools() -> bool {
    let found = |program: &str| {
        let path = std::env::var("PATH").unwrap_or_default();
        path.split(':').any(|folder| Path::new(folder).join(program).exists())
    };
    ["sqlite3", "pg_dump", "pg_restore"].into_iter().all(found)
}

/// Tokens that were issued before the backup.
struct Before {
    access: String,
    refresh: String,
    native: String,
}

impl Before {
    async fn sign_in(server: &Process) -> Self {
        let (access, refresh) = signed_up(&server.client, ANNA).await;
        let body = json!({"identifier": ANNA, "password": PASSWORD});
        let native = server.client.post("/propusk/v1/sessions", &body).await.field("refresh_token");
        Before { access, refresh, native }
    }

    async fn assert_works(&self, server: &Process) {
        assert_eq!(me(&server.client, &self.access).await.status, 200);
        assert_eq!(refresh(&server.client, &self.refresh).await.status, 200);
        let body = json!({"refresh_token": self.native, "attempt": "a".repeat(22)});
        let renewed = server.client.post("/propusk/v1/sessions/refresh", &body).await;
        assert_eq!(renewed.status, 200, "{}", renewed.text());
    }
}

/// Backs up a server, which then changes more and is killed, so that SQLite's log remains.
async fn backed_up(machine: &Machine, backup: &Path) -> Before {
    let server = machine.start().await;
    let before = Before::sign_in(&server).await;
    machine.paste(&format!("Back up {}", engine(machine)), backup).await;
    signed_up(&server.client, BOB).await;
    server.kill().await;
    before
}

async fn assert_restored(machine: &Machine, backup: &Path, before: &Before) {
    machine.paste(&format!("Restore {}", engine(machine)), backup).await;
    machine.assert_owner_and_mode();
    let server = machine.start().await;
    before.assert_works(&server).await;
    assert_eq!(sign_in(&server.client, BOB, PASSWORD).await.status, 401);
    machine.assert_owner_and_mode();
}

#[tokio::test]
async fn backup_is_restored_on_the_same_machine_as_written() {
    if !has_tools() {
        return;
    }
    let (mut machine, backup) = (Machine::new().await, tempfile::tempdir().expect("a directory"));
    let before = backed_up(&machine, backup.path()).await;
    machine.database = Database::fresh().await;
    assert_restored(&machine, backup.path(), &before).await;
}

#[tokio::test]
async fn backup_is_restored_on_a_new_machine_as_written() {
    if !has_tools() {
        return;
    }
    let backup = tempfile::tempdir().expect("a directory");
    let before = backed_up(&Machine::new().await, backup.path()).await;
    let mut other = Machine::new().await;
    other.start().await.terminate().await;
    other.database = Database::fresh().await;
    assert_restored(&other, backup.path(), &before).await;
}
