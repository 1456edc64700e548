//! The vault: a record is read back completely, or the error says exactly why not.

#[cfg(unix)]
mod away;
#[cfg(unix)]
mod crash;
mod damage;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(unix)]
mod key_store;
#[cfg(all(feature = "keyring", target_os = "linux"))]
mod keyring;
pub mod part;
pub mod slots;
pub mod waiting;

use std::fs;
use std::path::{Path, PathBuf};

use propusk::{Vault, VaultError, VaultState};

/// The record of a vault, or the state in which it cannot be read.
async fn had(vault: &Vault) -> Result<Option<String>, VaultState> {
    let record = vault.read().await.map_err(|error| error.state())?;
    Ok(record.map(|record| String::from_utf8(record).unwrap()))
}

fn some(text: &str) -> Result<Option<String>, VaultState> {
    Ok(Some(text.to_owned()))
}

async fn write(vault: &Vault, text: &str) -> Result<(), VaultState> {
    let written: Result<(), VaultError> = async {
        let guard = vault.lock().await?;
        guard.write(text.as_bytes()).await
    }
    .await;
    written.map_err(|error| error.state())
}

async fn forget(vault: &Vault) -> Result<(), VaultState> {
    let guard = vault.lock().await.map_err(|error| error.state())?;
    guard.remove().await.map_err(|error| error.state())
}

/// The names of the files in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Whether no process holds the lock of the vault in this file.
fn is_free(path: &Path) -> bool {
    fs::File::open(beside(path, ".lock")).unwrap().try_lock().is_ok()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
