//! Networks of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// The first of them.
    first: IpAddr,
    /// How many bits they have in common.
    bits: u32,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a network: write 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32")]
pub struct NetworkError;

impl Network {
    /// True for an address in it. IPv4 in the form of IPv6 (`::ffff:10.0.0.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                cut(first.to_bits().into(), self.bits, 32) == cut(address.to_bits().into(), self.bits, 32)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                cut(first.to_bits(), self.bits, 128) == cut(address.to_bits(), self.bits, 128)
            }
            _ => false,
        }
    }
}

/// The first bits of an address of that width.
fn cut(address: u128, bits: u32, width: u32) -> u128 {
    address.checked_shr(width - bits).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text.trim(), None),
        };
        let first: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let width = if first.is_ipv4() { 32 } else { 128 };
        let bits: u32 = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= width).ok_or(NetworkError)?
            }
            Some(_) => return Err(NetworkError),
        };
        // As it is looked for: the mapped form of an IPv4 address is that address.
        match first.to_canonical() {
            mapped @ IpAddr::V4(_) if first.is_ipv6() => {
                let bits = bits.checked_sub(96).ok_or(NetworkError)?;
                Ok(Self { first: mapped, bits })
            }
            first => Ok(Self { first, bits }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_or_not() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("10.1.2.3/24", "10.1.2.200", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "203.0.113.9", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("::ffff:10.0.0.0/104", "10.1.1.1", true),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), expected, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in
            ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "10.0.0.0/", "10.0.0.0/+8", "::ffff:1.2.3.4/8"]
        {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError), "{bad}");
        }
    }
}
