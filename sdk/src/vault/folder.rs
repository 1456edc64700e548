//! The folder of a vault's file. It is remembered after the file was seen in it: a network home or
//! an encrypted disk may be away for a moment, and its empty mount point is not an empty vault.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The folder of one file. Clones share what was seen.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    file: PathBuf,
    seen: Arc<Mutex<SeenFolders>>,
}

/// The folders in which the file was seen.
#[derive(Debug, Default)]
struct SeenFolders {
    /// The vault's own folder. `None` until the file was seen in it.
    home: Option<FolderId>,
    /// The folder in which the file was read last. It counts as the vault's only after the file was
    /// opened.
    last: Option<FolderId>,
}

/// Identifies a folder. Only Unix has a stable id; elsewhere any folder at the path counts as the
/// same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(not(unix), allow(dead_code))]
pub(super) struct FolderId {
    device: u64,
    inode: u64,
}

impl Folder {
    pub fn of(file: PathBuf) -> Self {
        Folder { file, seen: Arc::default() }
    }

    pub fn path(&self) -> &Path {
        parent(&self.file)
    }

    /// The folder at the path now; `None` if there is none or if the disk does not answer.
    pub fn current(&self) -> Option<FolderId> {
        fs::metadata(self.path()).ok().filter(Metadata::is_dir).map(|folder| FolderId::of(&folder))
    }

    /// Whether the file was seen, so that the folder is never created again.
    pub fn is_known(&self) -> bool {
        self.seen().home.is_some()
    }

    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) while the folder is missing, or while another
    /// folder without the file is at its path.
    pub fn check(&self) -> io::Result<()> {
        let Some(home) = self.seen().home else { return Ok(()) };
        match self.current() {
            Some(current) if current == home || self.file.exists() => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::NotConnected, "the vault's folder is missing")),
        }
    }

    /// Works in the folder. If the folder disappears meanwhile, the error says so.
    pub fn in_folder<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.check()?;
        work().or_else(|error| self.check().and(Err(error)))
    }

    /// Notes that the file was read. The first time, its folder becomes the vault's.
    pub fn note_file_seen(&self) {
        let current = self.current();
        let mut seen = self.seen();
        seen.home = seen.home.or(current);
        seen.last = current;
    }

    /// Notes that the file which was read last could be opened: its folder is the vault's.
    pub fn confirm_home(&self) {
        let mut seen = self.seen();
        seen.home = seen.last.or(seen.home);
    }

    /// Notes that the lock holder has changed the folder: it is the vault's.
    pub fn confirm_current(&self) {
        self.note_file_seen();
        self.confirm_home();
    }

    /// Whether the file was read last in another folder than the vault's.
    pub fn is_elsewhere(&self) -> bool {
        let seen = self.seen();
        seen.home.is_some() && seen.last != seen.home
    }

    fn seen(&self) -> MutexGuard<'_, SeenFolders> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FolderId {
    #[cfg(unix)]
    fn of(folder: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        FolderId { device: folder.dev(), inode: folder.ino() }
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        FolderId { device: 0, inode: 0 }
    }
}

/// The folder of a path to a file.
pub(super) fn parent(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
