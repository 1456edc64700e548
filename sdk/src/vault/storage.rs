//! Storage of the sealed bytes, in a file or elsewhere.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::folder::{Folder, parent};
use super::sealed::MAX_SEALED;

/// How often the lock file may be removed in a row while waiting for it.
const MAX_LOCK_REMOVALS: usize = 128;

/// Stores the sealed bytes of one vault. Apps use [`FileStorage`]; another implementation is for
/// tests of failing disks.
///
/// Calls may block. Only the holder of the lock writes, sets aside or removes.
///
/// Any call may fail with [`NotConnected`](io::ErrorKind::NotConnected) or
/// [`StaleNetworkFileHandle`](io::ErrorKind::StaleNetworkFileHandle) while the disk is away. The
/// vault then retries locks and writes for up to 3 seconds, and is
/// [`Locked`](super::VaultState::Locked) until the disk is back.
pub trait Storage: Send + Sync {
    /// The name of the vault. It is sealed with the bytes, so the bytes of another vault do not
    /// open.
    fn name(&self) -> &str;

    /// The bytes that were written last; `None` if there are none.
    ///
    /// # Errors
    ///
    /// If that is unknown now.
    fn read(&self) -> io::Result<Option<Vec<u8>>>;

    /// Replaces the bytes as a whole, even if the process or the machine stops.
    ///
    /// # Errors
    ///
    /// The previous bytes are still there.
    fn write(&self, sealed: &[u8]) -> io::Result<()>;

    /// Moves unreadable bytes out of the way and replaces those that were moved before.
    ///
    /// # Errors
    ///
    /// The bytes are still there.
    fn set_aside(&self) -> io::Result<()>;

    /// Removes the bytes, those that were set aside, and the rest of an interrupted write.
    ///
    /// # Errors
    ///
    /// If a part is still there.
    fn remove(&self) -> io::Result<()>;

    /// Waits until no other process holds the lock, and holds it until the value is dropped or the
    /// process dies. Within a process, only one task calls it at a time.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) if there are no locks at all: the vault works
    /// without them and reports it. Another error if the lock is not available now.
    fn lock(&self) -> io::Result<Box<dyn Send>>;

    /// A number that changes whenever the bytes change, without reading all of them. With it, an
    /// app is notified of changes by other processes.
    ///
    /// `None`, the default, if there is no such number.
    ///
    /// # Errors
    ///
    /// If it cannot be read now.
    fn version(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Whether locks are supported, as far as that is known without waiting for one.
    fn has_locks(&self) -> bool {
        true
    }
}

/// A file that only its owner can read. Next to it are `….lock`, which stays; `….new` while it is
/// written; and `….lost`, if there was an unreadable file.
///
/// The folder is created for its owner alone when it is first needed. Once the file was seen in it,
/// the folder is remembered and never created again. While it is missing, or while another folder
/// without the file is at its path (an empty mount point), every call fails with
/// [`NotConnected`](io::ErrorKind::NotConnected) and changes nothing. On systems other than Unix,
/// only a missing folder is detected. Clones share what was seen.
#[derive(Clone, Debug)]
pub struct FileStorage {
    path: PathBuf,
    name: String,
    pub(super) folder: Folder,
}

impl FileStorage {
    /// Storage in this file. The file name is the vault's name; the folder may be moved.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = Folder::of(path.clone());
        FileStorage { path, name, folder }
    }

    /// The path of this file with an extension appended.
    pub(super) fn sibling(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(ending);
        name.into()
    }

    /// The file name without its folder.
    #[cfg(any(target_os = "linux", target_os = "macos", windows))]
    pub(super) fn file_name(&self) -> Option<OsString> {
        self.path.file_name().map(OsString::from)
    }

    /// The canonical path, the same for all paths to this file; `None` while its folder is not
    /// available.
    pub(super) fn place(&self) -> Option<PathBuf> {
        // A path may contain links, which can be resolved only if the folder exists.
        self.make_folder().ok()?;
        let folder = self.folder.path().canonicalize().ok()?;
        Some(folder.join(self.path.file_name()?))
    }

    fn make_folder(&self) -> io::Result<()> {
        if self.folder.is_known() {
            return self.folder.check();
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(self.folder.path())
    }

    fn lock_once(&self) -> io::Result<File> {
        let file = self.folder.in_folder(|| self.open_lock())?;
        lock(&file, true)?;
        Ok(file)
    }

    /// Removes the lock file. Only its holder may call this.
    #[cfg(unix)]
    pub(super) fn remove_lock(&self) -> io::Result<()> {
        self.folder.in_folder(|| remove_if_any(&self.sibling(".lock")))
    }

    /// Other systems cannot reliably detect that a lock file was removed during the wait, so it
    /// stays.
    #[cfg(not(unix))]
    pub(super) fn remove_lock(&self) -> io::Result<()> {
        Ok(())
    }

    /// Whether this is still the lock file: its previous holder may have removed it.
    #[cfg(unix)]
    fn is_lock(&self, file: &File) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        let ours = file.metadata()?;
        match fs::metadata(self.sibling(".lock")) {
            Ok(lock) => Ok(lock.dev() == ours.dev() && lock.ino() == ours.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    #[cfg(not(unix))]
    fn is_lock(&self, _: &File) -> io::Result<bool> {
        Ok(true)
    }

    fn remove_all(&self) -> io::Result<()> {
        remove_if_any(&self.path)?;
        remove_if_any(&self.sibling(".new"))?;
        remove_if_any(&self.sibling(".lost"))?;
        match sync_folder(self.folder.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Opens the lock file. Reading is enough, so an existing one still works on a disk that has
    /// become read-only.
    fn open_lock(&self) -> io::Result<File> {
        let path = self.sibling(".lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        private(&mut options);
        self.make_folder()?;
        options.open(&path).or_else(|refused| File::open(&path).map_err(|_| refused))
    }
}

impl Storage for FileStorage {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let found = self.folder.in_folder(|| read_if_any(&self.path))?;
        match found {
            Some(_) => self.folder.note_file_seen(),
            // The file may be missing because its folder has just disappeared.
            None => self.folder.check()?,
        }
        Ok(found)
    }

    fn write(&self, sealed: &[u8]) -> io::Result<()> {
        self.folder.in_folder(|| {
            self.make_folder()?;
            replace(&self.path, &self.sibling(".new"), sealed)
        })?;
        self.folder.confirm_current();
        Ok(())
    }

    fn set_aside(&self) -> io::Result<()> {
        self.folder.in_folder(|| fs::rename(&self.path, self.sibling(".lost")))?;
        self.folder.confirm_current();
        Ok(())
    }

    fn remove(&self) -> io::Result<()> {
        self.folder.in_folder(|| self.remove_all())?;
        if self.folder.is_known() {
            self.folder.confirm_current();
        }
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        let mut file = self.lock_once()?;
        // Limited, because some network disks report a new inode for the same file every time.
        for _ in 0..MAX_LOCK_REMOVALS {
            if self.is_lock(&file)? {
                break;
            }
            file = self.lock_once()?;
        }
        Ok(Box::new(file))
    }

    fn version(&self) -> io::Result<Option<u64>> {
        let file = self.folder.in_folder(|| match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        })?;
        match file {
            Some(_) if self.folder.is_known() => {}
            Some(_) => self.folder.note_file_seen(),
            None => self.folder.check()?,
        }
        Ok(Some(file.map_or(0, |file| fingerprint(&file))))
    }

    fn has_locks(&self) -> bool {
        let file = File::open(self.sibling(".lock"));
        let tried = file.and_then(|file| lock(&file, false));
        !tried.is_err_and(|error| error.kind() == io::ErrorKind::Unsupported)
    }
}

/// A number that differs for every file that replaces another.
fn fingerprint(file: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Some disks have no modification times.
    file.modified().ok().hash(&mut hasher);
    file.len().hash(&mut hasher);
    #[cfg(unix)]
    std::os::unix::fs::MetadataExt::ino(file).hash(&mut hasher);
    hasher.finish()
}

/// Locks the file until it is closed. `Unsupported` if the file system or the system has no locks.
/// The standard library does not support file locks on Android.
#[cfg(unix)]
fn lock(file: &File, waits: bool) -> io::Result<()> {
    use rustix::fs::{FlockOperation, flock};
    let operation = match waits {
        true => FlockOperation::LockExclusive,
        false => FlockOperation::NonBlockingLockExclusive,
    };
    loop {
        match flock(file, operation) {
            Err(rustix::io::Errno::INTR) => {}
            outcome => return outcome.map_err(lock_error),
        }
    }
}

/// `Unsupported` for the errors with which file systems and systems say that they have no locks.
#[cfg(unix)]
fn lock_error(error: rustix::io::Errno) -> io::Error {
    use rustix::io::Errno;
    match error {
        Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL => {
            io::ErrorKind::Unsupported.into()
        }
        error => error.into(),
    }
}

#[cfg(not(unix))]
fn lock(file: &File, waits: bool) -> io::Result<()> {
    match waits {
        true => file.lock(),
        false => Ok(file.try_lock()?),
    }
}

/// The bytes of the file, up to one more than the largest valid size.
pub(super) fn read_if_any(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_SEALED as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes a new file and renames it over the old one, so that one of them always exists.
pub(super) fn replace(path: &Path, new: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = write_new(new, bytes).and_then(|()| fs::rename(new, path));
    if written.is_err() {
        // On a full disk, half a file would be in the way. The first error is returned.
        let _ = remove_if_any(new);
    }
    written?;
    if let Err(error) = sync_folder(parent(path)) {
        // The file is in place; only a crash of the machine now may lose it.
        tracing::warn!(%error, "the disk may not have kept a vault");
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A killed process may have left one. A new file has our permissions and is not a link to
    // another place.
    remove_if_any(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(super) fn remove_if_any(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// A rename is durable only when the folder is synced.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network disks do not support it; the rename is done.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        done => done,
    }
}

/// On Windows a folder cannot be flushed; the file system has its own journal.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// On Windows the permissions are inherited, and an app's data folder belongs to its owner.
#[cfg(not(unix))]
fn private(_: &mut OpenOptions) {}

#[cfg(all(test, unix))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn lock_error_says_whether_there_are_no_locks() {
        for none in [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL] {
            assert_eq!(lock_error(none).kind(), io::ErrorKind::Unsupported, "{none}");
        }
        for other in [Errno::WOULDBLOCK, Errno::BADF, Errno::IO, Errno::STALE] {
            assert_ne!(lock_error(other).kind(), io::ErrorKind::Unsupported, "{other}");
        }
    }
}
