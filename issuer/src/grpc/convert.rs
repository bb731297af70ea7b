//! Messages to values and back. What does not parse is refused with the name of its field.

use moneyer_authority::audiences::{AudiencePolicy, AudienceProfile};
use moneyer_authority::enrollment::{Certificate, ClusterAuthority};
use moneyer_authority::mint::Ask;
use moneyer_authority::registry::{App, Placed};
use moneyer_authority::store::{Generation, Receipt};
use moneyer_identity::{Audience, Lifetime, MintedToken};
use moneyer_proto::v1;
use tonic::Status;

use crate::grpc::status;

/// Most audiences looked at in a request; policy allows fewer.
const MAXIMUM_AUDIENCES: usize = 32;

/// Reads a field.
pub(super) fn parse<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, Status>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| status::invalid(format!("{field} {error}")))
}

/// Reads a field that may be empty.
pub(super) fn parse_optional<T: std::str::FromStr>(
    field: &str,
    text: &str,
) -> Result<Option<T>, Status>
where
    T::Err: std::fmt::Display,
{
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

/// Reads what is asked for.
pub(super) fn ask(audiences: &[String], lifetime_seconds: u32) -> Result<Ask, Status> {
    if audiences.len() > MAXIMUM_AUDIENCES {
        return Err(status::invalid(format!("audience has more than {MAXIMUM_AUDIENCES} values")));
    }
    let audiences = audiences
        .iter()
        .map(|text| Audience::parse(text).map_err(|error| status::invalid(error.to_string())))
        .collect::<Result<_, _>>()?;
    let lifetime = (lifetime_seconds != 0).then(|| Lifetime::from_seconds(lifetime_seconds));
    Ok(Ask { audiences, lifetime })
}

/// A minted token.
pub(super) fn minted(token: &MintedToken) -> v1::MintTokenResponse {
    v1::MintTokenResponse {
        token: token.token.expose().to_owned(),
        expires_in_seconds: token.expires_in.seconds(),
        expires_at: token.expires_at.0,
        key_id: token.key_id.as_str().to_owned(),
        token_id: token.token_id.as_str().to_owned(),
    }
}

/// A placed sandbox and the token files it gets.
pub(super) fn placed(placed: &Placed, app: &App, policy: &AudiencePolicy) -> v1::PlacedSandbox {
    let profile = |profile: &AudienceProfile| v1::AudienceProfile {
        name: profile.name.as_str().to_owned(),
        value: profile.audience.as_str().to_owned(),
        default_lifetime_seconds: profile.lifetimes.default_lifetime().seconds(),
    };
    v1::PlacedSandbox {
        sandbox_id: placed.sandbox.id.as_str().to_owned(),
        app: app.name.as_str().to_owned(),
        audiences: policy.profiles_of(app).map(profile).collect(),
    }
}

/// A sandbox's record.
pub(super) fn sandbox(placed: &Placed) -> v1::Sandbox {
    let sandbox = &placed.sandbox;
    v1::Sandbox {
        id: sandbox.id.as_str().to_owned(),
        app: sandbox.app.as_str().to_owned(),
        runner_id: sandbox.runner.as_str().to_owned(),
        role: sandbox.role.as_ref().map(|role| role.as_str().to_owned()).unwrap_or_default(),
    }
}

/// An app's record.
pub(super) fn app(app: &App) -> v1::App {
    v1::App {
        name: app.name.as_str().to_owned(),
        audiences: app.audiences.iter().map(|audience| audience.as_str().to_owned()).collect(),
        uid: app.uid.as_str().to_owned(),
    }
}

/// The store's receipt, as it is sent.
pub(super) fn receipt(receipt: Receipt) -> v1::Receipt {
    let Receipt { incarnation, generation, tag } = receipt;
    v1::Receipt { incarnation, generation: generation.0, tag }
}

/// A receipt that a runner kept.
pub(super) fn kept_receipt(receipt: v1::Receipt) -> Receipt {
    let v1::Receipt { incarnation, generation, tag } = receipt;
    Receipt { incarnation, generation: Generation(generation), tag }
}

/// What members trust.
pub(super) fn trust(authority: &ClusterAuthority) -> v1::Trust {
    v1::Trust {
        trust_domain: authority.trust_domain().as_str().to_owned(),
        authorities: vec![authority.certificate().to_vec()],
    }
}

/// A certificate just made.
pub(super) fn certificate(
    certificate: Certificate,
    authority: &ClusterAuthority,
) -> v1::Certificate {
    v1::Certificate {
        leaf: certificate.der,
        identity: certificate.id.as_str().to_owned(),
        not_before: certificate.not_before.0,
        not_after: certificate.not_after.0,
        trust: Some(trust(authority)),
    }
}
