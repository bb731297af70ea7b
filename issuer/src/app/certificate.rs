//! The coordinator's own certificate, which runners pin by its SPIFFE ID.

use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_daemon::tls::{ServerTls, TlsIdentity};

use crate::app::error::StartError;

/// The ALPN protocol of a connection that has no certificate yet and wants one.
const JOINING: &[u8] = b"moneyer-join/1";

/// Time before another try to make the certificate, of which there are several whatever its life.
const RETRY: Duration = Duration::from_secs(60);

/// A fresh certificate in the configuration of the gRPC listener.
pub(super) fn coordinator_tls(authority: &Authority) -> Result<ServerTls, StartError> {
    let cluster = authority.enrollment().authority();
    let certificate =
        cluster.certify_coordinator(authority.now()).map_err(StartError::Certificate)?;
    let chain = certificate.chain.into_iter().map(Into::into).collect();
    let identity = TlsIdentity::new(chain, certificate.key.to_vec().into());
    let authorities = vec![cluster.certificate().to_vec().into()];
    ServerTls::mutual(&authorities, &identity)
        .and_then(|tls| tls.with_joining(JOINING))
        .map_err(StartError::Tls)
}

/// Makes the coordinator a new certificate well before the old one ends.
pub(super) async fn renew_certificate(authority: Authority, tls: ServerTls) {
    let renewal = authority.enrollment().authority().lifetimes().coordinator_renewal();
    let retry = RETRY.min(renewal / 10);
    let mut wait = renewal;
    loop {
        tokio::time::sleep(wait).await;
        match coordinator_tls(&authority) {
            Ok(fresh) => {
                tls.replace(&fresh);
                wait = renewal;
            }
            Err(error) => {
                let cause = crate::chain(&error);
                tracing::error!(
                    error.cause = cause,
                    "the coordinator's certificate was not renewed"
                );
                wait = retry;
            }
        }
    }
}
