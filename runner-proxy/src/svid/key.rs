//! The key of an X.509-SVID: made here, in memory only.
//!
//! What crosses to the coordinator is a request with the public half (X509-SVID section 3 leaves the key to
//! whoever it is for). The private half goes to the sandbox it was made for and nowhere else; it is
//! overwritten when it is let go.

use std::fmt;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use zeroize::{Zeroize as _, Zeroizing};

/// A private key, PKCS#8 DER, not encrypted: the form that the Workload API hands out.
pub(crate) struct SvidKey(Zeroizing<Vec<u8>>);

impl SvidKey {
    /// A new ECDSA P-256 key, and the request for its certificate (PKCS#10, DER).
    pub(super) fn generate() -> Result<(Self, Vec<u8>), rcgen::Error> {
        let mut pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let request = CertificateParams::default().serialize_request(&pair)?.der().to_vec();
        let key = Self(Zeroizing::new(pair.serialize_der()));
        pair.zeroize();
        Ok((key, request))
    }

    /// The key. For the answer to its own sandbox alone.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SvidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SvidKey(…)")
    }
}
