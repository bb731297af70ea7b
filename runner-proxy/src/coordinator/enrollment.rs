//! Joining a cluster once, and renewing the certificate ever after.
//!
//! The first contact trusts the authority whose hash the join token carries and offers the protocol
//! `moneyer-join/1`, the only one that is served without a client certificate. Renewal makes a new
//! key each time and goes over the connection that the present certificate opened. Until a renewal
//! succeeds the present certificate stays, to its end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use moneyer_daemon::backoff::Backoff;
use moneyer_daemon::tls::{ClientTls, TlsError};
use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
use moneyer_identity::{Clock, IssueError};
use moneyer_proto::v1;
use moneyer_proto::v1::enrollment_client::EnrollmentClient;
use tokio_util::sync::CancellationToken;

use super::certificate::watch_health;
use super::client::{with_limit, within_limit};
use super::join_token::JoinToken;
use super::link::{Link, endpoint};
use super::membership::{Member, MembershipError, PendingKey, coordinator_id};

/// The protocol of a client that has no certificate yet.
const JOINING: &[u8] = b"moneyer-join/1";

/// How often the clock is looked at: wall clocks jump, so a certificate's age is not slept through.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Waits between attempts to renew. A certificate has nearly a third of its life left, so there is
/// no hurry; where its life is short, they are a small part of it.
const WAIT_FIRST: Duration = Duration::from_secs(5);
const WAIT_LONGEST: Duration = Duration::from_secs(300);
const WAITS_IN_A_LIFE: u32 = 20;

/// Why a host could not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The join token is for another cluster than the configuration.
    #[error(
        "the join token is for {invited}, but coordinator.trust_domain is {configured}; correct it or ask for another token"
    )]
    OtherTrustDomain {
        /// The join token's.
        invited: TrustDomain,
        /// The configured one.
        configured: TrustDomain,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS for the first contact")]
    Tls(#[source] TlsError),
    /// No connection, or not with the cluster's coordinator.
    #[error("cannot connect to the coordinator at {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the transport said.
        #[source]
        source: tonic::transport::Error,
    },
    /// The coordinator refused or failed.
    #[error("the coordinator did not let this host join")]
    Refused(#[source] IssueError),
    /// Its answer could not be used, or not be kept.
    #[error("the certificate could not be taken over")]
    Membership(#[source] MembershipError),
}

/// Spends a join token and keeps what comes back at `path`. Returns the host's new identity.
pub(crate) async fn join(
    address: &str,
    configured: &TrustDomain,
    token: &JoinToken,
    path: &Path,
) -> Result<SpiffeId, JoinError> {
    if token.trust_domain() != configured {
        let (invited, configured) = (token.trust_domain().clone(), configured.clone());
        return Err(JoinError::OtherTrustDomain { invited, configured });
    }
    let coordinator = coordinator_id(configured).map_err(JoinError::Membership)?;
    let tls = ClientTls::joining(token.authority_sha256(), coordinator.as_str(), JOINING)
        .map_err(JoinError::Tls)?;
    let refused = |source| JoinError::Connect { address: address.to_owned(), source };
    let channel = endpoint(address)
        .map_err(refused)?
        .connect_with_connector(tls.connector())
        .await
        .map_err(refused)?;
    let key = PendingKey::generate().map_err(JoinError::Membership)?;
    let request = v1::JoinRequest { token: token.expose().to_owned(), csr: key.request() };
    let mut client = EnrollmentClient::new(channel);
    let answer =
        within_limit(client.join(with_limit(request))).await.map_err(JoinError::Refused)?;
    let membership = key.certified(answer.certificate).map_err(JoinError::Membership)?;
    Member::join(path, &membership).map_err(JoinError::Membership)?;
    Ok(membership.identity().clone())
}

/// Why a certificate was not renewed this time.
#[derive(Debug, thiserror::Error)]
enum RenewError {
    #[error("the coordinator did not renew the certificate")]
    Refused(#[source] IssueError),
    #[error("the renewed certificate could not be taken over")]
    Membership(#[source] MembershipError),
}

/// Renews this host's certificate whenever 70 % of its life are over, until `stop`.
pub(crate) async fn keep_renewed(
    link: Arc<Link>,
    member: Arc<Member>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = renew_whenever_due(&link, &member, clock.as_ref()) => {}
        () = watch_health(&member, clock.as_ref()) => {}
    }
}

async fn renew_whenever_due(link: &Link, member: &Member, clock: &dyn Clock) {
    let wait = |longest: Duration| longest.min(member.present().life() / WAITS_IN_A_LIFE);
    let mut backoff = Backoff::new(wait(WAIT_FIRST), wait(WAIT_LONGEST));
    loop {
        // Whoever joins again while this runs ends the certificate that it has.
        take_up_another_join(link, member);
        let (now, present) = (clock.now(), member.present());
        let due = present.renewal();
        if present.not_after() <= now {
            // No call of ours is let in any more: only another join token helps.
            tokio::time::sleep(wait(WAIT_FIRST)).await;
        } else if now < due {
            tokio::time::sleep(LOOK_EVERY.min(due.since(now))).await;
        } else if link.wait_until_connected(wait(LOOK_EVERY)).await {
            let pause = attempt(link, member, clock, &mut backoff).await;
            tokio::time::sleep(wait(WAIT_FIRST) + pause).await;
        }
    }
}

fn take_up_another_join(link: &Link, member: &Member) {
    match member.take_up_another_join() {
        Ok(false) => {}
        Ok(true) => {
            link.replace();
            tracing::info!("this host has joined again");
        }
        Err(error) => tracing::error!(
            error.cause = crate::chain(&error),
            "the membership on disk cannot be taken over"
        ),
    }
}

/// One attempt; how much longer than usual to wait after it.
async fn attempt(
    link: &Link,
    member: &Member,
    clock: &dyn Clock,
    backoff: &mut Backoff,
) -> Duration {
    match renew(link, member).await {
        Ok(()) => {
            backoff.reset();
            link.replace();
            let not_after = member.present().not_after();
            tracing::info!(certificate.not_after = %not_after, "the certificate is renewed");
            Duration::ZERO
        }
        Err(error) => {
            tracing::warn!(
                error.cause = crate::chain(&error),
                certificate.remaining_seconds = member.remaining(clock.now()).as_secs(),
                "the certificate is not renewed; trying on"
            );
            backoff.after_failure()
        }
    }
}

async fn renew(link: &Link, member: &Member) -> Result<(), RenewError> {
    let key = PendingKey::generate().map_err(RenewError::Membership)?;
    let request = v1::RenewRequest { csr: key.request() };
    let mut client = link.enrollment();
    let answer =
        within_limit(client.renew(with_limit(request))).await.map_err(RenewError::Refused)?;
    let membership = key.certified(answer.certificate).map_err(RenewError::Membership)?;
    member.renew(membership).map_err(RenewError::Membership)
}
