//! Full and read-only disks, and the files on them.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use propusk::{Vault, VaultState};

use super::part::{key, with_vault};
use super::{beside, had, names, some, write};
use crate::process::{Process, playing_after};

/// Whether a test may mount its own disk on this system; containers often may not. If not, the test
/// is named in the log.
fn may_mount(test: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let mut probe = Command::new("unshare");
    probe.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    probe.arg(r#"mount -t tmpfs -o size=64k tmpfs "$0""#).arg(folder.path());
    let may = probe.output().is_ok_and(|output| output.status.success());
    if !may {
        // Not captured with the output of the test.
        let line = format!("not possible here: {test} (no right to mount a disk)\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
    may
}

/// An app with its own disk of 64 KiB in this folder.
fn app_on_a_small_disk(folder: &Path) -> Process {
    let mut shell = Command::new("unshare");
    shell.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    shell.arg(r#"mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@""#).arg(folder);
    let mut command = playing_after(&mut shell, "vault");
    Process::start(with_vault(&mut command, "file", folder.join("vault")))
}

#[test]
fn full_disk_keeps_the_previous_record() {
    if !may_mount("full_disk_keeps_the_previous_record") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut app = app_on_a_small_disk(folder.path());
    assert_eq!(app.ask("write before"), "done");
    let filler = folder.path().join("filler");
    assert_eq!(app.ask(&format!("run ! cat /dev/zero 2>/dev/null >{}", filler.display())), "done");
    assert_eq!(app.ask("write after"), "ReadOnly");
    assert_eq!(app.ask("read"), "before");
    assert_eq!(app.ask("state"), "ReadOnly");
    let only = format!(
        "run test \"$(ls {})\" = \"$(printf 'filler\\nvault\\nvault.lock')\"",
        folder.path().display()
    );
    assert_eq!(app.ask(&only), "done");
    assert_eq!(app.ask(&format!("run rm {}", filler.display())), "done");
    assert_eq!(app.ask("write after"), "done");
    assert_eq!(app.ask("read"), "after");
    assert_eq!(app.ask("state"), "Ready");
}

#[test]
fn read_only_disk_can_be_read() {
    if !may_mount("read_only_disk_can_be_read") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut app = app_on_a_small_disk(folder.path());
    let mount = |rights: &str| format!("run mount -o remount,{rights} {}", folder.path().display());
    assert_eq!(app.ask(&mount("ro")), "done");
    assert_eq!(app.ask("write too early"), "ReadOnly");
    assert_eq!(app.ask("read"), "nothing");
    assert_eq!(app.ask(&mount("rw")), "done");
    assert_eq!(app.ask("write before"), "done");
    assert_eq!(app.ask(&mount("ro")), "done");
    assert_eq!(app.ask("lock"), "done", "the lock of before will do");
    assert_eq!(app.ask("unlock"), "done");
    assert_eq!(app.ask("write after"), "ReadOnly");
    assert_eq!(app.ask("forget"), "ReadOnly");
    assert_eq!(app.ask("read"), "before");
    assert_eq!(app.ask("state"), "ReadOnly");
    assert_eq!(app.ask(&mount("rw")), "done");
    assert_eq!(app.ask("write after"), "done");
    assert_eq!(app.ask("state"), "Ready");
}

#[test]
fn unmounted_disk_is_waited_for() {
    if !may_mount("unmounted_disk_is_waited_for") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (disk, aside) = (folder.path().join("disk"), folder.path().join("aside"));
    fs::create_dir(&disk).unwrap();
    fs::create_dir(&aside).unwrap();
    let mut app = app_on_a_small_disk(&disk);
    let moved =
        |from: &Path, to: &Path| format!("run mount --move {} {}", from.display(), to.display());
    assert_eq!(app.ask("write kept"), "done");
    assert_eq!(app.ask(&moved(&disk, &aside)), "done");
    assert_eq!(app.ask("read"), "Locked");
    assert_eq!(app.ask("write lost"), "Locked");
    assert_eq!(app.ask(&format!("run test -z \"$(ls -A {})\"", disk.display())), "done");
    assert_eq!(app.ask(&moved(&aside, &disk)), "done");
    assert_eq!(app.ask("read"), "kept");
    assert_eq!(app.ask("write next"), "done");
}

#[tokio::test]
async fn folder_that_cannot_be_created_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "in the way").unwrap();
    let vault = Vault::file(path.join("vault"), key());
    assert_eq!(write(&vault, "record").await, Err(VaultState::ReadOnly));
    assert_eq!(had(&vault).await, Err(VaultState::Locked));
}

#[tokio::test]
async fn files_are_readable_only_by_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/for/it/vault");
    write(&Vault::file(&path, key()), "record").await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&beside(&path, ".lock")), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
}

#[tokio::test]
async fn leftover_of_a_killed_write_is_neither_read_nor_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let elsewhere = folder.path().join("elsewhere");
    fs::write(&elsewhere, "untouched").unwrap();
    symlink(&elsewhere, beside(&path, ".new")).unwrap();
    let vault = Vault::file(&path, key());
    assert_eq!(had(&vault).await, Ok(None));
    write(&vault, "record").await.unwrap();
    assert_eq!(had(&vault).await, some("record"));
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched");
    assert_eq!(names(folder.path()), ["elsewhere", "vault", "vault.lock"]);
}
