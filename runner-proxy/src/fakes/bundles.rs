//! Trust bundles as a coordinator tells them.

use moneyer_identity::spiffe::{TrustBundle, TrustDomain, X509Authority};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose};

use crate::coordinator::ToldBundle;

/// The document of a domain with one JWT key, the one of RFC 7517 appendix A.1.
pub(crate) const JWKS: &str = r#"{"keys":[{"kty":"EC","use":"jwt-svid","kid":"k","crv":"P-256",
    "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

/// A bundle with this document.
pub(crate) fn told(trust_domain: &str, document: &str) -> ToldBundle {
    ToldBundle { trust_domain: trust_domain.to_owned(), document: document.to_owned() }
}

/// A bundle with one certificate and no JWT key.
pub(crate) fn with_authority(trust_domain: &str) -> ToldBundle {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
    let authority = X509Authority::parse(certificate.der()).unwrap();
    let domain = TrustDomain::parse(trust_domain).unwrap();
    let bundle = TrustBundle::new(domain, vec![authority], vec![]).unwrap();
    told(trust_domain, &bundle.to_document())
}
