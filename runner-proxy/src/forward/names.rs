//! Names become addresses once, and only these addresses are dialled.
//!
//! A name that leads elsewhere at the next look-up gains nothing: what was checked is what is connected to. Without a
//! word of the policy only addresses that the whole Internet reaches are dialled; where an endpoint names ranges, only
//! these. Link-local addresses, and with them the metadata services of clouds, have to be named one by one: a range
//! that happens to hold them was not written with them in mind.

use std::io;
use std::net::IpAddr;

use async_trait::async_trait;
use moneyer_daemon::outbound::is_public;
use moneyer_identity::SandboxId;
use moneyer_identity::grant::{AddressRange, Destination};

use super::look_ups::LookUps;
use super::refusal::Refusal;

/// Most addresses of a name that are looked at: more than any service has in one answer.
const MAXIMUM_ADDRESSES: usize = 32;

/// Looks names up.
#[async_trait]
pub(crate) trait Names: Send + Sync {
    /// The addresses of a name.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// As the system does.
pub(crate) struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|found| found.ip()).collect())
    }
}

/// The addresses that a destination had when it was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pinned(Vec<IpAddr>);

impl Pinned {
    /// Looks a destination up for a sandbox.
    pub(super) async fn of(
        destination: &Destination,
        sandbox: &SandboxId,
        look_ups: &LookUps,
    ) -> Result<Self, Refusal> {
        if let Some(address) = destination.address() {
            return Ok(Self(vec![address]));
        }
        let found = look_ups.addresses(sandbox, destination.host()).await.map_err(Refusal::Name)?;
        Ok(Self(found.into_iter().take(MAXIMUM_ADDRESSES).map(|ip| ip.to_canonical()).collect()))
    }

    /// Those that may be dialled, given these ranges.
    pub(super) fn permitted<'a>(
        &self,
        ranges: &(impl Iterator<Item = &'a AddressRange> + Clone),
    ) -> Result<Vec<IpAddr>, Refusal> {
        let may = |address: &&IpAddr| may_be_dialled(**address, ranges.clone());
        let permitted: Vec<_> = self.0.iter().filter(may).copied().collect();
        if permitted.is_empty() { Err(Refusal::Address) } else { Ok(permitted) }
    }
}

fn may_be_dialled<'a>(
    address: IpAddr,
    mut ranges: impl Iterator<Item = &'a AddressRange> + Clone,
) -> bool {
    let is_nowhere = match address {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast(),
    };
    if is_nowhere {
        return false;
    }
    if ranges.clone().next().is_none() {
        return is_public(address);
    }
    let by_itself = is_by_itself(address);
    ranges.any(|range| range.contains(address) && (!by_itself || is_one_address(range)))
}

/// Whether an address is permitted only by a rule that names it and no other.
fn is_by_itself(address: IpAddr) -> bool {
    match address {
        // The last is another cloud's metadata service.
        IpAddr::V4(v4) => v4.is_link_local() || v4.octets() == [100, 100, 100, 200],
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local() || v6.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

fn is_one_address(range: &AddressRange) -> bool {
    let prefix = range.as_str().split_once('/').map(|(_, prefix)| prefix);
    match prefix {
        None => true,
        Some(prefix) => prefix == if range.as_str().contains(':') { "128" } else { "32" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::sandbox;

    fn may(address: &str, ranges: &[&str]) -> bool {
        let ranges: Vec<_> = ranges.iter().map(|text| AddressRange::parse(text).unwrap()).collect();
        may_be_dialled(address.parse::<IpAddr>().unwrap().to_canonical(), ranges.iter())
    }

    #[test]
    fn without_a_range_only_public_addresses_are_dialled() {
        for address in ["1.1.1.1", "2606:4700::1"] {
            assert!(may(address, &[]), "{address}");
        }
        for address in [
            "127.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "192.168.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
        ] {
            assert!(!may(address, &[]), "{address}");
        }
    }

    #[test]
    fn with_ranges_only_what_lies_in_them_is_dialled() {
        assert!(may("10.43.0.1", &["10.43.0.0/16"]) && may("::ffff:10.43.0.1", &["10.43.0.0/16"]));
        assert!(may("127.0.0.1", &["127.0.0.0/8"]) && may("::1", &["10.0.0.0/8", "::1"]));
        assert!(!may("10.44.0.1", &["10.43.0.0/16"]) && !may("1.1.1.1", &["10.43.0.0/16"]));
        assert!(!may("0.0.0.0", &["0.0.0.0/0"]) && !may("224.0.0.1", &["0.0.0.0/0"]));
    }

    #[test]
    fn metadata_services_are_named_one_by_one_or_not_reached() {
        for (address, one) in [
            ("169.254.169.254", "169.254.169.254"),
            ("169.254.170.2", "169.254.170.2/32"),
            ("100.100.100.200", "100.100.100.200"),
            ("fd00:ec2::254", "fd00:ec2::254/128"),
            ("fe80::1", "fe80::1"),
        ] {
            let wide = ["0.0.0.0/0", "::/0", "169.254.0.0/16", "100.64.0.0/10", "fd00::/8"];
            assert!(!may(address, &wide), "{address}");
            assert!(may(address, &[one]), "{address}");
        }
    }

    struct Many(u8);

    #[async_trait]
    impl Names for Many {
        async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok((0..self.0).map(|last| IpAddr::from([1, 1, 1, last])).collect())
        }
    }

    #[tokio::test]
    async fn of_a_name_32_addresses_are_looked_at() {
        let destination = Destination::parse("a.test", 443).unwrap();
        for (found, looked_at) in [(31, 31), (32, 32), (33, 32)] {
            let pinned =
                Pinned::of(&destination, &sandbox("s"), &LookUps::new(Many(found))).await.unwrap();
            assert_eq!(pinned.0.len(), looked_at);
        }
    }
}
