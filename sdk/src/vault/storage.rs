//! Where the sealed bytes lie.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::folder::{Folder, parent};
use super::sealed::MAX_SEALED;

/// How often a lock may be removed in a row while one waits for it.
const MAX_LOCK_REMOVALS: usize = 128;

/// Keeps the sealed bytes of one vault. [`FileStorage`] is the one for apps; another serves to try
/// what happens when a disk fails.
///
/// Calls may block. Only the holder of the lock writes, sets aside or removes.
///
/// Any of them may fail with [`NotConnected`](io::ErrorKind::NotConnected) or
/// [`StaleNetworkFileHandle`](io::ErrorKind::StaleNetworkFileHandle) while the disk is away: the vault
/// then asks again for up to 3 seconds before it locks or writes, and is
/// [`Locked`](super::VaultState::Locked) until the disk is back.
pub trait Storage: Send + Sync {
    /// The vault's name, which is sealed with the bytes: those of another vault do not open.
    fn name(&self) -> &str;

    /// What was written last, or `None` if there is nothing.
    ///
    /// # Errors
    ///
    /// Where nobody can tell now.
    fn read(&self) -> io::Result<Option<Vec<u8>>>;

    /// Replaces what is stored, wholly or not at all, whenever the process or the machine stops.
    ///
    /// # Errors
    ///
    /// What was stored before is then still there.
    fn write(&self, sealed: &[u8]) -> io::Result<()>;

    /// Moves what nobody can read out of the way, in place of what was moved there before.
    ///
    /// # Errors
    ///
    /// It then stays where it was.
    fn set_aside(&self) -> io::Result<()>;

    /// Removes what is stored, what was set aside, and what an interrupted write has left.
    ///
    /// # Errors
    ///
    /// Where something of it is still there.
    fn remove(&self) -> io::Result<()>;

    /// Waits until no other process has the lock, and has it until the value is dropped or the
    /// process dies. Within a process it is asked for by one at a time.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) where there are no locks at all: the vault goes on
    /// without them, and says so. Another error where the lock cannot be had now.
    fn lock(&self) -> io::Result<Box<dyn Send>>;

    /// A number that differs whenever what is stored does, without reading it all. It lets an app hear of
    /// what other processes do.
    ///
    /// `None`, the default, where there is no such number.
    ///
    /// # Errors
    ///
    /// Where it cannot be read now.
    fn version(&self) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Whether there are locks here, as far as that can be told without waiting for one.
    fn has_locks(&self) -> bool {
        true
    }
}

/// A file that only its owner reads. Beside it lie `….lock`, which stays; `….new` while it is
/// written; `….lost`, if there once was a file that nobody could read.
///
/// The folder is made, for its owner alone, when it is first needed. Once the file has been seen in it,
/// the folder is remembered, and never made again: while it is missing, or another one without the file
/// is at its path (an empty mount point), every call fails with
/// [`NotConnected`](io::ErrorKind::NotConnected) and changes nothing. On systems other than Unix only a
/// missing folder is noticed. Clones share what was seen.
#[derive(Clone, Debug)]
pub struct FileStorage {
    path: PathBuf,
    name: String,
    pub(super) folder: Folder,
}

impl FileStorage {
    /// In this file. Its name is the vault's name; its folder may be moved.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = Folder::of(path.clone());
        FileStorage { path, name, folder }
    }

    /// The file beside it of the same name with this ending.
    pub(super) fn sibling(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(ending);
        name.into()
    }

    /// Without its folder.
    #[cfg(any(target_os = "linux", target_os = "macos", windows))]
    pub(super) fn file_name(&self) -> Option<OsString> {
        self.path.file_name().map(OsString::from)
    }

    /// What all paths to this file have in common; `None` while its folder cannot be had.
    pub(super) fn place(&self) -> Option<PathBuf> {
        // A path may lead through links, which only a folder that is there tells.
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

    /// Removes the lock. Only its holder may.
    #[cfg(unix)]
    pub(super) fn remove_lock(&self) -> io::Result<()> {
        self.folder.in_folder(|| remove_if_any(&self.sibling(".lock")))
    }

    /// Other systems have no stable way to find out that a lock was removed while one waited for it: it stays.
    #[cfg(not(unix))]
    pub(super) fn remove_lock(&self) -> io::Result<()> {
        Ok(())
    }

    /// Whether this is still the lock: who had it before may have removed it.
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

    /// A lock needs no more than a file that can be opened: on a disk that has become read-only, the
    /// one of before will do.
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
            // The file may be missing because its folder has just gone.
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
        // Bounded, as some network disks give one file a new inode whenever they are asked.
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

/// Differs for every file that was put in place of another.
fn fingerprint(file: &Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    // A disk without times still has the rest.
    file.modified().ok().hash(&mut hasher);
    file.len().hash(&mut hasher);
    #[cfg(unix)]
    std::os::unix::fs::MetadataExt::ino(file).hash(&mut hasher);
    hasher.finish()
}

/// Locks the file until it is closed; `Unsupported` where its file system or the system has no locks.
/// The standard library's own lock is not made for Android.
#[cfg(unix)]
fn lock(file: &File, waits: bool) -> io::Result<()> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    let operation = match waits {
        true => FlockOperation::LockExclusive,
        false => FlockOperation::NonBlockingLockExclusive,
    };
    loop {
        match flock(file, operation) {
            Err(Errno::INTR) => {}
            Err(Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
            outcome => return Ok(outcome?),
        }
    }
}

#[cfg(not(unix))]
fn lock(file: &File, waits: bool) -> io::Result<()> {
    match waits {
        true => file.lock(),
        false => Ok(file.try_lock()?),
    }
}

/// The file's bytes, as many as ours can have and one more.
pub(super) fn read_if_any(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_SEALED as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Writes another file and puts it in place of this one, so that there is always one of both.
pub(super) fn replace(path: &Path, new: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = write_new(new, bytes).and_then(|()| fs::rename(new, path));
    if written.is_err() {
        // On a full disk the half of it would stand in everybody's way; the reason comes first.
        let _ = remove_if_any(new);
    }
    written?;
    if let Err(error) = sync_folder(parent(path)) {
        // It is in place, and whoever reads finds it; only a machine that stops now may lose it.
        tracing::warn!(%error, "it is not certain that the disk has kept a vault");
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that a killed process has left; a file that is made anew has the rights of ours, and is no
    // link to somewhere else.
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

/// A rename is on the disk when the folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network disks have no such thing; the rename is done.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        done => done,
    }
}

/// Windows gives folders no handle that can be flushed, and writes its own journal.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// On Windows the folder's list of rights is inherited, and an app's data folder is its owner's.
#[cfg(not(unix))]
fn private(_: &mut OpenOptions) {}
