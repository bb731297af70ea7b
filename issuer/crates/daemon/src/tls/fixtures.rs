//! Certificates for tests, made on the spot.

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::TlsIdentity;

pub(crate) const SERVER: &str = "spiffe://example.test/coordinator";
pub(crate) const RUNNER: &str = "spiffe://example.test/runner/r1";

pub(crate) struct Authority {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        // Authorities of one name would differ by signature only, which is another error.
        let name = format!("{:?}", &key.public_key_raw()[..8]);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let signed = params.self_signed(&key).unwrap();
        let (certificate, pem) = (signed.der().clone(), signed.pem());
        Self { certificate, pem, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn authorities(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.clone()]
    }

    pub(crate) fn leaf(&self, uris: &[&str]) -> TlsIdentity {
        self.sign(uri_names(uris), (2020, 2120))
    }

    /// An X.509-SVID in every respect.
    pub(crate) fn svid(&self, id: &str) -> TlsIdentity {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.subject_alt_names = uri_names(&[id]);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        TlsIdentity::new(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()),
        )
    }

    pub(crate) fn expired_leaf(&self, uris: &[&str]) -> TlsIdentity {
        self.sign(uri_names(uris), (2020, 2021))
    }

    pub(crate) fn leaf_for_localhost(&self) -> TlsIdentity {
        self.sign(vec![SanType::DnsName("localhost".try_into().unwrap())], (2020, 2120))
    }

    fn sign(&self, names: Vec<SanType>, (from, to): (i32, i32)) -> TlsIdentity {
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        params.subject_alt_names = names;
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        TlsIdentity::new(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()),
        )
    }
}

fn uri_names(uris: &[&str]) -> Vec<SanType> {
    uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect()
}
