//! The `https_spiffe` end of the trust bundle: its X.509-SVID, exchanged while it serves.
//!
//! SPIFFE Federation section 5.2.2. The SVID is renewed at half of its life, and as soon as another authority
//! signs: peers verify it with the newest bundle they have. Open connections keep what they were made with.
//! Without an SVID every handshake is refused, and the coordinator does the rest of its work.

use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::svid::SvidError;
use moneyer_daemon::tls::{ServerTls, TlsError, TlsIdentity};
use moneyer_identity::{KeyId, UnixTime};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::app::certificate::Life;
use crate::app::error::StartError;

/// How often it is looked whether another SVID is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Time before another try to make the SVID, of which there are several whatever its life.
const RETRY: Duration = Duration::from_secs(10);

/// Why the endpoint has no new SVID.
#[derive(Debug, thiserror::Error)]
enum EndpointError {
    /// It was not made.
    #[error("the bundle endpoint's X.509-SVID was not made")]
    Svid(#[source] SvidError),
    /// It cannot be shown.
    #[error("the bundle endpoint's X.509-SVID cannot be used")]
    Tls(#[source] TlsError),
}

/// The endpoint's end of TLS, and what it shows.
pub(super) struct BundleEndpoint {
    tls: ServerTls,
    shown: Option<Shown>,
    ends_at: watch::Sender<Option<UnixTime>>,
    failing: bool,
}

/// The SVID that is shown.
struct Shown {
    authority: KeyId,
    life: Life,
}

impl BundleEndpoint {
    /// One that shows nothing yet.
    pub(super) fn new() -> Result<Self, StartError> {
        let tls = ServerTls::without_certificate().map_err(StartError::Tls)?;
        Ok(Self { tls, shown: None, ends_at: watch::Sender::new(None), failing: false })
    }

    /// What the listener serves with.
    pub(super) fn tls(&self) -> &ServerTls {
        &self.tls
    }

    /// When the SVID ends that it shows, where it shows one.
    pub(super) fn ends_at(&self) -> watch::Receiver<Option<UnixTime>> {
        self.ends_at.subscribe()
    }

    /// Takes another SVID up; where there is none, the one before is shown on, and the log says so once.
    pub(super) async fn renew(&mut self, authority: &Authority) {
        let renewed = self.certify(authority).await;
        if let Err(error) = &renewed
            && !self.failing
        {
            let cause = crate::chain(error);
            tracing::error!(
                error.cause = cause,
                "the SVID of the bundle endpoint was not renewed; it is tried again"
            );
        }
        self.failing = renewed.is_err();
    }

    async fn certify(&mut self, authority: &Authority) -> Result<(), EndpointError> {
        let svid = authority.certify_bundle_endpoint().await.map_err(EndpointError::Svid)?;
        let chain = svid.chain.into_iter().map(Into::into).collect();
        let identity = TlsIdentity::new(chain, svid.key.to_vec().into());
        let fresh = ServerTls::server_only(&identity).map_err(EndpointError::Tls)?;
        self.tls.replace(&fresh);
        let lifetime = authority.x509_authorities().plan().lifetime();
        self.ends_at.send_replace(Some(svid.made_at.plus(lifetime)));
        let renewal = lifetime / 2;
        let life = Life::begin(svid.made_at, renewal);
        self.shown = Some(Shown { authority: svid.authority, life });
        Ok(())
    }

    /// Keeps the SVID fresh, for ever.
    pub(super) async fn follow(mut self, authority: Authority) {
        let mut every = tokio::time::interval(LOOK_EVERY);
        let mut retry_at = Instant::now();
        loop {
            let now = every.tick().await;
            if now >= retry_at && self.is_due(&authority, now) {
                self.renew(&authority).await;
                if self.failing {
                    retry_at = now + RETRY.min(authority.x509_authorities().plan().lifetime() / 20);
                }
            }
        }
    }

    fn is_due(&self, authority: &Authority, now: Instant) -> bool {
        let Some(shown) = &self.shown else { return true };
        let signs = authority.x509_authorities().ring().key_ids().next();
        signs.as_ref() != Some(&shown.authority)
            || shown.life.is_over(now, authority.sound_time().ok())
    }
}
