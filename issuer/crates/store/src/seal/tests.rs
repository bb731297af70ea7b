use proptest::prelude::*;

use super::*;
use crate::seal::seals::SALT_BYTES;

const PLACE: Place<'_> = Place { cluster: "prod-1", record: "keys/abc", generation: 42 };

fn kek(first: u8) -> KeyEncryptionKey {
    KeyEncryptionKey::from_bytes(std::array::from_fn(|at| first + u8::try_from(at).unwrap()))
        .unwrap()
}

fn seals(first: u8) -> Seals {
    Seals::new(kek(first), Vec::new()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    bytes.iter().flat_map(digits).flatten().collect()
}

// Values made with another implementation: HKDF and AESGCM of the Python package `cryptography`.
#[test]
fn a_seal_is_the_documented_bytes() {
    let salt: [u8; SALT_BYTES] = std::array::from_fn(|at| 0x80 + u8::try_from(at).unwrap());
    let sealed = seals(0).seal_with(&salt, &PLACE, b"a private key").unwrap();
    let expected = "011a9361651a49b1ddfbb334ce6d51b3c3\
                    808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f\
                    8c3f01e22fbc630dfc2599c86d47f702e2c4ee31338970c016019ddb82";
    assert_eq!(hex(&sealed), expected);
    assert_eq!(kek(0).id().to_string(), "1a9361651a49b1ddfbb334ce6d51b3c3");
    let derived = "d88fd226a275c933203e23231988909f58e524160d9e9c2a141fd9156c954344";
    assert_eq!(hex(&*kek(0).derive("manifest")), derived);
    assert_eq!(*seals(0).open(&PLACE, &sealed).unwrap(), b"a private key");
}

#[test]
fn two_seals_of_the_same_bytes_share_nothing() {
    let seals = seals(0);
    let (one, other) = (seals.seal(&PLACE, &[0; 64]), seals.seal(&PLACE, &[0; 64]));
    assert_ne!(one.unwrap()[17..], other.unwrap()[17..]);
}

#[test]
fn every_flipped_bit_cut_and_extra_byte_is_refused() {
    let seals = seals(0);
    let whole = seals.seal(&PLACE, b"secret").unwrap();
    for place in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[place / 8] ^= 1 << (place % 8);
        assert!(seals.open(&PLACE, &bytes).is_err(), "bit {place}");
    }
    for length in 0..whole.len() {
        assert!(seals.open(&PLACE, &whole[..length]).is_err(), "{length}");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert!(matches!(seals.open(&PLACE, &longer), Err(SealError::Refused { .. })));
}

#[test]
fn a_record_opens_in_its_own_place_only() {
    let seals = seals(0);
    let sealed = seals.seal(&PLACE, b"secret").unwrap();
    let elsewhere = [
        Place { cluster: "prod-2", ..PLACE },
        Place { record: "keys/abd", ..PLACE },
        Place { generation: 41, ..PLACE },
        // The same letters, divided otherwise.
        Place { cluster: "prod-1k", record: "eys/abc", ..PLACE },
    ];
    for place in elsewhere {
        let refused = seals.open(&place, &sealed);
        assert!(matches!(refused, Err(SealError::Refused { .. })), "{place:?}");
    }
}

// F30.
#[test]
fn older_keys_open_and_the_current_one_seals() {
    let before = seals(0).seal(&PLACE, b"secret").unwrap();
    let both = Seals::new(kek(1), vec![kek(0)]).unwrap();
    assert_eq!(*both.open(&PLACE, &before).unwrap(), b"secret");
    let after = both.seal(&PLACE, b"secret").unwrap();
    assert_eq!(Seals::sealed_by(&before), Some(kek(0).id()));
    assert_eq!(Seals::sealed_by(&after), Some(both.current_id()));
    assert_eq!(Seals::sealed_by(b"{\"a\":\"plain record\"}"), None);
    let lost = seals(1).open(&PLACE, &before).unwrap_err();
    assert!(lost.to_string().contains(&kek(0).id().to_string()), "{lost}");
    assert!(matches!(lost, SealError::UnknownKey { needed } if needed == kek(0).id()));
}

// Case 171.
#[test]
fn zeros_and_the_same_key_twice_are_refused() {
    assert_eq!(KeyEncryptionKey::from_bytes([0; 32]).err(), Some(ZeroKey));
    for (current, older) in [(0, vec![0]), (0, vec![1, 2, 1]), (2, vec![1, 2])] {
        let refused = Seals::new(kek(current), older.into_iter().map(kek).collect());
        assert!(matches!(refused, Err(SealError::SameKey(_))), "{current}");
    }
}

#[test]
fn no_key_is_shown() {
    let shown = format!("{:?} {:?}", kek(0), Seals::new(kek(1), vec![kek(2)]).unwrap());
    for first in 0..3 {
        assert!(shown.contains(&kek(first).id().to_string()), "{shown}");
        let beginning: String = kek(first).hex_line().chars().take(8).collect();
        assert!(!shown.contains(&beginning), "{shown}");
    }
    assert!(!shown.contains("0, 1, 2"), "{shown}");
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        plain in proptest::collection::vec(any::<u8>(), 0..600),
        cluster in ".{0,20}",
        record in ".{0,20}",
        generation: u64,
    ) {
        let place = Place { cluster: &cluster, record: &record, generation };
        let sealed = seals(0).seal(&place, &plain).unwrap();
        prop_assert_eq!(sealed.len(), 1 + 16 + 32 + plain.len() + 16);
        prop_assert_eq!(&*seals(0).open(&place, &sealed).unwrap(), &plain);
        prop_assert!(seals(1).open(&place, &sealed).is_err());
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(seals(0).open(&PLACE, &bytes).is_err());
        let named = [&[1][..], kek(0).id().as_bytes(), &bytes].concat();
        prop_assert!(seals(0).open(&PLACE, &named).is_err());
    }

    #[test]
    fn any_change_is_refused(at: prop::sample::Index, by in 1_u8..) {
        let mut sealed = seals(0).seal(&PLACE, b"a private key").unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= by;
        prop_assert!(seals(0).open(&PLACE, &sealed).is_err());
    }
}
