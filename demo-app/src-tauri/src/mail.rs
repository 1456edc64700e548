//! A mail of the embedded server, as the page shows it.

use serde::Serialize;

/// A mail.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    pub id: String,
    pub to: String,
    pub subject: String,
    pub text: String,
    /// Milliseconds since 1970.
    pub received_at: i64,
    pub links: Vec<MailLink>,
}

/// A link in a mail.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MailLink {
    pub url: String,
    /// `activation`, `reset`, `email_reset`, `email_confirm`, `email_return` or `other`.
    pub kind: &'static str,
}
