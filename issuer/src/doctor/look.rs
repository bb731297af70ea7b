//! The look itself: names, connections, documents. The one part of the doctor that does anything.
//!
//! Two requests are made, each in a connection of its own: for the discovery document, and for the key set
//! it names. Redirects are not followed, and time and size are bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use moneyer_daemon::outbound::{OutboundError, OutboundPolicy, Probe};
use moneyer_identity::Clock;

use super::address::{IssuerAddress, host_of};
use super::observation::{Document, Limits, Missing, Observation};

/// Where discovery is, under the issuer (OpenID Connect Discovery 1.0 section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Who knows the addresses of a name.
#[derive(Debug, Clone)]
pub enum Names {
    /// This machine's resolver.
    System,
    /// A table, for tests: their servers stand on ports that no issuer may have.
    Table(HashMap<String, Told>),
}

/// What a table says of a name.
#[derive(Debug, Clone)]
pub struct Told {
    /// The addresses it is said to have.
    pub addresses: Vec<IpAddr>,
    /// Where it is really found, if the URL names no port.
    pub found_at: SocketAddr,
}

/// Looks at issuers.
#[derive(Debug)]
pub struct Look {
    probe: Probe,
    names: Names,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl Look {
    /// One that takes as long as these limits allow, and knows these private roots (PEM) beside those that
    /// are public.
    pub fn new(
        limits: Limits,
        roots: Vec<Vec<u8>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OutboundError> {
        let policy = OutboundPolicy {
            connect: limits.give_up,
            total: limits.give_up,
            max_body: limits.max_body,
            extra_roots: roots,
        };
        Ok(Self { probe: Probe::new(policy)?, names: Names::System, limits, clock })
    }

    /// The same by other names.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// Looks at an issuer. The key set is where its discovery says, or else here.
    pub async fn at(&self, issuer: &IssuerAddress, key_set: Option<&str>) -> Observation {
        let found = self.find(&issuer.host()).await;
        let url = issuer.fetched_at(DISCOVERY);
        let discovery = match &found {
            Ok(found) => self.get(&url, found).await,
            Err(_) => Document::not_asked(&url, self.clock.now(), "its host has no address"),
        };
        let named =
            discovery.object().and_then(|named| Some(named.get("jwks_uri")?.as_str()?.to_owned()));
        let key_set = match named.or_else(|| key_set.map(str::to_owned)) {
            Some(url) => self.elsewhere(&url).await,
            None => Document::not_asked("", self.clock.now(), "discovery does not say where it is"),
        };
        let (issuer, limits) = (issuer.clone(), self.limits);
        let addresses = found.map(|found| found.addresses);
        Observation { issuer, limits, addresses, discovery, key_set }
    }

    async fn elsewhere(&self, url: &str) -> Document {
        let not_asked = |because: String| Document::not_asked(url, self.clock.now(), because);
        let Some(host) = host_of(url) else { return not_asked(format!("{url} is no URL")) };
        match self.find(&host).await {
            Ok(found) => self.get(url, &found).await,
            Err(error) => not_asked(format!("{host} has no address: {error}")),
        }
    }

    async fn get(&self, url: &str, found: &Found) -> Document {
        let probed = self.probe.get(url, &found.sockets).await;
        let answer = probed.answer.map_err(|error| match error {
            error if error.timed_out() => Missing::TimedOut,
            OutboundError::Fetch(_) => Missing::NoAnswer(crate::chain(&error)),
            error => Missing::NotAsked(crate::chain(&error)),
        });
        let (at, url) = (self.clock.now(), url.to_owned());
        Document { url, at, took: probed.took, chain: probed.chain, answer }
    }

    async fn find(&self, host: &str) -> Result<Found, String> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Found::of(vec![address]));
        }
        match &self.names {
            // This machine, whatever the resolver says.
            Names::System if host == "localhost" => {
                Ok(Found::of(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]))
            }
            Names::System => {
                let looked_up = tokio::net::lookup_host((host, 0));
                let looked_up = tokio::time::timeout(self.limits.give_up, looked_up).await;
                let looked_up =
                    looked_up.map_err(|_elapsed| "nobody answered in time".to_owned())?;
                let addresses = looked_up.map_err(|error| error.to_string())?;
                Ok(Found::of(addresses.map(|socket| socket.ip()).collect()))
            }
            Names::Table(table) => {
                let told = table.get(host).ok_or("no such name")?;
                Ok(Found { addresses: told.addresses.clone(), sockets: vec![told.found_at] })
            }
        }
    }
}

/// What a name leads to.
struct Found {
    addresses: Vec<IpAddr>,
    /// Where to connect; port 0 stands for that of the URL.
    sockets: Vec<SocketAddr>,
}

impl Found {
    fn of(mut addresses: Vec<IpAddr>) -> Self {
        addresses.dedup();
        let sockets = addresses.iter().map(|&address| SocketAddr::new(address, 0)).collect();
        Self { addresses, sockets }
    }
}
