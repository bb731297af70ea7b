//! What the other side has to be told, and why it would refuse a token.
//!
//! Printed for one app at a time: the configuration with which a relying party trusts its sandboxes and
//! nobody else. Each pins issuer, audience and subject, whatever was asked for. Pure: from what the
//! coordinator says of the issuer, the audience profile and the app, to a text. Nothing here talks to a
//! cloud, and nothing printed is secret.

mod aws;
mod azure;
mod explain;
mod facts;
mod gcp;
mod kubernetes;
mod quote;
mod snowflake;
mod vault;

pub(crate) use explain::{Look, Verdict, explain};
pub(crate) use facts::{Form, TrustError, TrustFacts, Trusted};

use moneyer_identity::RelyingParty;

/// The configuration of a relying party, in the form that is asked for.
pub(crate) fn configuration(
    party: RelyingParty,
    facts: &TrustFacts,
    form: Form,
) -> Result<String, TrustError> {
    match party {
        RelyingParty::Aws => Ok(aws::configuration(facts, form)),
        RelyingParty::Gcp => gcp::configuration(facts, form),
        RelyingParty::Azure => azure::configuration(facts, form),
        RelyingParty::Vault => vault::configuration(facts, form),
        RelyingParty::Kubernetes => kubernetes::configuration(facts, form),
        RelyingParty::Snowflake => snowflake::configuration(facts, form),
    }
}

#[cfg(test)]
mod tests;
