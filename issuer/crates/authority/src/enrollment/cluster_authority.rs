//! The cluster's own X.509 authority: it makes the certificates of its members and of the coordinator.
//!
//! One self-signed P-256 CA, made with the cluster, path length 0, its SPIFFE ID the trust domain's.
//! From a request it takes the public key and nothing else: the identity comes from the join token or
//! from the caller's certificate (Cure53 SPI-01-004: an identity in a CSR is a wish, not a fact).

use std::time::Duration;

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::OID_EC_P256;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

use crate::enrollment::certificate::{Certificate, CertificateError, Principal};
use crate::enrollment::leaf::hex;
use crate::enrollment::lifetimes::{CertificateLifetimes, backdate};
use crate::signer::KeyHandle;
use crate::store::{Change, Collection, Expected, Record, Store, StoreError, load_records};

/// Life of the authority. It is pinned by every member, so replacing it takes a rotation.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Longest request in bytes: one with a P-256 key has about 300.
const MAXIMUM_REQUEST_BYTES: usize = 4096;

/// A P-256 point in the only form RFC 5480 section 2.2 requires: 4, x, y.
const UNCOMPRESSED_POINT_BYTES: usize = 65;

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

fn make(error: rcgen::Error) -> CertificateError {
    CertificateError::Make(error.into())
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
            let record = make_authority(trust_domain, now)
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
        SpiffeId::of(&self.trust_domain, &["moneyer", "coordinator"])
            .map_err(|error| CertificateError::Make(error.into()))
    }

    /// A certificate for a member, over the public key of its request.
    pub(super) fn certify(
        &self,
        principal: &Principal,
        request: &[u8],
        now: UnixTime,
    ) -> Result<Certificate, CertificateError> {
        if request.len() > MAXIMUM_REQUEST_BYTES {
            return Err(CertificateError::Request("it is too long".into()));
        }
        check_curve(request)?;
        // Checks the request's signature by its own key.
        let request = CertificateSigningRequestParams::from_der(&request.into())
            .map_err(|error| CertificateError::Request(error.into()))?;
        if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(CertificateError::Key);
        }
        let id = principal.id(&self.trust_domain)?;
        let usage = ExtendedKeyUsagePurpose::ClientAuth;
        self.leaf(id, &request.public_key, usage, self.lifetimes.member(), now)
    }

    /// A new key and certificate for the coordinator's listener.
    pub fn certify_coordinator(
        &self,
        now: UnixTime,
    ) -> Result<CoordinatorCertificate, CertificateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
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
        let (not_before, not_after) = (now.minus(backdate(lifetime)), now.plus(lifetime));
        let serial = random_serial()?;
        let mut params = params(&id, not_before, not_after)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(public_key, &self.issuer).map_err(make)?;
        let der = certificate.der().to_vec();
        Ok(Certificate { der, id, serial: hex(&serial), not_before, not_after })
    }
}

/// rcgen takes the key's kind from the signature's algorithm, and a P-384 key can sign with SHA-256 too.
fn check_curve(request: &[u8]) -> Result<(), CertificateError> {
    let (rest, request) = X509CertificationRequest::from_der(request)
        .map_err(|error| CertificateError::Request(error.into()))?;
    if !rest.is_empty() {
        return Err(CertificateError::Request("bytes follow it".into()));
    }
    let key = &request.certification_request_info.subject_pki;
    let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
    let is_p256 = curve.is_some_and(|curve| curve == OID_EC_P256);
    if !is_p256 || key.subject_public_key.data.len() != UNCOMPRESSED_POINT_BYTES {
        return Err(CertificateError::Key);
    }
    Ok(())
}

fn is_certificate_of(certificate: &[u8], key: &KeyPair) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| {
        certificate.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
    })
}

fn make_authority(
    trust_domain: &TrustDomain,
    now: UnixTime,
) -> Result<AuthorityRecord, CertificateError> {
    let id = SpiffeId::of(trust_domain, &[]);
    let id = id.map_err(|error| CertificateError::Make(error.into()))?;
    let mut params =
        params(&id, now.minus(backdate(AUTHORITY_LIFETIME)), now.plus(AUTHORITY_LIFETIME))?;
    params.distinguished_name.push(DnType::CommonName, format!("Moneyer cluster {trust_domain}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from_slice(&random_serial()?));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
    let certificate = params.self_signed(&key).map_err(make)?;
    Ok(AuthorityRecord {
        certificate: KeyHandle::new(certificate.der().to_vec()),
        key: KeyHandle::new(key.serialize_der()),
        trust_domain: trust_domain.clone(),
        created_at: now,
    })
}

fn params(
    id: &SpiffeId,
    not_before: UnixTime,
    not_after: UnixTime,
) -> Result<CertificateParams, CertificateError> {
    let time = |at: UnixTime| {
        OffsetDateTime::from_unix_timestamp(at.0)
            .map_err(|error| CertificateError::Make(error.into()))
    };
    let uri = id.as_str().try_into().map_err(make)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.not_before = time(not_before)?;
    params.not_after = time(not_after)?;
    Ok(params)
}

/// 16 random bytes, the first neither zero nor negative (RFC 5280 section 4.1.2.2).
fn random_serial() -> Result<[u8; 16], CertificateError> {
    let mut serial = [0_u8; 16];
    getrandom::fill(&mut serial).map_err(|error| CertificateError::Make(error.into()))?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(serial)
}
