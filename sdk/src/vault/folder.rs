//! The folder of a vault's file, remembered from the first sight of the file on: a network home or an
//! encrypted disk may be away for a moment, and its empty mount point is not a vault without a record.

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

/// In which folders the file was found.
#[derive(Debug, Default)]
struct SeenFolders {
    /// The vault's own folder, once it has been seen with the file in it.
    home: Option<FolderId>,
    /// The folder in which the file was read last: another one until its file has been opened.
    last: Option<FolderId>,
}

/// Tells folders apart. Other systems than Unix have no stable way to ask for it: any folder at the path
/// is the same one there.
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

    /// Which folder is at the path now; `None` if there is none, or if the disk does not say.
    pub fn current(&self) -> Option<FolderId> {
        fs::metadata(self.path()).ok().filter(Metadata::is_dir).map(|folder| FolderId::of(&folder))
    }

    /// Whether the file has been seen, so that the folder is never made again.
    pub fn is_known(&self) -> bool {
        self.seen().home.is_some()
    }

    /// # Errors
    ///
    /// [`NotConnected`](io::ErrorKind::NotConnected) while the folder is missing, or another one without
    /// the file is in its place.
    pub fn check(&self) -> io::Result<()> {
        let Some(home) = self.seen().home else { return Ok(()) };
        match self.current() {
            Some(current) if current == home || self.file.exists() => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::NotConnected, "the vault's folder is away")),
        }
    }

    /// Does something in the folder. What fails because the folder goes away meanwhile says so.
    pub fn in_folder<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.check()?;
        work().or_else(|error| self.check().and(Err(error)))
    }

    /// The file was read: at the first time its folder is the vault's.
    pub fn note_file_seen(&self) {
        let current = self.current();
        let mut seen = self.seen();
        seen.home = seen.home.or(current);
        seen.last = current;
    }

    /// What was read last can be opened, so that its folder is the vault's.
    pub fn confirm_home(&self) {
        let mut seen = self.seen();
        seen.home = seen.last.or(seen.home);
    }

    /// The holder of the lock has changed what is in the folder, which is the vault's by that.
    pub fn confirm_current(&self) {
        self.note_file_seen();
        self.confirm_home();
    }

    /// Whether what was read last is in another folder than the vault's.
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

/// The folder that a path to a file names.
pub(super) fn parent(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
