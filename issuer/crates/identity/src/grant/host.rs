//! Hosts: what a sandbox asks for, and the patterns that name what it may reach.
//!
//! ```text
//! api.example.com      this host
//! *.example.com        one label in front; `*` stays inside its label, and `*-api` is a part of one
//! **.example.com       one label or more in front
//! 10.43.0.7            this address; no `*` ever stands for an address
//! ```
//!
//! The host that is matched is the host that is dialled, in one form: lower case, no trailing dot, an address as
//! an address. What has no such form (`127.1`, `0x7f000001`, a zone, a blank, a letter outside ASCII) is
//! refused, not repaired. Addresses and the names of metadata services are matched only by themselves: a rule
//! that says "any host" was not written with them in mind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::glob::{Bytes, Glob, Piece};
use crate::text_value::text_value;

/// Longest host name, and longest pattern of one, in bytes: RFC 1035 section 2.3.4.
pub const MAXIMUM_HOST_BYTES: usize = 253;

/// Longest label in bytes: RFC 1035 section 2.3.4.
const MAXIMUM_LABEL_BYTES: usize = 63;

/// Names under which clouds answer with credentials of the machine.
const METADATA: [&str; 4] =
    ["metadata.google.internal", "metadata.goog", "instance-data.ec2.internal", "instance-data"];

/// Why a text is no host, or no pattern of hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing at all.
    #[error("is empty")]
    Empty,
    /// Longer than [`MAXIMUM_HOST_BYTES`].
    #[error("is longer than {MAXIMUM_HOST_BYTES} bytes")]
    TooLong,
    /// An empty label (so also a dot at the end) or one longer than 63 bytes.
    #[error(
        "has an empty label, a dot at its end or a label longer than {MAXIMUM_LABEL_BYTES} bytes"
    )]
    Label,
    /// Something that does not occur in a host name.
    #[error("has a character other than letters, digits, '-', '_' and '.'")]
    Alphabet,
    /// Looks like an address but is none in its usual form.
    #[error("ends in a number but is no IP address in its usual form")]
    Address,
    /// `**` as a part of a label, or `***`.
    #[error("has '**' inside a label: it stands for whole labels")]
    Stars,
}

/// A host as it is dialled: a name in lower case, or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    Name(String),
    Address(IpAddr),
}

/// Where a request goes: a host in its one form, and a port other than 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    host: Host,
    text: String,
    port: u16,
}

/// Why a text and a port are no destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// The host is none.
    #[error("the host {0}")]
    Host(HostError),
    /// Port 0.
    #[error("the port is 0")]
    Port,
}

impl Destination {
    /// Takes a host as it stands in an authority: a name, an IPv4 address, or an IPv6 address with its brackets or
    /// without. Upper case becomes lower case; an IPv4 address inside an IPv6 one becomes what it is.
    pub fn parse(host: &str, port: u16) -> Result<Self, DestinationError> {
        if port == 0 {
            return Err(DestinationError::Port);
        }
        let host = read_host(host).map_err(DestinationError::Host)?;
        let text = match &host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        Ok(Self { host, text, port })
    }

    /// The host: a name in lower case, or an address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.text
    }

    /// The address, where the sandbox named one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Address(address) => Some(address),
            Host::Name(_) => None,
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host {
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            _ => write!(f, "{}:{}", self.text, self.port),
        }
    }
}

fn read_host(text: &str) -> Result<Host, HostError> {
    if let Some(address) = read_ipv6(text)? {
        return Ok(Host::Address(address));
    }
    let name = text.to_ascii_lowercase();
    check_labels(&name, |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))?;
    read_ipv4(&name).map(|address| address.map_or(Host::Name(name), Host::Address))
}

fn read_ipv6(text: &str) -> Result<Option<IpAddr>, HostError> {
    if !text.contains(':') && !text.starts_with('[') {
        return Ok(None);
    }
    let inside = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'));
    let address = inside.and_then(|inside| inside.parse::<Ipv6Addr>().ok());
    address.map(|address| Some(address.to_canonical())).ok_or(HostError::Address)
}

/// A name whose last label begins with a digit is an IPv4 address in its usual form, or nothing: so decimal, octal,
/// hexadecimal and short forms fail. No top-level domain begins with one.
fn read_ipv4(name: &str) -> Result<Option<IpAddr>, HostError> {
    let last = name.rsplit('.').next().unwrap_or_default();
    if !last.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(None);
    }
    match name.parse::<Ipv4Addr>() {
        Ok(address) => Ok(Some(address.into())),
        Err(_not_its_usual_form) => Err(HostError::Address),
    }
}

fn check_labels(name: &str, permitted: impl Fn(u8) -> bool) -> Result<(), HostError> {
    if name.is_empty() {
        return Err(HostError::Empty);
    }
    if name.len() > MAXIMUM_HOST_BYTES {
        return Err(HostError::TooLong);
    }
    if !name.bytes().all(|byte| byte == b'.' || permitted(byte)) {
        return Err(HostError::Alphabet);
    }
    let good = |label: &str| !label.is_empty() && label.len() <= MAXIMUM_LABEL_BYTES;
    if name.split('.').all(good) { Ok(()) } else { Err(HostError::Label) }
}

/// Matches hosts, label by label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    text: String,
    hosts: Hosts,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Hosts {
    Exactly(Host),
    /// `masks` where a `*` is only a part of a label, which then is no internationalised one.
    Matching {
        labels: Glob,
        masks: bool,
    },
}

impl HostPattern {
    /// Reads a pattern; upper case becomes lower case.
    pub fn parse(text: &str) -> Result<Self, HostError> {
        if !text.contains('*') {
            let host = read_host(text)?;
            let text = match &host {
                Host::Name(name) => name.clone(),
                Host::Address(address) => address.to_string(),
            };
            return Ok(Self { text, hosts: Hosts::Exactly(host) });
        }
        let text = text.to_ascii_lowercase();
        let permitted = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'*');
        check_labels(&text, permitted)?;
        let last = text.rsplit('.').next().unwrap_or_default();
        if last.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(HostError::Address);
        }
        let labels = read_labels(&text)?;
        let masks =
            text.split('.').any(|label| label.contains('*') && !label.trim_matches('*').is_empty());
        Ok(Self { text, hosts: Hosts::Matching { labels, masks } })
    }

    /// The pattern, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches a host; never one that is malformed.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        read_host(host).is_ok_and(|host| self.takes(&host))
    }

    pub(super) fn reaches(&self, destination: &Destination) -> bool {
        self.takes(&destination.host)
    }

    fn takes(&self, host: &Host) -> bool {
        match (&self.hosts, host) {
            (Hosts::Exactly(own), host) => own == host,
            (Hosts::Matching { .. }, Host::Address(_)) => false,
            (Hosts::Matching { labels, masks }, Host::Name(name)) => {
                let international = || name.split('.').any(|label| label.starts_with("xn--"));
                !METADATA.contains(&name.as_str())
                    && labels.matches(name)
                    && !(*masks && international())
            }
        }
    }

    /// Whether some host may match both. It errs to yes.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (&self.hosts, &other.hosts) {
            (Hosts::Exactly(host), _) => other.takes(host),
            (_, Hosts::Exactly(host)) => self.takes(host),
            (Hosts::Matching { labels, .. }, Hosts::Matching { labels: others, .. }) => {
                labels.overlaps(others)
            }
        }
    }

    /// Whether either pattern, taken as a host, matches the other: how an override finds its endpoints.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self == other || self.matches(&other.text) || other.matches(&self.text)
    }

    /// How much it says: 100,000 less 10,000 for each `*`, and 100 for each label and 1 for each character that
    /// stands for itself.
    #[must_use]
    pub fn score(&self) -> i64 {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let stars = self.text.bytes().filter(|byte| *byte == b'*').count();
        let labels = self.text.split('.').count();
        100_000 - 10_000 * count(stars) + 100 * count(labels) + count(self.text.len() - stars)
    }
}

fn read_labels(text: &str) -> Result<Glob, HostError> {
    let dot = Bytes::one(b'.');
    let mut glob = Glob::default();
    for (number, label) in text.split('.').enumerate() {
        if number > 0 {
            glob.push(Piece::one(dot));
        }
        match label {
            "**" => {
                glob.push(Piece::one(Bytes::ALL.without(dot)));
                glob.push(Piece::many(Bytes::ALL));
            }
            "*" => {
                glob.push(Piece::one(Bytes::ALL.without(dot)));
                glob.push(Piece::many(Bytes::ALL.without(dot)));
            }
            label if label.contains("**") => return Err(HostError::Stars),
            label => {
                for byte in label.bytes() {
                    glob.push(match byte {
                        b'*' => Piece::many(Bytes::ALL.without(dot)),
                        literal => Piece::one(Bytes::one(literal)),
                    });
                }
            }
        }
    }
    Ok(glob)
}

text_value!(HostPattern, HostError);

#[cfg(test)]
#[path = "tests/host.rs"]
mod tests;
