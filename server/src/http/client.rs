//! The client's address: the socket's, or, behind configured proxies, the rightmost address of
//! `X-Forwarded-For` that is not a proxy's. What the client itself writes there is never trusted.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use super::listen::Peer;

/// The networks whose `X-Forwarded-For` is trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    pub fn new(networks: &[IpNet]) -> Self {
        TrustedProxies(networks.into())
    }

    /// The address of the request's client.
    pub fn client(&self, extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
        let Some(Peer(peer)) = extensions.get() else { return Ipv4Addr::UNSPECIFIED.into() };
        let mut client = peer.ip().to_canonical();
        // The header of anybody but a trusted proxy is not read.
        if !self.trusts(client) {
            return client;
        }
        for hop in forwarded(headers) {
            match address(hop) {
                Some(address) => client = address,
                // A trusted proxy wrote nonsense: use the last known address.
                None => break,
            }
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// A header that only a trusted proxy may set; `None` from any other peer, or if it is there
    /// twice.
    pub fn header_of_proxy<'h>(
        &self,
        extensions: &Extensions,
        headers: &'h HeaderMap,
        name: &HeaderName,
    ) -> Option<&'h HeaderValue> {
        let Peer(peer) = extensions.get()?;
        if !self.trusts(peer.ip().to_canonical()) {
            return None;
        }
        let mut lines = headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The hops, the nearest first.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
}

/// An address, with or without a port behind it.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let address = hop.parse().or_else(|_| hop.parse().map(|hop: SocketAddr| hop.ip())).ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let networks: Vec<IpNet> =
            trusted.iter().map(|net| net.parse().expect("a network")).collect();
        let mut extensions = Extensions::new();
        extensions.insert(Peer(peer.parse().expect("an address")));
        let mut headers = HeaderMap::new();
        for line in forwarded {
            let line = HeaderValue::from_bytes(line.as_bytes()).expect("a header");
            headers.append("x-forwarded-for", line);
        }
        TrustedProxies::new(&networks).client(&extensions, &headers).to_string()
    }

    #[test]
    fn header_is_ignored_unless_a_proxy_sent_it() {
        assert_eq!(client(&[], "192.0.2.1:5", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client(&["10.0.0.0/8"], "192.0.2.1:5", &["198.51.100.7"]), "192.0.2.1");
    }

    #[test]
    fn client_is_the_rightmost_untrusted_hop() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(client(&proxies, "10.1.1.1:5", &["1.1.1.1, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            client(&proxies, "10.1.1.1:5", &["1.1.1.1, 198.51.100.7, 10.2.2.2"]),
            "198.51.100.7"
        );
        assert_eq!(client(&proxies, "10.1.1.1:5", &["1.1.1.1", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(client(&proxies, "[::ffff:10.1.1.1]:5", &["198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn client_is_the_proxy_if_it_wrote_nonsense() {
        assert_eq!(client(&["10.0.0.0/8"], "10.1.1.1:5", &["1.1.1.1, unknown"]), "10.1.1.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.1.1:5", &[]), "10.1.1.1");
    }

    #[test]
    fn client_is_not_hidden_by_its_own_header() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(client(&proxies, "10.1.1.1:5", &["\u{fc}, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(client(&proxies, "10.1.1.1:5", &["x, 198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(client(&proxies, "10.1.1.1:5", &["[2001:db8::1]:4711"]), "2001:db8::1");
    }
}
