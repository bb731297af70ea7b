//! Which audiences and lifetimes may be asked for (threats A 13 to 18).

use moneyer_authority::Charter;
use moneyer_authority::audiences::{AudiencePolicy, AudienceProfile, AwsExtras, PolicyError};
use moneyer_authority::keys::Line;
use moneyer_authority::mint::{Ask, MintError};
use moneyer_identity::{
    Algorithm, AudienceError, ErrorClass, Lifetime, LifetimeError, LifetimeRange, MintedToken,
    ProfileName, SubjectForm,
};

use crate::claims::verified;
use crate::world::{ISSUER, World, audience, charter, day, issuer, operator, sandbox, workload};

const AWS: &str = "sts.amazonaws.com";
const VAULT: &str = "https://vault.example.com";

fn profile(
    name: &str,
    of: &str,
    subject: SubjectForm,
    lifetimes: LifetimeRange,
) -> AudienceProfile {
    let name = ProfileName::parse(name).unwrap();
    let (relying_party, aws) = (None, AwsExtras::default());
    let (line, audience, algorithm) = (Line::Primary, audience(of), Algorithm::RS256);
    AudienceProfile { name, audience, subject, lifetimes, relying_party, algorithm, line, aws }
}

/// 15 minutes to an hour, half an hour unasked.
fn short() -> LifetimeRange {
    let of = Lifetime::from_seconds;
    LifetimeRange::new(of(900), of(1800), of(3600)).unwrap()
}

/// `aws` by app for a short time, `vault` by sandbox; at most two audiences in a token; the app
/// `limited` may ask for Vault alone.
async fn world() -> World {
    let profiles = vec![
        profile("aws", AWS, SubjectForm::App, short()),
        profile("vault", VAULT, SubjectForm::Sandbox, short()),
    ];
    let policy = AudiencePolicy::new(&issuer(), audience("moneyer"), day(), 2, profiles).unwrap();
    let world = World::chartered(Charter { policy, ..charter() }).await;
    world.join("runner-1").await;
    world.put_app("web").await;
    world.put_app_limited("limited", &[VAULT]).await;
    world.place("web-1", "web", "runner-1").await;
    world.place("limited-1", "limited", "runner-1").await;
    world
}

async fn ask(
    world: &World,
    id: &str,
    audiences: &[&str],
    seconds: Option<u32>,
) -> Result<MintedToken, MintError> {
    let audiences = audiences.iter().map(|text| audience(text)).collect();
    let ask = Ask { audiences, lifetime: seconds.map(Lifetime::from_seconds), ..Ask::default() };
    world.authority.mint_any(&operator(), &sandbox(id), ask).await
}

#[tokio::test]
async fn an_audience_takes_its_profile_and_any_other_the_default() {
    let world = world().await;
    for (asked, named, subject, seconds) in [
        (&[][..], "moneyer", "org:acme:app:web:sandbox:web-1", 3600),
        (&["moneyer"], "moneyer", "org:acme:app:web:sandbox:web-1", 3600),
        (&[AWS], AWS, "org:acme:app:web", 1800),
        (&[VAULT], VAULT, "org:acme:app:web:sandbox:web-1", 1800),
        (
            &["https://rp.example.com"],
            "https://rp.example.com",
            "org:acme:app:web:sandbox:web-1",
            3600,
        ),
    ] {
        let minted = ask(&world, "web-1", asked, None).await.unwrap();
        assert_eq!(minted.expires_in.seconds(), seconds);
        let token = verified(&world, &minted, named);
        assert_eq!((token.subject(), token.audiences()), (subject, &[named.to_owned()][..]));
    }
}

#[tokio::test]
async fn an_audience_is_matched_by_exact_bytes() {
    let world = world().await;
    assert!(ask(&world, "limited-1", &[VAULT], None).await.is_ok());
    assert!(ask(&world, "limited-1", &[], None).await.is_ok(), "its own cluster, always");
    assert!(ask(&world, "limited-1", &["moneyer"], None).await.is_ok());
    for other in [
        AWS,
        "https://vault.example.com/",
        "https://vault.example.com:443",
        "https://vault.example.com.",
        "https://VAULT.example.com",
        "https://vault.example.co",
        "https://vault.example.comm",
        "Moneyer",
    ] {
        let refused = ask(&world, "limited-1", &[other], None).await.unwrap_err();
        let denied = matches!(&refused, MintError::AudienceDenied(it) if it.as_str() == other);
        assert!(denied, "{other}: {refused:?}");
        assert_eq!(refused.class(), ErrorClass::Denied);
        assert_eq!(refused.told(), "this audience may not be asked for");
    }
    let refused = ask(&world, "limited-1", &[VAULT, AWS], None).await.unwrap_err();
    assert!(matches!(refused, MintError::AudienceDenied(_)), "refused as a whole");
}

#[tokio::test]
async fn the_issuer_is_never_an_audience() {
    let world = world().await;
    for asked in [&[ISSUER][..], &[VAULT, ISSUER]] {
        let refused = ask(&world, "web-1", asked, None).await.unwrap_err();
        assert!(matches!(&refused, MintError::AudienceDenied(it) if it.as_str() == ISSUER));
        let ask =
            Ask { audiences: asked.iter().map(|it| audience(it)).collect(), ..Ask::default() };
        let refused = world.authority.mint_system_any(&operator(), &workload("backup"), ask).await;
        assert!(matches!(refused, Err(MintError::AudienceDenied(_))));
    }
}

#[tokio::test]
async fn several_audiences_must_agree_and_never_stand_beside_the_clusters_own() {
    let world = world().await;
    let minted = ask(&world, "web-1", &[VAULT, "https://rp.example.com"], None).await.unwrap();
    assert_eq!(minted.expires_in.seconds(), 1800, "the shortest default");
    let combinations = [
        &["moneyer", VAULT][..],
        &[VAULT, "moneyer"],
        // One by app, one by sandbox: no one subject serves both.
        &[AWS, VAULT],
    ];
    for asked in combinations {
        let refused = ask(&world, "web-1", asked, None).await.unwrap_err();
        assert!(matches!(refused, MintError::Combination), "{asked:?}: {refused:?}");
        assert_eq!(refused.class(), ErrorClass::Invalid);
    }
    let both = ask(&world, "web-1", &[VAULT, "https://rp.example.com"], Some(3601)).await;
    assert!(matches!(both, Err(MintError::Lifetime(_))), "as long as all of them allow");
}

#[tokio::test]
async fn how_many_is_settled_before_which() {
    let world = world().await;
    let thousand: Vec<_> = (0..1000).map(|number| format!("https://{number}")).collect();
    let mut thousand: Vec<_> = thousand.iter().map(String::as_str).collect();
    thousand.push(ISSUER);
    for (asked, why) in [
        (&["a", "b", "c"][..], AudienceError::TooMany(2)),
        (&thousand, AudienceError::TooMany(2)),
        (&["a", "a"], AudienceError::Repeated),
    ] {
        for id in ["web-1", "limited-1"] {
            let refused = ask(&world, id, asked, None).await.unwrap_err();
            let as_expected = matches!(&refused, MintError::Audiences(error) if *error == why);
            assert!(as_expected, "{refused:?}");
            assert_eq!(refused.class(), ErrorClass::Invalid);
            assert_eq!(refused.told(), why.to_string());
        }
    }
}

#[tokio::test]
async fn a_lifetime_out_of_range_is_refused_and_the_range_told() {
    let world = world().await;
    for (of, minimum, maximum) in [("moneyer", 60, 86_400), (VAULT, 900, 3600)] {
        for seconds in [minimum, maximum] {
            let minted = ask(&world, "web-1", &[of], Some(seconds)).await.unwrap();
            assert_eq!(minted.expires_in.seconds(), seconds);
            assert_eq!(minted.expires_at.since(world.now()).as_secs(), u64::from(seconds));
        }
        for seconds in [0, minimum - 1, maximum + 1, u32::MAX] {
            let refused = ask(&world, "web-1", &[of], Some(seconds)).await.unwrap_err();
            let range = LifetimeError::OutOfRange { minimum, maximum };
            assert!(matches!(&refused, MintError::Lifetime(error) if *error == range));
            assert_eq!(refused.class(), ErrorClass::Invalid);
            let told = format!("the lifetime must be between {minimum} and {maximum} seconds");
            assert_eq!(refused.told(), told);
        }
    }
}

#[test]
fn profiles_that_contradict_each_other_are_no_policy() {
    let of = |default: &str, maximum, profiles| {
        AudiencePolicy::new(&issuer(), audience(default), day(), maximum, profiles).map(drop)
    };
    let aws = || profile("aws", AWS, SubjectForm::App, short());
    assert_eq!(of("moneyer", 1, vec![aws()]), Ok(()));
    assert_eq!(of("moneyer", 32, Vec::new()), Ok(()));
    for maximum in [0, 33] {
        assert_eq!(of("moneyer", maximum, Vec::new()), Err(PolicyError::Maximum));
    }
    let same_name = AudienceProfile { audience: audience(VAULT), ..aws() };
    assert!(matches!(of("moneyer", 1, vec![aws(), same_name]), Err(PolicyError::Name(_))));
    let same_audience = AudienceProfile { name: ProfileName::parse("b").unwrap(), ..aws() };
    assert!(matches!(of("moneyer", 1, vec![aws(), same_audience]), Err(PolicyError::Audience(_))));
    let itself = AudienceProfile { audience: audience(ISSUER), ..aws() };
    assert_eq!(of("moneyer", 1, vec![itself]), Err(PolicyError::Issuer));
    assert_eq!(of(ISSUER, 1, Vec::new()), Err(PolicyError::Issuer));
}

#[tokio::test]
async fn an_app_has_the_profiles_it_may_ask_for() {
    let world = world().await;
    let policy = &world.authority.charter().policy;
    let names = |of: &str| {
        let apps = world.authority.registry().list_apps();
        let (app, _) = apps.into_iter().find(|(app, _)| app.name.as_str() == of).unwrap();
        let names = policy.profiles_of(&app).map(|profile| profile.name.as_str().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("web"), ["aws", "vault"]);
    assert_eq!(names("limited"), ["vault"]);
}
