//! The coordinator's own certificate, which runners pin by its SPIFFE ID.

use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_daemon::tls::{ServerTls, TlsIdentity};
use moneyer_identity::UnixTime;
use tokio::time::Instant;

use crate::app::error::StartError;

/// The ALPN protocol of a connection that has no certificate yet and wants one.
const JOINING: &[u8] = b"moneyer-join/1";

/// How often it is looked whether another certificate is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A certificate that was made this far in the future was made by a wrong clock.
const ANOTHER_TIME: Duration = Duration::from_secs(60);

/// Time before another try to make the certificate, of which there are several whatever its life.
const RETRY: Duration = Duration::from_secs(60);

/// A certificate in the configuration of the gRPC listener, and how long it serves there.
pub(super) struct Certified {
    pub(super) tls: ServerTls,
    life: Life,
}

/// Makes the coordinator a certificate.
///
/// Its life is told by the very reading of the clock that is written in it: one that is set right between
/// two readings would leave a certificate of another time in use.
pub(super) fn certify_coordinator(authority: &Authority) -> Result<Certified, StartError> {
    let cluster = authority.enrollment().authority();
    let made_at = authority.now();
    let certificate = cluster.certify_coordinator(made_at).map_err(StartError::Certificate)?;
    let chain = certificate.chain.into_iter().map(Into::into).collect();
    let identity = TlsIdentity::new(chain, certificate.key.to_vec().into());
    let authorities = vec![cluster.certificate().to_vec().into()];
    let tls = ServerTls::mutual(&authorities, &identity)
        .and_then(|tls| tls.with_joining(JOINING))
        .map_err(StartError::Tls)?;
    let life = Life::begin(made_at, cluster.lifetimes().coordinator_renewal());
    Ok(Certified { tls, life })
}

/// Makes the coordinator a new certificate well before the old one ends, and where the clock turns out to
/// have been wrong when the old one was made.
pub(super) async fn renew_certificate(authority: Authority, served: Certified) {
    let Certified { tls, mut life } = served;
    let retry = RETRY.min(life.renewal / 10);
    let mut every = tokio::time::interval(LOOK_EVERY);
    let mut retry_at = Instant::now();
    loop {
        let now = every.tick().await;
        if now < retry_at || !life.is_over(now, authority.sound_time().ok()) {
            continue;
        }
        match certify_coordinator(&authority) {
            Ok(fresh) => {
                tls.replace(&fresh.tls);
                life = fresh.life;
            }
            Err(error) => {
                let cause = crate::chain(&error);
                tracing::error!(
                    error.cause = cause,
                    "the coordinator's certificate was not renewed"
                );
                retry_at = now + retry;
            }
        }
    }
}

/// How long a certificate serves: by the wall clock it was made by, and by the time that passes.
#[derive(Debug)]
pub(super) struct Life {
    made_at: UnixTime,
    since: Instant,
    /// After which time another is made.
    renewal: Duration,
}

impl Life {
    pub(super) fn begin(made_at: UnixTime, renewal: Duration) -> Self {
        Self { made_at, since: Instant::now(), renewal }
    }

    /// Whether another is due: it has served long enough, or by a clock that is sound it was made in the
    /// future or too long ago.
    pub(super) fn is_over(&self, now: Instant, sound: Option<UnixTime>) -> bool {
        let served = now.duration_since(self.since);
        let fits = |wall: UnixTime| {
            wall.since(self.made_at) < self.renewal && self.made_at.since(wall) < ANOTHER_TIME
        };
        served >= self.renewal || sound.is_some_and(|wall| !fits(wall))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn another_is_due_after_its_time_and_when_its_clock_was_wrong() {
        let made_at = UnixTime(1_800_000_000);
        let day = Duration::from_secs(24 * 3600);
        let life = Life::begin(made_at, day);
        let now = Instant::now();
        assert!(!life.is_over(now, Some(made_at)));
        assert!(!life.is_over(now, None));
        assert!(!life.is_over(now, Some(made_at.minus(Duration::from_secs(59)))));
        assert!(life.is_over(now, Some(made_at.minus(ANOTHER_TIME))), "it is not valid yet");
        assert!(life.is_over(now, Some(made_at.plus(day))), "it was made long ago");
        assert!(life.is_over(now + day, None));
    }
}
