//! Processes that die, and processes that take turns.

use propusk::Vault;

use super::part::{app, key, many};
use super::{had, is_free, names, some, write};

#[tokio::test]
async fn a_process_that_dies_while_it_writes_leaves_one_of_the_records_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let size = 300_000;
    for round in 0..20_usize {
        let mut writer = app("file", &path);
        writer.tell(&format!("count {size}"));
        // The process is killed while it writes, each time a little later.
        let mut told = 0;
        while told < 1 + round as u64 / 4 {
            told = writer.hear().expect("it counts").parse().unwrap();
        }
        for _ in 0..round * 2000 {
            std::hint::spin_loop();
        }
        writer.kill();
        while let Some(number) = writer.hear() {
            told = number.parse().unwrap();
        }
        let found = Vault::file(&path, key()).read().await.unwrap().unwrap();
        assert!(
            [told, told + 1].iter().any(|&number| found == many(number, size)),
            "round {round}: it said {told} and left something else"
        );
    }
    write(&Vault::file(&path, key()), "after all").await.unwrap();
    assert_eq!(had(&Vault::file(&path, key())).await, some("after all"));
    assert_eq!(names(folder.path()), ["vault", "vault.lock"]);
}

#[test]
fn four_processes_that_add_under_the_lock_lose_nothing() {
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
fn a_process_that_dies_leaves_the_lock_to_the_next() {
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
