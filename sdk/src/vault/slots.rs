//! Named vaults in one folder, for example one for each account or environment of an app, and which
//! of them is the current one.

use std::fmt;
use std::fs::{self, DirEntry};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk_retry::{is_away, retry_while_away};
use super::guard::on_a_thread;
use super::key::FixedKey;
use super::{FileStorage, KeyStore, Storage, VAULT_TIMEOUT, Vault, VaultError, VaultKey, blocking};
use crate::error::{Error, Result};
use crate::vault_state::VaultState;

/// The extension of slot files.
const EXTENSION: &str = ".vault";

/// The longest name in bytes. File systems allow 255 with all extensions.
const MAX_NAME_BYTES: usize = 64;

/// Names that Windows reserves for devices, with any extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Several named vaults of an app: for more than one account or server. Each has a name, a file
/// `<name>.vault` in one folder, and its own key. The folder must contain nothing else.
///
/// ```
/// use propusk::{VaultKey, VaultSlots};
///
/// # async fn example(folder: &std::path::Path) -> propusk::Result<()> {
/// // in an app: VaultSlots::keyring("org.example.app", folder)
/// let slots = VaultSlots::file(folder, VaultKey::generate().expect("random bytes"));
/// let vault = slots.open("anna@example.org")?; // for Client::builder(…).vault(vault)
/// slots.switch_to("anna@example.org").await?;
/// assert_eq!(slots.current().await?.as_deref(), Some("anna@example.org"));
/// # drop(vault);
/// # Ok(())
/// # }
/// # let folder = tempfile::tempdir().unwrap();
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(example(folder.path())).unwrap();
/// ```
///
/// A name has 1 to 64 of the characters `a-z 0-9 . _ - @ +`, begins and ends with a letter or a
/// digit, and is not a device name of Windows (`con`, `com1`, …), so that it is the same file on
/// every system.
///
/// Clones are the same slots. Several processes may use them at once. They must be used in a tokio
/// runtime.
#[derive(Clone)]
pub struct VaultSlots {
    folder: PathBuf,
    keys: Arc<KeyStores>,
    /// The file that contains the name of the current slot.
    marker: FileStorage,
}

/// The lock of the marker; `None` if the file system has no locks.
type MarkerLock = Option<Box<dyn Send>>;

/// Returns the key store for a slot name.
type KeyStores = dyn Fn(&str) -> Arc<dyn KeyStore> + Send + Sync;

impl VaultSlots {
    /// Slots with keys in the operating system's store, under the names of the app and of the slot;
    /// see [`Vault::keyring`].
    #[cfg(all(
        feature = "keyring",
        any(target_os = "linux", target_os = "macos", target_os = "ios", windows)
    ))]
    pub fn keyring(service: &str, folder: impl Into<PathBuf>) -> Self {
        let service = service.to_owned();
        VaultSlots::with_key_stores(folder, move |name| {
            Arc::new(super::os_store::OsStore::for_slot(&service, name))
        })
    }

    /// Slots with one shared key that the app provides: for servers and tests.
    pub fn file(folder: impl Into<PathBuf>, key: VaultKey) -> Self {
        let key = Arc::new(FixedKey(key));
        VaultSlots::with_key_stores(folder, move |_| key.clone())
    }

    /// Slots with the key store that `keys` returns for a slot name, such as Android's Keystore
    /// with an alias for each name.
    pub fn with_key_stores(
        folder: impl Into<PathBuf>,
        keys: impl Fn(&str) -> Arc<dyn KeyStore> + Send + Sync + 'static,
    ) -> Self {
        let folder = folder.into();
        let marker = FileStorage::new(folder.join("current"));
        VaultSlots { folder, keys: Arc::new(keys), marker }
    }

    /// The vault with this name. Nothing is created before its first write. A vault that is opened
    /// twice is locked like any shared vault.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) if the name is not valid; the source says why.
    pub fn open(&self, name: &str) -> Result<Vault> {
        check(name)?;
        Ok(Vault::with_key_store(self.folder.join(format!("{name}{EXTENSION}")), (self.keys)(name)))
    }

    /// The names of the slots that were written, sorted. The slot of a signed-out account is
    /// included until it is [removed](Self::remove).
    ///
    /// # Errors
    ///
    /// [`Storage`](crate::ErrorKind::Storage) if the folder cannot be read now, or if the disk has
    /// not answered for 15 seconds.
    pub async fn names(&self) -> Result<Vec<String>> {
        let slots = self.clone();
        Ok(in_time(blocking(move || slots.listed().map_err(unread))).await?)
    }

    /// The name that any process [switched to](Self::switch_to) last. `None` before the first
    /// switch and after that slot was removed. The slot may not have been written yet.
    ///
    /// # Errors
    ///
    /// [`Storage`](crate::ErrorKind::Storage) if the folder cannot be read now, or if the disk has
    /// not answered for 15 seconds.
    pub async fn current(&self) -> Result<Option<String>> {
        let slots = self.clone();
        Ok(in_time(blocking(move || slots.marked().map_err(unread))).await?)
    }

    /// Makes this slot the current one for all processes. It is stored when this returns; if the
    /// process is killed meanwhile, either the old or the new name is stored. Existing clients keep
    /// their vault.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) if the name is not valid;
    /// [`Storage`](crate::ErrorKind::Storage) if it cannot be written, or if another process has
    /// held its lock for 15 seconds: the current slot does not change. Also if the disk has not
    /// answered for 15 seconds: the write then continues in the background.
    pub async fn switch_to(&self, name: &str) -> Result<()> {
        check(name)?;
        let lock = self.lock_marker().await?;
        let (slots, name) = (self.clone(), name.to_owned());
        Ok(in_time(blocking(move || slots.mark(&name, lock).map_err(unwritten))).await?)
    }

    /// Removes a slot, readable or not: its file, the rest of earlier writes, and its key if the
    /// key store can remove it ([`KeyStore::remove`]). It is not the current slot any more. The
    /// server is not informed: sign out first and wait until that is confirmed
    /// ([`SignOut::Confirmed`](crate::SignOut::Confirmed)), because a pending sign-out is stored in
    /// the slot. A client that still uses the slot finds no session.
    ///
    /// # Errors
    ///
    /// [`Usage`](crate::ErrorKind::Usage) if the name is not valid;
    /// [`Storage`](crate::ErrorKind::Storage) if the disk fails, or if it or a lock keeps a step
    /// waiting for 15 seconds: the file, the key or the mark may still be there. Repeat the call.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let vault = self.open(name)?;
        let (slots, name) = (self.clone(), name.to_owned());
        let unmarked = match self.lock_marker().await {
            Ok(lock) => {
                in_time(blocking(move || slots.unmark(&name, lock).map_err(unwritten))).await
            }
            Err(error) => Err(error),
        };
        let guard = in_time(vault.lock()).await?;
        in_time(guard.erase()).await?;
        Ok(unmarked?)
    }

    fn listed(&self) -> io::Result<Vec<String>> {
        let found = self.marker.folder.in_folder(|| match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries?.collect::<io::Result<Vec<DirEntry>>>(),
        })?;
        let mut names: Vec<String> = found.iter().filter_map(slot_of).collect();
        names.sort();
        Ok(names)
    }

    fn marked(&self) -> io::Result<Option<String>> {
        let text = self.marker.read()?.and_then(|text| String::from_utf8(text).ok());
        Ok(text.filter(|name| problem_of(name).is_none()))
    }

    fn mark(&self, name: &str, _lock: MarkerLock) -> io::Result<()> {
        retry_while_away(|| self.marker.write(name.as_bytes()))
    }

    fn unmark(&self, name: &str, _lock: MarkerLock) -> io::Result<()> {
        match self.marked()? {
            Some(marked) if marked == name => self.marker.remove(),
            _ => Ok(()),
        }
    }

    /// Locks the marker, so that two processes do not write its new file at once. Without support
    /// for locks, the marker is still replaced as a whole.
    async fn lock_marker(&self) -> std::result::Result<MarkerLock, VaultError> {
        let slots = self.clone();
        let locking = on_a_thread(move || match retry_while_away(|| slots.marker.lock()) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
            locked => locked.map(Some),
        });
        in_time(async { locking.await.map_err(unwritten) }).await
    }
}

/// Limits the wait for a lock, whose holder may be suspended, and for a disk that hangs. Work on
/// the disk continues in the background.
async fn in_time<T>(
    work: impl Future<Output = std::result::Result<T, VaultError>>,
) -> std::result::Result<T, VaultError> {
    match tokio::time::timeout(VAULT_TIMEOUT, work).await {
        Ok(done) => done,
        Err(elapsed) => Err(VaultError::new(VaultState::Locked, elapsed)),
    }
}

impl fmt::Debug for VaultSlots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultSlots").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn slot_of(file: &DirEntry) -> Option<String> {
    let file = file.file_name().into_string().ok()?;
    let name = file.strip_suffix(EXTENSION)?;
    problem_of(name).is_none().then(|| name.to_owned())
}

fn check(name: &str) -> Result<()> {
    match problem_of(name) {
        None => Ok(()),
        Some(problem) => Err(Error::usage(format!("{name:?} cannot name a slot: {problem}"))),
    }
}

/// Why a name is not valid. Capital letters are refused because some disks ignore case.
fn problem_of(name: &str) -> Option<&'static str> {
    let is_of_name =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'@' | b'+');
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_NAME_BYTES {
        Some("it has 1 to 64 characters")
    } else if !bytes.iter().all(is_of_name) {
        Some("it is made of a-z, 0-9 and . _ - @ +")
    } else if !is_edge(bytes.first()) || !is_edge(bytes.last()) {
        Some("it begins and ends with a letter or a digit")
    } else if is_device(name) {
        Some("it is a device on Windows")
    } else {
        None
    }
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default();
    let is_numbered = |kind: &str| {
        stem.strip_prefix(kind)
            .is_some_and(|number| number.len() == 1 && number.as_bytes()[0].is_ascii_digit())
    };
    DEVICES.contains(&stem) || is_numbered("com") || is_numbered("lpt")
}

fn unread(error: io::Error) -> VaultError {
    VaultError::new(VaultState::Locked, error)
}

fn unwritten(error: io::Error) -> VaultError {
    let state = if is_away(&error) { VaultState::Locked } else { VaultState::ReadOnly };
    VaultError::new(state, error)
}
