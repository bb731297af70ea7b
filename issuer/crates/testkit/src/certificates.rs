//! Certificate requests and certificates as a member, or an attacker, would bring them.

#![expect(clippy::missing_panics_doc, reason = "what cannot be made fails the test")]
#![expect(clippy::expect_used, reason = "what cannot be made fails the test")]

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CustomExtension,
    DistinguishedName, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, SanType, SerialNumber,
};
use time::OffsetDateTime;

use moneyer_identity::UnixTime;

use crate::clock::START;
use crate::fixture_key::FixtureKey;

/// A certificate request, and the key it is for.
#[derive(Debug)]
pub struct MemberRequest {
    /// PKCS#10, DER.
    pub der: Vec<u8>,
    /// The raw public key, for comparing with what was certified.
    pub public_key: Vec<u8>,
}

impl MemberRequest {
    /// A fresh P-256 key, no name at all: what a runner sends.
    #[must_use]
    pub fn p256() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a P-256 key");
        Self::of(&key, &nameless())
    }

    /// A P-256 key, and everything in the request that a member could wish for: a name, SANs, a CA's
    /// rights, a server's usage.
    #[must_use]
    pub fn wishing_for(uri: &str) -> Self {
        let mut params = nameless();
        params.distinguished_name.push(rcgen::DnType::CommonName, "coordinator");
        let dns = "coordinator.example.com".try_into().expect("a DNS name");
        params.subject_alt_names =
            vec![SanType::URI(uri.try_into().expect("ASCII")), SanType::DnsName(dns)];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a P-256 key");
        Self::of(&key, &params)
    }

    /// An RSA key.
    #[must_use]
    pub fn rsa() -> Self {
        let der = FixtureKey::RSA_2048_A.pkcs8();
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&der.as_slice().into(), &PKCS_RSA_SHA256);
        Self::of(&key.expect("an RSA key"), &nameless())
    }

    /// A P-384 key that signs with SHA-384.
    #[must_use]
    pub fn p384() -> Self {
        let der = FixtureKey::P384.pkcs8();
        let key =
            KeyPair::from_pkcs8_der_and_sign_algo(&der.as_slice().into(), &PKCS_ECDSA_P384_SHA384);
        Self::of(&key.expect("a P-384 key"), &nameless())
    }

    /// A P-384 key that signs with SHA-256, the digest P-256 keys sign with. Made by OpenSSL.
    #[must_use]
    pub fn p384_with_sha256() -> Self {
        let key = openssl::pkey::PKey::private_key_from_pem(FixtureKey::P384.pem().as_bytes())
            .expect("a P-384 key");
        let mut request = openssl::x509::X509Req::builder().expect("a request");
        request.set_pubkey(&key).expect("its key");
        request.sign(&key, openssl::hash::MessageDigest::sha256()).expect("a signature");
        let der = request.build().to_der().expect("DER");
        Self { der, public_key: Vec::new() }
    }

    /// A P-256 request whose signature is not its key's.
    #[must_use]
    pub fn badly_signed() -> Self {
        let mut request = Self::p256();
        if let Some(last) = request.der.last_mut() {
            *last ^= 1;
        }
        request
    }

    fn of(key: &KeyPair, params: &CertificateParams) -> Self {
        let request = params.serialize_request(key).expect("a request");
        Self { der: request.der().to_vec(), public_key: key.public_key_raw().to_vec() }
    }
}

fn nameless() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
}

/// What a leaf of a [`TestCa`] says.
#[derive(Debug, Clone)]
pub struct LeafForm {
    /// URI names.
    pub uris: Vec<String>,
    /// DNS names.
    pub dns: Vec<String>,
    /// Serial number, positive, big-endian.
    pub serial: Vec<u8>,
    /// First second it is valid.
    pub not_before: UnixTime,
    /// Last second it is valid.
    pub not_after: UnixTime,
    /// Whether it may sign certificates.
    pub authority: bool,
    /// Whether it claims `keyCertSign` without being an authority.
    pub signs_certificates: bool,
    /// An extension as it stands: object identifier and DER.
    pub extension: Option<(Vec<u64>, Vec<u8>)>,
}

impl Default for LeafForm {
    fn default() -> Self {
        Self {
            uris: Vec::new(),
            dns: Vec::new(),
            serial: vec![0x42],
            not_before: START.minus(std::time::Duration::from_secs(60)),
            not_after: START.plus(std::time::Duration::from_secs(24 * 3600)),
            authority: false,
            signs_certificates: false,
            extension: None,
        }
    }
}

/// A certificate authority that is nobody's.
#[derive(Debug)]
pub struct TestCa {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, PEM.
    pub pem: String,
    /// The same, DER.
    pub der: Vec<u8>,
}

impl Default for TestCa {
    fn default() -> Self {
        let mut params = nameless();
        params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a P-256 key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let (pem, der) = (certificate.pem(), certificate.der().to_vec());
        Self { issuer: Issuer::new(params, key), pem, der }
    }
}

impl TestCa {
    /// A leaf that says this, DER.
    #[must_use]
    pub fn leaf(&self, form: &LeafForm) -> Vec<u8> {
        let mut params = nameless();
        let uris = form.uris.iter().map(|uri| SanType::URI(text(uri)));
        let dns = form.dns.iter().map(|name| SanType::DnsName(text(name)));
        params.subject_alt_names = uris.chain(dns).collect();
        params.serial_number = Some(SerialNumber::from_slice(&form.serial));
        params.not_before = time(form.not_before);
        params.not_after = time(form.not_after);
        params.is_ca = if form.authority {
            IsCa::Ca(BasicConstraints::Constrained(0))
        } else {
            IsCa::ExplicitNoCa
        };
        if form.signs_certificates {
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        }
        if let Some((id, der)) = &form.extension {
            params.custom_extensions = vec![CustomExtension::from_oid_content(id, der.clone())];
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a P-256 key");
        params.signed_by(&key, &self.issuer).expect("a certificate").der().to_vec()
    }
}

impl TestCa {
    /// A web server's certificate for this host, valid in these years, and its key: DER and PKCS#8.
    #[must_use]
    pub fn server(&self, host: &str, (from, to): (i32, i32)) -> (Vec<u8>, Vec<u8>) {
        let mut params = nameless();
        params.subject_alt_names = vec![SanType::DnsName(text(host))];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a P-256 key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.der().to_vec(), key.serialize_der())
    }

    /// An X.509-SVID with this SPIFFE ID, valid for a century, and its key: DER and PKCS#8.
    #[must_use]
    pub fn svid(&self, id: &str) -> (Vec<u8>, Vec<u8>) {
        self.svid_within(id, (2020, 2120))
    }

    /// The same, valid in these years.
    #[must_use]
    pub fn svid_within(&self, id: &str, (from, to): (i32, i32)) -> (Vec<u8>, Vec<u8>) {
        let mut params = nameless();
        params.distinguished_name.push(rcgen::DnType::CommonName, "server");
        params.subject_alt_names = vec![SanType::URI(text(id))];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a P-256 key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.der().to_vec(), key.serialize_der())
    }

    /// The same as two files hold it, valid to the second: PEM both.
    #[must_use]
    pub fn server_files(&self, host: &str, (from, to): (UnixTime, UnixTime)) -> (String, String) {
        let mut params = nameless();
        params.subject_alt_names = vec![SanType::DnsName(text(host))];
        params.not_before = time(from);
        params.not_after = time(to);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a P-256 key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// A chain in PEM for the key of a certificate request, if that asks for this host and nothing else and
    /// is signed by its key.
    #[must_use]
    pub fn certify(
        &self,
        request: &[u8],
        host: &str,
        (from, to): (UnixTime, UnixTime),
    ) -> Option<String> {
        let mut request = CertificateSigningRequestParams::from_der(&request.into()).ok()?;
        if request.params.subject_alt_names != [SanType::DnsName(text(host))] {
            return None;
        }
        request.params.not_before = time(from);
        request.params.not_after = time(to);
        let certificate = request.signed_by(&self.issuer).expect("a certificate");
        Some(format!("{}{}", certificate.pem(), self.pem))
    }
}

fn text(text: &str) -> rcgen::string::Ia5String {
    text.try_into().expect("ASCII")
}

fn time(at: UnixTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.0).expect("a time")
}
