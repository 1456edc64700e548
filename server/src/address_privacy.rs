//! How much of a client's address is kept in events and in the log.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// The setting `privacy.addresses`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum AddressPrivacy {
    /// The whole address.
    Full,
    /// Its network: 24 bits of an IPv4 address, 48 bits of an IPv6 address.
    #[default]
    Network,
    /// Nothing.
    None,
}

impl TryFrom<String> for AddressPrivacy {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match &*text {
            "full" => Ok(AddressPrivacy::Full),
            "network" => Ok(AddressPrivacy::Network),
            "none" => Ok(AddressPrivacy::None),
            _ => Err("must be full, network or none"),
        }
    }
}

/// What is kept of an address; its text is `192.0.2.7`, or `192.0.2.0/24` for a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeptAddress {
    ip: IpAddr,
    prefix: Option<u8>,
}

const V4_PREFIX: u8 = 24;
const V6_PREFIX: u8 = 48;

impl AddressPrivacy {
    /// What is kept of this address.
    pub fn keep(self, address: IpAddr) -> Option<KeptAddress> {
        let ip = address.to_canonical();
        match self {
            AddressPrivacy::Full => Some(KeptAddress { ip, prefix: None }),
            AddressPrivacy::Network => Some(network(ip)),
            AddressPrivacy::None => None,
        }
    }
}

fn network(ip: IpAddr) -> KeptAddress {
    match ip {
        IpAddr::V4(v4) => {
            let bits = v4.to_bits() & (u32::MAX << (32 - V4_PREFIX));
            KeptAddress { ip: Ipv4Addr::from_bits(bits).into(), prefix: Some(V4_PREFIX) }
        }
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() & (u128::MAX << (128 - V6_PREFIX));
            KeptAddress { ip: Ipv6Addr::from_bits(bits).into(), prefix: Some(V6_PREFIX) }
        }
    }
}

impl fmt::Display for KeptAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            Some(prefix) => write!(f, "{}/{prefix}", self.ip),
            None => write!(f, "{}", self.ip),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(privacy: AddressPrivacy, address: &str) -> Option<String> {
        let address = address.parse().expect("an address");
        privacy.keep(address).map(|kept| kept.to_string())
    }

    #[test]
    fn address_is_kept_as_the_setting_says() {
        for (address, full, network) in [
            ("192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
            ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ] {
            assert_eq!(kept(AddressPrivacy::Full, address).as_deref(), Some(full));
            assert_eq!(kept(AddressPrivacy::Network, address).as_deref(), Some(network));
            assert_eq!(kept(AddressPrivacy::None, address), None);
        }
    }
}
