//! The one connection to the coordinator.
//!
//! HTTP/2 over mutual TLS, made anew whenever it breaks, with pings so that a coordinator that hangs
//! or a network that swallows everything is noticed within 15 s. While it is down, calls fail at
//! once instead of queueing, so that whoever holds a cached token serves it without delay.
//!
//! A connection is good for as long as the certificate it was opened with, so with another certificate
//! there is another connection; what is open on the old one goes on there to its end.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use moneyer_daemon::tls::ClientTls;
use moneyer_proto::v1::enrollment_client::EnrollmentClient;
use moneyer_proto::v1::minting_client::MintingClient;
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint};

use super::membership::Member;

/// How often the coordinator is asked whether it is still there, and how long it may take to say
/// so: together the time until a dead connection is noticed.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_LIMIT: Duration = Duration::from_secs(5);

/// Longest a call may take; the coordinator cuts calls off at the same age.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Largest answer: the complete placement of a host with tens of thousands of sandboxes.
const MAXIMUM_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The connection. Shared by reference.
#[derive(Debug)]
pub(crate) struct Link {
    endpoint: Endpoint,
    tls: ClientTls,
    channel: RwLock<Channel>,
    connected: watch::Sender<bool>,
    /// How many connections there were before this one.
    replaced: watch::Sender<u64>,
}

impl Link {
    /// A connection to `host:port` that is made when it is first needed.
    pub(crate) fn new(
        address: &str,
        member: &Member,
    ) -> Result<Arc<Self>, tonic::transport::Error> {
        let (endpoint, tls) = (endpoint(address)?, member.tls().clone());
        let channel = RwLock::new(endpoint.connect_with_connector_lazy(tls.connector()));
        let (connected, replaced) = (watch::Sender::new(false), watch::Sender::new(0));
        Ok(Arc::new(Self { endpoint, tls, channel, connected, replaced }))
    }

    /// Whether the coordinator can be reached, as it changes.
    pub(crate) fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// Whether the coordinator can be reached; waits for at most `limit` until it can.
    pub(crate) async fn wait_until_connected(&self, limit: Duration) -> bool {
        let mut connected = self.connected.subscribe();
        let reached = connected.wait_for(|connected| *connected);
        matches!(tokio::time::timeout(limit, reached).await, Ok(Ok(_)))
    }

    /// Makes calls from now on over a connection that shows the present certificate.
    pub(super) fn replace(&self) {
        let fresh = self.endpoint.connect_with_connector_lazy(self.tls.connector());
        *self.channel.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.replaced.send_modify(|count| *count += 1);
    }

    /// Tells of each [`Self::replace`] from now on.
    pub(super) fn replaced(&self) -> watch::Receiver<u64> {
        self.replaced.subscribe()
    }

    pub(super) fn set_connected(&self, connected: bool) {
        self.connected
            .send_if_modified(|present| std::mem::replace(present, connected) != connected);
    }

    pub(super) fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    pub(super) fn minting(&self) -> MintingClient<Channel> {
        MintingClient::new(self.channel()).max_decoding_message_size(MAXIMUM_ANSWER_BYTES)
    }

    pub(super) fn enrollment(&self) -> EnrollmentClient<Channel> {
        EnrollmentClient::new(self.channel())
    }

    fn channel(&self) -> Channel {
        self.channel.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// How to reach `host:port`. The connector always speaks TLS; the scheme only names HTTP/2.
pub(super) fn endpoint(address: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(format!("http://{address}"))?
        .http2_keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_LIMIT)
        .keep_alive_while_idle(true))
}
