//! The addresses that a provider may have. A non-public address is never connected to, however it
//! is written or resolved: a provider's document must not make this server send requests into its
//! own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use ipnet::IpNet;
use reqwest::Url;
use url::Host;

use super::ProviderError;

/// What requests to a provider may allowed_hosts in addition to the public internet.
#[derive(Debug, Default)]
pub(super) struct AllowedHosts {
    /// Host and port of endpoints that the operator has configured with an internal address.
    own: Vec<(String, u16)>,
    /// The hosts of the URLs in this provider's settings.
    named: Vec<String>,
    networks: Vec<IpNet>,
    /// Whether one of `named` resolves into one of `networks`. Only then the networks are also
    /// allowed for hosts in the provider's own documents.
    is_inside: AtomicBool,
}

impl AllowedHosts {
    /// `networks`: the private networks that providers may be in.
    pub fn new(networks: Vec<IpNet>) -> Self {
        AllowedHosts { networks, ..AllowedHosts::default() }
    }

    /// Adds a URL of the provider's settings: its host may be in one of the networks, and an
    /// internal address in it, or the name of this machine, may be reached.
    pub fn include(&mut self, url: &Url) {
        self.named.extend(url.host_str().map(str::to_owned));
        let is_inside = address_of(url).is_some_and(|address| self.is_in_network(address));
        self.is_inside.fetch_or(is_inside, Ordering::Relaxed);
        if let (true, Some(host), Some(port)) =
            (is_own(url), url.host_str(), url.port_or_known_default())
        {
            self.own.push((host.to_owned(), port));
        }
    }

    /// Refuses a URL that must not be requested. A host name is checked again after its lookup.
    pub fn check(&self, url: &Url) -> Result<(), ProviderError> {
        let Some((host, port)) = url.host_str().zip(url.port_or_known_default()) else {
            return Err(ProviderError::Blocked);
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ProviderError::Blocked);
        }
        if self.own.iter().any(|(own, its_port)| own == host && *its_port == port) {
            return Ok(());
        }
        let may_be_asked = match url.host() {
            // A name may resolve into a private network, where no certificate is needed. A name in
            // the settings is allowed on its own port; on others it must not lead to this machine.
            Some(Host::Domain(name)) => {
                let is_own = self.own.iter().any(|(own, _)| own == name);
                (is_encrypted(url) || self.may_use_networks(name))
                    && (!is_own || self.allows(name, Ipv4Addr::LOCALHOST.into(), true))
            }
            Some(Host::Ipv4(address)) => self.allows(host, address.into(), is_encrypted(url)),
            Some(Host::Ipv6(address)) => self.allows(host, address.into(), is_encrypted(url)),
            None => false,
        };
        match may_be_asked && matches!(url.scheme(), "http" | "https") {
            true => Ok(()),
            false => Err(ProviderError::Blocked),
        }
    }

    /// Whether a connection to this address is allowed for this name.
    pub fn allows_for(&self, name: &str, address: IpAddr, encrypted: bool) -> bool {
        let is_own = address.is_loopback() && self.own.iter().any(|(own, _)| own == name);
        is_own || self.allows(name, address, encrypted)
    }

    /// Over the internet only encrypted connections.
    fn allows(&self, host: &str, address: IpAddr, encrypted: bool) -> bool {
        if self.is_in_network(address) && self.may_use_networks(host) {
            self.is_inside.fetch_or(self.is_named(host), Ordering::Relaxed);
            return true;
        }
        encrypted && !is_internal(address)
    }

    /// Whether the networks are allowed for this host: the operator configured it, or another host
    /// of this provider that is in them.
    fn may_use_networks(&self, host: &str) -> bool {
        !self.networks.is_empty() && (self.is_named(host) || self.is_inside.load(Ordering::Relaxed))
    }

    fn is_named(&self, host: &str) -> bool {
        self.named.iter().any(|named| named == host)
    }

    fn is_in_network(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

fn address_of(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn is_encrypted(url: &Url) -> bool {
    url.scheme() == "https"
}

/// Whether a URL contains an internal address or names this machine.
pub(super) fn is_own(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => is_this_machine(name),
        Some(Host::Ipv4(address)) => is_internal(address.into()),
        Some(Host::Ipv6(address)) => is_internal(address.into()),
        None => false,
    }
}

fn is_this_machine(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether the address is not on the public internet (the special-purpose registries of RFC 6890).
fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_internal_v4(address),
        IpAddr::V6(address) => is_internal_v6(address),
    }
}

fn is_internal_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a, b, c) == (198, 51, 100)
        || (a, b, c) == (203, 0, 113)
}

fn is_internal_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    // An IPv4 address that a translator or tunnel embeds in IPv6.
    let carried = match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0, 0, high, low] => Some((high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
        [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    if let Some((high, low)) = carried {
        return is_internal_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    }
    let is_global_unicast = parts[0] & 0xe000 == 0x2000;
    let is_special = parts[0] == 0x2001 && (parts[1] < 0x200 || parts[1] == 0xdb8)
        || parts[0] == 0x3fff && parts[1] < 0x1000;
    !is_global_unicast || is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed_hosts(own: &[&str], networks: &[&str]) -> AllowedHosts {
        let networks = networks.iter().map(|text| text.parse().expect("a network")).collect();
        let mut allowed_hosts = AllowedHosts::new(networks);
        for url in own {
            allowed_hosts.include(&url.parse().expect("a URL"));
        }
        allowed_hosts
    }

    fn allows(allowed_hosts: &AllowedHosts, url: &str) -> bool {
        url.parse().is_ok_and(|url| allowed_hosts.check(&url).is_ok())
    }

    /// Spellings of internal hosts in URLs.
    const INSIDE: &str = "127.0.0.1 127.1 127.0.1 0177.0.0.1 0x7f.1 0x7f000001 2130706433 017700000001 \
        0x7f.0.0.0x1 127.0.0.1. 127.127.127.127 127.255.255.254 0 0.0.0.0 0.0.0.0. 0x0 00000000000 0.1.2.3 \
        10.0.0.1 10.1 10.255.255.255 0xa.0.0.1 012.0.0.1 167772161 172.16.0.1 172.31.255.254 172.16.1 \
        0xac100001 2886729729 192.168.0.1 192.168.1 192.168.1.1. 0xc0a80001 3232235521 0300.0250.0.1 \
        169.254.169.254 169.254.43518 0xa9fea9fe 2852039166 0251.0376.0251.0376 0xa9.0xfe.0xa9.0xfe \
        169.254.0.1 100.64.0.1 100.127.255.255 100.100.100.200 192.0.0.1 192.0.0.192 192.0.2.1 198.18.0.1 \
        198.19.255.255 198.51.100.1 203.0.113.9 192.88.99.1 224.0.0.1 239.255.255.250 240.0.0.1 \
        255.255.255.255 0xffffffff 4294967295 [::1] [::] [0:0:0:0:0:0:0:1] [::0001] [0000::1] \
        [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:7f00:0001] [::FFFF:127.0.0.1] [0:0:0:0:0:ffff:127.0.0.1] \
        [::ffff:10.0.0.1] [::ffff:a00:1] [::ffff:192.168.0.1] [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] \
        [::127.0.0.1] [::7f00:1] [::10.0.0.1] [::a9fe:a9fe] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] \
        [64:ff9b::10.0.0.1] [64:ff9b::169.254.169.254] [64:ff9b:1::1] [64:ff9b:1::a9fe:a9fe] [2002:7f00:1::] \
        [2002:7f00:0001::1] [2002:a00:1::] [2002:c0a8:1::1] [2002:a9fe:a9fe::] [2001::1] \
        [2001:0:7f00:1::1] [2001:db8::1] [2001:10::1] [2001:20::1] [2001:2::1] [3fff::1] [fc00::1] [fd00::1] \
        [fdff:ffff::1] [fd00:ec2::254] [fe80::1] [fe80::a9fe:a9fe] [febf::1] [fec0::1] [ff00::1] [ff02::1] \
        [ff0e::1] [100::1] [100:0:0:1::1] [5f00::1] [4000::1] [8000::1] [1::1] \
        １２７.０.０.１ 127。0。0。1 ①②⑦.⓪.⓪.① 127%2e0%2e0%2e1 %31%32%37.0.0.1";

    #[test]
    fn internal_address_is_refused_in_every_spelling() {
        let nothing = AllowedHosts::default();
        let mut forms = 0;
        for host in INSIDE.split_whitespace() {
            for url in [format!("https://{host}/x"), format!("http://{host}:8080/token")] {
                assert!(!allows(&nothing, &url), "{url}");
                forms += 1;
            }
        }
        for url in [
            "http://example.com/",
            "http://localhost/",
            "http://a.localhost/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "file://127.0.0.1/etc/passwd",
            "gopher://127.0.0.1:6379/_x",
            "unix:/run/x.sock",
            "data:text/plain,x",
            "javascript:1",
            "https://user@example.com/",
            "https://user:password@example.com/",
            "https://example.com@127.0.0.1/",
            "https://127.0.0.1#@example.com/",
            "https:\\\\127.0.0.1\\x",
            "https:127.0.0.1/x",
            "//127.0.0.1/",
            "https://",
            "http://[::1%25lo]/",
            "http://[::ffff:127.0.0.1%250]/",
        ] {
            assert!(!allows(&nothing, url), "{url}");
            forms += 1;
        }
        assert!(forms >= 200, "{forms}");
    }

    #[test]
    fn name_that_resolves_to_an_internal_address_is_refused() {
        let nothing = AllowedHosts::default();
        assert!(allows(&nothing, "https://localhost/x"), "looked up first");
        for address in
            ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"]
        {
            let address = address.parse().expect("an address");
            for name in ["localhost", "rebinding.example.com"] {
                assert!(!nothing.allows_for(name, address, true), "{name} {address}");
            }
        }
        for address in
            ["8.8.8.8", "87.240.132.67", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert!(nothing.allows_for(
                "id.example.com",
                address.parse().expect("an address"),
                true
            ));
        }
    }

    #[test]
    fn internal_address_in_the_settings_allows_only_itself() {
        let allowed_hosts =
            allowed_hosts(&["http://127.0.0.1:9400/vk/token", "http://localhost:9401/"], &[]);
        assert!(allows(&allowed_hosts, "http://127.0.0.1:9400/other"));
        assert!(allows(&allowed_hosts, "http://localhost:9401/"));
        assert!(allowed_hosts.allows_for(
            "localhost",
            "127.0.0.1".parse().expect("an address"),
            true
        ));
        for other in [
            "http://127.0.0.1:9401/",
            "http://127.0.0.1/",
            "http://127.0.0.2:9400/",
            "http://[::1]:9400/",
            "http://localhost:9400/",
            "https://localhost:9400/",
            "https://localhost/",
        ] {
            assert!(!allows(&allowed_hosts, other), "{other}");
        }
        assert!(!allowed_hosts.allows_for(
            "localhost",
            "10.0.0.1".parse().expect("an address"),
            true
        ));
        let public = super::tests::allowed_hosts(&["https://93.184.216.34/"], &[]);
        assert_eq!(public.own, []);
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn network_is_reached_if_the_providers_settings_lead_there() {
        let allowed_hosts = allowed_hosts(&["http://id.corp.example/"], &["10.8.0.0/16"]);
        assert!(allows(&allowed_hosts, "http://id.corp.example/"));
        assert!(allowed_hosts.allows_for("id.corp.example", ip("10.8.0.7"), true));
        assert!(!allowed_hosts.allows_for("id.corp.example", ip("10.9.0.7"), true));
        // From now on the provider's document may name hosts there too.
        assert!(allows(&allowed_hosts, "http://10.8.1.1/token"));
        assert!(allowed_hosts.allows_for("keys.corp.example", ip("10.8.0.8"), true));
        assert!(!allows(&allowed_hosts, "http://10.9.1.1/token"));
        assert!(allowed_hosts.allows_for("id.example.com", ip("8.8.8.8"), true));
        assert!(
            !allowed_hosts.allows_for("id.example.com", ip("8.8.8.8"), false),
            "in clear over the internet"
        );
        assert!(
            allows(&allowed_hosts, "https://8.8.8.8/")
                && !allows(&allowed_hosts, "http://8.8.8.8/")
        );
        let by_address = super::tests::allowed_hosts(&["http://10.8.1.1/"], &["10.8.0.0/16"]);
        assert!(by_address.allows_for("keys.corp.example", ip("10.8.0.8"), true));
    }

    #[test]
    fn network_is_not_reached_for_another_provider() {
        let allowed_hosts = allowed_hosts(&["https://id.example.com/"], &["10.8.0.0/16"]);
        // Its name resolves to the internet; its document names an internal host.
        assert!(allowed_hosts.allows_for("id.example.com", ip("8.8.8.8"), true));
        assert!(
            !allows(&allowed_hosts, "http://10.8.1.1/token")
                && !allows(&allowed_hosts, "https://10.8.1.1/token")
        );
        assert!(!allows(&allowed_hosts, "http://keys.corp.example/"));
        for encrypted in [true, false] {
            assert!(!allowed_hosts.allows_for("keys.corp.example", ip("10.8.0.8"), encrypted));
        }
    }
}
