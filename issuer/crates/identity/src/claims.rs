//! The claims of a token: Moneyer's public contract with relying parties.
//!
//! Registered claims follow RFC 7519 section 4.1; the others carry what the coordinator knows of the
//! sandbox. Times are integers (relying parties refuse fractions). `sandbox_id` is always present and
//! empty for whoever is no sandbox; `identity_type` is a claim of its own because matching on a subject's
//! prefix would let an app's name forge a system identity.

use serde_json::{Map, Value};

use crate::audience::Audiences;
use crate::aws::AwsClaims;
use crate::clock::UnixTime;
use crate::component::{
    AppName, ClusterId, OrganizationId, PolicyName, RoleName, RunnerId, SandboxId,
    SystemWorkloadName,
};
use crate::issuer_url::IssuerUrl;
use crate::random_id::{AppUid, TokenId};
use crate::spiffe::SpiffeId;
use crate::subject::Subject;

/// What kind of workload a token names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityType {
    /// A sandbox, an instance of an app.
    Sandbox,
    /// A part of the platform.
    System,
    /// A workload of any trust domain that logged in with an SVID.
    Workload,
    /// A client of token exchange, which speaks for a participant context.
    Exchange,
}

/// What a token of an exchange says beside what every token says (RFC 8693 section 4).
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ExchangedClaims {
    /// Whom it speaks for: `sub` once more, under the name that peers of this coordinator promise.
    pub participant_context: String,
    /// Who acts: the client, or whoever acts for it, with those who acted before.
    pub act: Value,
    /// Where the client runs, in the form of a service account token.
    #[serde(rename = "kubernetes.io", skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Value>,
    /// What the scopes stand for. None of them has the name of another claim.
    #[serde(flatten)]
    pub scopes: Map<String, Value>,
}

/// Everything a token says, in the order it is written.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ClaimSet {
    /// The issuer.
    pub iss: IssuerUrl,
    /// The subject, built from records.
    pub sub: Subject,
    /// One audience, or several where several were asked for.
    pub aud: Audiences,
    /// When the token was minted.
    pub iat: UnixTime,
    /// Before this the token is not valid: a little before `iat`, for verifiers whose clock is slow.
    pub nbf: UnixTime,
    /// From this second on the token is not valid.
    pub exp: UnixTime,
    /// Unique for every token.
    pub jti: TokenId,
    /// The organization of the cluster, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
    /// The cluster, if it has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<ClusterId>,
    /// The app of a sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// Given once to an app; another one if the app is removed and made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_uid: Option<AppUid>,
    /// The sandbox; the empty string for whoever is none.
    #[serde(serialize_with = "or_empty")]
    pub sandbox_id: Option<SandboxId>,
    /// The runner the sandbox was placed on, or the one a system workload runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_id: Option<RunnerId>,
    /// What kind of workload this is.
    pub identity_type: IdentityType,
    /// The system workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_workload: Option<SystemWorkloadName>,
    /// The role in the sandbox's record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Who logged in, as its SVID named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe_id: Option<SpiffeId>,
    /// The policies by which it was let in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicyName>,
    /// What a token of an exchange says.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub exchanged: Option<Box<ExchangedClaims>>,
    /// What AWS STS reads, where the audience's profile asks for it.
    #[serde(flatten)]
    pub aws: AwsClaims,
}

#[expect(clippy::ref_option, reason = "the form serde asks for")]
fn or_empty<S: serde::Serializer>(id: &Option<SandboxId>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(id.as_ref().map_or("", SandboxId::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audience::Audience;
    use crate::spiffe::TrustDomain;
    use crate::subject::{SubjectForm, SubjectParts};

    fn parts() -> SubjectParts {
        SubjectParts {
            organization: Some(OrganizationId::parse("acme").unwrap()),
            cluster: Some(ClusterId::parse("prod-1").unwrap()),
            trust_domain: TrustDomain::parse("id.example.com").unwrap(),
        }
    }

    fn sandbox_claims() -> ClaimSet {
        let app = AppName::parse("web").unwrap();
        let sandbox = SandboxId::parse("web-1").unwrap();
        ClaimSet {
            iss: IssuerUrl::parse("https://id.example.com").unwrap(),
            sub: parts().sandbox(SubjectForm::Sandbox, &app, &sandbox),
            aud: Audiences::one(Audience::parse("https://rp.example.com").unwrap()),
            iat: UnixTime(1_800_000_000),
            nbf: UnixTime(1_799_999_970),
            exp: UnixTime(1_800_003_600),
            jti: TokenId::parse("0123456789abcdef0123456789abcdef").unwrap(),
            organization_id: parts().organization,
            cluster_id: parts().cluster,
            app: Some(app),
            app_uid: Some(AppUid::parse("fedcba9876543210fedcba9876543210").unwrap()),
            sandbox_id: Some(sandbox),
            runner_id: Some(RunnerId::parse("runner-7").unwrap()),
            identity_type: IdentityType::Sandbox,
            system_workload: None,
            role: Some(RoleName::parse("reader").unwrap()),
            spiffe_id: None,
            policies: Vec::new(),
            exchanged: None,
            aws: AwsClaims::default(),
        }
    }

    #[test]
    fn a_sandbox_in_the_order_of_the_contract() {
        let expected = concat!(
            r#"{"iss":"https://id.example.com","sub":"org:acme:app:web:sandbox:web-1","#,
            r#""aud":"https://rp.example.com","iat":1800000000,"nbf":1799999970,"exp":1800003600,"#,
            r#""jti":"0123456789abcdef0123456789abcdef","organization_id":"acme","#,
            r#""cluster_id":"prod-1","app":"web","app_uid":"fedcba9876543210fedcba9876543210","#,
            r#""sandbox_id":"web-1","runner_id":"runner-7","identity_type":"sandbox","#,
            r#""role":"reader"}"#
        );
        assert_eq!(serde_json::to_string(&sandbox_claims()).unwrap(), expected);
    }

    #[test]
    fn a_system_workload_has_an_empty_sandbox_id() {
        let workload = SystemWorkloadName::parse("telemetry").unwrap();
        let audiences = ["a", "b"].map(|text| Audience::parse(text).unwrap());
        let claims = ClaimSet {
            sub: parts().system(&workload),
            aud: Audiences::several(audiences.to_vec(), 2).unwrap(),
            app: None,
            app_uid: None,
            sandbox_id: None,
            runner_id: None,
            identity_type: IdentityType::System,
            system_workload: Some(workload),
            role: None,
            ..sandbox_claims()
        };
        let expected = concat!(
            r#"{"iss":"https://id.example.com","sub":"org:acme:cluster:prod-1:system:telemetry","#,
            r#""aud":["a","b"],"iat":1800000000,"nbf":1799999970,"exp":1800003600,"#,
            r#""jti":"0123456789abcdef0123456789abcdef","organization_id":"acme","#,
            r#""cluster_id":"prod-1","sandbox_id":"","identity_type":"system","#,
            r#""system_workload":"telemetry"}"#
        );
        assert_eq!(serde_json::to_string(&claims).unwrap(), expected);
    }

    #[test]
    fn a_workload_that_logged_in_has_its_id_and_its_policies() {
        let id = SpiffeId::parse("spiffe://other.example/ci/build").unwrap();
        let policies = ["ci", "readers"].map(|name| PolicyName::parse(name).unwrap());
        let claims = ClaimSet {
            sub: parts().workload(&id),
            app: None,
            app_uid: None,
            sandbox_id: None,
            runner_id: None,
            identity_type: IdentityType::Workload,
            role: None,
            spiffe_id: Some(id),
            policies: policies.to_vec(),
            ..sandbox_claims()
        };
        let expected = concat!(
            r#"{"iss":"https://id.example.com","#,
            r#""sub":"org:acme:cluster:prod-1:workload:spiffe://other.example/ci/build","#,
            r#""aud":"https://rp.example.com","iat":1800000000,"nbf":1799999970,"exp":1800003600,"#,
            r#""jti":"0123456789abcdef0123456789abcdef","organization_id":"acme","#,
            r#""cluster_id":"prod-1","sandbox_id":"","identity_type":"workload","#,
            r#""spiffe_id":"spiffe://other.example/ci/build","policies":["ci","readers"]}"#
        );
        assert_eq!(serde_json::to_string(&claims).unwrap(), expected);
    }

    fn exchanged() -> ExchangedClaims {
        ExchangedClaims {
            participant_context: "pc1".to_owned(),
            act: serde_json::json!({ "sub": "system:serviceaccount:ns:sa" }),
            kubernetes: Some(serde_json::json!({ "namespace": "ns" })),
            scopes: Map::new(),
        }
    }

    #[test]
    fn a_token_of_an_exchange_says_for_whom_and_who_acts() {
        let scopes = Map::from_iter([("roles".to_owned(), serde_json::json!(["reader"]))]);
        let claims = ClaimSet {
            exchanged: Some(Box::new(ExchangedClaims { scopes, ..exchanged() })),
            ..sandbox_claims()
        };
        let text = serde_json::to_string(&claims).unwrap();
        let expected = concat!(
            r#""role":"reader","participant_context":"pc1","#,
            r#""act":{"sub":"system:serviceaccount:ns:sa"},"#,
            r#""kubernetes.io":{"namespace":"ns"},"roles":["reader"]}"#
        );
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn discovery_names_every_claim_and_no_other() {
        let metadata = crate::metadata::ProviderMetadata::new(
            IssuerUrl::parse("https://id.example.com").unwrap(),
            "https://id.example.com/jwks".to_owned(),
            &[],
        );
        let both = ClaimSet {
            system_workload: Some(SystemWorkloadName::parse("telemetry").unwrap()),
            spiffe_id: Some(SpiffeId::parse("spiffe://other.example/ci").unwrap()),
            policies: vec![PolicyName::parse("ci").unwrap()],
            exchanged: Some(Box::new(exchanged())),
            ..sandbox_claims()
        };
        let value = serde_json::to_value(&both).unwrap();
        let mut written: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        let mut named = metadata.claims_supported;
        written.sort_unstable();
        named.sort_unstable();
        assert_eq!(written, named);
    }
}
