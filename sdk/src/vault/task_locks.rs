//! The gate that tasks of this process pass before they lock, which costs a thread while one waits:
//! vaults on one file share one, however many values of [`Vault`](super::Vault) there are.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::FileStorage;

/// Tasks pass it one at a time, in their order.
pub(super) type TaskLock = Arc<tokio::sync::Mutex<()>>;

type LocksByPath = HashMap<PathBuf, Weak<tokio::sync::Mutex<()>>>;

/// The gates of all files that are in use.
static LOCKS: Mutex<Option<LocksByPath>> = Mutex::new(None);

/// The gate of one vault.
#[derive(Default)]
pub(super) struct TaskLocks {
    own: TaskLock,
    shared: OnceLock<TaskLock>,
}

impl TaskLocks {
    /// That of the file, where it has been looked up.
    pub fn known(&self) -> Option<TaskLock> {
        self.shared.get().cloned()
    }

    /// That of this value alone, for what no other can have.
    pub fn own(&self) -> TaskLock {
        self.own.clone()
    }

    /// Looks that of the file up; blocks. Its own serves until it can be told where the file lies.
    pub fn of(&self, file: &FileStorage) -> TaskLock {
        match file.place() {
            Some(place) => self.shared.get_or_init(|| task_lock_of(place)).clone(),
            None => self.own(),
        }
    }
}

fn task_lock_of(place: PathBuf) -> TaskLock {
    let mut locks = LOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let locks = locks.get_or_insert_default();
    locks.retain(|_, task_lock| task_lock.strong_count() > 0);
    if let Some(task_lock) = locks.get(&place).and_then(Weak::upgrade) {
        return task_lock;
    }
    let task_lock = TaskLock::default();
    locks.insert(place, Arc::downgrade(&task_lock));
    task_lock
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn every_path_to_one_file_has_one_gate() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        let first = TaskLocks::default();
        let task_lock = first.of(&FileStorage::new(real.join("app.vault")));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        for (path, is_same) in [
            (real.join("app.vault"), true),
            (link.join("app.vault"), true),
            (real.join("other.vault"), false),
        ] {
            let other = TaskLocks::default().of(&FileStorage::new(&path));
            assert_eq!(Arc::ptr_eq(&task_lock, &other), is_same, "{}", path.display());
        }
        assert!(first.known().is_some_and(|known| Arc::ptr_eq(&task_lock, &known)));
    }
}
