//! Processes that die, and processes that take turns.

use propusk::Vault;

use super::part::{app, key, many};
use super::{had, is_free, names, some, write};

#[tokio::test]
async fn killed_writer_leaves_a_whole_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let size = 300_000;
    for round in 0..20_usize {
        let mut writer = app("file", &path);
        writer.tell(&format!("count {size}"));
        // The process is killed while it writes, each time a little later.
        let mut last = 0;
        while last < 1 + round as u64 / 4 {
            last = writer.hear().expect("it counts").parse().unwrap();
        }
        for _ in 0..round * 2000 {
            std::hint::spin_loop();
        }
        writer.kill();
        while let Some(number) = writer.hear() {
            last = number.parse().unwrap();
        }
        let found = Vault::file(&path, key()).read().await.unwrap().unwrap();
        assert!(
            [last, last + 1].iter().any(|&number| found == many(number, size)),
            "round {round}: it said {last} and left something else"
        );
    }
    write(&Vault::file(&path, key()), "after all").await.unwrap();
    assert_eq!(had(&Vault::file(&path, key())).await, some("after all"));
    assert_eq!(names(folder.path()), ["vault", "vault.lock"]);
}

#[test]
fn lock_prevents_lost_updates_between_four_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let mut apps: Vec<_> = (0..4).map(|_| app("file", &path)).collect();
    for app in &mut apps {
        app.tell("add 200");
    }
    for app in &mut apps {
        assert_eq!(app.hear().as_deref(), Some("done"));
    }
    assert_eq!(apps[0].ask("read"), "800");
}

#[test]
fn lock_of_a_dead_process_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let mut holder = app("file", &path);
    assert_eq!(holder.ask("lock"), "done");
    let mut next = app("file", &path);
    next.tell("write next");
    assert!(!is_free(&path));
    holder.kill();
    assert_eq!(next.hear().as_deref(), Some("done"));
    assert_eq!(next.ask("read"), "next");
}
