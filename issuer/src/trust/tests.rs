use moneyer_authority::audiences::AwsExtras;
use moneyer_identity::{
    AppName, Audience, CloudAccounts, IssuerUrl, RelyingParty, RoleArn, SandboxId, SessionTag,
    SourceIdentity, SubjectForm, UnixTime,
};
use serde_json::{Value, json};

use super::*;

const POOL: &str =
    "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/p/providers/m";

fn facts(party: RelyingParty, trusted: Trusted) -> TrustFacts {
    let audience = match party {
        RelyingParty::Gcp => POOL,
        RelyingParty::Vault => "https://vault.example.com",
        _ => party.audience().unwrap_or("kubernetes"),
    };
    TrustFacts {
        issuer: IssuerUrl::parse("https://id.example.com/a").unwrap(),
        audience: Audience::parse(audience).unwrap(),
        trusted,
        app: AppName::parse("web").unwrap(),
        accounts: CloudAccounts {
            aws_role: "arn:aws:iam::123456789012:role/team/deploy".parse().ok(),
            azure_client_id: "0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d".parse().ok(),
            azure_tenant_id: None,
            google_service_account: "deploy@proj.iam.gserviceaccount.com".parse().ok(),
        },
        aws: AwsExtras::default(),
        key_certificate: None,
    }
}

#[test]
fn a_thumbprint_of_the_key_is_told_where_a_form_has_comments() {
    let thumbprint = "a9993e364706816aba3e25717850c26c9cd0d89d".to_owned();
    let plain = facts(RelyingParty::Aws, by_app());
    let with = TrustFacts { key_certificate: Some(thumbprint.clone()), ..plain.clone() };
    let printed = |facts: &TrustFacts, form| configuration(RelyingParty::Aws, facts, form).unwrap();
    for form in [Form::Commands, Form::Terraform] {
        assert!(!printed(&plain, form).contains("RADOS"), "{form:?}");
        let text = printed(&with, form);
        // Only told: to AWS itself a thumbprint is that of a TLS root.
        let line = text.lines().find(|line| line.contains(&thumbprint)).unwrap();
        assert!(line.starts_with('#'), "{text}");
    }
    assert_eq!(printed(&with, Form::Policy), printed(&plain, Form::Policy));
}

fn by_app() -> Trusted {
    Trusted::Subject("org:acme:app:web".to_owned())
}

fn by_sandbox() -> Trusted {
    Trusted::new(SubjectForm::Sandbox, "org:acme:app:web:sandbox:SANDBOX", None)
}

fn printed(party: RelyingParty, trusted: Trusted, form: Form) -> Result<String, TrustError> {
    configuration(party, &facts(party, trusted), form)
}

#[test]
fn every_configuration_pins_issuer_audience_and_subject() {
    for party in RelyingParty::ALL {
        for form in [Form::Commands, Form::Terraform, Form::Policy] {
            let Ok(text) = printed(party, by_app(), form) else { continue };
            let audience = facts(party, by_app()).audience;
            for needed in ["id.example.com/a", audience.as_str(), "org:acme:app:web"] {
                assert!(text.contains(needed), "{party:?} {form:?} without {needed}:\n{text}");
            }
            assert!(text.ends_with('\n') && !text.contains("SANDBOX"), "{text}");
        }
        assert!(printed(party, by_app(), Form::Commands).is_ok(), "{party:?}");
    }
}

#[test]
fn a_subject_that_names_sandboxes_is_a_pattern_or_refused() {
    for party in RelyingParty::ALL {
        let text = printed(party, by_sandbox(), Form::Commands);
        match party {
            RelyingParty::Azure | RelyingParty::Snowflake => {
                assert!(matches!(text, Err(TrustError::Pattern(_))), "{party:?}: {text:?}");
            }
            RelyingParty::Gcp => assert!(text.unwrap().contains("attribute.app/web"), "{party:?}"),
            _ => assert!(text.unwrap().contains("org:acme:app:web:sandbox:"), "{party:?}"),
        }
    }
    let one = SandboxId::parse("web-1").unwrap();
    let one = Trusted::new(SubjectForm::Sandbox, "org:acme:app:web:sandbox:SANDBOX", Some(&one));
    assert_eq!(one, Trusted::Subject("org:acme:app:web:sandbox:web-1".to_owned()));
    assert_eq!(Trusted::new(SubjectForm::App, "org:acme:app:web", None), by_app());
    // An app of that name is no sandbox.
    for form in [SubjectForm::App, SubjectForm::SpiffeApp] {
        for named in ["org:acme:app:SANDBOX", "spiffe://td/app/my-SANDBOX"] {
            assert_eq!(Trusted::new(form, named, None), Trusted::Subject(named.to_owned()));
        }
    }
}

fn claims(subject: &str, extras: &Value) -> Value {
    let mut claims = json!({
        "iss": "https://id.example.com/a", "sub": subject, "aud": "sts.amazonaws.com",
        "iat": 1, "exp": 3600,
    });
    claims.as_object_mut().unwrap().extend(extras.as_object().unwrap().clone());
    claims
}

/// What is printed for an app is taken by the rules that explain it, and for that app alone.
#[test]
fn a_printed_policy_takes_the_tokens_of_its_app_and_no_others() {
    let role = RoleArn::parse("arn:aws:iam::123456789012:role/team/deploy").unwrap();
    let tagged = AwsExtras {
        roles: vec![role.clone()],
        tags: vec![SessionTag::App],
        transitive_tags: vec![],
        source_identity: Some(SourceIdentity::App),
    };
    let said = json!({
        "https://aws.amazon.com/roles": [role.as_str()],
        "https://aws.amazon.com/tags": { "principal_tags": { "app": ["web"] } },
        "https://aws.amazon.com/source_identity": "web",
    });
    for (trusted, subject) in
        [(by_app(), "org:acme:app:web"), (by_sandbox(), "org:acme:app:web:sandbox:web-1")]
    {
        for (aws, extras) in [(AwsExtras::default(), json!({})), (tagged.clone(), said.clone())] {
            let facts = TrustFacts { aws, ..facts(RelyingParty::Aws, trusted.clone()) };
            let policy = configuration(RelyingParty::Aws, &facts, Form::Policy).unwrap();
            let verdict = |subject: &str| {
                let claims = claims(subject, &extras);
                explain(&claims, &policy, Some(&role), UnixTime(10)).unwrap().verdict
            };
            assert_eq!(verdict(subject), Verdict::Fits, "{policy}");
            let others = [
                subject.replace("web", "web2"),
                subject.replace("acme", "evil"),
                format!("x{subject}"),
                "org:acme:app:web2:sandbox:web-1".to_owned(),
                "org:acme:app:we".to_owned(),
            ];
            for other in others {
                assert_eq!(verdict(&other), Verdict::Refuses, "{other}: {policy}");
            }
        }
    }
}

#[test]
fn aws_is_told_the_account_of_the_role_and_what_tokens_ask_for() {
    let facts = TrustFacts {
        aws: AwsExtras { tags: vec![SessionTag::App], ..AwsExtras::default() },
        ..facts(RelyingParty::Aws, by_app())
    };
    let policy = configuration(RelyingParty::Aws, &facts, Form::Policy).unwrap();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    let expected = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {
                "Federated": "arn:aws:iam::123456789012:oidc-provider/id.example.com/a",
            },
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
            "Condition": { "StringEquals": {
                "id.example.com/a:aud": "sts.amazonaws.com",
                "id.example.com/a:sub": "org:acme:app:web",
            } },
        }],
    });
    assert_eq!(policy, expected);
    let commands = configuration(RelyingParty::Aws, &facts, Form::Commands).unwrap();
    assert!(commands.contains("create-role --role-name deploy --path /team/ "), "{commands}");
    let unknown = TrustFacts { accounts: CloudAccounts::default(), ..facts };
    let policy = configuration(RelyingParty::Aws, &unknown, Form::Policy).unwrap();
    assert!(policy.contains("arn:aws:iam::ACCOUNT_ID:oidc-provider/id.example.com/a"), "{policy}");
    let commands = configuration(RelyingParty::Aws, &unknown, Form::Commands).unwrap();
    assert!(commands.starts_with("# Put your account in place of ACCOUNT_ID"), "{commands}");
}

#[test]
fn google_is_told_by_the_name_of_its_provider() {
    let text = printed(RelyingParty::Gcp, by_app(), Form::Commands).unwrap();
    for needed in [
        "providers create-oidc m",
        "--project=42",
        "assertion.identity_type == '\\''sandbox'\\''",
        "principal://iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/p/subject/org:acme:app:web",
    ] {
        assert!(text.contains(needed), "{needed}: {text}");
    }
    let own = TrustFacts {
        audience: Audience::parse("own").unwrap(),
        ..facts(RelyingParty::Gcp, by_app())
    };
    let refused = configuration(RelyingParty::Gcp, &own, Form::Commands);
    assert!(matches!(refused, Err(TrustError::Provider(_))), "{refused:?}");
}

/// An audience may hold any visible character: nothing of it is a command.
#[test]
fn a_hostile_audience_stays_a_value() {
    let hostile = "x'$(touch${IFS}pwned)'\"`;%{y}${z}";
    for party in
        [RelyingParty::Aws, RelyingParty::Vault, RelyingParty::Snowflake, RelyingParty::Kubernetes]
    {
        let facts =
            TrustFacts { audience: Audience::parse(hostile).unwrap(), ..facts(party, by_app()) };
        let text = configuration(party, &facts, Form::Commands).unwrap();
        let quoted = ["'x'\\''$(touch", "\"x'$(touch", "'x''$(touch"];
        assert!(quoted.iter().any(|begin| text.contains(begin)), "{party:?}: {text}");
        if let Ok(text) = configuration(party, &facts, Form::Terraform) {
            assert!(text.contains("%%{y}$${z}"), "{party:?}: {text}");
        }
    }
}
