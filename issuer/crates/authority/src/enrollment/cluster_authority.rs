//! The cluster's own X.509 authority: it makes the certificates of its members and of the coordinator.
//!
//! One self-signed P-256 CA, made with the cluster, path length 0, its SPIFFE ID the trust domain's.
//! From a request it takes the public key and nothing else: the identity comes from the join token or
//! from the caller's certificate (Cure53 SPI-01-004: an identity in a CSR is a wish, not a fact).

use std::time::Duration;

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
use rcgen::{ExtendedKeyUsagePurpose, Issuer, KeyPair, PublicKeyData};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::enrollment::certificate::Principal;
use crate::enrollment::lifetimes::{CertificateLifetimes, backdate};
use crate::signer::KeyHandle;
use crate::store::{Change, Collection, Expected, Record, Store, StoreError, load_records};
use crate::x509::{
    Certificate, CertificateError, LeafForm, NewAuthority, is_certificate_of, make_authority,
    make_leaf, new_key, random_serial, requested_key,
};

/// Life of the authority. It is pinned by every member, so replacing it takes a rotation.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The authority's record.
#[derive(Debug, Serialize, Deserialize)]
struct AuthorityRecord {
    /// The certificate, DER.
    certificate: KeyHandle,
    /// The private key, PKCS#8.
    key: KeyHandle,
    /// The trust domain it was made for.
    trust_domain: TrustDomain,
    created_at: UnixTime,
}

impl Record for AuthorityRecord {
    const COLLECTION: Collection = Collection::Authorities;

    fn id(&self) -> String {
        "cluster".to_owned()
    }
}

/// The authority, ready to sign.
pub struct ClusterAuthority {
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    trust_domain: TrustDomain,
    lifetimes: CertificateLifetimes,
}

impl std::fmt::Debug for ClusterAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClusterAuthority({})", self.trust_domain)
    }
}

/// The coordinator's certificate and key, for its gRPC listener.
pub struct CoordinatorCertificate {
    /// Leaf and authority, DER.
    pub chain: Vec<Vec<u8>>,
    /// PKCS#8, DER.
    pub key: Zeroizing<Vec<u8>>,
}

/// Whom the coordinators of a trust domain are: in their certificates, and in assertions of their own.
pub(crate) fn coordinator_id(trust_domain: &TrustDomain) -> Result<SpiffeId, SpiffeIdError> {
    SpiffeId::of(trust_domain, &["moneyer", "coordinator"])
}

impl ClusterAuthority {
    /// Loads the authority, or makes it where there is none yet.
    pub async fn open(
        store: &dyn Store,
        trust_domain: &TrustDomain,
        lifetimes: CertificateLifetimes,
        now: UnixTime,
    ) -> Result<Self, StoreError> {
        let damaged = |cause| StoreError::Damaged {
            collection: Collection::Authorities,
            id: "cluster".to_owned(),
            cause,
        };
        let mut records = load_records::<AuthorityRecord>(store).await?;
        let record = if let Some((record, _)) = records.pop() {
            record
        } else {
            let record = new_authority(trust_domain, now)
                .map_err(|error| StoreError::Encode(error.into()))?;
            store.commit(vec![Change::put(&record, Expected::Absent)?]).await?;
            record
        };
        if record.trust_domain != *trust_domain {
            let text = format!(
                "it was made for the trust domain {}, but spiffe.trust_domain is now {trust_domain}",
                record.trust_domain
            );
            return Err(damaged(text.into()));
        }
        let certificate = record.certificate.expose().to_vec();
        let key = KeyPair::try_from(record.key.expose()).map_err(|error| damaged(error.into()))?;
        if !is_certificate_of(&certificate, &key) {
            return Err(damaged("its key is not the one its certificate names".into()));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate.as_slice().into(), key)
            .map_err(|error| damaged(error.into()))?;
        Ok(Self { certificate, issuer, trust_domain: record.trust_domain, lifetimes })
    }

    /// The trust domain of the authority that is stored, if there is one.
    pub(crate) async fn stored_trust_domain(
        store: &dyn Store,
    ) -> Result<Option<TrustDomain>, StoreError> {
        let stored = load_records::<AuthorityRecord>(store).await?.pop();
        Ok(stored.map(|(record, _)| record.trust_domain))
    }

    /// The authority's certificate, DER: what members trust.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The trust domain of every certificate it makes.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// How long the certificates it makes live.
    #[must_use]
    pub fn lifetimes(&self) -> CertificateLifetimes {
        self.lifetimes
    }

    /// The SPIFFE ID members expect of the coordinator.
    pub fn coordinator_id(&self) -> Result<SpiffeId, CertificateError> {
        coordinator_id(&self.trust_domain).map_err(|error| CertificateError::Make(error.into()))
    }

    /// A certificate for a member, over the public key of its request.
    pub(super) fn certify(
        &self,
        principal: &Principal,
        request: &[u8],
        now: UnixTime,
    ) -> Result<Certificate, CertificateError> {
        let public_key = requested_key(request)?;
        let id = principal.id(&self.trust_domain)?;
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        self.leaf(id, &public_key, usage, self.lifetimes.member(), now)
    }

    /// A new key and certificate for the coordinator's listener.
    pub fn certify_coordinator(
        &self,
        now: UnixTime,
    ) -> Result<CoordinatorCertificate, CertificateError> {
        let key = new_key()?;
        let usage = ExtendedKeyUsagePurpose::ServerAuth;
        let lifetime = self.lifetimes.coordinator();
        let leaf = self.leaf(self.coordinator_id()?, &key, usage, lifetime, now)?;
        Ok(CoordinatorCertificate {
            chain: vec![leaf.der, self.certificate.clone()],
            key: Zeroizing::new(key.serialize_der()),
        })
    }

    fn leaf(
        &self,
        id: SpiffeId,
        public_key: &impl PublicKeyData,
        usage: ExtendedKeyUsagePurpose,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<Certificate, CertificateError> {
        let form = LeafForm {
            id,
            usages: vec![usage],
            not_before: now.minus(backdate(lifetime)),
            not_after: now.plus(lifetime),
        };
        make_leaf(&self.issuer, public_key, form, random_serial()?)
    }
}

fn new_authority(
    trust_domain: &TrustDomain,
    now: UnixTime,
) -> Result<AuthorityRecord, CertificateError> {
    let key = new_key()?;
    let form = NewAuthority {
        trust_domain,
        name: format!("Moneyer cluster {trust_domain}"),
        not_before: now.minus(backdate(AUTHORITY_LIFETIME)),
        not_after: now.plus(AUTHORITY_LIFETIME),
    };
    Ok(AuthorityRecord {
        certificate: KeyHandle::new(make_authority(form, &key)?),
        key: KeyHandle::new(key.serialize_der()),
        trust_domain: trust_domain.clone(),
        created_at: now,
    })
}
