//! Certificates over signing keys: what stands in them, and how they come to a key's record.
//!
//! A certificate (RFC 5280) is a function of the key and of when it was made: it names the key's
//! thumbprint, is signed by the key itself, and does not expire, since the key set ends a key. rcgen
//! writes it twice: once to learn which bytes are to be signed, and once with their signature, since a
//! signer may be far away and rcgen does not wait.

use std::cell::RefCell;

use moneyer_identity::{Algorithm, KeyCertificate, UnixTime, UnsignedCertificate, VerifyingKey};
use rcgen::{
    CertificateParams, DnType, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256,
    PublicKeyData, SerialNumber, SignatureAlgorithm, SigningKey as RcgenSigner,
};
use time::OffsetDateTime;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::keys::book::Draft;
use crate::keys::error::KeysError;
use crate::keys::record::KeyRecord;
use crate::signer::{KeyHandle, Signer, SignerError, SigningKey};
use crate::store::Cause;

/// 9999-12-31 23:59:59: no end is known (RFC 5280 section 4.1.2.5).
const NO_END: i64 = 253_402_300_799;

/// Bytes of the serial number, of at most 20 (RFC 5280 section 4.1.2.2).
const SERIAL_BYTES: usize = 16;

/// Makes the certificates that keys lack whose private halves are at hand, and tells whether that was
/// news. A key without one is published without.
pub(super) async fn certify_all(signer: &dyn Signer, draft: &mut Draft) -> Result<bool, KeysError> {
    let lacks = |key: &&KeyRecord| key.certificate.is_none() && key.state.may_sign();
    let lacking: Vec<KeyRecord> = draft.records().filter(lacks).cloned().collect();
    let mut news = false;
    for mut record in lacking {
        match certify(signer, &mut record).await {
            // One whose signer is away gets its certificate at a later start.
            Err(KeysError::Certify { cause: SignerError::Unavailable(_), .. }) => continue,
            certified => certified?,
        }
        if let Some(certificate) = record.certificate {
            draft.certify(&record.key_id, certificate);
            news = true;
        }
    }
    Ok(news)
}

/// Gives a record that has none its certificate, signed by its signer.
pub(super) async fn certify(signer: &dyn Signer, record: &mut KeyRecord) -> Result<(), KeysError> {
    let (None, Some(handle)) = (&record.certificate, &record.handle) else { return Ok(()) };
    let made = certificate_of(signer, record, handle).await;
    let made = made.map_err(|cause| KeysError::Certify { key_id: record.key_id.clone(), cause })?;
    record.certificate = Some(made);
    Ok(())
}

async fn certificate_of(
    signer: &dyn Signer,
    record: &KeyRecord,
    handle: &KeyHandle,
) -> Result<KeyCertificate, SignerError> {
    let public = VerifyingKey::from_jwk(&record.public);
    let public = public.map_err(|error| SignerError::Certify(error.into()))?;
    let key = signer.open(&public, handle).await?;
    certificate(&*key, record.created_at).await
}

/// A certificate over an open key.
async fn certificate(
    key: &dyn SigningKey,
    created_at: UnixTime,
) -> Result<KeyCertificate, SignerError> {
    let public = key.verifying_key();
    let unsigned = unsigned(public, created_at).map_err(SignerError::Certify)?;
    let signature = key.sign_certificate(unsigned).await?;
    let (der, _) = written(public, created_at, signature).map_err(SignerError::Certify)?;
    Ok(KeyCertificate::from_der(&der))
}

fn unsigned(key: &VerifyingKey, created_at: UnixTime) -> Result<UnsignedCertificate, Cause> {
    let (_, to_sign) = written(key, created_at, Vec::new())?;
    Ok(UnsignedCertificate::new(to_sign)?)
}

/// The certificate with this signature, and the bytes that it is over.
fn written(
    key: &VerifyingKey,
    created_at: UnixTime,
    signature: Vec<u8>,
) -> Result<(Vec<u8>, Vec<u8>), Cause> {
    let name = key.thumbprint().as_str();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = OffsetDateTime::from_unix_timestamp(created_at.0)?;
    params.not_after = OffsetDateTime::from_unix_timestamp(NO_END)?;
    // Of the thumbprint's text, whose first character is ASCII: positive, and not zero.
    let serial = name.as_bytes().get(..SERIAL_BYTES).ok_or("the thumbprint is too short")?;
    params.serial_number = Some(SerialNumber::from_slice(serial));
    let signer = StandIn::new(key, signature)?;
    let certificate = params.self_signed(&signer)?;
    Ok((certificate.der().to_vec(), signer.over.into_inner()))
}

/// Stands for the private key where rcgen asks for a signature.
struct StandIn {
    public: Vec<u8>,
    algorithm: &'static SignatureAlgorithm,
    signature: Vec<u8>,
    over: RefCell<Vec<u8>>,
}

impl StandIn {
    fn new(key: &VerifyingKey, signature: Vec<u8>) -> Result<Self, Cause> {
        let der = key.to_der()?;
        let (_, parsed) = SubjectPublicKeyInfo::from_der(&der)?;
        let algorithm = match key.algorithm() {
            Algorithm::RS256 => &PKCS_RSA_SHA256,
            Algorithm::ES256 => &PKCS_ECDSA_P256_SHA256,
            Algorithm::EdDsa => &PKCS_ED25519,
        };
        let public = parsed.subject_public_key.data.into_owned();
        Ok(Self { public, algorithm, signature, over: RefCell::default() })
    }
}

impl PublicKeyData for StandIn {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl RcgenSigner for StandIn {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.over.replace(message.to_vec());
        Ok(self.signature.clone())
    }
}
