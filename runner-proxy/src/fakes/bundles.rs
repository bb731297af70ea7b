//! Trust bundles as a coordinator tells them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use moneyer_identity::spiffe::{TrustBundle, TrustDomain, X509Authority};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

use crate::coordinator::ToldBundle;

/// The document of a domain with one JWT key, the one of RFC 7517 appendix A.1.
pub(crate) const JWKS: &str = r#"{"keys":[{"kty":"EC","use":"jwt-svid","kid":"k","crv":"P-256",
    "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

/// A JWT-SVID with these claims, signed by the key of [`JWKS`].
pub(crate) fn jwt_svid(claims: &serde_json::Value) -> String {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let private = decode("870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE");
    let mut public = vec![4];
    public.extend(decode("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"));
    public.extend(decode("4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"));
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, &public).unwrap();
    let header = r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#;
    let parts = [header.to_owned(), claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
    let input = parts.join(".");
    let signature = key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A bundle with this document.
pub(crate) fn told(trust_domain: &str, document: &str) -> ToldBundle {
    ToldBundle { trust_domain: trust_domain.to_owned(), document: document.to_owned() }
}

/// The certificate of a workload, or one of this name that may sign others.
pub(crate) fn x509_leaf(id: &str, is_authority: bool) -> Vec<u8> {
    let params = leaf_params(id, is_authority);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn leaf_params(id: &str, is_authority: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.subject_alt_names = vec![rcgen::SanType::URI(id.try_into().unwrap())];
    params.is_ca =
        if is_authority { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

/// A bundle with one certificate and no JWT key.
pub(crate) fn with_authority(trust_domain: &str) -> ToldBundle {
    FakeAuthority::told(trust_domain, &[&FakeAuthority::new()])
}

/// An authority that signs X.509-SVIDs.
#[derive(Clone)]
pub(crate) struct FakeAuthority(Arc<CertifiedIssuer<'static, KeyPair>>);

impl fmt::Debug for FakeAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeAuthority(…)")
    }
}

impl FakeAuthority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let name = STANDARD.encode(key.public_key_raw());
        params.distinguished_name.push(DnType::CommonName, name);
        Self(Arc::new(CertifiedIssuer::self_signed(params, key).unwrap()))
    }

    /// The certificate of a workload.
    pub(crate) fn leaf(&self, id: &str) -> Vec<u8> {
        let params = leaf_params(id, false);
        params.signed_by(&KeyPair::generate().unwrap(), &*self.0).unwrap().der().to_vec()
    }

    /// A bundle with these and no JWT key.
    pub(crate) fn told(trust_domain: &str, authorities: &[&Self]) -> ToldBundle {
        let authorities = authorities.iter().map(|one| X509Authority::parse(one.0.der()).unwrap());
        let domain = TrustDomain::parse(trust_domain).unwrap();
        let bundle = TrustBundle::new(domain, authorities.collect(), vec![]).unwrap();
        told(trust_domain, &bundle.to_document())
    }
}
