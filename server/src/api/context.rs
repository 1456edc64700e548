//! What the handlers of one API share.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;

use super::place::Place;
use crate::auth::{Auth, Policy, Requester};
use crate::http::client::TrustedProxies;
use crate::http::head;
use crate::upstream::Upstream;

pub struct Context {
    pub auth: Arc<Auth>,
    pub policy: Policy,
    pub place: Place,
    /// Where operations are forwarded that a Django answers; `None`: a proxy sends them there.
    pub upstream: Option<Upstream>,
    /// Where the server is reached from outside, without a final slash.
    pub public_url: Arc<str>,
    pub proxies: TrustedProxies,
}

impl Context {
    /// Who asks for a mail, and in which language.
    pub fn asked(&self, request: &Request) -> Requester {
        let language = head::language(request.headers());
        Requester { from: self.client(request), language, challenge: None }
    }

    /// The client's address.
    pub fn client(&self, request: &Request) -> IpAddr {
        self.proxies.client(request.extensions(), request.headers())
    }
}
