//! Who sends a request: with a valid access credential, or without one.

use std::net::IpAddr;

use crate::auth::mailing::one_time_token::LinkChallenge;
use crate::language::Language;

/// The sender of a valid access credential.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn {
    pub account_id: i64,
    /// `None` for a token of a replaced server.
    pub session: Option<i64>,
    /// The credential was in the URL, where others may have seen it.
    pub in_url: bool,
    /// The credential belongs to an OAuth client.
    pub of_client: bool,
}

impl SignedIn {
    /// The sender of a session's own credential, which came in the header.
    pub(in crate::auth) fn of_session(account_id: i64, session: i64) -> Self {
        SignedIn { account_id, session: Some(session), in_url: false, of_client: false }
    }

    /// Whether others than the owner may have the credential.
    pub fn is_lent(&self) -> bool {
        self.of_client || self.in_url
    }
}

/// The sender of a request that may lead to a mail, such as a registration or a password reset.
#[derive(Clone, Copy, Debug)]
pub struct Requester {
    pub from: IpAddr,
    /// The language of the mail; `None`: the account's.
    pub language: Option<Language>,
    /// Binds a reset link that opens an app by its own URL scheme to the app that asks for it.
    pub challenge: Option<LinkChallenge>,
}
