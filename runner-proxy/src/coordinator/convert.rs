//! Messages of the coordinator as values, checked like any other input.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use moneyer_identity::spiffe::{SpiffeId, X509Leaf};
use moneyer_identity::{
    AppUid, Audience, IssueError, IssuerUrl, KeyId, Lifetime, LifetimeRange, MintedToken,
    ProfileName, SandboxId, Token, TokenId, TokenRequest, UnixTime,
};
use moneyer_proto::v1;

use super::grants::Shared;
use super::occupant::Occupant;
use super::placement::{IssuerFacts, KeptReceipt, PlacedSandbox, PlacementChange, Profile};
use super::status;
use crate::sandbox::Sdk;
use crate::svid::{SignedSvid, Subject};

/// A request for a token, as it is sent.
pub(super) fn request(request: &TokenRequest) -> v1::MintTokenRequest {
    v1::MintTokenRequest {
        sandbox_id: request.sandbox.to_string(),
        audience: request.audiences.iter().map(Audience::to_string).collect(),
        lifetime_seconds: request.lifetime.map_or(0, Lifetime::seconds),
    }
}

/// A token that came back.
pub(super) fn minted(response: v1::MintTokenResponse) -> Result<MintedToken, IssueError> {
    if response.token.is_empty() {
        return Err(status::nonsense());
    }
    Ok(MintedToken {
        token: Token::new(response.token),
        expires_in: Lifetime::from_seconds(response.expires_in_seconds),
        expires_at: UnixTime(response.expires_at),
        key_id: KeyId::parse(&response.key_id).ok_or_else(status::nonsense)?,
        token_id: TokenId::parse(&response.token_id).map_err(|_odd| status::nonsense())?,
    })
}

/// A request for a JWT-SVID, as it is sent.
pub(super) fn jwt_svid_request(request: &TokenRequest) -> v1::MintJwtSvidRequest {
    let v1::MintTokenRequest { sandbox_id, audience, lifetime_seconds } = self::request(request);
    v1::MintJwtSvidRequest { sandbox_id, audience, lifetime_seconds }
}

/// A JWT-SVID that came back, and whose it is.
pub(super) fn jwt_svid(
    response: v1::MintJwtSvidResponse,
) -> Result<(SpiffeId, MintedToken), IssueError> {
    let id = SpiffeId::parse(&response.spiffe_id).map_err(|_odd| status::nonsense())?;
    Ok((id, minted(response.token.ok_or_else(status::nonsense)?)?))
}

/// An X.509-SVID that came back: one by its form, and for whom it is said to be. Whether it is valid now is
/// not asked, since the clock of this host may be wrong.
pub(super) fn x509_svid(response: v1::SignX509SvidResponse) -> Result<SignedSvid, IssueError> {
    let id = SpiffeId::parse(&response.spiffe_id).map_err(|_odd| status::nonsense())?;
    let leaf = response.certificates.first().ok_or_else(status::nonsense)?;
    let leaf = X509Leaf::of_svid(leaf).map_err(|error| {
        tracing::error!(
            error.cause = crate::chain(&error),
            "what the coordinator signed is no X.509-SVID"
        );
        status::nonsense()
    })?;
    if *leaf.id() != id {
        return Err(status::nonsense());
    }
    let expires_in = Lifetime::from_seconds(response.expires_in_seconds);
    Ok(SignedSvid { id, certificates: response.certificates, expires_in })
}

/// One result of a batch.
pub(super) fn result(result: v1::MintTokenResult) -> Result<MintedToken, IssueError> {
    match result.result {
        Some(v1::mint_token_result::Result::Token(token)) => minted(token),
        Some(v1::mint_token_result::Result::Refusal(refusal)) => {
            Err(status::of_refusal(refusal.code, &refusal.message))
        }
        None => Err(status::nonsense()),
    }
}

/// What there is to know of the issuer.
pub(super) fn issuer(response: &v1::GetIssuerResponse) -> Result<IssuerFacts, IssueError> {
    let lifetimes = LifetimeRange::new(
        Lifetime::from_seconds(response.minimum_lifetime_seconds),
        Lifetime::from_seconds(response.default_lifetime_seconds),
        Lifetime::from_seconds(response.maximum_lifetime_seconds),
    );
    Ok(IssuerFacts {
        issuer: IssuerUrl::parse(&response.issuer).map_err(|_odd| status::nonsense())?,
        lifetimes: lifetimes.map_err(|_odd| status::nonsense())?,
    })
}

/// A receipt to keep.
pub(super) fn kept_receipt(receipt: v1::Receipt) -> KeptReceipt {
    let v1::Receipt { incarnation, generation, tag } = receipt;
    KeptReceipt { incarnation, generation, tag }
}

/// A receipt that was kept, to be shown.
pub(super) fn receipt(receipt: KeptReceipt) -> v1::Receipt {
    let KeptReceipt { incarnation, generation, tag } = receipt;
    v1::Receipt { incarnation, generation, tag }
}

/// A change of placement. A sandbox or profile that breaks the rules for names is left out, and
/// said so: the others must not suffer for it.
pub(super) fn change(change: v1::watch_sandboxes_response::Change) -> Option<PlacementChange> {
    use v1::watch_sandboxes_response::Change;
    match change {
        Change::All(all) => {
            let shared = Shared::of(&all.grants);
            let placed = |sandbox| placed(sandbox, &shared);
            let sandboxes: BTreeMap<_, _> = all.sandboxes.iter().filter_map(placed).collect();
            Some(PlacementChange::All(sandboxes))
        }
        Change::Placed(sandbox) => {
            let (id, sandbox) = placed(&sandbox, &Shared::default())?;
            Some(PlacementChange::Placed(id, sandbox))
        }
        Change::Removed(id) => SandboxId::parse(&id).ok().map(PlacementChange::Removed),
    }
}

fn placed(sandbox: &v1::PlacedSandbox, shared: &Shared) -> Option<(SandboxId, PlacedSandbox)> {
    let Ok(id) = SandboxId::parse(&sandbox.sandbox_id) else {
        tracing::warn!("the coordinator placed a sandbox whose id is not legal; it is left out");
        return None;
    };
    let profiles = sandbox.audiences.iter().filter_map(|profile| {
        let read = ProfileName::parse(&profile.name).ok().zip(Audience::parse(&profile.value).ok());
        if read.is_none() {
            tracing::warn!(sandbox.id = %id, "an audience profile is not legal; it is left out");
        }
        read.map(|(name, audience)| Profile { name, audience, sdk: profile.sdk.as_ref().map(sdk) })
    });
    let profiles = profiles.collect();
    let subject = subject(&id, sandbox.spiffe_id.as_deref());
    let occupant = occupant(&id, sandbox);
    let grants = shared.grants_of(sandbox.grants.as_ref());
    Some((id, PlacedSandbox { occupant, profiles, subject, grants }))
}

/// Who an id stands for; a coordinator of an older version says no more than the app's name.
fn occupant(id: &SandboxId, sandbox: &v1::PlacedSandbox) -> Occupant {
    let app_uid = Some(&*sandbox.app_uid).filter(|uid| !uid.is_empty()).and_then(|uid| {
        let read = AppUid::parse(uid).ok();
        if read.is_none() {
            tracing::warn!(sandbox.id = %id, "the id of its app is not legal; it is left out");
        }
        read
    });
    Occupant { app: sandbox.app.clone(), app_uid, placement: NonZeroU64::new(sandbox.placement) }
}

/// Whose a sandbox's SVIDs are; a coordinator of an older version does not say.
fn subject(sandbox: &SandboxId, text: Option<&str>) -> Subject {
    let text = match text {
        None => return Subject::Unknown,
        Some("") => return Subject::Nobody,
        Some(text) => text,
    };
    // Only a workload's: the trust domain's own id is its authority's (SPIFFE-ID section 3.1).
    let read = SpiffeId::parse(text).ok().filter(|id| id.segments().next().is_some());
    if read.is_none() {
        tracing::warn!(sandbox.id = %sandbox, "its SPIFFE ID is not legal; it has no SVIDs");
    }
    read.map_or(Subject::Nobody, Subject::Of)
}

/// What an SDK has to be told. What is not legal is left out: the SDK says what it misses.
fn sdk(sdk: &v1::audience_profile::Sdk) -> Sdk {
    use v1::audience_profile::Sdk as Told;
    match sdk {
        Told::Aws(aws) => Sdk::Aws { role: aws.role_arn.parse().ok() },
        Told::Google(google) => {
            Sdk::Google { service_account: google.service_account.parse().ok() }
        }
        Told::Azure(azure) => Sdk::Azure {
            client_id: azure.client_id.parse().ok(),
            tenant_id: azure.tenant_id.parse().ok(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::bundles::x509_leaf;

    fn profile(name: &str, value: &str) -> v1::AudienceProfile {
        v1::AudienceProfile {
            name: name.to_owned(),
            value: value.to_owned(),
            default_lifetime_seconds: 900,
            sdk: None,
        }
    }

    #[test]
    fn one_bad_name_costs_nobody_else() {
        let sandbox = |id: &str, audiences| v1::PlacedSandbox {
            sandbox_id: id.to_owned(),
            app: "web".to_owned(),
            audiences,
            ..Default::default()
        };
        let all = v1::PlacedSandboxes {
            sandboxes: vec![
                sandbox("../../etc", vec![]),
                sandbox("a", vec![profile("aws", "sts"), profile("../x", "y"), profile("z", "")]),
            ],
            ..Default::default()
        };
        let Some(PlacementChange::All(placed)) =
            change(v1::watch_sandboxes_response::Change::All(all))
        else {
            panic!("no change")
        };
        let names: Vec<_> = placed.keys().map(SandboxId::as_str).collect();
        assert_eq!(names, ["a"]);
        assert_eq!(placed["a"].profiles.len(), 1);
    }

    #[test]
    fn a_sandbox_has_the_spiffe_id_of_a_workload_or_none() {
        let read = |text: Option<&str>| {
            let sandbox = v1::PlacedSandbox {
                sandbox_id: "a".to_owned(),
                app: "web".to_owned(),
                spiffe_id: text.map(str::to_owned),
                ..Default::default()
            };
            placed(&sandbox, &Shared::default()).unwrap().1.subject
        };
        let legal = "spiffe://id.test/app/web/sandbox/a";
        assert_eq!(read(Some(legal)), Subject::Of(SpiffeId::parse(legal).unwrap()));
        assert_eq!(read(None), Subject::Unknown, "as an older version leaves it");
        for none in ["", "spiffe://id.test", "spiffe://id.test/a/", "https://id.test/a"] {
            assert_eq!(read(Some(none)), Subject::Nobody, "{none}");
        }
    }

    #[test]
    fn who_an_id_stands_for_is_known_as_far_as_it_is_said() {
        let uid = "a".repeat(32);
        let read = |app_uid: &str, placement| {
            let sandbox = v1::PlacedSandbox {
                sandbox_id: "a".to_owned(),
                app: "web".to_owned(),
                app_uid: app_uid.to_owned(),
                placement,
                ..Default::default()
            };
            placed(&sandbox, &Shared::default()).unwrap().1.occupant
        };
        let known = Occupant {
            app_uid: Some(AppUid::parse(&uid).unwrap()),
            placement: NonZeroU64::new(7),
            ..Occupant::of_app("web")
        };
        assert_eq!(read(&uid, 7), known);
        assert_eq!(read("", 0), Occupant::of_app("web"), "as an older version leaves it");
        assert_eq!(read("A", 7), Occupant { app_uid: None, ..known });
    }

    #[test]
    fn what_is_no_x509_svid_of_whom_it_is_said_to_be_is_a_failure() {
        let signed = |id: &str, certificates: Vec<Vec<u8>>| {
            x509_svid(v1::SignX509SvidResponse {
                spiffe_id: id.to_owned(),
                certificates,
                expires_in_seconds: 60,
                ..Default::default()
            })
        };
        let id = "spiffe://id.test/a";
        let (leaf, authority) = (x509_leaf(id, false), x509_leaf(id, true));
        assert_eq!(signed(id, vec![leaf.clone(), vec![2]]).unwrap().certificates.len(), 2);
        let odd: [(&str, Vec<Vec<u8>>); 5] = [
            (id, vec![]),
            (id, vec![vec![]]),
            (id, vec![authority]),
            ("spiffe://id.test/b", vec![leaf.clone()]),
            ("nonsense", vec![leaf]),
        ];
        for (id, certificates) in odd {
            let class = signed(id, certificates).unwrap_err().class;
            assert_eq!(class, moneyer_identity::ErrorClass::Internal, "{id}");
        }
    }

    #[test]
    fn an_answer_without_a_token_is_a_failure() {
        let empty = v1::MintTokenResponse {
            token: String::new(),
            expires_in_seconds: 900,
            expires_at: 1,
            key_id: "k".to_owned(),
            token_id: "0".repeat(32),
        };
        let class = |response| minted(response).unwrap_err().class;
        assert_eq!(class(empty.clone()), moneyer_identity::ErrorClass::Internal);
        let odd =
            v1::MintTokenResponse { token: "t".to_owned(), token_id: "x".to_owned(), ..empty };
        assert_eq!(class(odd), moneyer_identity::ErrorClass::Internal);
    }
}
