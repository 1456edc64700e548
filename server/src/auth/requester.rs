//! Who asks: the sender of a good access credential, and the sender of a request without one.

use std::net::IpAddr;

use crate::auth::mailing::one_time_token::LinkChallenge;
use crate::language::Language;

/// Whoever sent a good access credential.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn {
    pub account_id: i64,
    /// Absent for a token of a replaced server.
    pub session: Option<i64>,
    /// The credential stood in the URL, where others may have seen it.
    pub in_url: bool,
    /// The credential was given to an OAuth client.
    pub of_client: bool,
}

impl SignedIn {
    /// By a credential of a session, which stood where it belongs.
    pub(in crate::auth) fn by(account_id: i64, session: i64) -> Self {
        SignedIn { account_id, session: Some(session), in_url: false, of_client: false }
    }
}

/// Whoever asks for a mail.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub from: IpAddr,
    pub language: Option<Language>,
    /// Binds a reset link that leads to an app's own scheme to the app that asks.
    pub challenge: Option<LinkChallenge>,
}
