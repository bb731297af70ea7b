//! Messages to values and back. What does not parse is refused with the name of its field.

use moneyer_authority::audiences::{AudiencePolicy, AudienceProfile};
use moneyer_authority::delegation::SubjectAsk;
use moneyer_authority::enrollment::{Certificate, ClusterAuthority};
use moneyer_authority::mint::Ask;
use moneyer_authority::registry::{App, Placed, PlacementNumber, SpiffeIds};
use moneyer_authority::store::{Generation, Receipt};
use moneyer_authority::svid::X509Svid;
use moneyer_identity::grant::SandboxGrants;
use moneyer_identity::{Audience, CloudAccounts, Lifetime, MintedToken, RelyingParty, SandboxId};
use moneyer_proto::v1;
use tonic::Status;
use zeroize::Zeroizing;

use crate::delegation::Readdressed;
use crate::grpc::{grants, status};

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
    Ok(Ask { audiences, lifetime, ..Ask::default() })
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

/// What is asked for of a user's token.
pub(super) fn subject_ask(
    request: v1::ExchangeSubjectTokenRequest,
) -> Result<(SandboxId, SubjectAsk), Status> {
    let jwt_svid = Zeroizing::new(request.jwt_svid);
    let sandbox = parse("sandbox_id", &request.sandbox_id)?;
    let provider = parse("provider", &request.provider)?;
    let credential = parse("credential", &request.credential)?;
    if jwt_svid.is_empty() {
        return Err(status::invalid("jwt_svid is missing"));
    }
    Ok((sandbox, SubjectAsk { provider, credential, jwt_svid }))
}

/// A user's token, readdressed.
pub(super) fn readdressed(readdressed: &Readdressed) -> v1::ExchangeSubjectTokenResponse {
    let seconds = readdressed.expires_in.as_secs();
    v1::ExchangeSubjectTokenResponse {
        access_token: readdressed.token.expose().to_owned(),
        expires_in_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
    }
}

/// An X.509-SVID just made.
pub(super) fn x509_svid(svid: X509Svid) -> v1::SignX509SvidResponse {
    v1::SignX509SvidResponse {
        spiffe_id: svid.id.as_str().to_owned(),
        certificates: svid.certificates,
        not_before: svid.not_before.0,
        not_after: svid.not_after.0,
        expires_in_seconds: svid.expires_in.seconds(),
    }
}

/// A placed sandbox and the token files it gets.
pub(super) fn placed(
    (placed, app): (&Placed, &App),
    policy: &AudiencePolicy,
    spiffe_ids: &SpiffeIds,
    granted: &SandboxGrants,
) -> v1::PlacedSandbox {
    let profile = |profile: &AudienceProfile| v1::AudienceProfile {
        name: profile.name.as_str().to_owned(),
        value: profile.audience.as_str().to_owned(),
        default_lifetime_seconds: profile.lifetimes.default_lifetime().seconds(),
        sdk: sdk(profile, &app.accounts),
    };
    v1::PlacedSandbox {
        sandbox_id: placed.sandbox.id.as_str().to_owned(),
        app: app.name.as_str().to_owned(),
        audiences: policy.profiles_of(app).map(profile).collect(),
        // Longer than any SPIFFE ID may be: it has none, which is said and not left out.
        spiffe_id: Some(
            spiffe_ids
                .of(app, &placed.sandbox.id)
                .map_or_else(|_too_long| String::new(), String::from),
        ),
        app_uid: app.uid.as_str().to_owned(),
        placement: placed.placement.map_or(0, PlacementNumber::get),
        grants: grants::told(granted),
    }
}

/// What the SDK of a profile's relying party has to be told.
fn sdk(profile: &AudienceProfile, accounts: &CloudAccounts) -> Option<v1::audience_profile::Sdk> {
    use v1::audience_profile::Sdk;
    match profile.relying_party? {
        RelyingParty::Aws => {
            Some(Sdk::Aws(v1::AwsSdk { role_arn: text(accounts.aws_role.as_ref()) }))
        }
        RelyingParty::Gcp => {
            let service_account = text(accounts.google_service_account.as_ref());
            Some(Sdk::Google(v1::GoogleSdk { service_account }))
        }
        RelyingParty::Azure => Some(Sdk::Azure(v1::AzureSdk {
            client_id: text(accounts.azure_client_id.as_ref()),
            tenant_id: text(accounts.azure_tenant_id.as_ref()),
        })),
        RelyingParty::Vault | RelyingParty::Kubernetes | RelyingParty::Snowflake => None,
    }
}

/// A value that may be missing: empty, then.
fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// Who an app's sandboxes are at the clouds.
pub(super) fn accounts(accounts: &v1::CloudAccounts) -> Result<CloudAccounts, Status> {
    Ok(CloudAccounts {
        aws_role: parse_optional("aws_role", &accounts.aws_role)?,
        azure_client_id: parse_optional("azure_client_id", &accounts.azure_client_id)?,
        azure_tenant_id: parse_optional("azure_tenant_id", &accounts.azure_tenant_id)?,
        google_service_account: parse_optional(
            "google_service_account",
            &accounts.google_service_account,
        )?,
    })
}

fn told_accounts(accounts: &CloudAccounts) -> Option<v1::CloudAccounts> {
    (!accounts.is_empty()).then(|| v1::CloudAccounts {
        aws_role: text(accounts.aws_role.as_ref()),
        azure_client_id: text(accounts.azure_client_id.as_ref()),
        azure_tenant_id: text(accounts.azure_tenant_id.as_ref()),
        google_service_account: text(accounts.google_service_account.as_ref()),
    })
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
        accounts: told_accounts(&app.accounts),
        spiffe_ending: app.spiffe_ending.as_ref().map(ToString::to_string),
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
