//! Files that differ from what was written.

use std::fs;
use std::path::Path;

use propusk::{Vault, VaultKey, VaultState};

use super::part::key;
use super::{beside, forget, had, names, some, write};

/// The offset of the format's version.
const VERSION: usize = 7;

async fn sealed(path: &Path, text: &str) -> Vec<u8> {
    write(&Vault::file(path, key()), text).await.unwrap();
    fs::read(path).unwrap()
}

#[tokio::test]
async fn record_is_read_back_with_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let vault = Vault::file(&path, key());
    assert_eq!(had(&vault).await, Ok(None));
    assert_eq!(vault.state().await, VaultState::Ready);
    write(&vault, "first").await.unwrap();
    write(&vault, "second").await.unwrap();
    assert_eq!(had(&vault).await, some("second"));
    assert_eq!(had(&Vault::file(&path, key())).await, some("second"));
    assert_eq!(had(&vault.clone()).await, some("second"));
}

#[tokio::test]
async fn file_with_a_changed_byte_is_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let whole = sealed(&path, "the record").await;
    let vault = Vault::file(&path, key());
    for position in 0..whole.len() {
        for bit in [0x01, 0x80] {
            let mut changed = whole.clone();
            changed[position] ^= bit;
            fs::write(&path, &changed).unwrap();
            let state = match (position, changed[position]) {
                (VERSION, 2..) => VaultState::NewerVersion,
                _ => VaultState::Unreadable,
            };
            assert_eq!(had(&vault).await, Err(state), "byte {position}");
            assert_eq!(vault.state().await, state, "byte {position}");
            assert_eq!(fs::read(&path).unwrap(), changed, "reading changes nothing");
        }
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(had(&vault).await, some("the record"));
}

#[tokio::test]
async fn file_that_is_cut_off_is_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let whole = sealed(&path, "the record").await;
    let vault = Vault::file(&path, key());
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(had(&vault).await, Err(VaultState::Unreadable), "{length} bytes");
    }
}

#[tokio::test]
async fn file_that_has_grown_is_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let whole = sealed(&path, "the record").await;
    let vault = Vault::file(&path, key());
    for more in [1, 1000, 2 * 1024 * 1024] {
        fs::write(&path, [whole.clone(), vec![0; more]].concat()).unwrap();
        assert_eq!(had(&vault).await, Err(VaultState::Unreadable), "{more} bytes");
    }
    fs::File::create(&path).and_then(|file| file.set_len(1 << 40)).unwrap();
    assert_eq!(had(&vault).await, Err(VaultState::Unreadable), "a tebibyte is not read");
}

#[tokio::test]
async fn file_of_another_vault_is_unreadable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    sealed(&path, "the record").await;
    let other = folder.path().join("other");
    fs::rename(&path, &other).unwrap();
    assert_eq!(had(&Vault::file(&other, key())).await, Err(VaultState::Unreadable));
    let moved = tempfile::tempdir().unwrap();
    fs::rename(&other, moved.path().join("vault")).unwrap();
    assert_eq!(had(&Vault::file(moved.path().join("vault"), key())).await, some("the record"));
}

#[tokio::test]
async fn unreadable_file_is_set_aside_only_by_the_next_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let lost = sealed(&path, "of another key").await;
    let vault = Vault::file(&path, VaultKey::from_bytes([8; 32]));
    assert_eq!(had(&vault).await, Err(VaultState::Unreadable));
    assert_eq!(vault.state().await, VaultState::Unreadable);
    drop(vault.lock().await.unwrap());
    assert_eq!(names(folder.path()), ["vault", "vault.lock"]);
    write(&vault, "mine").await.unwrap();
    assert_eq!(had(&vault).await, some("mine"));
    assert_eq!(vault.state().await, VaultState::Ready);
    assert_eq!(fs::read(beside(&path, ".lost")).unwrap(), lost);
}

#[tokio::test]
async fn lost_file_is_replaced_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let vault = Vault::file(&path, key());
    for damage in ["once", "again"] {
        fs::write(&path, damage).unwrap();
        write(&vault, "mine").await.unwrap();
        assert_eq!(fs::read_to_string(beside(&path, ".lost")).unwrap(), damage);
    }
    assert_eq!(names(folder.path()), ["vault", "vault.lock", "vault.lost"]);
}

#[tokio::test]
async fn record_of_a_newer_format_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let mut newer = sealed(&path, "the record").await;
    for version in [2, 255] {
        newer[VERSION] = version;
        newer.resize(3 * 1024 * 1024, 0);
        fs::write(&path, &newer).unwrap();
        let vault = Vault::file(&path, key());
        assert_eq!(vault.state().await, VaultState::NewerVersion);
        assert_eq!(had(&vault).await, Err(VaultState::NewerVersion));
        assert_eq!(write(&vault, "older").await, Err(VaultState::NewerVersion));
        assert_eq!(forget(&vault).await, Err(VaultState::NewerVersion));
        assert_eq!(fs::read(&path).unwrap(), newer);
    }
}

#[tokio::test]
async fn record_size_is_limited_to_a_mebibyte() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::file(folder.path().join("vault"), key());
    let largest = "x".repeat(1024 * 1024);
    write(&vault, &largest).await.unwrap();
    assert!(write(&vault, &(largest.clone() + "x")).await.is_err());
    assert_eq!(had(&vault).await, some(&largest));
    write(&vault, "").await.unwrap();
    assert_eq!(had(&vault).await, some(""));
}

#[tokio::test]
async fn removed_record_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let vault = Vault::file(&path, key());
    forget(&vault).await.unwrap();
    for ending in ["", ".lost", ".new"] {
        fs::write(beside(&path, ending), "damaged").unwrap();
    }
    forget(&vault).await.unwrap();
    assert_eq!(names(folder.path()), ["vault.lock"]);
    assert_eq!(had(&vault).await, Ok(None));
    write(&vault, "again").await.unwrap();
    assert_eq!(had(&vault).await, some("again"));
}

#[tokio::test]
async fn memory_vault_behaves_like_a_file() {
    let vault = Vault::memory();
    assert_eq!(had(&vault).await, Ok(None));
    assert_eq!(vault.state().await, VaultState::Ready);
    write(&vault, "kept").await.unwrap();
    assert_eq!(had(&vault.clone()).await, some("kept"));
    assert_eq!(had(&Vault::memory()).await, Ok(None));
    forget(&vault).await.unwrap();
    assert_eq!(had(&vault).await, Ok(None));
}

#[test]
fn debug_output_hides_the_key() {
    let shown = format!("{:?} {:?}", key(), Vault::file("vault", key()));
    assert_eq!(shown, "[redacted] Vault { name: \"vault\", .. }");
}
