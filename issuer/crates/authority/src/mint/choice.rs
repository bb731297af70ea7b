//! Which key signs a token.
//!
//! That of the line which the audience's profile asks for. While no key of that line signs yet, or where a
//! line is about to change its algorithm, the other line's does, as long as the relying party takes it.

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
    let taken = signs.clone().find(|key| is_taken(chosen, key.verifying_key().algorithm()));
    // Of a cluster that begins with a key that no party takes, tokens are minted all the same.
    taken.or_else(|| signs.clone().next()).cloned().ok_or(MintError::NoKey)
}

fn is_taken(chosen: &Chosen, algorithm: Algorithm) -> bool {
    let mut parties = chosen.profiles.iter().filter_map(|profile| profile.relying_party);
    parties.all(|party| party.takes(algorithm))
}
