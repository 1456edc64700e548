//! A lock between the tasks of this process, taken before the lock between processes: waiting for
//! that costs a thread. All [`Vault`](super::Vault) values with the same file share one.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::FileStorage;

/// Tasks get it one at a time, in their order.
pub(super) type TaskLock = Arc<tokio::sync::Mutex<()>>;

type LocksByPath = HashMap<PathBuf, Weak<tokio::sync::Mutex<()>>>;

/// The locks of all files that are in use.
static LOCKS: Mutex<Option<LocksByPath>> = Mutex::new(None);

/// The lock of one vault.
#[derive(Default)]
pub(super) struct TaskLocks {
    own: TaskLock,
    shared: OnceLock<TaskLock>,
}

impl TaskLocks {
    /// The lock of the file, if it was looked up before.
    pub fn known(&self) -> Option<TaskLock> {
        self.shared.get().cloned()
    }

    /// The lock of this value alone, for storage that is not a file.
    pub fn own(&self) -> TaskLock {
        self.own.clone()
    }

    /// Looks up the lock of the file; blocks. Until the path of the file is known, its own lock is
    /// used.
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
    fn task_lock_is_the_same_for_every_path_to_a_file() {
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
