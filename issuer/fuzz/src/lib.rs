//! What the fuzz targets share.
//!
//! A target is given bytes and states a law that holds for all of them: what is refused is refused without a panic, and
//! what is taken means what it says. Whatever follows a signature is out of a fuzzer's reach, so [`forge`] signs what it
//! makes up with a key that is known.

pub mod forge;

use std::sync::LazyLock;

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{
    JwtAuthority, TrustBundle, TrustBundles, TrustDomain, X509Authority,
};

/// When everything happens: in the middle of the life of what is in `seeds`.
pub const NOW: UnixTime = UnixTime(1_800_000_000);

/// Text, where it is: parsers of text are given no other.
pub fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// Two parts, around the first line feed.
pub fn two(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = data.iter().position(|byte| *byte == b'\n')?;
    Some((&data[..at], &data[at + 1..]))
}

/// The trust domain whose keys [`forge`] has.
pub fn trust_domain() -> TrustDomain {
    TrustDomain::parse("fuzz.example").expect("it is a trust domain")
}

/// The bundle of it, made once: reading it takes longer than what is tried.
static BUNDLES: LazyLock<TrustBundles> = LazyLock::new(|| {
    let key = JwtAuthority::of_key(&forge::verifying_key()).expect("P-256 signs JWT-SVIDs");
    let authority = X509Authority::parse(forge::AUTHORITY).expect("it is an authority");
    let bundle = TrustBundle::new(trust_domain(), vec![authority], vec![key]);
    let mut bundles = TrustBundles::default();
    bundles.insert(bundle.expect("it is a bundle"));
    bundles
});

/// The bundle of it.
pub fn bundles() -> &'static TrustBundles {
    &BUNDLES
}
