//! A process of an app: a client with its own runtime, which can be killed at any moment. Only its
//! disk remains.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use propusk::{
    Client, Clock, Dialect, FileStorage, KeyStore, KeyStoreError, Storage, Vault, VaultKey,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use super::faults::Faults;
use super::life::{EventSender, Life};
use super::plan::SaveFault;

/// How long a client waits for an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// A running process.
pub(super) struct Process {
    pub client: Client,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    life: Arc<Life>,
}

/// The options of a process for its start and restart.
#[derive(Clone)]
pub(super) struct Setting {
    pub dialect: Dialect,
    pub vault: PathBuf,
    pub key: VaultKey,
    pub clock: Clock,
    pub faults: Arc<Faults>,
    pub oauth_client: Option<(String, String)>,
    pub has_locks: bool,
    /// The addresses at which all processes reach the server.
    pub addresses: Vec<SocketAddr>,
}

impl Process {
    /// Starts a process with the stored record; it reaches the server through its shim.
    pub fn start(setting: &Setting, shim: SocketAddr, event_sender: EventSender) -> Self {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let life = Arc::new(Life::of(&runtime));
        let storage = Disk {
            file: FileStorage::new(&setting.vault),
            life: Arc::clone(&life),
            event_sender,
            faults: Arc::clone(&setting.faults),
            has_locks: setting.has_locks,
            stops_unlocked: Arc::default(),
        };
        let mut builder = Client::builder(format!("http://{shim}"))
            .dialect(setting.dialect)
            .vault(Vault::with_storage(Arc::new(storage), Arc::new(Key(setting.key.clone()))))
            .timeout(CALL_TIMEOUT)
            .clock(setting.clock.clone());
        if let Some((id, secret)) = &setting.oauth_client {
            builder = builder.oauth_client(id, secret.as_str());
        }
        for address in &setting.addresses {
            builder = builder.former_server(format!("http://{address}"));
        }
        let client = builder.build().expect("a client");
        Process { client, runtime: Some(runtime), life }
    }

    /// Runs a task in the process, for as long as it lives.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.runtime.as_ref().expect("a process that lives").spawn(work)
    }
}

impl Process {
    /// Suspends the process until it is resumed.
    pub fn stop(&self) {
        self.life.stop();
    }

    pub fn resume(&self) {
        self.life.resume();
    }
}

/// Kills the process: nothing in it runs after this.
impl Drop for Process {
    fn drop(&mut self) {
        self.life.end();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A key store that is always open.
struct Key(VaultKey);

impl KeyStore for Key {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        Ok(Some(self.0.clone()))
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Other("there is one key".to_owned()))
    }
}

/// A disk that fails as planned and blocks dead and suspended processes.
struct Disk {
    file: FileStorage,
    life: Arc<Life>,
    event_sender: EventSender,
    faults: Arc<Faults>,
    has_locks: bool,
    /// Whether the process must be suspended as soon as it releases the lock.
    stops_unlocked: Arc<AtomicBool>,
}

impl Disk {
    fn die(&self) -> io::Error {
        if self.life.kill() {
            self.event_sender.died();
        }
        self.life.wait_for_end();
        io::Error::other("the process is dead")
    }
}

impl Storage for Disk {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        self.life.pass()?;
        let read = self.file.read();
        self.life.pass()?;
        read
    }

    fn write(&self, sealed: &[u8]) -> io::Result<()> {
        self.life.pass()?;
        match self.faults.save() {
            None => self.file.write(sealed),
            Some(SaveFault::Full) => Err(io::ErrorKind::StorageFull.into()),
            Some(SaveFault::CrashBefore) => Err(self.die()),
            Some(SaveFault::CrashAfter) => {
                self.file.write(sealed)?;
                Err(self.die())
            }
            Some(SaveFault::StopBefore) => {
                self.life.stop();
                self.event_sender.stopped(self.has_locks, None);
                self.life.pass()?;
                self.file.write(sealed)
            }
            Some(SaveFault::StopAfter) => {
                self.stops_unlocked.store(true, Ordering::SeqCst);
                self.file.write(sealed)
            }
        }
    }

    fn set_aside(&self) -> io::Result<()> {
        self.life.pass()?;
        self.file.set_aside()
    }

    fn remove(&self) -> io::Result<()> {
        self.life.pass()?;
        self.file.remove()
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        loop {
            self.life.pass()?;
            let lock = match self.has_locks {
                true => Some(self.file.lock()?),
                false => None,
            };
            // A process that is suspended while it waits for the lock does not get it.
            if self.life.is_stopped() {
                continue;
            }
            let (life, event_sender) = (Arc::clone(&self.life), self.event_sender.clone());
            let stops = Arc::clone(&self.stops_unlocked);
            return match lock {
                Some(lock) => Ok(Box::new(Lock { lock: Some(lock), life, event_sender, stops })),
                None => Err(io::ErrorKind::Unsupported.into()),
            };
        }
    }

    fn has_locks(&self) -> bool {
        self.has_locks
    }
}

/// The lock, and what must happen when it is released.
struct Lock {
    lock: Option<Box<dyn Send>>,
    life: Arc<Life>,
    event_sender: EventSender,
    stops: Arc<AtomicBool>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.lock.take());
        if self.stops.swap(false, Ordering::SeqCst) {
            self.life.stop();
            self.event_sender.stopped(false, None);
            // The end of the process also ends this wait.
            let _ = self.life.pass();
        }
    }
}
