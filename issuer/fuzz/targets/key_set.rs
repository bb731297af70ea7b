//! Key sets: what is taken can be found by its `kid`, and is the same key after it was written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moneyer_identity::{KeySet, VerifyingKey};

fuzz_target!(|data: &[u8]| {
    let Ok(keys) = KeySet::parse(data) else { return };
    for key in keys.iter() {
        assert_eq!(keys.find(key.key_id()).map(VerifyingKey::thumbprint), Some(key.thumbprint()));
        let again = VerifyingKey::from_jwk(key.jwk()).expect("what we write");
        assert_eq!(again.thumbprint(), key.thumbprint());
        assert_eq!(again.algorithm(), key.algorithm());
        key.to_pem().expect("a key that is taken can be written");
    }
});
