//! The host: its addresses, its certificates, its clock.

use std::net::IpAddr;

use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part};
use crate::doctor::observation::Observation;
use crate::doctor::rules::{clock, tls};

pub(in crate::doctor) fn host(seen: &Observation) -> Vec<Finding> {
    let mut findings = addresses(&seen.issuer.host(), &seen.addresses);
    findings.extend(tls::chain(&seen.discovery, Part::Host));
    findings.extend(clock::clock(&seen.discovery));
    findings
}

fn addresses(host: &str, addresses: &Result<Vec<IpAddr>, String>) -> Vec<Finding> {
    let (dns, private) = (Check::Dns, Check::PrivateAddress);
    let addresses = match addresses {
        Ok(addresses) if !addresses.is_empty() => addresses,
        other => {
            let why = other.as_ref().err().map_or("no address", String::as_str);
            return vec![
                Finding::failure(dns, Part::Host, format!("{host} does not resolve: {why}")),
                Finding::skipped(private, Part::Host, "no address is known"),
            ];
        }
    };
    let text = |of: &[&IpAddr]| of.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let all: Vec<_> = addresses.iter().collect();
    let inner: Vec<_> = addresses.iter().filter(|address| is_private(**address)).collect();
    let public = if inner.is_empty() {
        Finding::ok(private, Part::Host, "public addresses only")
    } else {
        Finding::warning(
            private,
            Part::Host,
            format!("{} cannot be reached from outside", text(&inner)),
        )
    };
    vec![Finding::ok(dns, Part::Host, format!("{host} is {}", text(&all))), public]
}

/// Whether the public internet does not lead to it (IANA special-purpose registries, RFC 6890).
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let carrier = a == 100 && (64..128).contains(&b);
            let local = v4.is_private() || v4.is_loopback() || v4.is_link_local();
            local || carrier || v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast()
        }
        IpAddr::V6(v6) => {
            let local = v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local();
            local || v6.is_unspecified() || v6.is_multicast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    #[test]
    fn a_name_without_an_address_is_a_failure() {
        for none in [Err("no such name".to_owned()), Ok(Vec::new())] {
            let found = addresses("id.example.com", &none);
            assert_eq!(found[0].severity, Severity::Failure);
            assert_eq!(found[1].severity, Severity::Skipped);
        }
    }

    #[test]
    fn a_private_address_is_a_warning_also_beside_a_public_one() {
        let judged = |list: &[&str]| {
            let list = list.iter().map(|address| address.parse().unwrap()).collect();
            let found = addresses("id.example.com", &Ok(list));
            assert_eq!(found[0].severity, Severity::Ok);
            found[1].severity
        };
        assert_eq!(judged(&["93.184.216.34", "2606:2800::1"]), Severity::Ok);
        for private in [
            "10.0.0.1",
            "172.16.9.9",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "::",
        ] {
            assert_eq!(judged(&[private]), Severity::Warning, "{private}");
            assert_eq!(judged(&["93.184.216.34", private]), Severity::Warning, "{private}");
        }
        assert_eq!(judged(&["100.63.0.1", "100.128.0.1", "172.32.0.1"]), Severity::Ok);
    }
}
