//! Which key signs a token.
//!
//! One of the algorithm which the audience's profile asks for, else that of the line which is made for it. While
//! no key of that line signs yet, or where a line is about to change its algorithm, the other line's does, as
//! long as the relying party takes it.

use std::sync::Arc;

use moneyer_identity::{Algorithm, UnixTime};

use crate::audiences::Chosen;
use crate::keys::{KeyRing, Line};
use crate::mint::error::MintError;
use crate::signer::SigningKey;

/// The key that is to sign what was chosen. A batch is drafted by one ring, so that all of it goes by the
/// same keys.
pub(super) fn key(
    ring: &KeyRing,
    chosen: &Chosen,
    now: UnixTime,
) -> Result<Arc<dyn SigningKey>, MintError> {
    let other = match chosen.line {
        Line::Primary => Line::Second,
        Line::Second => Line::Primary,
    };
    let asked = ring.signing_key_of(chosen.line, now);
    let signs = [asked, ring.signing_key_of(other, now)].into_iter().flatten();
    let taken = signs.clone().filter(|key| is_taken(chosen, key.verifying_key().algorithm()));
    let wanted = taken.clone().find(|key| is_wanted(chosen, key.verifying_key().algorithm()));
    let found = wanted.or_else(|| taken.clone().next());
    // Of a cluster that begins with a key that no party takes, tokens are minted all the same.
    found.or_else(|| signs.clone().next()).cloned().ok_or(MintError::NoKey)
}

/// Whether it is what the profiles ask for; without one that of the primary line is.
fn is_wanted(chosen: &Chosen, algorithm: Algorithm) -> bool {
    !chosen.profiles.is_empty()
        && chosen.profiles.iter().all(|profile| profile.algorithm == algorithm)
}

fn is_taken(chosen: &Chosen, algorithm: Algorithm) -> bool {
    let mut parties = chosen.profiles.iter().filter_map(|profile| profile.relying_party);
    parties.all(|party| party.takes(algorithm))
}
