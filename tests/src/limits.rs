//! Limits as small as a test needs them, and the answer of a limit that is reached.

use propusk_server::config::Limits;
use serde_json::json;

use crate::http::{Answer, Client};
use crate::server::TestServer;

/// In effect no limit, for the limits that a test is not about.
pub const ANY: u32 = 1_000;

/// Limits with small numbers; the parameters are named like the settings.
pub fn limits(per_address: u32, per_account_and_address: u32, per_account: u32) -> Limits {
    let (registrations_per_address, mails_per_address, mails_per_recipient) = (ANY, ANY, ANY);
    Limits {
        enabled: true,
        per_address,
        per_account_and_address,
        per_account,
        registrations_per_address,
        mails_per_address,
        mails_per_recipient,
        sign_ins_per_address: ANY,
        hashes_per_address: None,
    }
}

pub async fn limited(limits: Limits) -> TestServer {
    TestServer::with(|config| config.limits = limits).await
}

/// The status of a sign-in at `simplejwt_rotating` from this address, as a trusted proxy reports it.
pub async fn sign_in_from(
    server: &impl AsRef<Client>,
    address: &str,
    email: &str,
    password: &str,
) -> u16 {
    let body = json!({"email": email, "password": password});
    server.as_ref().post_from(address, "/token", &body).await.status.as_u16()
}

pub fn assert_throttled(answer: &Answer, available_in: &str) {
    let detail = format!("Request was throttled. Expected available in {available_in}.");
    assert_eq!((answer.status.as_u16(), answer.json()), (429, json!({"detail": detail})));
    let seconds = available_in.split(' ').next().map(str::to_owned);
    assert_eq!(answer.header("Retry-After"), seconds);
    assert_eq!(answer.header("Content-Type").as_deref(), Some("application/json"));
}
