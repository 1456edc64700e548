//! Which addresses a provider may have. What is not public is never connected to, however it is
//! spelled or looked up: a provider's document must not make this server ask its own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use ipnet::IpNet;
use reqwest::Url;
use url::Host;

use super::ProviderError;

/// What a provider's requests may reach besides the public internet.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Host and port of endpoints that the operator has written into the settings as an internal
    /// address.
    own: Vec<(String, u16)>,
    /// Hosts of the URLs in this provider's settings.
    named: Vec<String>,
    networks: Vec<IpNet>,
    /// Whether one of `named` leads into one of `networks`. Only then do these count for what the
    /// provider's own documents name too.
    is_inside: AtomicBool,
}

impl Reach {
    /// `networks` are the operator's, where providers may be.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Reach { networks, ..Reach::default() }
    }

    /// Adds a URL of the provider's settings: its host may be in one of the networks, and where the
    /// operator wrote an internal address there, or the name of this machine, it is reached.
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

    /// Refuses a URL that may not be asked for. A name is checked again when it has been looked up.
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
            // A name may lead to an own network, where no certificate need be. One in the settings
            // is looked up for its own port: on others it must not lead to this machine.
            Some(Host::Domain(name)) => {
                let is_own = self.own.iter().any(|(own, _)| own == name);
                (is_encrypted(url) || self.may_be_inside(name))
                    && (!is_own || self.admits(name, Ipv4Addr::LOCALHOST.into(), true))
            }
            Some(Host::Ipv4(address)) => self.admits(host, address.into(), is_encrypted(url)),
            Some(Host::Ipv6(address)) => self.admits(host, address.into(), is_encrypted(url)),
            None => false,
        };
        match may_be_asked && matches!(url.scheme(), "http" | "https") {
            true => Ok(()),
            false => Err(ProviderError::Blocked),
        }
    }

    /// Whether a connection to the address may be made for this name.
    pub fn admits_for(&self, name: &str, address: IpAddr, encrypted: bool) -> bool {
        let is_own = address.is_loopback() && self.own.iter().any(|(own, _)| own == name);
        is_own || self.admits(name, address, encrypted)
    }

    /// Over the internet only what is encrypted.
    fn admits(&self, host: &str, address: IpAddr, encrypted: bool) -> bool {
        if self.is_in_network(address) && self.may_be_inside(host) {
            self.is_inside.fetch_or(self.is_named(host), Ordering::Relaxed);
            return true;
        }
        encrypted && !is_internal(address)
    }

    /// Whether the networks count for this host: the operator wrote it, or another of this provider's
    /// that leads there.
    fn may_be_inside(&self, host: &str) -> bool {
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

/// Whether a URL names an internal address, or this machine.
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

/// Whether the address is other than one of the public internet's (the special-purpose registries
/// of RFC 6890).
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
    // What a translator or a tunnel makes of it is an IPv4 address.
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

    fn reach(own: &[&str], networks: &[&str]) -> Reach {
        let networks = networks.iter().map(|text| text.parse().expect("a network")).collect();
        let mut reach = Reach::new(networks);
        for url in own {
            reach.include(&url.parse().expect("a URL"));
        }
        reach
    }

    fn admits(reach: &Reach, url: &str) -> bool {
        url.parse().is_ok_and(|url| reach.check(&url).is_ok())
    }

    /// Spellings of hosts that lead inside, as a URL may have them.
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
    fn no_spelling_of_an_internal_address_is_asked() {
        let nothing = Reach::default();
        let mut forms = 0;
        for host in INSIDE.split_whitespace() {
            for url in [format!("https://{host}/x"), format!("http://{host}:8080/token")] {
                assert!(!admits(&nothing, &url), "{url}");
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
            assert!(!admits(&nothing, url), "{url}");
            forms += 1;
        }
        assert!(forms >= 200, "{forms}");
    }

    #[test]
    fn a_name_that_leads_inside_is_not_connected_to() {
        let nothing = Reach::default();
        assert!(admits(&nothing, "https://localhost/x"), "looked up first");
        for address in
            ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"]
        {
            let address = address.parse().expect("an address");
            for name in ["localhost", "rebinding.example.com"] {
                assert!(!nothing.admits_for(name, address, true), "{name} {address}");
            }
        }
        for address in
            ["8.8.8.8", "87.240.132.67", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert!(nothing.admits_for(
                "id.example.com",
                address.parse().expect("an address"),
                true
            ));
        }
    }

    #[test]
    fn an_internal_address_in_the_settings_admits_itself_and_no_other() {
        let reach = reach(&["http://127.0.0.1:9400/vk/token", "http://localhost:9401/"], &[]);
        assert!(admits(&reach, "http://127.0.0.1:9400/other"));
        assert!(admits(&reach, "http://localhost:9401/"));
        assert!(reach.admits_for("localhost", "127.0.0.1".parse().expect("an address"), true));
        for other in [
            "http://127.0.0.1:9401/",
            "http://127.0.0.1/",
            "http://127.0.0.2:9400/",
            "http://[::1]:9400/",
            "http://localhost:9400/",
            "https://localhost:9400/",
            "https://localhost/",
        ] {
            assert!(!admits(&reach, other), "{other}");
        }
        assert!(!reach.admits_for("localhost", "10.0.0.1".parse().expect("an address"), true));
        let public = super::tests::reach(&["https://93.184.216.34/"], &[]);
        assert_eq!(public.own, []);
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_is_reached_where_the_settings_of_the_provider_lead_there() {
        let reach = reach(&["http://id.corp.example/"], &["10.8.0.0/16"]);
        assert!(admits(&reach, "http://id.corp.example/"));
        assert!(reach.admits_for("id.corp.example", ip("10.8.0.7"), true));
        assert!(!reach.admits_for("id.corp.example", ip("10.9.0.7"), true));
        // From now on what the provider's document names may be there too.
        assert!(admits(&reach, "http://10.8.1.1/token"));
        assert!(reach.admits_for("keys.corp.example", ip("10.8.0.8"), true));
        assert!(!admits(&reach, "http://10.9.1.1/token"));
        assert!(reach.admits_for("id.example.com", ip("8.8.8.8"), true));
        assert!(
            !reach.admits_for("id.example.com", ip("8.8.8.8"), false),
            "in clear over the internet"
        );
        assert!(admits(&reach, "https://8.8.8.8/") && !admits(&reach, "http://8.8.8.8/"));
        let by_address = super::tests::reach(&["http://10.8.1.1/"], &["10.8.0.0/16"]);
        assert!(by_address.admits_for("keys.corp.example", ip("10.8.0.8"), true));
    }

    #[test]
    fn a_network_is_not_reached_for_a_provider_elsewhere() {
        let reach = reach(&["https://id.example.com/"], &["10.8.0.0/16"]);
        // Its name leads to the internet; a document of its own names what is inside.
        assert!(reach.admits_for("id.example.com", ip("8.8.8.8"), true));
        assert!(
            !admits(&reach, "http://10.8.1.1/token") && !admits(&reach, "https://10.8.1.1/token")
        );
        assert!(!admits(&reach, "http://keys.corp.example/"));
        for encrypted in [true, false] {
            assert!(!reach.admits_for("keys.corp.example", ip("10.8.0.8"), encrypted));
        }
    }
}
