//! The session of a client. One renewal runs at a time in this process, and all callers share its
//! result. The state in memory and the record in the vault change together, in short steps under a
//! lock. Requests are sent without a lock; after an answer it is checked whether the session is
//! still the one that was asked about ([`decide`]). A caller that stops waiting does not stop the
//! work.

mod access_token;
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
mod verdict;
mod watching;

pub use adoption::Adoption;
pub(crate) use current_token::CurrentToken;
pub use offline::{OfflineIdentity, OfflinePolicy, Trust};
pub(crate) use record::Record;
pub(crate) use session_core::SessionCore;
pub use sign_out::SignOut;
pub use status::{Phase, SignedInUser, Status, StatusChange};
