//! Checks that the real OpenID provider of other tests behaves as they assume.

use std::collections::HashMap;

use propusk_tests::oidc_provider::OidcProvider;
use serde_json::{Value, json};
use url::Url;

const CALLBACK: &str = "http://127.0.0.1:8000/callback";
/// The example of RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

async fn peer(change: Value) -> OidcProvider {
    let mut config = json!({
        "clients": [{
            "client_id": "propusk",
            "client_secret": "a secret between the two of them",
            "redirect_uris": [CALLBACK],
        }],
        "accounts": {"anna": {"sub": "248289761001", "email": "anna@example.com"}},
    });
    let change = change.as_object().expect("members").clone();
    config.as_object_mut().expect("members").extend(change);
    OidcProvider::start(&config).await
}

/// The parameters that the provider adds to the callback.
async fn authorize(peer: &OidcProvider, parameters: &[(&str, &str)]) -> HashMap<String, String> {
    let endpoint = peer.discovery().await["authorization_endpoint"].clone();
    let mut url = Url::parse(endpoint.as_str().expect("an endpoint")).expect("a URL");
    url.query_pairs_mut()
        .append_pair("client_id", "propusk")
        .append_pair("response_type", "code")
        .append_pair("scope", "openid email")
        .append_pair("redirect_uri", CALLBACK)
        .append_pair("state", "of-the-test")
        .extend_pairs(parameters);
    let callback = peer.authorize(url.as_str()).await;
    assert!(callback.starts_with(&format!("{CALLBACK}?")), "{callback}");
    Url::parse(&callback).expect("a URL").query_pairs().into_owned().collect()
}

fn pkce(login_hint: &str) -> [(&str, &str); 3] {
    [("code_challenge", CHALLENGE), ("code_challenge_method", "S256"), ("login_hint", login_hint)]
}

#[tokio::test]
async fn peer_describes_itself() {
    let peer = peer(json!({})).await;
    let discovery = peer.discovery().await;
    assert_eq!(discovery["issuer"], peer.issuer);
    assert_eq!(discovery["jwks_uri"], format!("{}/jwks", peer.issuer));
    assert_eq!(discovery["authorization_response_iss_parameter_supported"], true);
}

#[tokio::test]
async fn peer_signs_in_the_account_of_the_hint() {
    let peer = peer(json!({})).await;
    let answer = authorize(&peer, &pkce("anna")).await;
    assert!(!answer["code"].is_empty());
    assert_eq!(answer["state"], "of-the-test");
    assert_eq!(answer["iss"], peer.issuer);
}

#[tokio::test]
async fn peer_refuses_where_the_user_does_and_without_pkce() {
    let peer = peer(json!({})).await;
    let answer = authorize(&peer, &pkce("deny")).await;
    assert_eq!(answer["error"], "access_denied");
    assert_eq!(answer["state"], "of-the-test");
    let answer = authorize(&peer, &[]).await;
    assert_eq!(answer["error"], "invalid_request");
}

#[tokio::test]
async fn peer_can_be_one_that_does_not_name_itself() {
    let peer = peer(json!({"authorization_response_iss": false})).await;
    let discovery = peer.discovery().await;
    assert!(discovery["authorization_response_iss_parameter_supported"].is_null());
    let answer = authorize(&peer, &pkce("anna")).await;
    assert!(answer.contains_key("code") && !answer.contains_key("iss"), "{answer:?}");
}

#[tokio::test]
async fn peer_changes_its_keys_on_request() {
    let peer = peer(json!({})).await;
    let before = kids(&peer).await;
    peer.rotate().await;
    let after = kids(&peer).await;
    assert_eq!((before.len(), after.len()), (2, 2));
    assert!(after.iter().all(|kid| !before.contains(kid)), "{before:?} {after:?}");
}

async fn kids(peer: &OidcProvider) -> Vec<Value> {
    let jwks = peer.client.get("/jwks", None).await.json();
    jwks["keys"].as_array().expect("keys").iter().map(|key| key["kid"].clone()).collect()
}
