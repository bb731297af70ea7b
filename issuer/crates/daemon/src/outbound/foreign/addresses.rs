//! Addresses of the public Internet, and the resolver that knows no others.
//!
//! Whoever names a server for us to ask must not reach by it what only this machine can reach: the metadata
//! service of a cloud, a database without a password, a router. The check is on the addresses that are
//! connected to and not on names, so a name that leads to another address at the second look-up gains nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A name leads to no address that may be asked.
#[derive(Debug, thiserror::Error)]
enum NoAddress {
    #[error("{name} cannot be looked up")]
    LookUp {
        name: String,
        #[source]
        source: io::Error,
    },
    #[error(
        "{0} leads to no public address; private ones are asked only where `federation.private_addresses` \
         allows it"
    )]
    Private(String),
}

/// Resolves names as the system does, and leaves out what is not public.
#[derive(Debug)]
pub(super) struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let host = (name.clone(), 0);
            let found = match tokio::net::lookup_host(host).await {
                Ok(found) => found,
                Err(source) => return Err(NoAddress::LookUp { name, source }.into()),
            };
            let public: Vec<SocketAddr> = found.filter(|found| is_public(found.ip())).collect();
            if public.is_empty() {
                return Err(NoAddress::Private(name).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one that the whole Internet reaches (IANA special-purpose registries, RFC 6890).
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        // "This network", carrier-grade NAT, protocol assignments, benchmarks, reserved and broadcast.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        // Azure's host, which answers every machine there and nobody else (WireServer).
        || address.octets() == [168, 63, 129, 16]
        || a >= 240;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast is 2000::/3. In it, what carries an IPv4 address (6to4, Teredo) leads elsewhere, and so
    // do documentation and benchmarks; the prefixes of NAT64 lie outside.
    let segments = address.segments();
    match segments {
        [0x2002 | 0x3fff, ..] => false,
        [0x2001, second, ..] => second >= 0x0200 && second != 0x0db8,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_whole_internet_reaches_is_public() {
        for public in ["1.1.1.1", "100.63.0.1", "172.32.0.1", "2606:4700::1", "2a00::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "168.63.129.16",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:1.1.1.1",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_resolved() {
        let refused = PublicAddresses.resolve("localhost".parse().unwrap()).await;
        let error = refused.err().unwrap().to_string();
        assert!(error.contains("no public address"), "{error}");
    }
}
