//! How an authority and a leaf are written.

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::x509::error::CertificateError;

/// A certificate just made.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// X.509, DER.
    pub der: Vec<u8>,
    /// The SPIFFE ID in it.
    pub id: SpiffeId,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// First second it is valid.
    pub not_before: UnixTime,
    /// First second it is no longer valid.
    pub not_after: UnixTime,
}

/// What a leaf says.
pub(crate) struct LeafForm {
    /// Whom it names.
    pub(crate) id: SpiffeId,
    /// What it may be shown for.
    pub(crate) usages: Vec<ExtendedKeyUsagePurpose>,
    /// From when it is valid.
    pub(crate) not_before: UnixTime,
    /// Until when.
    pub(crate) not_after: UnixTime,
}

/// What an authority says.
pub(crate) struct NewAuthority<'a> {
    /// Whose.
    pub(crate) trust_domain: &'a TrustDomain,
    /// What people read: its common name.
    pub(crate) name: String,
    /// From when it is valid.
    pub(crate) not_before: UnixTime,
    /// Until when.
    pub(crate) not_after: UnixTime,
}

/// An error of the library.
fn make_failed(error: rcgen::Error) -> CertificateError {
    CertificateError::Make(error.into())
}

/// A new P-256 key.
pub(crate) fn new_key() -> Result<KeyPair, CertificateError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make_failed)
}

/// A self-signed authority over this key, DER.
pub(crate) fn make_authority(
    form: NewAuthority<'_>,
    key: &KeyPair,
) -> Result<Vec<u8>, CertificateError> {
    let id = SpiffeId::of(form.trust_domain, &[]);
    let id = id.map_err(|error| CertificateError::Make(error.into()))?;
    let mut params = params(&id, form.not_before, form.not_after)?;
    params.distinguished_name.push(DnType::CommonName, form.name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from_slice(&random_serial()?));
    let certificate = params.self_signed(key).map_err(make_failed)?;
    Ok(certificate.der().to_vec())
}

/// A leaf over a public key.
pub(crate) fn make_leaf(
    issuer: &Issuer<'_, KeyPair>,
    public_key: &impl PublicKeyData,
    form: LeafForm,
    serial: [u8; 16],
) -> Result<Certificate, CertificateError> {
    let LeafForm { id, usages, not_before, not_after } = form;
    let mut params = params(&id, not_before, not_after)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages;
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(public_key, issuer).map_err(make_failed)?;
    let der = certificate.der().to_vec();
    Ok(Certificate { der, id, serial: hex(&serial), not_before, not_after })
}

/// 16 random bytes, the first neither zero nor negative (RFC 5280 section 4.1.2.2).
pub(crate) fn random_serial() -> Result<[u8; 16], CertificateError> {
    let mut serial = [0_u8; 16];
    getrandom::fill(&mut serial).map_err(|error| CertificateError::Make(error.into()))?;
    if let Some(first) = serial.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(serial)
}

/// Whether a certificate is over this key.
pub(crate) fn is_certificate_of(certificate: &[u8], key: &KeyPair) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| {
        certificate.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
    })
}

/// Bytes as lower-case hexadecimal, leading zero bytes dropped, as DER adds one to keep a serial
/// number positive.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().skip_while(|&&byte| byte == 0).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
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
    let uri = id.as_str().try_into().map_err(make_failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.not_before = time(not_before)?;
    params.not_after = time(not_after)?;
    Ok(params)
}
