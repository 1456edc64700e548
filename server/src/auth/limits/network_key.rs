//! The network of a client, as limits count it.

use std::net::IpAddr;

/// An IPv4 address, or an IPv6 network of 64 bits: the usual allocation of one customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    bits: u64,
    is_v6: bool,
}

impl Network {
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Network { bits: u64::from(v4.to_bits()), is_v6: false },
            IpAddr::V6(v6) => Network { bits: (v6.to_bits() >> 64) as u64, is_v6: true },
        }
    }

    pub fn to_bytes(self) -> [u8; 9] {
        let [a, b, c, d, e, f, g, h] = self.bits.to_be_bytes();
        [u8::from(self.is_v6), a, b, c, d, e, f, g, h]
    }
}
