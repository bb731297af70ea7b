//! Names become addresses once, and only these addresses are dialled.
//!
//! A name that leads elsewhere at the next look-up gains nothing: what was checked is what is connected to. Without a
//! word of the policy only addresses that the whole Internet reaches are dialled; where an endpoint names ranges, only
//! these. Link-local addresses, and with them the metadata services of clouds, and the addresses of this host itself have
//! to be named one by one: a range that happens to hold them was not written with them in mind.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use async_trait::async_trait;
use moneyer_daemon::outbound::is_public;
use moneyer_identity::SandboxId;
use moneyer_identity::grant::{AddressRange, Destination, PermittedRequest};

use super::look_ups::LookUps;
use super::refusal::Refusal;

/// Most addresses of a name that are looked at: more than any service has in one answer.
const MAXIMUM_ADDRESSES: usize = 32;

/// Looks names up.
#[async_trait]
pub(crate) trait Names: Send + Sync {
    /// The addresses of a name.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;

    /// Whether an address is one of this host.
    fn is_own(&self, address: IpAddr) -> bool;
}

/// As the system does.
pub(crate) struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|found| found.ip()).collect())
    }

    /// One that is reached from itself: the system is asked for the way there, and nothing is sent.
    fn is_own(&self, address: IpAddr) -> bool {
        let any: IpAddr = match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // Whatever the port.
        let way = UdpSocket::bind((any, 0)).and_then(|socket| {
            socket.connect((address, 9))?;
            socket.local_addr()
        });
        way.is_ok_and(|from| from.ip() == address)
    }
}

/// The addresses that a destination had when it was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pinned(Vec<Found>);

/// An address of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    address: IpAddr,
    /// Whether it was this host's then.
    is_own: bool,
}

impl Pinned {
    /// Looks a destination up for a sandbox.
    pub(super) async fn of(
        destination: &Destination,
        sandbox: &SandboxId,
        look_ups: &LookUps,
    ) -> Result<Self, Refusal> {
        let found = match destination.address() {
            Some(address) => vec![address],
            None => look_ups.addresses(sandbox, destination.host()).await.map_err(Refusal::Name)?,
        };
        let found = found.into_iter().take(MAXIMUM_ADDRESSES).map(|ip| ip.to_canonical());
        let is_own = |address| look_ups.is_own(address);
        let judged = |address| Found {
            address,
            is_own: is_own(address) || embedded(address).is_some_and(|v4| is_own(v4.into())),
        };
        Ok(Self(found.map(judged).collect()))
    }

    /// The one of them that was dialled.
    pub(super) fn only(&self, dialled: IpAddr) -> Self {
        Self(self.0.iter().filter(|found| found.address == dialled).copied().collect())
    }

    /// Those that may be dialled, given these ranges.
    pub(super) fn permitted<'a>(
        &self,
        ranges: &(impl Iterator<Item = &'a AddressRange> + Clone),
    ) -> Result<Vec<IpAddr>, Refusal> {
        let may = |found: &&Found| may_be_dialled(**found, ranges.clone());
        let permitted: Vec<_> = self.0.iter().filter(may).map(|found| found.address).collect();
        if permitted.is_empty() { Err(Refusal::Address) } else { Ok(permitted) }
    }
}

impl Pinned {
    /// Those that a request may be sent to, with all its tokens.
    pub(super) fn for_request(
        &self,
        permitted: &PermittedRequest<'_>,
        is_encrypted: bool,
    ) -> Result<Vec<IpAddr>, Refusal> {
        let may = |found: &&Found| {
            let mut rules = permitted.rules();
            rules.all(|rule| may_be_dialled(**found, rule.allowed_ips.iter()))
        };
        let addresses: Vec<_> = self.0.iter().filter(may).map(|found| found.address).collect();
        if addresses.is_empty() {
            return Err(Refusal::Address);
        }
        let is_plain = !permitted.bindings().is_empty() && !is_encrypted;
        if is_plain && !may_be_plain(permitted.destination().port(), &addresses) {
            return Err(Refusal::Plaintext);
        }
        Ok(addresses)
    }
}

/// Whether a token may travel unencrypted: to the port that says so, or in a network that the endpoint names. A sandbox
/// that leaves TLS out elsewhere would show the token to everyone on the way.
fn may_be_plain(port: u16, addresses: &[IpAddr]) -> bool {
    let leads_out = |address: &IpAddr| is_public(embedded(*address).map_or(*address, IpAddr::V4));
    port == 80 || (port != 443 && !addresses.iter().any(leads_out))
}

fn may_be_dialled<'a>(
    Found { address, is_own }: Found,
    mut ranges: impl Iterator<Item = &'a AddressRange> + Clone,
) -> bool {
    // The same host by another way: what is said of the one goes for the other.
    let inside = embedded(address);
    let is_nowhere = match inside.map_or(address, IpAddr::V4) {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast(),
    };
    if is_nowhere {
        return false;
    }
    if ranges.clone().next().is_none() {
        return is_public(address) && !is_own;
    }
    let by_itself = is_by_itself(address) || inside.is_some_and(|v4| is_by_itself(v4.into()));
    ranges.any(|range| {
        let is_named = is_one_address(range) || (address.is_loopback() && is_loopback(range));
        range.contains(address) && (is_named || !(by_itself || is_own || address.is_loopback()))
    })
}

/// Whether a range holds this host's loopback and nothing else: with that it is named.
fn is_loopback(range: &AddressRange) -> bool {
    let holds = |address: [u8; 4]| range.contains(IpAddr::from(address));
    holds([127, 0, 0, 1]) && !holds([126, 255, 255, 255]) && !holds([128, 0, 0, 0])
}

/// What clouds tell their machines at addresses that are not link-local: Alibaba, Azure, Oracle.
const METADATA_V4: [[u8; 4]; 3] = [[100, 100, 100, 200], [168, 63, 129, 16], [192, 0, 0, 192]];

/// The same of AWS and of Google Cloud.
const METADATA_V6: [[u16; 8]; 2] =
    [[0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]];

/// Whether an address is permitted only by a rule that names it and no other.
fn is_by_itself(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || METADATA_V4.contains(&v4.octets()),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || METADATA_V6.contains(&v6.segments()),
    }
}

/// The IPv4 address to which an IPv6 address leads: of NAT64 (RFC 6052), 6to4 (RFC 3056) and the compatible form.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else { return None };
    let (high, low) = match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => (high, low),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
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
        may_one(address, false, ranges)
    }

    fn may_one(address: &str, is_own: bool, ranges: &[&str]) -> bool {
        let ranges: Vec<_> = ranges.iter().map(|text| AddressRange::parse(text).unwrap()).collect();
        let address = address.parse::<IpAddr>().unwrap().to_canonical();
        may_be_dialled(Found { address, is_own }, ranges.iter())
    }

    #[test]
    fn this_host_is_dialled_only_where_it_is_named() {
        for address in ["1.1.1.1", "10.43.0.1", "2606:4700::1"] {
            assert!(!may_one(address, true, &[]), "{address}");
            assert!(!may_one(address, true, &["0.0.0.0/0", "::/0", "10.0.0.0/8"]), "{address}");
            assert!(may_one(address, true, &["0.0.0.0/0", address]), "{address}");
        }
        assert!(!may("127.0.0.1", &["0.0.0.0/0", "126.0.0.0/7"]) && !may("::1", &["::/0"]));
        assert!(may("127.0.0.1", &["127.0.0.0/8"]) && may("127.0.0.1", &["127.0.0.0/16"]));
        assert!(SystemNames.is_own(IpAddr::from([127, 0, 0, 1])));
        assert!(!SystemNames.is_own(IpAddr::from([192, 0, 2, 1])), "of no host (RFC 5737)");
    }

    #[test]
    fn what_this_host_calls_itself_is_its_own() {
        // The address from which it would reach the documentation's network, where it has a way there.
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        if socket.connect(("192.0.2.1", 9)).is_ok() {
            assert!(SystemNames.is_own(socket.local_addr().unwrap().ip()));
        }
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
        assert!(!may("64:ff9b::", &["::/0"]) && !may("64:ff9b::e000:1", &["::/0"]));
        assert!(may("64:ff9b::a2b:1", &["64:ff9b::/96"]));
    }

    #[test]
    fn metadata_services_are_named_one_by_one_or_not_reached() {
        for (address, one) in [
            ("169.254.169.254", "169.254.169.254"),
            ("169.254.170.2", "169.254.170.2/32"),
            ("100.100.100.200", "100.100.100.200"),
            ("fd00:ec2::254", "fd00:ec2::254/128"),
            ("fe80::1", "fe80::1"),
            ("168.63.129.16", "168.63.129.16"),
            ("192.0.0.192", "192.0.0.192"),
            ("fd20:ce::254", "fd20:ce::254"),
            ("64:ff9b::a9fe:a9fe", "64:ff9b::a9fe:a9fe"),
            ("2002:a9fe:a9fe::1", "2002:a9fe:a9fe::1"),
            ("::169.254.169.254", "::169.254.169.254"),
        ] {
            let wide = ["0.0.0.0/0", "::/0", "169.254.0.0/16", "100.64.0.0/10", "fd00::/8"];
            assert!(!may(address, &wide), "{address}");
            assert!(may(address, &[one]), "{address}");
        }
    }

    #[test]
    fn a_token_travels_unencrypted_to_port_80_or_in_networks_that_are_named() {
        let (public, private) = (IpAddr::from([1, 1, 1, 1]), IpAddr::from([10, 43, 0, 1]));
        assert!(may_be_plain(80, &[public]) && may_be_plain(80, &[private]));
        assert!(may_be_plain(8080, &[private]) && !may_be_plain(8080, &[public]));
        assert!(!may_be_plain(8080, &[private, public]));
        assert!(!may_be_plain(443, &[private]) && !may_be_plain(443, &[public]));
        for leads_out in ["64:ff9b::101:101", "2002:101:101::1"] {
            assert!(!may_be_plain(8080, &[leads_out.parse().unwrap()]), "{leads_out}");
        }
    }

    struct Many(u8);

    #[async_trait]
    impl Names for Many {
        async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
            Ok((0..self.0).map(|last| IpAddr::from([1, 1, 1, last])).collect())
        }

        fn is_own(&self, _: IpAddr) -> bool {
            false
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
