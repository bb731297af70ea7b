//! One event of each kind, with every field that it can have.

#![expect(clippy::missing_panics_doc, reason = "the texts are constants")]
#![expect(clippy::expect_used, reason = "the texts are constants")]

use moneyer_authority::audit::{
    Event, ExchangeRefused, LoginRefused, MappingPut, MappingRemoved, PolicyPut, ProviderPlace,
    ProviderPut, RequestRefused, ScopePut, ScopeRemoved, Sequence, SubjectTokenExchanged,
    SubjectTokenRefused, SubjectTokenRenewed, TokenMinted, TokenRefused, TokenWithheld,
    X509SvidRefused, X509SvidSigned, X509SvidWithheld,
};
use moneyer_authority::exchange::{ClientIdentifier, ParticipantContext, ScopeName};
use moneyer_authority::profiles::ProfileId;
use moneyer_authority::store::Generation;
use moneyer_identity::grant::TokenEndpoint;
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdEnding, SpiffeIdPattern, TrustDomain};
use moneyer_identity::{
    Algorithm, AppName, AppUid, Audience, Audiences, CloudAccounts, CredentialName, ErrorClass,
    IssuerUrl, KeyId, Lifetime, PolicyName, ProfileName, ProviderName, RoleArn, RoleName, RunnerId,
    SandboxId, SubjectForm, SubjectParts, SystemWorkloadName, TokenId, UnixTime,
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// One event of each kind, in the order of [`Event::NAMES`].
#[must_use]
pub fn samples() -> Vec<Event> {
    let app = AppName::parse("web").expect("a name");
    let sandbox = SandboxId::parse("web-1").expect("an id");
    let runner = RunnerId::parse("runner-1").expect("an id");
    let workload = SystemWorkloadName::parse("telemetry").expect("a name");
    let audience = Audience::parse("sts.amazonaws.com").expect("an audience");
    let kid = KeyId::parse("key-1").expect("an id");
    let jti = TokenId::parse(TOKEN).expect("an id");
    let parts = SubjectParts {
        organization: None,
        cluster: None,
        trust_domain: TrustDomain::parse("id.example.com").expect("a domain"),
    };
    let member = || "runner:runner-1".to_owned();
    let (class, reason) = (ErrorClass::Unavailable.as_str(), "why".to_owned());
    let (serial, certificate_ends_at) = ("0a".to_owned(), UnixTime(2));
    let profile = ProfileName::parse("aws").expect("a name");
    let mut samples = vec![
        Event::TokenMinted(TokenMinted {
            sandbox: Some(sandbox.clone()),
            app: Some(app.clone()),
            runner: Some(runner.clone()),
            system_workload: Some(workload.clone()),
            policies: vec![policy_name()],
            sub: parts.sandbox(SubjectForm::Sandbox, &app, &sandbox),
            aud: Audiences::several(vec![audience.clone()], 1).expect("one audience"),
            jti: jti.clone(),
            kid,
            exp: UnixTime(2),
        }),
        Event::TokenRefused(TokenRefused {
            sandbox: Some(sandbox.clone()),
            system_workload: Some(workload.clone()),
            class,
            reason: reason.clone(),
            count: 1,
        }),
        Event::TokenWithheld(TokenWithheld {
            sandbox: Some(sandbox.clone()),
            system_workload: Some(workload),
            jti,
            class,
            reason: reason.clone(),
        }),
        Event::AppPut {
            app: app.clone(),
            app_uid: AppUid::parse(TOKEN).expect("an id"),
            audiences: vec![audience.clone()],
            accounts: CloudAccounts { aws_role: Some(role()), ..CloudAccounts::default() },
            spiffe_ending: SpiffeIdEnding::parse("/x").ok(),
        },
        Event::AppRemoved { app: app.clone() },
        audience_put(audience, profile.clone()),
        Event::AudienceRemoved { audience_profile: profile },
    ];
    samples.extend(federations());
    samples.extend(of_policies());
    samples.extend(of_providers());
    samples.extend(of_delegations());
    samples.extend(of_exchanges());
    samples.extend([
        Event::SandboxPut {
            sandbox: sandbox.clone(),
            app,
            runner,
            role: Some(RoleName::parse("reader").expect("a name")),
        },
        Event::SandboxRemoved { sandbox },
        Event::MemberInvited { member: member(), expires_at: UnixTime(2) },
        Event::InvitationsWithdrawn { member: member(), count: 1 },
        Event::MemberJoined { member: member(), serial: serial.clone(), certificate_ends_at },
        Event::MemberRenewed { member: member(), serial, certificate_ends_at },
        Event::MemberRemoved { member: member() },
    ]);
    samples.extend(of_keys());
    samples.extend(of_x509_svids());
    samples.extend(of_issuers());
    samples.extend(of_the_store(class, reason));
    samples
}

fn of_the_store(class: &'static str, reason: String) -> [Event; 6] {
    [
        Event::StoreRekeyed { kek: "0a".to_owned() },
        Event::StoreBackedUp { file: "/backup/moneyer".to_owned() },
        Event::LossAccepted { generation: Generation(1) },
        Event::ClockMarkMissing { mark: UnixTime(1) },
        Event::ClockConfirmed { stated: UnixTime(2), mark: Some(UnixTime(1)) },
        Event::ChangeFailed { of: Sequence(1), class, reason },
    ]
}

fn of_keys() -> Vec<Event> {
    let kid = KeyId::parse("key-1").expect("an id");
    vec![
        Event::RotationRequested {},
        Event::KeyPrepared { kid: kid.clone(), alg: Algorithm::RS256 },
        Event::KeyActivated {
            kid: kid.clone(),
            alg: Algorithm::RS256,
            exception: Some("first key".to_owned()),
        },
        Event::KeyRetired { kid: kid.clone(), sign_until: Some(UnixTime(2)) },
        Event::KeyPruned { kid: kid.clone() },
        Event::KeyWithdrawn { kid: kid.clone(), reason: "why".to_owned() },
        Event::KeyImported { kid, alg: Algorithm::RS256, signs: true },
    ]
}

fn of_x509_svids() -> Vec<Event> {
    let kid = KeyId::parse("key-1").expect("an id");
    let sandbox = SandboxId::parse("web-1").expect("an id");
    let (class, reason) = (ErrorClass::Unavailable.as_str(), || "why".to_owned());
    let (serial, not_after) = (|| "0a".to_owned(), UnixTime(2));
    let id = |text| SpiffeId::parse(text).expect("an id");
    vec![
        Event::X509SvidSigned(X509SvidSigned {
            sandbox: sandbox.clone(),
            app: AppName::parse("web").expect("a name"),
            runner: RunnerId::parse("runner-1").expect("an id"),
            spiffe_id: id("spiffe://id.example.com/app/web/sandbox/web-1"),
            serial: serial(),
            kid: kid.clone(),
            not_after,
        }),
        Event::X509SvidRefused(X509SvidRefused {
            sandbox: Some(sandbox.clone()),
            class,
            reason: reason(),
            count: 1,
        }),
        Event::X509SvidWithheld(X509SvidWithheld {
            sandbox,
            serial: serial(),
            class,
            reason: reason(),
        }),
        Event::BundleEndpointCertified {
            spiffe_id: id("spiffe://id.example.com/moneyer/bundle"),
            serial: serial(),
            kid: kid.clone(),
            not_after,
        },
        Event::X509RotationRequested {},
        Event::X509AuthorityPrepared { kid: kid.clone(), not_after },
        Event::X509AuthorityActivated { kid: kid.clone(), exception: Some("first key".to_owned()) },
        Event::X509AuthorityRetired { kid: kid.clone(), sign_until: Some(UnixTime(2)) },
        Event::X509AuthorityPruned { kid: kid.clone() },
        Event::X509AuthorityWithdrawn { kid, reason: reason() },
    ]
}

fn of_issuers() -> Vec<Event> {
    let issuer = |text| IssuerUrl::parse(text).expect("a URL");
    vec![
        Event::IssuerMoved {
            from: issuer("https://one.example.com"),
            to: issuer("https://two.example.com"),
        },
        Event::IssuerAdopted { issuer: issuer("https://old.example.com"), left_at: UnixTime(2) },
        Event::IssuerEnded { issuer: issuer("https://old.example.com") },
    ]
}

fn role() -> RoleArn {
    RoleArn::parse("arn:aws:iam::123456789012:role/deploy").expect("an ARN of a role")
}

fn federations() -> [Event; 4] {
    let trust_domain = || TrustDomain::parse("other.example").expect("a trust domain");
    [
        Event::FederationPut {
            trust_domain: trust_domain(),
            url: "https://other.example/bundle".to_owned(),
            profile: "https_spiffe",
            endpoint_id: SpiffeId::parse("spiffe://other.example/server").ok(),
        },
        Event::FederationRemoved { trust_domain: trust_domain() },
        Event::FederationBundleChanged {
            trust_domain: trust_domain(),
            sequence: Some(7),
            x509_authorities: 1,
            jwt_authorities: 2,
        },
        Event::FederationBundleRefused {
            trust_domain: trust_domain(),
            class: "conflict",
            reason: "it is an older document".to_owned(),
        },
    ]
}

fn audience_put(audience: Audience, audience_profile: ProfileName) -> Event {
    Event::AudiencePut {
        audience_profile,
        audience,
        subject_form: SubjectForm::App,
        alg: Algorithm::ES256,
        roles: vec![role()],
    }
}

fn policy_name() -> PolicyName {
    PolicyName::parse("builds").expect("a name")
}

fn of_policies() -> [Event; 2] {
    [
        Event::PolicyPut(PolicyPut {
            policy: policy_name(),
            patterns: vec![
                SpiffeIdPattern::parse("spiffe://other.example/build/*").expect("a pattern"),
            ],
            effect: "allow",
            permissions: vec!["apps:write".parse().expect("a permission")],
            maximum_lifetime: Some(Lifetime::from_seconds(600)),
        }),
        Event::PolicyRemoved { policy: policy_name() },
    ]
}

fn of_providers() -> [Event; 6] {
    let provider = || ProviderName::parse("demo").expect("a name");
    let provider_profile = || ProfileId::parse("token-grants").expect("an id");
    let app = Some(AppName::parse("web").expect("a name"));
    let sandbox = Some(SandboxId::parse("web-1").expect("an id"));
    let place = ProviderPlace { provider: provider(), app, sandbox };
    [
        Event::ProviderProfilePut { provider_profile: provider_profile() },
        Event::ProviderProfileRemoved { provider_profile: provider_profile() },
        Event::ProviderPut(ProviderPut {
            provider: provider(),
            provider_profile: provider_profile(),
            credentials: vec![CredentialName::parse("subject_token").expect("a name")],
        }),
        Event::ProviderRemoved { provider: provider() },
        Event::ProviderAttached(place.clone()),
        Event::ProviderDetached(place),
    ]
}

fn of_delegations() -> [Event; 3] {
    let provider = || ProviderName::parse("demo").expect("a name");
    let credential = || CredentialName::parse("access_token").expect("a name");
    let sandbox = || SandboxId::parse("web-1").expect("an id");
    let endpoint = TokenEndpoint::parse("https://idp.example/token");
    [
        Event::SubjectTokenExchanged(SubjectTokenExchanged {
            sandbox: sandbox(),
            app: AppName::parse("web").expect("a name"),
            spiffe_id: SpiffeId::parse("spiffe://id.example.com/app/web").expect("an id"),
            provider: provider(),
            credential: credential(),
            token_endpoint: endpoint.expect("an endpoint"),
        }),
        Event::SubjectTokenRefused(SubjectTokenRefused {
            sandbox: Some(sandbox()),
            class: ErrorClass::Denied.as_str(),
            reason: "why".to_owned(),
            count: 1,
        }),
        Event::SubjectTokenRenewed(SubjectTokenRenewed {
            provider: provider(),
            credential: credential(),
            expires_at: UnixTime(2),
        }),
    ]
}

fn of_exchanges() -> [Event; 7] {
    let client = || ClientIdentifier::parse("system:serviceaccount:ns:sa").expect("a client");
    let context = || ParticipantContext::parse("pc1").expect("a context");
    let scope = || ScopeName::parse("read").expect("a scope");
    let (class, reason) = (ErrorClass::Unauthenticated.as_str(), || "why".to_owned());
    [
        Event::MappingPut(MappingPut {
            client: client(),
            participant_context: context(),
            scopes: vec![scope()],
            audiences: vec![Audience::parse("https://api.example").expect("an audience")],
            enabled: true,
        }),
        Event::MappingRemoved(MappingRemoved { client: client(), participant_context: context() }),
        Event::ScopePut(ScopePut {
            scope: scope(),
            participant_context: Some(context()),
            claims: vec!["roles".to_owned()],
        }),
        Event::ScopeRemoved(ScopeRemoved { scope: scope(), participant_context: Some(context()) }),
        Event::LoginRefused(LoginRefused { class, reason: reason(), count: 1 }),
        Event::ExchangeRefused(ExchangeRefused {
            participant_context: Some(context()),
            class,
            reason: reason(),
            count: 1,
        }),
        Event::RequestRefused(RequestRefused { class, reason: reason(), count: 1 }),
    ]
}
