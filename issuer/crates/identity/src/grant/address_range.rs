//! Ranges of addresses in CIDR form (RFC 4632), in which a rule permits hosts of a private network.

use std::net::IpAddr;

use crate::text_value::text_value;

/// The text is no range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an IP address or a range such as 10.43.0.0/16, with no bit set behind its prefix")]
pub struct AddressRangeError;

/// A network, or one address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    text: String,
    network: IpAddr,
    prefix: u8,
}

impl AddressRange {
    /// Reads an address, or an address and the length of its prefix. An address inside a range, such as
    /// `10.43.0.7/16`, is refused: it is unclear which was meant.
    pub fn parse(text: &str) -> Result<Self, AddressRangeError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let network = address.parse::<IpAddr>().map_err(|_none| AddressRangeError)?;
        let longest = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(prefix) => {
                let length = prefix.parse::<u8>().map_err(|_none| AddressRangeError)?;
                if length > longest || prefix != length.to_string() {
                    return Err(AddressRangeError);
                }
                length
            }
        };
        let range = Self { text: text.to_owned(), network, prefix };
        if bits(network) & !range.mask() == 0 { Ok(range) } else { Err(AddressRangeError) }
    }

    /// The range as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether an address lies in it. An IPv4 address inside an IPv6 one is what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4()
            && bits(address) & self.mask() == bits(self.network)
    }

    fn mask(&self) -> u128 {
        let longest: u32 = if self.network.is_ipv4() { 32 } else { 128 };
        let all = u128::MAX.checked_shr(128 - longest).unwrap_or(0);
        let behind = longest - u32::from(self.prefix).min(longest);
        all & u128::MAX.checked_shl(behind).unwrap_or(0)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

text_value!(AddressRange, AddressRangeError);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_and_no_others() {
        for (range, address, inside) in [
            ("10.43.0.0/16", "10.43.255.255", true),
            ("10.43.0.0/16", "10.44.0.0", false),
            ("10.43.0.0/16", "::ffff:10.43.0.1", true),
            ("0.0.0.0/0", "169.254.169.254", true),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.2", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "::1", true),
            ("::1", "::1", true),
        ] {
            let contains = AddressRange::parse(range).unwrap().contains(address.parse().unwrap());
            assert_eq!(contains, inside, "{range} {address}");
        }
    }

    #[test]
    fn what_is_unclear_is_no_range() {
        for text in [
            "",
            "10.43.0.7/16",
            "10.43.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/08",
            "10.0/8",
            "a",
            "::1/0",
        ] {
            assert_eq!(AddressRange::parse(text), Err(AddressRangeError), "{text}");
        }
    }
}
