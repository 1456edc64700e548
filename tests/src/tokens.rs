//! Tokens as other servers make them.

use propusk_server::auth::Hs256;
use serde_json::json;

use crate::SECRET;
use crate::server::TestServer;

/// A token as SimpleJWT makes it, issued `age` seconds ago for an account.
pub fn django(server: &TestServer, id: i64, kind: &str, age: i64, jti: &str) -> String {
    let issued = server.clock.now() - age;
    let life = if kind == "access" { 300 } else { 86_400 };
    let claims = json!({
        "token_type": kind, "exp": issued + life, "iat": issued, "jti": jti, "user_id": id,
    });
    Hs256::new(SECRET.as_bytes()).sign(claims.to_string().as_bytes())
}
