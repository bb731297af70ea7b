//! Who did something, as the audit log writes it.

use std::fmt;

use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
use moneyer_identity::{ControllerName, RunnerId};
use serde::{Serialize, Serializer};

use crate::exchange::ClientIdentifier;

/// Who did something, or asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A runner host, by its certificate or the join token it spent: `runner:<id>`.
    Runner(RunnerId),
    /// A sandbox controller, by the same: `controller:<name>`.
    Controller(ControllerName),
    /// A user of this machine at the management socket: `operator:uid:<number>`.
    Operator {
        /// The user id the kernel told.
        uid: u32,
    },
    /// A workload, by the SVID it logged in with: `workload:<SPIFFE ID>`.
    Workload(SpiffeId),
    /// The workloads of a trust domain, where they are counted together: `trust_domain:<name>`.
    TrustDomain(TrustDomain),
    /// A client of token exchange, by the token it showed: `client:<identifier>`.
    Client(ClientIdentifier),
    /// The clients of an issuer, where they are counted together: `clients_of:<issuer>`.
    ClientsOf(String),
    /// Whoever could not be told, at a log-in or an exchange: `nobody`.
    Nobody,
    /// The coordinator itself, by its schedule: `system`.
    System,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runner(id) => write!(f, "runner:{id}"),
            Self::Controller(name) => write!(f, "controller:{name}"),
            Self::Operator { uid } => write!(f, "operator:uid:{uid}"),
            Self::Workload(id) => write!(f, "workload:{id}"),
            Self::TrustDomain(name) => write!(f, "trust_domain:{name}"),
            Self::Client(client) => write!(f, "client:{client}"),
            Self::ClientsOf(issuer) => write!(f, "clients_of:{issuer}"),
            Self::Nobody => f.write_str("nobody"),
            Self::System => f.write_str("system"),
        }
    }
}

impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
