//! The state of the demo as the page shows it.

use std::path::PathBuf;

use serde::Serialize;

use crate::dialects::Choice;
use crate::live_session::LiveSession;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DemoState {
    pub server: ServerState,
    /// Whether this app has a server of its own.
    pub can_embed: bool,
    /// A phone has no loopback for the browser and no second process.
    pub is_mobile: bool,
    pub dialect: &'static str,
    pub dialects: Vec<Choice>,
    pub session: SessionState,
    pub vault: VaultState,
    pub trouble: Trouble,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerState {
    /// `none`, `outside` or `embedded`.
    pub kind: &'static str,
    pub url: Option<String>,
    /// The address that the SDK knows.
    pub gateway: Option<String>,
    pub running: bool,
    /// A page about the server's APIs, if it is known to be a Propusk server.
    pub page: Option<String>,
    /// Why the chosen server does not run, as an English sentence.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionState {
    #[serde(flatten)]
    pub live: LiveSession,
    /// The server's time, in seconds since 1970.
    pub now: i64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VaultState {
    pub state: Option<&'static str>,
    pub path: Option<PathBuf>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    pub offline: bool,
    pub lose_next_answer: bool,
    pub clock_offset_seconds: i64,
    pub key_store_locked: bool,
    pub second_process: SecondProcessState,
}

#[derive(Clone, Debug, Serialize)]
pub struct SecondProcessState {
    pub running: bool,
    pub pid: Option<u32>,
}
