//! docs/claims.md: the claims, their order, and who has them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
use moneyer_identity::{
    AppName, AppUid, Audience, Audiences, AwsClaims, ClaimSet, ClusterId, ExchangedClaims,
    IdentityType, IssuerUrl, OrganizationId, PolicyName, RoleArn, RoleName, RunnerId, SandboxId,
    SessionTag, SessionTags, SubjectForm, SubjectParts, SystemWorkloadName, TokenId, UnixTime,
};
use serde_json::{Value, json};

use crate::pages::read;
use crate::tables::{code, rows};

pub(crate) fn decoded(payload: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The names of a payload's members in the order they are written.
pub(crate) fn names(payload: &str) -> Vec<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    written(&text)
}

/// No value of ours holds a quote, so a name is what stands between `,"` or `{"` and `":`.
fn written(json: &str) -> Vec<String> {
    let parts = json.trim_start_matches('{').split(",\"").map(|part| part.trim_start_matches('"'));
    parts.filter_map(|part| Some(part.split_once("\":")?.0.to_owned())).collect()
}

fn parts() -> SubjectParts {
    SubjectParts {
        organization: Some(OrganizationId::parse("acme").unwrap()),
        cluster: Some(ClusterId::parse("prod-1").unwrap()),
        trust_domain: TrustDomain::parse("id.example.com").unwrap(),
    }
}

/// A token that says everything there is to say, which no real one does.
fn everything() -> ClaimSet {
    let (app, sandbox) = (AppName::parse("web").unwrap(), SandboxId::parse("web-1").unwrap());
    ClaimSet {
        iss: IssuerUrl::parse("https://id.example.com").unwrap(),
        sub: parts().sandbox(SubjectForm::Sandbox, &app, &sandbox),
        aud: Audiences::one(Audience::parse("moneyer").unwrap()),
        iat: UnixTime(30),
        nbf: UnixTime(0),
        exp: UnixTime(60),
        jti: TokenId::parse("0123456789abcdef0123456789abcdef").unwrap(),
        organization_id: parts().organization,
        cluster_id: parts().cluster,
        app: Some(app),
        app_uid: Some(AppUid::parse("0123456789abcdef0123456789abcdef").unwrap()),
        sandbox_id: Some(sandbox),
        runner_id: Some(RunnerId::parse("runner-1").unwrap()),
        identity_type: IdentityType::Sandbox,
        system_workload: Some(SystemWorkloadName::parse("telemetry").unwrap()),
        role: Some(RoleName::parse("reader").unwrap()),
        spiffe_id: Some(SpiffeId::parse("spiffe://other.example/build/one").unwrap()),
        policies: vec![PolicyName::parse("builds").unwrap()],
        exchanged: Some(Box::new(ExchangedClaims {
            participant_context: "pc1".to_owned(),
            act: json!({}),
            kubernetes: Some(json!({})),
            scopes: serde_json::Map::new(),
        })),
        aws: AwsClaims::default(),
    }
}

/// Name, and what a sandbox, a system workload, a workload that logged in and a client of an exchange have.
fn table() -> Vec<(String, [String; 4])> {
    let page = read("docs/claims.md");
    let section =
        page.split("\n## Claims").nth(1).unwrap().split("\n##").next().unwrap().to_owned();
    let row = |row: Vec<String>| {
        (code(&row[0]).to_owned(), [1, 2, 3, 4].map(|at: usize| row[at].clone()))
    };
    rows(&section).into_iter().map(row).collect()
}

#[test]
fn the_table_lists_every_claim_in_the_order_they_are_written() {
    let listed: Vec<_> = table().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(listed, written(&serde_json::to_string(&everything()).unwrap()));
}

#[test]
fn the_claims_for_aws_are_those_of_the_page() {
    let page = read("docs/claims.md");
    let section = page.split("### Claims for AWS").nth(1).unwrap().split("\n## ").next().unwrap();
    let listed: Vec<_> = rows(section).iter().map(|row| code(&row[0]).to_owned()).collect();
    let tags =
        SessionTags { principal: vec![(SessionTag::App, "web".to_owned())], transitive: vec![] };
    let claims = AwsClaims {
        roles: vec![RoleArn::parse("arn:aws:iam::123456789012:role/deploy").unwrap()],
        tags: Some(tags),
        source_identity: Some("web".to_owned()),
    };
    let claims = serde_json::to_value(&claims).unwrap();
    let written: BTreeSet<_> = claims.as_object().unwrap().keys().cloned().collect();
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), written);
    for tag in SessionTag::ALL {
        assert!(table().iter().any(|(name, ..)| name == tag.as_str()), "{tag:?}");
    }
}

#[test]
fn the_table_says_which_token_has_which_claim() {
    let no_exchange = || ClaimSet { exchanged: None, ..everything() };
    let no_login = || ClaimSet { spiffe_id: None, policies: Vec::new(), ..no_exchange() };
    let sandbox = ClaimSet { system_workload: None, ..no_login() };
    let no_sandbox =
        |claims| ClaimSet { app: None, app_uid: None, sandbox_id: None, role: None, ..claims };
    let system = ClaimSet { identity_type: IdentityType::System, ..no_sandbox(no_login()) };
    let login = ClaimSet {
        identity_type: IdentityType::Workload,
        system_workload: None,
        runner_id: None,
        ..no_sandbox(no_exchange())
    };
    let exchange = ClaimSet {
        identity_type: IdentityType::Exchange,
        exchanged: everything().exchanged,
        system_workload: None,
        runner_id: None,
        ..no_sandbox(no_login())
    };
    let has = [&sandbox, &system, &login, &exchange]
        .map(|claims| written(&serde_json::to_string(claims).unwrap()));
    for (name, columns) in table() {
        for (written, told) in has.iter().zip(columns) {
            assert_eq!(written.contains(&name), told != "no", "{name}");
        }
    }
}

#[test]
fn the_header_has_the_three_members_of_the_page() {
    let page = read("docs/claims.md");
    let section = page.split("## Header").nth(1).unwrap().split("\n## ").next().unwrap().to_owned();
    let members: Vec<_> = rows(&section).iter().map(|row| code(&row[0]).to_owned()).collect();
    assert_eq!(members, ["alg", "kid", "typ"]);
}

#[test]
fn the_subjects_are_those_of_the_page() {
    let page = read("docs/claims.md");
    let section =
        page.split("## Subjects").nth(1).unwrap().split("\n## ").next().unwrap().to_owned();
    let (app, sandbox) = (AppName::parse("A").unwrap(), SandboxId::parse("S").unwrap());
    let letters = SubjectParts {
        organization: Some(OrganizationId::parse("O").unwrap()),
        cluster: Some(ClusterId::parse("C").unwrap()),
        trust_domain: TrustDomain::parse("td").unwrap(),
    };
    let mut seen = 0;
    for row in rows(&section) {
        let subject = match code(&row[0]) {
            "system workloads" => letters.system(&SystemWorkloadName::parse("W").unwrap()),
            "workloads that logged in" => {
                let id = SpiffeId::parse("spiffe://other.example/build").unwrap();
                assert!(code(&row[1]).ends_with(":<SPIFFE ID>"), "{row:?}");
                let subject = letters.workload(&id);
                assert_eq!(code(&row[1]).replace("<SPIFFE ID>", id.as_str()), subject.as_str());
                seen += 1;
                continue;
            }
            form => letters.sandbox(form.parse::<SubjectForm>().unwrap(), &app, &sandbox),
        };
        assert_eq!(code(&row[1]).replace("<trust domain>", "td"), subject.as_str());
        seen += 1;
    }
    assert_eq!(seen, 6);
}
