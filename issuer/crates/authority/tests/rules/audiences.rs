//! Audience profiles: what makes one, who may put it, and what its tokens say.

use moneyer_authority::Charter;
use moneyer_authority::audiences::{
    AudiencePolicy, AudiencesError, AwsExtras, MAXIMUM_PROFILES, MAXIMUM_ROLES_BYTES, ProfileError,
    ProfileSpec,
};
use moneyer_authority::keys::KeyKinds;
use moneyer_authority::mint::{Ask, MintError};
use moneyer_authority::registry::{AppChange, EndingChange, RegistryError};
use moneyer_authority::signer::KeyKind;
use moneyer_identity::{
    AppName, ErrorClass, Lifetime, MintedToken, ProfileName, RelyingParty, RoleArn, SessionTag,
    SourceIdentity, SubjectForm,
};
use serde_json::{Value, json};

use crate::claims::verified;
use crate::world::{World, audience, charter, day, issuer, operator, sandbox, workload};

const STS: &str = "sts.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/deploy";

const RS256: KeyKinds = KeyKinds { primary: KeyKind::Rsa2048, second: None };
const ES256: KeyKinds = KeyKinds { primary: KeyKind::P256, second: None };

fn spec(name: &str, preset: Option<RelyingParty>) -> ProfileSpec {
    ProfileSpec {
        algorithm: None,
        name: ProfileName::parse(name).unwrap(),
        preset,
        audience: None,
        subject: None,
        default_lifetime: None,
        maximum_lifetime: None,
        aws: AwsExtras::default(),
    }
}

fn aws() -> ProfileSpec {
    spec("aws", Some(RelyingParty::Aws))
}

fn vault(name: &str) -> ProfileSpec {
    let audience = Some(audience(&format!("https://{name}.example.com")));
    ProfileSpec { audience, ..spec(name, Some(RelyingParty::Vault)) }
}

/// `web-1` of the app `web` on `runner-1`.
async fn world() -> World {
    let world = World::new().await;
    world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    world
}

async fn put(world: &World, spec: ProfileSpec) -> Result<(), AudiencesError> {
    world.authority.put_audience(&operator(), spec).await
}

async fn mint(world: &World, of: &[&str]) -> Result<MintedToken, MintError> {
    let audiences = of.iter().map(|text| audience(text)).collect();
    let ask = Ask { audiences, ..Ask::default() };
    world.authority.mint_any(&operator(), &sandbox("web-1"), ask).await
}

fn names(world: &World) -> Vec<String> {
    let policy = world.authority.profiles().policy();
    let mut names: Vec<_> =
        policy.profiles().map(|profile| profile.name.as_str().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_preset_fills_in_what_is_not_said() {
    for party in RelyingParty::ALL {
        let resolved = spec("it", Some(party)).resolve(&day(), RS256);
        match (party.audience(), resolved) {
            (Some(own), Ok(profile)) => {
                assert_eq!(profile.audience.as_str(), own);
                assert_eq!(profile.subject, SubjectForm::App, "the same across deploys");
                assert_eq!(profile.lifetimes, day());
            }
            (None, Err(error)) => assert_eq!(error, ProfileError::NoAudience(Some(party))),
            (own, resolved) => panic!("{party:?}: {own:?} {resolved:?}"),
        }
    }
}

#[test]
fn what_is_no_profile_is_refused_with_the_key_to_change() {
    let of = |seconds| Some(Lifetime::from_seconds(seconds));
    let role = || RoleArn::parse(ROLE).unwrap();
    let extras = |aws| ProfileSpec { aws, ..self::aws() };
    let fitting = MAXIMUM_ROLES_BYTES / ROLE.len();
    let roles = |count| extras(AwsExtras { roles: vec![role(); count], ..AwsExtras::default() });
    assert!(roles(fitting).resolve(&day(), RS256).is_ok());
    let stray = AwsExtras {
        tags: vec![SessionTag::App],
        transitive_tags: vec![SessionTag::Role],
        ..AwsExtras::default()
    };
    let foreign = AwsExtras { roles: vec![role()], ..AwsExtras::default() };
    let azure = || spec("azure", Some(RelyingParty::Azure));
    let cases = [
        (spec("bare", None), "value"),
        (ProfileSpec { maximum_lifetime: of(86_401), ..aws() }, "maximum_lifetime"),
        (ProfileSpec { default_lifetime: of(59), ..aws() }, "default_lifetime"),
        (ProfileSpec { default_lifetime: of(1499), ..azure() }, "default_lifetime"),
        (ProfileSpec { aws: foreign, ..azure() }, "aws"),
        (roles(fitting + 1), "aws.roles"),
        (extras(stray), "aws.transitive_tags"),
    ];
    for (spec, key) in cases {
        let error = spec.clone().resolve(&day(), RS256).unwrap_err();
        assert_eq!(error.key(), key, "{spec:?}: {error}");
    }
    let signs = azure().resolve(&day(), ES256).unwrap_err();
    assert_eq!(
        signs.to_string(),
        "azure takes no ES256 signatures; with keys.second_algorithm the cluster has keys of another \
         algorithm beside"
    );
    assert!(aws().resolve(&day(), ES256).is_ok());
}

#[tokio::test]
async fn a_profile_that_is_put_holds_at_once_and_after_a_restart() {
    let world = world().await;
    let before = mint(&world, &[STS]).await.unwrap();
    assert_eq!(verified(&world, &before, STS).subject(), "org:acme:app:web:sandbox:web-1");
    put(&world, aws()).await.unwrap();
    let after = mint(&world, &[STS]).await.unwrap();
    assert_eq!(verified(&world, &after, STS).subject(), "org:acme:app:web");

    let reopened = world.reopened().await;
    let policy = reopened.profiles().policy();
    assert!(policy.profiles().any(|profile| profile.audience.as_str() == STS));

    let changed = ProfileSpec { subject: Some(SubjectForm::SpiffeApp), ..aws() };
    put(&world, changed.clone()).await.unwrap();
    put(&world, changed).await.unwrap();
    let spiffe = mint(&world, &[STS]).await.unwrap();
    assert_eq!(verified(&world, &spiffe, STS).subject(), "spiffe://id.example.com/app/web");
    world.authority.remove_audience(&operator(), aws().name).await.unwrap();
    let removed = mint(&world, &[STS]).await.unwrap();
    assert_eq!(verified(&world, &removed, STS).subject(), "org:acme:app:web:sandbox:web-1");
    let gone = world.authority.remove_audience(&operator(), aws().name).await.unwrap_err();
    assert_eq!(gone.class(), ErrorClass::NotFound);
    let told = |event: &str| world.audit.events().iter().filter(|it| *it == event).count();
    assert_eq!((told("audience_put"), told("audience_removed")), (2, 1), "the same is no change");
}

#[tokio::test]
async fn profiles_of_the_configuration_are_changed_there() {
    let profile = aws().resolve(&day(), RS256).unwrap();
    let policy =
        AudiencePolicy::new(&issuer(), audience("moneyer"), day(), 2, vec![profile]).unwrap();
    let world = World::chartered(Charter { policy, ..charter() }).await;
    let refused = put(&world, aws()).await.unwrap_err();
    assert!(matches!(refused, AudiencesError::Configured(_)), "{refused}");
    let refused = world.authority.remove_audience(&operator(), aws().name).await.unwrap_err();
    assert!(matches!(refused, AudiencesError::Configured(_)), "{refused}");
    let other_name = ProfileSpec { name: ProfileName::parse("other").unwrap(), ..aws() };
    let refused = put(&world, other_name).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Conflict, "{refused}");
    let itself = ProfileSpec { audience: Some(audience(issuer().as_str())), ..vault("own") };
    assert_eq!(put(&world, itself).await.unwrap_err().class(), ErrorClass::Conflict);
    assert_eq!(names(&world), ["aws"]);
}

#[tokio::test]
async fn a_cluster_refuses_what_its_keys_cannot_sign() {
    let world =
        World::chartered(Charter { key_kinds: KeyKinds::only(KeyKind::P256), ..charter() }).await;
    let refused = put(&world, spec("azure", Some(RelyingParty::Azure))).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Invalid, "{refused}");
    put(&world, aws()).await.unwrap();
}

#[tokio::test]
async fn sixty_four_profiles_are_put_and_one_more_is_not() {
    let world = World::new().await;
    for number in 0..MAXIMUM_PROFILES {
        put(&world, vault(&format!("vault-{number}"))).await.unwrap();
    }
    let refused = put(&world, vault("one-more")).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Exhausted, "{refused}");
    let changed = ProfileSpec { subject: Some(SubjectForm::Sandbox), ..vault("vault-0") };
    put(&world, changed).await.unwrap();
    assert_eq!(names(&world).len(), MAXIMUM_PROFILES);
}

#[tokio::test]
async fn a_change_that_is_not_recorded_or_stored_is_not_in_force() {
    let world = world().await;
    world.audit.set_failing(true);
    assert_eq!(put(&world, aws()).await.unwrap_err().class(), ErrorClass::Unavailable);
    world.audit.set_failing(false);
    assert_eq!(names(&world), [""; 0]);
    put(&world, aws()).await.unwrap();
    world.audit.set_failing(true);
    let removal = world.authority.remove_audience(&operator(), aws().name).await;
    assert_eq!(removal.unwrap_err().class(), ErrorClass::Unavailable);
    assert_eq!(names(&world), ["aws"]);
}

// Subjects that are too long are found by whoever chose the name.
#[tokio::test]
async fn an_app_and_a_profile_that_do_not_fit_each_other_are_refused() {
    let world = world().await;
    let gcp = ProfileSpec {
        algorithm: None,
        audience: Some(audience("//iam.googleapis.com/projects/1/locations/global/x")),
        subject: Some(SubjectForm::SpiffeSandbox),
        ..spec("gcp", Some(RelyingParty::Gcp))
    };
    put(&world, gcp.clone()).await.unwrap();
    let long = |letters: usize| AppName::parse(&"a".repeat(letters)).unwrap();
    let change = |name| AppChange {
        name,
        audiences: Vec::new(),
        accounts: None,
        spiffe_ending: EndingChange::AsBefore,
    };
    // spiffe://id.example.com/app/…/sandbox/S: 37 bytes beside the names.
    world.authority.put_app(&operator(), change(long(63))).await.unwrap();
    // Its sandbox's id is part of the subject: 37 + 63 + 27 = 127.
    let id = |letters: usize| "s".repeat(letters);
    let app = "a".repeat(63);
    for (letters, fits) in [(27, true), (28, false)] {
        world.place(&id(letters), &app, "runner-1").await;
        let audiences = gcp.audience.clone().into_iter().collect();
        let ask = Ask { audiences, ..Ask::default() };
        let minted = world.authority.mint_any(&operator(), &sandbox(&id(letters)), ask).await;
        match minted {
            Ok(_) => assert!(fits),
            Err(error) => {
                assert!(!fits, "{error}");
                assert_eq!(error.class(), ErrorClass::Invalid);
                assert!(error.told().contains("has 128 bytes, and gcp takes at most 127"));
            }
        }
    }
    let one = ProfileSpec {
        algorithm: None,
        aws: AwsExtras { source_identity: Some(SourceIdentity::App), ..AwsExtras::default() },
        ..aws()
    };
    put(&world, one.clone()).await.unwrap();
    let refused = world.authority.put_app(&operator(), change(long(1))).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Misfit(_)), "{refused}");
    world.authority.remove_audience(&operator(), one.name.clone()).await.unwrap();
    world.authority.put_app(&operator(), change(long(1))).await.unwrap();
    let refused = put(&world, one).await.unwrap_err();
    assert!(matches!(refused, AudiencesError::Misfit(_)), "{refused}");
}

#[tokio::test]
async fn tokens_for_aws_say_what_their_profile_asks_for_and_nothing_else() {
    let world = world().await;
    let claims = |minted: &MintedToken, of: &str| {
        Value::Object(verified(&world, minted, of).claims().clone())
    };
    put(&world, aws()).await.unwrap();
    let plain = claims(&mint(&world, &[STS]).await.unwrap(), STS);
    let is_aws = |claims: &Value| {
        claims.as_object().unwrap().keys().any(|name| name.starts_with("https://"))
    };
    assert!(!is_aws(&plain), "{plain}");

    let extras = AwsExtras {
        roles: vec![RoleArn::parse(ROLE).unwrap()],
        tags: vec![SessionTag::App, SessionTag::SandboxId, SessionTag::Role],
        transitive_tags: vec![SessionTag::App, SessionTag::Role],
        source_identity: Some(SourceIdentity::Sandbox),
    };
    put(&world, ProfileSpec { aws: extras, ..aws() }).await.unwrap();
    let asked = claims(&mint(&world, &[STS]).await.unwrap(), STS);
    assert_eq!(asked["https://aws.amazon.com/roles"], json!([ROLE]));
    let tags = json!({
        "principal_tags": { "app": ["web"], "sandbox_id": ["web-1"] },
        "transitive_tag_keys": ["app"]
    });
    assert_eq!(asked["https://aws.amazon.com/tags"], tags, "no role, so no tag of it");
    assert_eq!(asked["https://aws.amazon.com/source_identity"], "web-1");
    let other = claims(&mint(&world, &["moneyer"]).await.unwrap(), "moneyer");
    assert!(!is_aws(&other), "others are told nothing: {other}");

    let ask = Ask { audiences: vec![audience(STS)], ..Ask::default() };
    let system = world.authority.mint_system_any(&operator(), &workload("backup"), ask).await;
    let system = claims(&system.unwrap(), STS);
    assert_eq!(system["https://aws.amazon.com/roles"], json!([ROLE]), "the pin holds for all");
    assert_eq!(system.get("https://aws.amazon.com/source_identity"), None);
}

#[tokio::test]
async fn a_token_with_claims_for_aws_is_for_aws_alone() {
    let policy = AudiencePolicy::new(&issuer(), audience("moneyer"), day(), 2, vec![]).unwrap();
    let world = World::chartered(Charter { policy, ..charter() }).await;
    world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    put(&world, ProfileSpec { subject: Some(SubjectForm::Sandbox), ..aws() }).await.unwrap();
    let both = [STS, "https://rp.example.com"];
    assert!(mint(&world, &both).await.is_ok(), "nothing is for AWS alone yet");
    let aws = AwsExtras { tags: vec![SessionTag::App], ..AwsExtras::default() };
    let pinned = ProfileSpec { subject: Some(SubjectForm::Sandbox), aws, ..self::aws() };
    put(&world, pinned).await.unwrap();
    let refused = mint(&world, &both).await.unwrap_err();
    assert!(matches!(refused, MintError::Combination), "{refused}");
}
