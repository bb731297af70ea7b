//! The head: what the store holds, in one authenticated line, written with every batch.
//!
//! It counts the records and adds up a keyed hash of each (a multiset hash: order does not matter, and a
//! change costs one subtraction and one addition). A record that is missing, changed, added or put back
//! makes another sum. The head names the one before it, so that a catalogue that lacks exactly the last
//! batch is told from one that lacks more.

use super::identity::Identity;

/// Bytes of an encoded head.
const BYTES: usize = 8 + 8 + 8 + 32 + 32;

/// A sum of 256-bit hashes, modulo 2^256, the least significant limb first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SetHash([u64; 4]);

impl SetHash {
    /// The hash of one record.
    pub(crate) fn of(identity: &Identity, key: &[u8], envelope: &[u8]) -> Self {
        let tag = identity.tag(&[b"record", key, envelope]);
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(tag.chunks_exact(8)) {
            let mut fixed = [0; 8];
            fixed.copy_from_slice(bytes);
            *limb = u64::from_be_bytes(fixed);
        }
        Self(limbs)
    }

    pub(crate) fn add(&mut self, other: Self) {
        let mut carry = false;
        for (limb, add) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = limb.overflowing_add(add);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }

    pub(crate) fn subtract(&mut self, other: Self) {
        let mut borrow = false;
        for (limb, subtract) in self.0.iter_mut().zip(other.0) {
            let (rest, first) = limb.overflowing_sub(subtract);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (rest, first || second);
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&limb.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut fixed = [0; 8];
            fixed.copy_from_slice(chunk);
            *limb = u64::from_be_bytes(fixed);
        }
        Self(limbs)
    }
}

/// What a store holds after a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// The generation of the last commit in it.
    pub(crate) generation: u64,
    /// The generation of the head before this one.
    pub(crate) previous: u64,
    /// Records.
    pub(crate) count: u64,
    /// The sum of their hashes.
    pub(crate) hash: SetHash,
}

impl Head {
    /// The bytes, authenticated.
    pub(crate) fn encode(&self, identity: &Identity) -> Vec<u8> {
        let mut bytes = self.body();
        let tag = identity.tag(&[b"head", &bytes]);
        bytes.extend_from_slice(&tag);
        bytes
    }

    /// The head of these bytes; `None` if they are not this store's.
    pub(crate) fn decode(bytes: &[u8], identity: &Identity) -> Option<Self> {
        if bytes.len() != BYTES {
            return None;
        }
        let (body, tag) = bytes.split_last_chunk::<32>()?;
        if !identity.is_tag(&[b"head", body], tag) {
            return None;
        }
        Self::of_body(body)
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&self.generation.to_be_bytes());
        bytes.extend_from_slice(&self.previous.to_be_bytes());
        bytes.extend_from_slice(&self.count.to_be_bytes());
        bytes.extend_from_slice(&self.hash.to_bytes());
        bytes
    }

    pub(crate) fn of_body(body: &[u8]) -> Option<Self> {
        let (generation, rest) = body.split_first_chunk::<8>()?;
        let (previous, rest) = rest.split_first_chunk::<8>()?;
        let (count, rest) = rest.split_first_chunk::<8>()?;
        let (hash, []) = rest.split_first_chunk::<32>()? else { return None };
        Some(Self {
            generation: u64::from_be_bytes(*generation),
            previous: u64::from_be_bytes(*previous),
            count: u64::from_be_bytes(*count),
            hash: SetHash::from_bytes(hash),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_does_not_depend_on_order_and_can_be_taken_back() {
        let identity = Identity::random("test").unwrap();
        let [a, b] = [b"a", b"b"].map(|key| SetHash::of(&identity, key, b"x"));
        let (mut one, mut other) = (SetHash::default(), SetHash::default());
        one.add(a);
        one.add(b);
        other.add(b);
        other.add(a);
        assert_eq!(one, other);
        one.subtract(a);
        assert_eq!(one, b);
        one.subtract(b);
        assert_eq!(one, SetHash::default());
        one.subtract(a);
        one.add(a);
        assert_eq!(one, SetHash::default(), "across zero");
        assert_eq!(SetHash::from_bytes(&a.to_bytes()), a);
    }

    #[test]
    fn every_flipped_bit_of_a_head_is_found() {
        let identity = Identity::random("test").unwrap();
        let head = Head { generation: 7, previous: 5, count: 3, hash: SetHash::default() };
        let bytes = head.encode(&identity);
        assert_eq!(Head::decode(&bytes, &identity), Some(head));
        for place in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[place / 8] ^= 1 << (place % 8);
            assert_eq!(Head::decode(&flipped, &identity), None, "bit {place}");
        }
        assert_eq!(
            Head::decode(&bytes, &Identity::random("test").unwrap()),
            None,
            "another store's"
        );
    }
}
