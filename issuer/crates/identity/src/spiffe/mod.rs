//! SPIFFE: identities, trust bundles and the checks of SVIDs (standards SPIFFE-ID, JWT-SVID, X509-SVID,
//! Trust Domain and Bundle).
//!
//! Parsing is strict where the standard leaves a choice: an upper-case trust domain or scheme is
//! refused rather than folded, because a policy that matched before folding would match something
//! else after it. Nothing is percent-decoded and no path is normalised. An SVID is only ever verified
//! with the bundle of its own trust domain.

mod algorithm;
mod bundle;
mod certificate;
mod id;
mod jwt_svid;
mod pattern;
mod template;
mod trust_domain;
mod x509_svid;

pub use algorithm::SvidAlgorithm;
pub(crate) use bundle::read_key_set;
pub use bundle::{
    BundleMapError, ContentDigest, EntryError, JwtAuthority, MAXIMUM_AUTHORITIES,
    MAXIMUM_BUNDLE_BYTES, MAXIMUM_BUNDLE_MAP_BYTES, TrustBundle, TrustBundleError, TrustBundles,
    X509Authority, X509AuthorityError,
};
pub use certificate::{CertificateError, MAXIMUM_CERTIFICATE_BYTES};
pub use id::{SpiffeId, SpiffeIdError};
pub use jwt_svid::{
    JwtSvidError, JwtSvidRules, MAXIMUM_LEEWAY, RuleError, VerifiedJwtSvid, claimed_trust_domain,
};
pub(crate) use jwt_svid::{token_audiences, token_times};
pub use pattern::{Specificity, SpiffeIdPattern, SpiffeIdPatternError};
pub use template::{SpiffeIdEnding, SpiffeIdTemplate, SpiffeIdTemplateError};
pub use trust_domain::{TrustDomain, TrustDomainError};
pub use x509_svid::{
    ChainError, LeafError, MAXIMUM_CHAIN_CERTIFICATES, VerifiedX509Svid, X509Leaf,
};
