//! The listeners, bound before anything is served: a taken port is told before a key is made.

use moneyer_daemon::listener::{ListenAddress, Listener, UnixMode};

use crate::app::bundle_endpoint::BundleEndpoint;
use crate::app::error::StartError;
use crate::config::Config;
use crate::public_tls::PublicTls;

/// Where a coordinator really listens.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Discovery and key set.
    pub public: ListenAddress,
    /// The bundle endpoint of the profile `https_spiffe`, where there is one.
    pub spiffe_bundle: Option<ListenAddress>,
    /// Log-in, where there is one.
    pub exchange: Option<ListenAddress>,
    /// gRPC over mTLS.
    pub grpc: ListenAddress,
    /// Health and metrics.
    pub operations: ListenAddress,
    /// The management API.
    pub management: ListenAddress,
    /// The management API for whoever logged in, where there is one.
    pub management_remote: Option<ListenAddress>,
}

/// Open listeners that accept nobody yet.
pub(super) struct Listeners {
    pub(super) public: Listener,
    /// The public listener's certificate, where it has one of its own.
    pub(super) public_tls: Option<PublicTls>,
    /// The bundle endpoint of the profile `https_spiffe`, and what it shows.
    pub(super) spiffe_bundle: Option<(Listener, BundleEndpoint)>,
    pub(super) exchange: Option<Listener>,
    pub(super) grpc: Listener,
    pub(super) operations: Listener,
    pub(super) management: Listener,
    pub(super) management_remote: Option<Listener>,
}

impl Listeners {
    pub(super) fn bind(config: &Config) -> Result<Self, StartError> {
        let listen = &config.listen;
        let bind = |address: &ListenAddress, mode, setting| {
            Listener::bind(address, mode)
                .map_err(|error| StartError::Bind(error.for_setting(setting)))
        };
        let spiffe_bundle = match &listen.spiffe_bundle {
            Some(address) => {
                let listener = bind(address, UnixMode::Everyone, "listen.spiffe_bundle")?;
                Some((listener, BundleEndpoint::new()?))
            }
            None => None,
        };
        let shared = |address: &Option<ListenAddress>, setting| {
            let address = address.as_ref();
            address.map(|address| bind(address, UnixMode::Everyone, setting)).transpose()
        };
        Ok(Self {
            exchange: shared(&listen.exchange, "listen.exchange")?,
            management_remote: shared(&listen.management_remote, "listen.management_remote")?,
            public_tls: PublicTls::open(config).map_err(StartError::PublicTls)?,
            public: bind(&listen.public, UnixMode::Everyone, "listen.public")?,
            spiffe_bundle,
            grpc: bind(&listen.grpc, UnixMode::Owner, "listen.grpc")?,
            operations: bind(&listen.operations, UnixMode::Owner, "listen.operations")?,
            management: bind(&listen.management, management_mode(config), "listen.management")?,
        })
    }

    pub(super) fn addresses(&self) -> Addresses {
        let bound = |listener: &Option<Listener>| {
            listener.as_ref().map(|listener| listener.local_address().clone())
        };
        Addresses {
            exchange: bound(&self.exchange),
            management_remote: bound(&self.management_remote),
            public: self.public.local_address().clone(),
            spiffe_bundle: self
                .spiffe_bundle
                .as_ref()
                .map(|(listener, _)| listener.local_address().clone()),
            grpc: self.grpc.local_address().clone(),
            operations: self.operations.local_address().clone(),
            management: self.management.local_address().clone(),
        }
    }
}

/// Where other users are operators, anyone may connect and the peer's user id decides.
fn management_mode(config: &Config) -> UnixMode {
    if config.listen.operators.is_empty() { UnixMode::Owner } else { UnixMode::Everyone }
}
