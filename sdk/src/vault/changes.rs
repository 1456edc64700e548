//! Detects changes of the stored record by any process. A notification of the system makes it fast;
//! a check every two seconds makes it reliable, also on network disks.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::watch::{Watch, refreshed};
use super::{FileStorage, Storage};

/// The longest delay of a change without a notification.
const PERIOD: Duration = Duration::from_secs(2);

/// Reports changes of the stored bytes. Dropping it stops the watch.
pub(crate) struct Changes {
    storage: Arc<dyn Storage>,
    /// The same storage, if it is a file.
    file: Option<FileStorage>,
    watch: Option<Watch>,
    /// The version at the last check; `None` if it is not known yet.
    seen: Option<u64>,
    period: Duration,
}

impl Changes {
    /// Watches from now on.
    pub(super) async fn of(storage: Arc<dyn Storage>, file: Option<FileStorage>) -> Self {
        let mut changes = Changes { storage, file, watch: None, seen: None, period: PERIOD };
        changes.seen = changes.look().await.unwrap_or_default();
        changes
    }

    /// Waits until the stored bytes may have changed since the last call returned, or since this
    /// value was made. A folder that disappears is not a change. Dropping the future misses
    /// nothing. It never returns if the storage has no versions.
    pub(crate) async fn changed(&mut self) {
        loop {
            self.pause().await;
            match self.look().await {
                Ok(Some(version)) if self.seen != Some(version) => {
                    self.seen = Some(version);
                    return;
                }
                Ok(None) => pending().await,
                // The disk may be away; it is checked again.
                Ok(Some(_)) | Err(_) => {}
            }
        }
    }

    async fn pause(&mut self) {
        let period = tokio::time::sleep(self.period);
        match &mut self.watch {
            Some(watch) => tokio::select! {
                () = period => {}
                () = watch.notified() => {}
            },
            None => period.await,
        }
    }

    /// The current version. The watch starts before the version is read, so that no change is
    /// missed.
    async fn look(&mut self) -> io::Result<Option<u64>> {
        let (storage, file, watch) = (self.storage.clone(), self.file.clone(), self.watch.take());
        let looked = tokio::task::spawn_blocking(move || {
            let watch = file.and_then(|file| refreshed(watch, &file));
            (watch, storage.version())
        });
        let (watch, version) = looked.await.map_err(io::Error::other)?;
        self.watch = watch;
        version
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::vault::key::FixedKey;
    use crate::{Vault, VaultKey};

    /// Longer than any test.
    const NEVER: Duration = Duration::from_secs(86_400);

    fn key() -> VaultKey {
        VaultKey::from_bytes([7; 32])
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join("home").join("vault")
    }

    /// Writes as another process does, with its own vault value.
    async fn write(folder: &Path, text: &str) {
        let other = Vault::file(path(folder), key());
        other.lock().await.unwrap().write(text.as_bytes()).await.unwrap();
    }

    async fn changes(folder: &Path) -> Changes {
        Vault::file(path(folder), key()).changes().await
    }

    async fn changes_without_notification(folder: &Path) -> Changes {
        let storage = FileStorage::new(path(folder));
        Vault::with_storage(Arc::new(storage), Arc::new(FixedKey(key()))).changes().await
    }

    /// Whether no change is reported.
    async fn is_quiet(changes: &mut Changes) -> bool {
        let hour = Duration::from_secs(3600);
        tokio::time::timeout(hour, changes.changed()).await.is_err()
    }

    #[cfg(any(target_os = "linux", target_os = "macos", windows))]
    #[tokio::test]
    async fn change_by_another_process_is_notified_at_once() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "first").await;
        let mut changes = changes(folder.path()).await;
        changes.period = NEVER;
        for text in ["second", "third"] {
            write(folder.path(), text).await;
            changes.changed().await;
        }
        fs::remove_file(path(folder.path())).unwrap();
        changes.changed().await;
    }

    #[tokio::test(start_paused = true)]
    async fn change_without_notification_is_found_within_two_seconds() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = changes_without_notification(folder.path()).await;
        assert!(changes.watch.is_none());
        for text in ["first, which makes the folder", "second"] {
            write(folder.path(), text).await;
            let began = tokio::time::Instant::now();
            changes.changed().await;
            assert!(began.elapsed() <= PERIOD + Duration::from_millis(1));
        }
        assert!(is_quiet(&mut changes).await);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_survive_a_replaced_or_missing_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (home, away) = (folder.path().join("home"), folder.path().join("away"));
        write(folder.path(), "first").await;
        let mut changes = changes(folder.path()).await;
        fs::rename(&home, &away).unwrap();
        write(folder.path(), "restored").await;
        changes.changed().await;
        fs::rename(&home, folder.path().join("gone")).unwrap();
        assert!(is_quiet(&mut changes).await);
        fs::rename(&away, &home).unwrap();
        changes.changed().await;
        write(folder.path(), "second").await;
        changes.changed().await;
        assert!(is_quiet(&mut changes).await);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_future_that_is_dropped_misses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = changes(folder.path()).await;
        let second = Duration::from_secs(1);
        assert!(tokio::time::timeout(second, changes.changed()).await.is_err());
        write(folder.path(), "first").await;
        changes.changed().await;
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_never_reported_in_memory() {
        let vault = Vault::memory();
        let mut changes = vault.changes().await;
        vault.lock().await.unwrap().write(b"record").await.unwrap();
        assert!(is_quiet(&mut changes).await);
    }

    #[cfg(any(target_os = "linux", target_os = "macos", windows))]
    #[tokio::test]
    async fn watch_thread_ends_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "first").await;
        let changes = changes(folder.path()).await;
        let mut notified = changes.watch.as_ref().unwrap().receiver();
        drop(changes);
        // The thread owns the sender and drops it at its end.
        while notified.changed().await.is_ok() {}
    }
}
