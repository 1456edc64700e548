//! The session at work. One renewal at a time in this process, shared by everybody who waits for it.
//! What is in memory and what the vault holds change together, in short steps and by one at a time;
//! the server is asked between them, and whoever comes back with its answer looks first whether what
//! was asked about still counts ([`decide`]). A caller that goes away stops nothing: the work goes on
//! to its end.

mod adopted_tokens;
mod adoption;
mod attempt_id;
mod background_work;
mod backoff;
mod current_token;
mod decide;
mod last_seen;
mod lease;
mod locked_vault;
mod offline;
mod pending_sign_outs;
mod record;
mod record_io;
mod renewal;
mod renewal_call;
mod renewal_purpose;
mod server_sign_out;
mod session_core;
mod sign_in;
mod sign_out;
mod single_flight;
mod status;
mod stored_session;
#[cfg(test)]
mod tests;
mod vault_sync;
mod watching;

pub use adoption::Adoption;
pub(crate) use current_token::CurrentToken;
pub use offline::{OfflineIdentity, OfflinePolicy, Trust};
pub(crate) use record::Record;
pub(crate) use session_core::SessionCore;
pub use sign_out::SignOut;
pub use status::{Phase, SignedInUser, Status, StatusChange};
