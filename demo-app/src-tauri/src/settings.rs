//! What the demo remembers between two starts: the server, the dialect and the ports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use propusk::Dialect;
use serde::{Deserialize, Serialize};

const FILE: &str = "demo.json";

/// The settings; everything has a default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Settings {
    pub server: ChosenServer,
    pub dialect: Dialect,
    /// The ports of the gateway to each server, the newest first: the vault names one of them as
    /// the origin of its session.
    pub gateways: BTreeMap<String, Vec<u16>>,
    pub embedded_server: Option<u16>,
    /// The time that has passed at the press of a button, in seconds: the embedded server never
    /// goes back to an earlier time.
    pub passed: i64,
    /// The server keeps the address of its provider.
    pub stand_in: Option<u16>,
}

/// How many former ports of a gateway are known.
const MAX_PORTS: usize = 5;

impl Settings {
    /// The port of the gateway at the last start.
    pub fn gateway_port(&self, server: &str) -> Option<u16> {
        self.gateways.get(server)?.first().copied()
    }

    /// Stores the port, and returns the former ones.
    pub fn use_gateway_port(&mut self, server: &str, port: u16) -> Vec<u16> {
        let ports = self.gateways.entry(server.to_owned()).or_default();
        ports.retain(|known| *known != port);
        ports.insert(0, port);
        ports.truncate(MAX_PORTS);
        ports.iter().skip(1).copied().collect()
    }
}

/// The server in use.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "url")]
pub enum ChosenServer {
    #[default]
    None,
    Outside(String),
    Embedded,
}

/// The file of the settings.
pub struct SettingsFile(PathBuf);

impl SettingsFile {
    pub fn in_folder(folder: &Path) -> Self {
        SettingsFile(folder.join(FILE))
    }

    /// The settings; the defaults if there are none, or if they cannot be read.
    pub fn read(&self) -> Settings {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Settings::default(),
            Err(error) => {
                tracing::warn!(%error, "the settings cannot be read");
                return Settings::default();
            }
        };
        serde_json::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "the settings are damaged");
            Settings::default()
        })
    }

    /// Writes a temporary file and renames it.
    pub fn write(&self, settings: &Settings) -> io::Result<()> {
        if let Some(folder) = self.0.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = self.0.with_extension("new");
        fs::write(&new, serde_json::to_vec_pretty(settings)?)?;
        fs::rename(&new, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_the_same_after_a_restart() {
        let folder = tempfile::tempdir().expect("a directory");
        let file = SettingsFile::in_folder(&folder.path().join("new"));
        assert_eq!(file.read(), Settings::default());
        let settings = Settings {
            server: ChosenServer::Outside("https://id.example.org".to_owned()),
            dialect: Dialect::DjoserJwt,
            gateways: [("https://id.example.org".to_owned(), vec![4711])].into(),
            embedded_server: Some(4712),
            passed: 121,
            stand_in: None,
        };
        file.write(&settings).expect("written");
        assert_eq!(file.read(), settings);
    }

    #[test]
    fn settings_that_are_damaged_are_the_defaults() {
        let folder = tempfile::tempdir().expect("a directory");
        fs::write(folder.path().join(FILE), "{\"server\": 7}").expect("written");
        assert_eq!(SettingsFile::in_folder(folder.path()).read(), Settings::default());
    }
}
