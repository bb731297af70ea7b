//! Bindings between which nothing decides.

use moneyer_identity::grant::Binding;

/// Two bindings that may both be for one request, in one header, and say as much.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} of {} and {} of {} are both for {}:{}{} and neither says more: give one a longer path or a more exact host",
    one.grant.credential, one.grant.provider, other.grant.credential, other.grant.provider, other.host, other.port,
    other.path
)]
pub struct Ambiguity {
    /// The one.
    pub one: Box<Binding>,
    /// The other.
    pub other: Box<Binding>,
}

/// The first two of several bindings between which nothing decides. Two that ask for the same token are no two.
#[must_use]
pub fn first_ambiguity(bindings: &[Binding]) -> Option<Ambiguity> {
    let mut rest = bindings;
    while let Some((one, others)) = rest.split_first() {
        let undecided = |other: &&Binding| one.grant != other.grant && one.is_ambiguous_with(other);
        if let Some(other) = others.iter().find(undecided) {
            let (one, other) = (Box::new(one.clone()), Box::new(other.clone()));
            return Some(Ambiguity { one, other });
        }
        rest = others;
    }
    None
}
