//! Tokens: the claims of ours, and tokens as other servers make them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use propusk_server::auth::Hs256;
use serde_json::{Value, json};

use crate::SECRET;
use crate::server::TestServer;

/// The claims of a token, whatever its signature.
pub fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("three parts");
    let json = URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&json).expect("JSON")
}

/// A token as SimpleJWT makes it, issued `age` seconds ago for an account.
pub fn django(server: &TestServer, id: i64, kind: &str, age: i64, jti: &str) -> String {
    let issued = server.clock.now() - age;
    let life = if kind == "access" { 300 } else { 86_400 };
    let claims = json!({
        "token_type": kind, "exp": issued + life, "iat": issued, "jti": jti, "user_id": id,
    });
    Hs256::new(SECRET.as_bytes()).sign(claims.to_string().as_bytes())
}
