//! What the handlers of one API share.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;

use crate::auth::{Auth, Policy};
use crate::http::client::TrustedProxies;

pub struct Context {
    pub auth: Arc<Auth>,
    pub policy: Policy,
    /// Where the server is reached from outside, without a final slash.
    pub public_url: Arc<str>,
    pub proxies: TrustedProxies,
}

impl Context {
    /// The client's address.
    pub fn client(&self, request: &Request) -> IpAddr {
        self.proxies.client(request.extensions(), request.headers())
    }
}
