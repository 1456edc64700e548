//! The role of an app in another process that uses a vault.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use propusk::{Vault, VaultError, VaultGuard, VaultKey};
use tokio::runtime::Runtime;

use crate::process::{Process, playing, say};

const KIND: &str = "PROPUSK_TEST_VAULT";
const PLACE: &str = "PROPUSK_TEST_PLACE";

/// The key of vaults of the kind `file`.
pub fn key() -> VaultKey {
    VaultKey::from_bytes([7; 32])
}

/// An app with a vault of this kind (`file`, `keyring`, `degraded`) in this file or folder.
pub fn app(kind: &str, place: impl Into<PathBuf>) -> Process {
    Process::start(with_vault(&mut playing("vault"), kind, place))
}

pub fn with_vault<'a>(
    command: &'a mut Command,
    kind: &str,
    place: impl Into<PathBuf>,
) -> &'a mut Command {
    command.env(KIND, kind).env(PLACE, place.into())
}

/// Answers `state`, `read`, `write TEXT`, `forget`, `add N`, `lock`, `unlock`, `count SIZE`, and
/// `run COMMAND`.
pub fn play() -> impl FnMut(&str) -> String {
    let runtime = Runtime::new().unwrap();
    let vault = vault();
    let mut held = None;
    move |line| {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let done = runtime.block_on(obey(&vault, &mut held, verb, rest));
        done.unwrap_or_else(|error| format!("{:?}", error.state()))
    }
}

fn vault() -> Vault {
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let vault = match std::env::var(KIND).unwrap().as_str() {
        "file" => Vault::file(place, key()),
        #[cfg(all(feature = "keyring", target_os = "linux"))]
        "keyring" => Vault::keyring("org.example.app", place),
        #[cfg(all(feature = "keyring", target_os = "linux"))]
        "degraded" => Vault::keyring("org.example.app", place).allow_key_file(),
        unknown => panic!("there is no vault {unknown}"),
    };
    // A real store may be slow on a busy machine; the timeout is not part of the test.
    vault.key_store_timeout(Duration::from_secs(120))
}

async fn obey(
    vault: &Vault,
    held: &mut Option<VaultGuard>,
    verb: &str,
    rest: &str,
) -> Result<String, VaultError> {
    match verb {
        "state" => return Ok(format!("{:?}", vault.state().await)),
        "read" => return Ok(text(vault.read().await?)),
        "write" => vault.lock().await?.write(rest.as_bytes()).await?,
        "forget" => vault.lock().await?.remove().await?,
        "add" => add(vault, rest.parse().unwrap()).await?,
        "lock" => *held = Some(vault.lock().await?),
        "unlock" => *held = None,
        "count" => count(vault, rest.parse().unwrap()).await?,
        "run" => assert!(Command::new("sh").args(["-c", rest]).status().unwrap().success()),
        unknown => panic!("unknown command {unknown}"),
    }
    Ok("done".to_owned())
}

/// Reads a number and writes the next one, this many times.
async fn add(vault: &Vault, times: usize) -> Result<(), VaultError> {
    for _ in 0..times {
        let guard = vault.lock().await?;
        let number: u64 = match guard.read().await? {
            None => 0,
            record => text(record).parse().unwrap(),
        };
        guard.write((number + 1).to_string().as_bytes()).await?;
    }
    Ok(())
}

/// Writes 1, 2, 3 … forever, each repeated to at least this size, and reports each number after it
/// is written.
async fn count(vault: &Vault, size: usize) -> Result<(), VaultError> {
    for number in 1_u64.. {
        vault.lock().await?.write(&many(number, size)).await?;
        say(&number.to_string());
    }
    Ok(())
}

/// A number, repeated.
pub fn many(number: u64, size: usize) -> Vec<u8> {
    let once = format!("{number} ");
    once.repeat(size / once.len() + 1).into_bytes()
}

pub fn text(record: Option<Vec<u8>>) -> String {
    record.map_or_else(|| "nothing".to_owned(), |record| String::from_utf8(record).unwrap())
}
