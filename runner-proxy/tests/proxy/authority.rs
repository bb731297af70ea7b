//! The SPIFFE authority of a trust domain: a CA, a key of JWT-SVIDs, and their bundle.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use moneyer_identity::{Clock as _, SystemClock};
use moneyer_proto::v1;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::CertificateSigningRequestDer;
use serde_json::{Value, json};

pub(crate) struct Authority {
    trust_domain: String,
    key_id: String,
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    key: EcdsaKeyPair,
}

impl Authority {
    /// A new one, whose JWT key has this id.
    pub(crate) fn new(trust_domain: &str, key_id: &str) -> Self {
        let mut params = CertificateParams::default();
        let id = format!("spiffe://{trust_domain}");
        params.subject_alt_names = vec![SanType::URI(id.as_str().try_into().unwrap())];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().to_vec();
        let issuer = Issuer::new(params, key);
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let (trust_domain, key_id) = (trust_domain.to_owned(), key_id.to_owned());
        Self { trust_domain, key_id, certificate, issuer, key }
    }

    /// The CA certificate, DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// An X.509-SVID over the key of this request.
    pub(crate) fn x509_svid(&self, id: &str, request: Vec<u8>) -> Vec<u8> {
        let request = CertificateSigningRequestDer::from(request);
        let request = CertificateSigningRequestParams::from_der(&request).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.signed_by(&request.public_key, &self.issuer).unwrap().der().to_vec()
    }

    /// A JWT-SVID for these audiences.
    pub(crate) fn jwt_svid(&self, id: &str, audience: &[String], life: Duration) -> String {
        let now = SystemClock.now();
        let claims = json!({
            "sub": id, "aud": audience, "exp": now.plus(life).0, "iat": now.0, "iss": "https://id.test",
        });
        self.signed(&json!({ "alg": "ES256", "kid": self.key_id, "typ": "JWT" }), &claims)
    }

    /// A token with this header and these claims.
    pub(crate) fn signed(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Its bundle.
    pub(crate) fn bundle(&self) -> v1::TrustBundle {
        let point = self.key.public_key().as_ref();
        // 4: both coordinates follow (SEC 1, section 2.3.3).
        let (x, y) = point.strip_prefix(&[4]).unwrap().split_at(32);
        let document = json!({
            "keys": [
                { "kty": "EC", "use": "x509-svid", "x5c": [STANDARD.encode(&self.certificate)] },
                {
                    "kty": "EC", "use": "jwt-svid", "kid": self.key_id, "crv": "P-256",
                    "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
                },
            ],
            "spiffe_sequence": 1,
        });
        let document = document.to_string().into_bytes();
        v1::TrustBundle { trust_domain: self.trust_domain.clone(), document }
    }
}
