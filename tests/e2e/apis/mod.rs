//! APIs of the settings: dialects at places of their own, beside the documents.

mod claims;
mod foreign_ids;
mod key_pairs;
mod keys;
mod mails;
mod numbers;
mod places;
mod rotation;
mod routes;
mod versions;

use propusk_server::config::{ApiSettings, Config};
use propusk_tests::http::{Answer, Client};
use propusk_tests::user::PASSWORD;
use serde_json::json;

/// An API of `djoser_jwt` whose paths begin with the prefix, and which the test changes.
fn serve(config: &mut Config, name: &str, prefix: &str, change: impl FnOnce(&mut ApiSettings)) {
    let api = config.api(name);
    api.dialect = Some("djoser_jwt".to_owned());
    api.prefix = Some(prefix.to_owned());
    change(api);
}

/// Signs in at an API of `djoser_jwt` with this prefix.
async fn sign_in_at(client: &Client, prefix: &str, name: &str) -> Answer {
    let body = json!({"username": name, "password": PASSWORD});
    client.post(&format!("{prefix}/jwt/create/"), &body).await
}

/// Refreshes there.
async fn refresh_at(client: &Client, prefix: &str, token: &str) -> Answer {
    client.post(&format!("{prefix}/jwt/refresh/"), &json!({"refresh": token})).await
}
