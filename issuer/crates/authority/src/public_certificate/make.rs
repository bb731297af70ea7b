//! Keys, the request for a certificate, and the certificate that answers a challenge.

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, SanType,
};

use crate::enrollment::CertificateError;
use crate::signer::KeyHandle;

/// A certificate that nobody trusts, which shows an ACME server that this is the host it asks about.
#[derive(Debug)]
pub struct ChallengeCertificate {
    /// DER.
    pub certificate: Vec<u8>,
    /// Its key, PKCS#8.
    pub key: KeyHandle,
}

fn make(error: rcgen::Error) -> CertificateError {
    CertificateError::Make(error.into())
}

fn params(host: &str) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::DnsName(host.try_into().map_err(make)?)];
    Ok(params)
}

/// A new key for a certificate: P-256, PKCS#8.
pub fn new_key() -> Result<KeyHandle, CertificateError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
    Ok(KeyHandle::new(key.serialize_der()))
}

/// The request for a certificate of this host and key: PKCS#10, DER.
pub fn certificate_request(host: &str, key: &KeyHandle) -> Result<Vec<u8>, CertificateError> {
    let key = KeyPair::try_from(key.expose()).map_err(make)?;
    let request = params(host)?.serialize_request(&key).map_err(make)?;
    Ok(request.der().to_vec())
}

/// The answer to a challenge (RFC 8737 section 3): the host as the only name, and the SHA-256 of the key
/// authorization in an extension that is critical.
pub fn challenge_certificate(
    host: &str,
    digest: &[u8],
) -> Result<ChallengeCertificate, CertificateError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
    let mut params = params(host)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key).map_err(make)?;
    Ok(ChallengeCertificate {
        certificate: certificate.der().to_vec(),
        key: KeyHandle::new(key.serialize_der()),
    })
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer as _, X509Certificate};

    use super::*;

    #[test]
    fn an_answer_has_one_name_and_the_digest_in_a_critical_extension() {
        let made = challenge_certificate("id.example.com", &[7; 32]).unwrap();
        let (_, read) = X509Certificate::from_der(&made.certificate).unwrap();
        let names = read.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 1);
        let found =
            read.extensions().iter().find(|one| one.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
        let found = found.unwrap();
        assert!(found.critical);
        // An OCTET STRING of 32 bytes.
        assert_eq!(found.value, [&[4, 32][..], &[7; 32]].concat());
    }

    #[test]
    fn what_is_no_host_name_gets_no_request() {
        let key = new_key().unwrap();
        certificate_request("id.example.com", &key).unwrap();
        assert!(certificate_request("zürich.example", &key).is_err());
        assert!(certificate_request("id.example.com", &KeyHandle::new(vec![1])).is_err());
    }
}
