//! SPIFFE IDs and trust domains: what is taken is spelled as it was given, is taken apart and put together again, and is
//! what the crate `spiffe` takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moneyer_fuzz::text;
use moneyer_identity::spiffe::{SpiffeId, TrustDomain};

fuzz_target!(|data: &[u8]| {
    let Some(text) = text(data) else { return };
    let domain = TrustDomain::parse(text);
    if let Ok(domain) = &domain {
        assert_eq!(domain.as_str(), text);
        assert_eq!(spiffe::TrustDomain::new(text).expect("they take it").as_str(), text);
    }
    // It folds upper case and has no limits of its own.
    let theirs = spiffe::SpiffeId::new(text).ok().filter(|id| id.to_string() == text);
    let Ok(id) = SpiffeId::parse(text) else {
        let short =
            |id: &spiffe::SpiffeId| id.trust_domain().as_str().len() <= 255 && text.len() <= 2048;
        assert!(!theirs.as_ref().is_some_and(short), "they take it: {text:?}");
        return;
    };
    assert_eq!(id.as_str(), text);
    assert!(text.len() <= 2048);
    assert!(theirs.is_some(), "they refuse it: {text:?}");
    let segments: Vec<&str> = id.segments().collect();
    assert_eq!(SpiffeId::of(id.trust_domain(), &segments).as_ref(), Ok(&id));
});
