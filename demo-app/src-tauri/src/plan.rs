//! How a client is built. The second process gets the same plan as its argument, so it contains no
//! secrets.

use std::path::PathBuf;

use propusk::{Client, Clock, Dialect};
use serde::{Deserialize, Serialize};

use crate::vault::VaultPlace;

/// The link with which a browser returns to the app.
pub const DEEP_LINK: &str = "propusk-demo://signed-in";
/// The redirect at a port of this machine.
pub const LOOPBACK: &str = "http://127.0.0.1/signed-in";
/// The application of the embedded server. Everybody knows it, and its server is on this machine.
pub const OAUTH_CLIENT: (&str, &str) = ("propusk-demo", "propusk-demo-on-this-machine");

/// How to build a client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClientPlan {
    /// The gateway, which passes everything to the server.
    pub server: String,
    /// Where the gateway was before: its port was taken meanwhile.
    pub former_servers: Vec<String>,
    pub dialect: Dialect,
    pub vault: VaultPlace,
    /// The time that has passed for the whole demo, in seconds.
    pub passed: i64,
    /// Whether the server is the embedded one, which knows the demo's application.
    pub is_embedded: bool,
}

impl ClientPlan {
    /// The client, in the context of a runtime.
    pub fn build(&self, clock: Clock, device: &str, is_locked: bool) -> propusk::Result<Client> {
        let mut builder = Client::builder(&self.server)
            .dialect(self.dialect)
            .redirect(DEEP_LINK)
            .redirect(LOOPBACK)
            .device_name(device)
            .clock(clock)
            .vault(self.vault.open(is_locked));
        for former in &self.former_servers {
            builder = builder.former_server(former);
        }
        if self.is_embedded {
            builder = builder.oauth_client(OAUTH_CLIENT.0, OAUTH_CLIENT.1);
        }
        builder.build()
    }
}

/// The vault of one server and dialect: several servers do not disturb each other.
pub fn vault_place(folder: PathBuf, server: &str, dialect: &str) -> VaultPlace {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    let server: String = server.trim_end_matches('/').chars().map(plain).collect();
    VaultPlace { folder, service: format!("org.propusk.demo.{dialect}.{server}") }
}
