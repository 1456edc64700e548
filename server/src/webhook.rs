//! The service of the operator that is sent webhooks, and the signature by which it knows that they
//! are ours. A request has limits on its time and on the size of the answer, and follows no
//! redirect.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use sha2::Sha256;

use crate::config::{ConfigError, Outbound as OutboundSettings, Webhooks};
use crate::providers::{Outbound, ProviderRequest, endpoint};

const SIGNATURE: HeaderName = HeaderName::from_static("propusk-signature");

/// The configured service; no `Debug`: it has the key.
pub struct Receiver {
    url: Url,
    key: Hmac<Sha256>,
    outbound: Outbound,
}

impl Receiver {
    /// `None` if no service is configured.
    pub fn new(
        settings: &Webhooks,
        outbound: &OutboundSettings,
    ) -> Result<Option<Self>, ConfigError> {
        let (Some(url), Some(secret)) = (&settings.url, &settings.secret) else { return Ok(None) };
        let url = endpoint("the URL", url, outbound)
            .map_err(|problem| ConfigError::invalid("webhooks.url", problem))?;
        let outbound = Outbound::for_url(&url, outbound, settings.ca_file.as_deref())
            .map_err(|problem| ConfigError::invalid("webhooks.ca_file", problem))?;
        Ok(Some(Receiver { url, key: key(secret.expose()), outbound }))
    }

    /// Sends a body; the error says why it was not accepted.
    pub async fn send(&self, body: Vec<u8>, now: i64) -> Result<(), String> {
        let signature = HeaderValue::from_str(&signature(&self.key, &body, now))
            .map_err(|error| error.to_string())?;
        let json = HeaderValue::from_static("application/json");
        let request = ProviderRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, json), (SIGNATURE, signature)]),
            body,
            repeatable: false,
        };
        let reply = self.outbound.send(request).await.map_err(|error| error.to_string())?;
        match reply.status.is_success() {
            true => Ok(()),
            false => Err(format!("it answers with status {}", reply.status.as_u16())),
        }
    }
}

fn key(secret: &str) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length")
}

/// `t=` the time, `v1=` the HMAC-SHA256 of the time, a dot and the body, in hex.
fn signature(key: &Hmac<Sha256>, body: &[u8], now: i64) -> String {
    let mac = key.clone().chain_update(format!("{now}.")).chain_update(body).finalize();
    let start = format!("t={now},v1=");
    mac.into_bytes().iter().fold(start, |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_the_hmac_of_time_and_body() {
        // printf '1790000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret of the webhook'
        let signature = signature(&key("a secret of the webhook"), br#"{"a":1}"#, 1_790_000_000);
        let expected = "9d38a7594dc84c239502f2a1c7e5bb49d0a36d0cbcf91f8c84a9b787419e6730";
        assert_eq!(signature, format!("t=1790000000,v1={expected}"));
    }
}
