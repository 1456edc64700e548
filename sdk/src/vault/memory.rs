//! Storage in memory.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::Storage;

#[derive(Default)]
pub(super) struct MemoryStorage(Mutex<Option<Vec<u8>>>);

impl MemoryStorage {
    fn set(&self, bytes: Option<Vec<u8>>) -> io::Result<()> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        Ok(())
    }
}

impl Storage for MemoryStorage {
    fn name(&self) -> &str {
        "memory"
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn write(&self, sealed: &[u8]) -> io::Result<()> {
        self.set(Some(sealed.to_vec()))
    }

    fn set_aside(&self) -> io::Result<()> {
        self.set(None)
    }

    fn remove(&self) -> io::Result<()> {
        self.set(None)
    }

    /// Other processes cannot access it.
    fn lock(&self) -> io::Result<Box<dyn Send>> {
        Ok(Box::new(()))
    }
}
