//! Files with keys that were made elsewhere: what can sign can be imported to verify, as the same key, and what was taken
//! is taken again once it was written as PEM.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moneyer_signer::import::{ImportedKey, ImportedPublicKey};

fuzz_target!(|data: &[u8]| {
    let (private, public) = (ImportedKey::parse(data), ImportedPublicKey::parse(data));
    if let Ok(private) = &private {
        assert_eq!(public.as_ref().expect("its public half").key_id(), private.key_id());
    }
    if let Ok(public) = &public {
        let pem = public.verifying_key().to_pem().expect("a key that is taken can be written");
        let again = ImportedPublicKey::parse(pem.as_bytes()).expect("what we write");
        assert_eq!(again.key_id(), public.key_id());
    }
});
