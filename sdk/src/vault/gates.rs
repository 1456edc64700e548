//! The gate that tasks of this process pass before they lock, which costs a thread while one waits:
//! vaults on one file share one, however many values of [`Vault`](super::Vault) there are.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::FileStorage;

/// Tasks pass it one at a time, in their order.
pub(super) type Gate = Arc<tokio::sync::Mutex<()>>;

type Places = HashMap<PathBuf, Weak<tokio::sync::Mutex<()>>>;

/// The gates of all files that are in use.
static PLACES: Mutex<Option<Places>> = Mutex::new(None);

/// The gate of one vault.
#[derive(Default)]
pub(super) struct Gates {
    own: Gate,
    shared: OnceLock<Gate>,
}

impl Gates {
    /// That of the file, where it has been looked up.
    pub fn known(&self) -> Option<Gate> {
        self.shared.get().cloned()
    }

    /// That of this value alone, for what no other can have.
    pub fn own(&self) -> Gate {
        self.own.clone()
    }

    /// Looks that of the file up; blocks. Its own serves until it can be told where the file lies.
    pub fn of(&self, file: &FileStorage) -> Gate {
        match file.place() {
            Some(place) => self.shared.get_or_init(|| gate_of(place)).clone(),
            None => self.own(),
        }
    }
}

fn gate_of(place: PathBuf) -> Gate {
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    let places = places.get_or_insert_default();
    places.retain(|_, gate| gate.strong_count() > 0);
    if let Some(gate) = places.get(&place).and_then(Weak::upgrade) {
        return gate;
    }
    let gate = Gate::default();
    places.insert(place, Arc::downgrade(&gate));
    gate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn every_path_to_one_file_has_one_gate() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        let first = Gates::default();
        let gate = first.of(&FileStorage::new(real.join("app.vault")));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        for (path, is_same) in [
            (real.join("app.vault"), true),
            (link.join("app.vault"), true),
            (real.join("other.vault"), false),
        ] {
            let other = Gates::default().of(&FileStorage::new(&path));
            assert_eq!(Arc::ptr_eq(&gate, &other), is_same, "{}", path.display());
        }
        assert!(first.known().is_some_and(|known| Arc::ptr_eq(&gate, &known)));
    }
}
