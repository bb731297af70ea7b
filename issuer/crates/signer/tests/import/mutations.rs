//! Bytes that change, go, come and move: never a panic, and never another key.

use moneyer_signer::import::{ImportedKey, ImportedPublicKey};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::files::{folder, key_of};

/// Files that hold the private half alone: no reader can tell one such key from another. Whoever
/// imports one compares its thumbprint.
const BARE: [&str; 9] = [
    "ec-p256-a.no-public.pem",
    "ec-p256-a.no-public.pkcs8.pem",
    "ed25519-a.bom.pem",
    "ed25519-a.crlf.pem",
    "ed25519-a.go.pem",
    "ed25519-a.pkcs12.pem",
    "ed25519-a.pkcs8.der",
    "ed25519-a.pkcs8.pem",
    "ed25519-a.unwrapped.pem",
];

/// One change of a file.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    Cut(Index),
    Swap(Index, Index),
    Repeat(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        at().prop_map(Change::Remove),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        at().prop_map(Change::Cut),
        (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
        (at(), at()).prop_map(|(from, to)| Change::Repeat(from, to)),
    ]
}

fn apply(file: &mut Vec<u8>, change: &Change) {
    if file.is_empty() {
        return;
    }
    let length = file.len();
    match change {
        Change::Set(at, byte) => file[at.index(length)] = *byte,
        Change::Flip(at, bit) => file[at.index(length)] ^= 1 << bit,
        Change::Remove(at) => {
            file.remove(at.index(length));
        }
        Change::Insert(at, byte) => file.insert(at.index(length), *byte),
        Change::Cut(at) => file.truncate(at.index(length)),
        Change::Swap(one, other) => file.swap(one.index(length), other.index(length)),
        Change::Repeat(from, to) => {
            let (from, to) = (from.index(length), to.index(length));
            let piece = file[from.min(to)..from.max(to)].to_vec();
            file.splice(to..to, piece);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_changed_file_gives_the_same_key_or_none(
        file in any::<Index>(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let files = folder("good");
        let (name, mut bytes) = files[file.index(files.len())].clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        let (signs, verifies) = (ImportedKey::parse(&bytes), ImportedPublicKey::parse(&bytes));
        if !BARE.contains(&name.as_str()) {
            let expected = key_of(&name).verifying_key();
            if let Ok(key) = signs {
                prop_assert_eq!(key.key_id(), expected.thumbprint(), "{}", &name);
            }
            if let Ok(key) = verifies {
                prop_assert_eq!(key.key_id(), expected.thumbprint(), "{}", &name);
            }
        }
    }

    #[test]
    fn a_changed_public_or_bad_file_is_no_panic(
        file in any::<Index>(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let files: Vec<_> = folder("public").into_iter().chain(folder("refused")).collect();
        let (_, mut bytes) = files[file.index(files.len())].clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        let taken = (ImportedKey::parse(&bytes).is_ok(), ImportedPublicKey::parse(&bytes).is_ok());
        // What signs verifies.
        prop_assert!(!taken.0 || taken.1);
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(ImportedKey::parse(&bytes).is_err());
        prop_assert!(ImportedPublicKey::parse(&bytes).is_err());
    }
}

/// Every bit of the smaller files, one at a time.
#[test]
fn no_bit_of_a_file_makes_another_key() {
    for (name, bytes) in folder("good") {
        if bytes.len() > 500 || BARE.contains(&name.as_str()) {
            continue;
        }
        let expected = key_of(&name).verifying_key();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(key) = ImportedKey::parse(&changed) {
                assert_eq!(key.key_id(), expected.thumbprint(), "{name} bit {bit}");
            }
        }
    }
}

/// What the others are spared: without a second half nothing can be compared.
#[test]
fn a_file_of_a_private_half_alone_cannot_be_told_from_another() {
    let name = "ed25519-a.pkcs8.der";
    let (_, mut bytes) = folder("good").into_iter().find(|(file, _)| file == name).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let other = ImportedKey::parse(&bytes).unwrap();
    assert_ne!(other.key_id(), key_of(name).verifying_key().thumbprint());
}
