//! What makes this host a runner of its cluster: its certificate, key and authorities.
//!
//! One file, `membership.json`, mode 0600, so that a certificate and its key can never come apart.
//! The private key is made here and leaves this host in no form; only a request with its public
//! half is sent (PKCS#10, RFC 2986). The certificate is a SPIFFE X.509-SVID with the id
//! `spiffe://<trust domain>/moneyer/runner/<id>`; the coordinator's is `…/moneyer/coordinator`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_daemon::file::{self, ReadSecretError};
use moneyer_daemon::tls::{ClientTls, TlsError, TlsIdentity};
use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdError, TrustDomain, TrustDomainError};
use moneyer_proto::v1;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Largest file read: a certificate, a key and a few authorities take 5 KiB.
const MAXIMUM_BYTES: usize = 256 * 1024;

/// When a certificate is renewed: late enough that a lost renewal is rare, early enough that a
/// coordinator that is away for days does not cost the runner its membership.
const RENEW_AT_PERCENT: u32 = 70;

/// Why this host is not, or cannot become, a runner.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// It never joined.
    #[error("this host has not joined a cluster; run: moneyer-runner-proxy join")]
    NotJoined,
    /// The file could not be read.
    #[error("cannot read this host's certificate and key")]
    Read(#[source] ReadSecretError),
    /// What is in the file is no membership.
    #[error("{path} is damaged; remove it and join again")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It belongs to another cluster.
    #[error(
        "this host joined {joined}, but coordinator.trust_domain is {configured}; correct one of them"
    )]
    OtherTrustDomain {
        /// What it joined.
        joined: TrustDomain,
        /// What is configured.
        configured: TrustDomain,
    },
    /// The file could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No key or no request for a certificate.
    #[error("cannot make a key and a certificate request")]
    Request(#[source] rcgen::Error),
    /// The coordinator's answer lacks something.
    #[error("the coordinator's answer holds no complete certificate")]
    Incomplete,
    /// The identity in the answer is none.
    #[error("the coordinator's answer holds an identity that is no SPIFFE ID")]
    Identity(#[source] SpiffeIdError),
    /// The trust domain in the answer is none.
    #[error("the coordinator's answer holds a trust domain that is none")]
    TrustDomain(#[source] TrustDomainError),
    /// The certificate, key and authorities do not work together.
    #[error("the certificate, its key and the authorities do not work together")]
    Tls(#[source] TlsError),
}

/// A key that waits for its certificate.
pub(crate) struct PendingKey {
    key: PrivatePkcs8KeyDer<'static>,
    request: Vec<u8>,
}

impl PendingKey {
    /// A new ECDSA P-256 key.
    pub(crate) fn generate() -> Result<Self, MembershipError> {
        let key =
            KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(MembershipError::Request)?;
        let request = CertificateParams::default()
            .serialize_request(&key)
            .map_err(MembershipError::Request)?;
        let request = request.der().to_vec();
        Ok(Self { key: PrivatePkcs8KeyDer::from(key.serialize_der()), request })
    }

    /// The request for a certificate, PKCS#10 DER.
    pub(crate) fn request(&self) -> Vec<u8> {
        self.request.clone()
    }

    /// The membership that the coordinator's answer makes of this key.
    pub(crate) fn certified(
        self,
        certificate: Option<v1::Certificate>,
    ) -> Result<Membership, MembershipError> {
        let certificate = certificate.ok_or(MembershipError::Incomplete)?;
        let trust = certificate.trust.ok_or(MembershipError::Incomplete)?;
        if certificate.leaf.is_empty() || trust.authorities.is_empty() {
            return Err(MembershipError::Incomplete);
        }
        let identity = SpiffeId::parse(&certificate.identity).map_err(MembershipError::Identity)?;
        let trust_domain =
            TrustDomain::parse(&trust.trust_domain).map_err(MembershipError::TrustDomain)?;
        if identity.trust_domain() != &trust_domain {
            return Err(MembershipError::Incomplete);
        }
        let membership = Membership {
            identity,
            not_before: UnixTime(certificate.not_before),
            not_after: UnixTime(certificate.not_after),
            leaf: certificate.leaf.into(),
            key: self.key,
            authorities: trust.authorities.into_iter().map(CertificateDer::from).collect(),
        };
        membership.tls()?;
        Ok(membership)
    }
}

/// Certificate, key and authorities.
pub(crate) struct Membership {
    identity: SpiffeId,
    not_before: UnixTime,
    not_after: UnixTime,
    leaf: CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
    authorities: Vec<CertificateDer<'static>>,
}

/// The file. What a newer version adds is passed over, so that going back to this one costs no membership.
#[derive(Serialize, Deserialize)]
struct Stored {
    identity: SpiffeId,
    not_before: UnixTime,
    not_after: UnixTime,
    certificate: String,
    private_key: Zeroizing<String>,
    authorities: Vec<String>,
}

impl Membership {
    /// The runner's own SPIFFE ID.
    pub(crate) fn identity(&self) -> &SpiffeId {
        &self.identity
    }

    /// When the certificate ends.
    pub(crate) fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The whole life of the certificate.
    pub(crate) fn life(&self) -> Duration {
        self.not_after.since(self.not_before)
    }

    /// When to ask for the next certificate.
    pub(crate) fn renewal(&self) -> UnixTime {
        self.not_before.plus(self.life() * RENEW_AT_PERCENT / 100)
    }

    fn tls(&self) -> Result<ClientTls, MembershipError> {
        let identity = TlsIdentity::new(vec![self.leaf.clone()], self.key.clone_key());
        let coordinator = coordinator_id(self.identity.trust_domain())?;
        ClientTls::pinned(&self.authorities, coordinator.as_str(), Some(&identity))
            .map_err(MembershipError::Tls)
    }

    fn read(path: &Path) -> Result<Self, MembershipError> {
        let bytes = match file::read_secret(path, MAXIMUM_BYTES) {
            Ok(bytes) => bytes,
            Err(ReadSecretError::Read { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                return Err(MembershipError::NotJoined);
            }
            Err(error) => return Err(MembershipError::Read(error)),
        };
        // What serde says could quote the key.
        let damaged = || MembershipError::Damaged { path: path.to_owned() };
        let stored: Stored =
            serde_json::from_slice(bytes.expose()).map_err(|_unshown| damaged())?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|_unshown| damaged());
        let authorities: Result<Vec<_>, _> = stored.authorities.iter().map(|a| decode(a)).collect();
        Ok(Self {
            identity: stored.identity,
            not_before: stored.not_before,
            not_after: stored.not_after,
            leaf: decode(&stored.certificate)?.into(),
            key: decode(&stored.private_key)?.into(),
            authorities: authorities?.into_iter().map(CertificateDer::from).collect(),
        })
    }

    fn write(&self, path: &Path) -> Result<(), MembershipError> {
        let failed = |source| MembershipError::Write { path: path.to_owned(), source };
        let stored = Stored {
            identity: self.identity.clone(),
            not_before: self.not_before,
            not_after: self.not_after,
            certificate: STANDARD.encode(&self.leaf),
            private_key: Zeroizing::new(STANDARD.encode(self.key.secret_pkcs8_der())),
            authorities: self.authorities.iter().map(|der| STANDARD.encode(der)).collect(),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAXIMUM_BYTES));
        serde_json::to_writer_pretty(&mut *bytes, &stored)
            .map_err(|error| failed(io::Error::other(error)))?;
        file::write_atomic(path, &bytes, 0o600).map_err(failed)
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("identity", &self.identity)
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// The SPIFFE ID of a cluster's coordinator.
pub(crate) fn coordinator_id(trust_domain: &TrustDomain) -> Result<SpiffeId, MembershipError> {
    SpiffeId::of(trust_domain, &["moneyer", "coordinator"]).map_err(MembershipError::Identity)
}

/// This host as a member: its present membership, on disk and in every new connection.
#[derive(Debug)]
pub(crate) struct Member {
    path: PathBuf,
    tls: ClientTls,
    present: RwLock<Arc<Membership>>,
}

impl Member {
    /// Reads the membership of a host that joined `trust_domain`.
    pub(crate) fn read(path: &Path, trust_domain: &TrustDomain) -> Result<Self, MembershipError> {
        let present = Membership::read(path)?;
        let joined = present.identity.trust_domain();
        if joined != trust_domain {
            let (joined, configured) = (joined.clone(), trust_domain.clone());
            return Err(MembershipError::OtherTrustDomain { joined, configured });
        }
        let tls = present.tls()?;
        Ok(Self { path: path.to_owned(), tls, present: RwLock::new(Arc::new(present)) })
    }

    /// Makes a fresh membership this host's, on disk.
    pub(crate) fn join(path: &Path, membership: &Membership) -> Result<(), MembershipError> {
        membership.write(path)
    }

    /// How to connect; follows every renewal.
    pub(crate) fn tls(&self) -> &ClientTls {
        &self.tls
    }

    /// The membership as it stands.
    pub(crate) fn present(&self) -> Arc<Membership> {
        Arc::clone(&self.present.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is left of the certificate.
    pub(crate) fn remaining(&self, now: UnixTime) -> Duration {
        self.present().not_after.since(now)
    }

    /// Takes over a renewed certificate: on disk first, then for every new connection.
    pub(crate) fn renew(&self, membership: Membership) -> Result<(), MembershipError> {
        if membership.identity != *self.present().identity() {
            return Err(MembershipError::Incomplete);
        }
        self.replace(membership)
    }

    /// Takes over what another join has left on disk, if it is this host's and lives longer; whether it
    /// did. A membership that cannot be read changes nothing.
    pub(crate) fn take_up_another_join(&self) -> Result<bool, MembershipError> {
        let (present, found) = (self.present(), Membership::read(&self.path)?);
        if found.identity != present.identity || found.not_after <= present.not_after {
            return Ok(false);
        }
        self.tls.replace(&found.tls()?);
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
        Ok(true)
    }

    /// Takes over the authorities that the coordinator names now.
    pub(crate) fn trust(&self, authorities: Vec<Vec<u8>>) -> Result<(), MembershipError> {
        let present = self.present();
        let authorities: Vec<_> = authorities.into_iter().map(CertificateDer::from).collect();
        if authorities.is_empty() || authorities == present.authorities {
            return Ok(());
        }
        self.replace(Membership {
            identity: present.identity.clone(),
            not_before: present.not_before,
            not_after: present.not_after,
            leaf: present.leaf.clone(),
            key: present.key.clone_key(),
            authorities,
        })
    }

    fn replace(&self, membership: Membership) -> Result<(), MembershipError> {
        let tls = membership.tls()?;
        membership.write(&self.path)?;
        self.tls.replace(&tls);
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(membership);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_256_kib_at_most() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("membership.json");
        let refused = |bytes| {
            file::write_atomic(&path, &vec![b' '; bytes], 0o600).unwrap();
            crate::chain(&Membership::read(&path).unwrap_err())
        };
        let (at_the_limit, past_it) = (refused(MAXIMUM_BYTES), refused(MAXIMUM_BYTES + 1));
        assert!(!at_the_limit.contains("is larger than"), "{at_the_limit}");
        assert!(past_it.contains("is larger than"), "{past_it}");
    }
}
