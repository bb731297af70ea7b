//! The files by which programs in a sandbox trust the proxy's authority.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_daemon::tls::system_roots;

use super::authority::InterceptionAuthority;

/// What the files hold. Shared by all sandboxes.
#[derive(Debug, Clone)]
pub(crate) struct TrustFiles {
    /// The authority's certificate, for programs that add it to what they trust.
    pub(crate) authority: String,
    /// With it the roots of this machine, for programs that trust what a file holds and nothing else.
    pub(crate) bundle: String,
}

impl TrustFiles {
    /// Those of an authority.
    pub(crate) fn of(authority: &InterceptionAuthority) -> Self {
        let authority = authority.pem();
        let mut bundle = authority.clone();
        for root in system_roots() {
            bundle.push_str("-----BEGIN CERTIFICATE-----\n");
            let text = STANDARD.encode(&root);
            // The length of a line in PEM (RFC 7468 section 2).
            for line in text.as_bytes().chunks(64) {
                bundle.push_str(&String::from_utf8_lossy(line));
                bundle.push('\n');
            }
            bundle.push_str("-----END CERTIFICATE-----\n");
        }
        Self { authority, bundle }
    }
}
