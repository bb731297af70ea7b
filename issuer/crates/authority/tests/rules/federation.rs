//! Federation: which foreign bundle is in force when, what takes its place, and what a restart knows.

use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::federation::{
    BundleUrl, EndpointProfile, Federation, FederationError, FederationsError,
    MAXIMUM_BOOTSTRAP_BYTES, MAXIMUM_FEDERATED_BYTES, MAXIMUM_FEDERATIONS, MAXIMUM_ROOTS_BYTES,
    Notice, Refused, Standing, Told, Trial,
};
use moneyer_authority::store::{Collection, Store as _};
use moneyer_identity::spiffe::{JwtAuthority, SpiffeId, TrustBundle, TrustDomain, X509Authority};
use moneyer_testkit::store::MemoryPlace;
use moneyer_testkit::{FixtureKey, ManualClock, TestCa};

use crate::world::{DAY, HOUR, World, operator, stored};

const SERVER: &str = "spiffe://other.example/bundle-endpoint";

fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

fn web(name: &str) -> Federation {
    Federation {
        trust_domain: domain(name),
        url: BundleUrl::parse(&format!("https://{name}/bundle")).unwrap(),
        endpoint: EndpointProfile::HttpsWeb { roots: None },
    }
}

fn spiffe(server: &str, bootstrap: Option<&TrustBundle>) -> Federation {
    Federation {
        endpoint: EndpointProfile::HttpsSpiffe {
            endpoint_id: SpiffeId::parse(server).unwrap(),
            bootstrap: bootstrap.map(TrustBundle::to_document),
        },
        ..web("other.example")
    }
}

fn bundle_of(name: &str, authorities: &[&TestCa]) -> TrustBundle {
    let authorities = authorities.iter().map(|ca| X509Authority::parse(&ca.der).unwrap());
    TrustBundle::new(domain(name), authorities.collect(), Vec::new()).unwrap()
}

/// One of `other.example`, with this number.
fn bundle(sequence: u64, authorities: &[&TestCa]) -> TrustBundle {
    bundle_of("other.example", authorities).with_sequence(sequence)
}

async fn put(authority: &Authority, federation: Federation) {
    authority.put_federation(&operator(), federation).await.unwrap();
}

async fn take(authority: &Authority, came: &TrustBundle) -> Result<bool, FederationsError> {
    let known = authority.federations().find(came.trust_domain()).unwrap();
    authority.take_bundle(known.federation.clone(), came.clone()).await
}

fn in_force(authority: &Authority) -> Option<TrustBundle> {
    authority
        .trust_bundles()
        .find(&domain("other.example"))
        .map(|bundle| TrustBundle::clone(bundle))
}

#[tokio::test]
async fn f9_a_federation_is_one_way_and_ends_with_its_bundle() {
    let world = World::new().await;
    let authority = &world.authority;
    put(authority, web("other.example")).await;
    assert_eq!(in_force(authority), None, "nothing is trusted that was not fetched");
    let mut changes = authority.federations().changes();
    let ca = TestCa::default();
    assert!(take(authority, &bundle(7, &[&ca])).await.unwrap());
    assert_eq!(in_force(authority), Some(bundle(7, &[&ca])));
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert!(!take(authority, &bundle(7, &[&ca])).await.unwrap(), "nothing in it is new");
    assert!(!changes.has_changed().unwrap());
    let own = authority.trust_bundles();
    assert_eq!(own.len(), 2, "its own is beside it");

    let gone = authority.federations().find(&domain("other.example")).unwrap();
    authority.remove_federation(&operator(), domain("other.example")).await.unwrap();
    assert!(changes.has_changed().unwrap());
    assert_eq!(in_force(authority), None);
    for collection in [Collection::Federations, Collection::FederatedBundles] {
        assert_eq!(stored(&world.store, collection).await, Vec::new());
    }
    // What was on its way is not taken any more.
    let late = authority.take_bundle(gone.federation.clone(), bundle(8, &[&ca])).await;
    assert!(matches!(late, Err(FederationsError::NoSuchFederation(_))));
    let again = authority.remove_federation(&operator(), domain("other.example")).await;
    assert!(matches!(again, Err(FederationsError::NoSuchFederation(_))));
    let events: Vec<_> = world.audit.events();
    let events: Vec<_> = events.iter().filter(|name| name.starts_with("federation")).collect();
    assert_eq!(events, ["federation_put", "federation_bundle_changed", "federation_removed"]);
}

#[tokio::test]
async fn f2_nothing_is_inferred_and_the_own_trust_domain_is_nobody_elses() {
    let world = World::new().await;
    let refused = async |federation| {
        world.authority.put_federation(&operator(), federation).await.unwrap_err()
    };
    assert!(matches!(refused(web("id.example.com")).await, FederationsError::Own(_)));
    let why = async |federation| match refused(federation).await {
        FederationsError::Federation(why) => why,
        other => panic!("{other}"),
    };
    let ca = TestCa::default();
    let boot = bundle(1, &[&ca]);
    assert!(matches!(why(spiffe(SERVER, None)).await, FederationError::NoBootstrap));
    let other = spiffe("spiffe://third.example/x", Some(&boot));
    assert!(matches!(why(other).await, FederationError::OtherBootstrap(_)));
    let empty = spiffe(SERVER, Some(&bundle(1, &[])));
    assert!(matches!(why(empty).await, FederationError::EmptyBootstrap));
    let mut garbage = spiffe(SERVER, Some(&boot));
    garbage.endpoint = EndpointProfile::HttpsSpiffe {
        endpoint_id: SpiffeId::parse(SERVER).unwrap(),
        bootstrap: Some("{}".to_owned()),
    };
    assert!(matches!(why(garbage).await, FederationError::Bootstrap(_)));
    let roots = |bytes| Federation {
        endpoint: EndpointProfile::HttpsWeb { roots: Some("x".repeat(bytes)) },
        ..web("other.example")
    };
    assert!(matches!(why(roots(MAXIMUM_ROOTS_BYTES + 1)).await, FederationError::Roots));
    put(&world.authority, roots(MAXIMUM_ROOTS_BYTES)).await;
}

#[tokio::test]
async fn a_bundle_to_begin_with_is_kept_without_its_keys_and_has_a_limit() {
    let world = World::new().await;
    let ca = TestCa::default();
    let keys = vec![JwtAuthority::of_key(&FixtureKey::P256_A.verifying_key()).unwrap()];
    let authorities = vec![X509Authority::parse(&ca.der).unwrap()];
    let with_key = TrustBundle::new(domain("other.example"), authorities, keys).unwrap();
    put(&world.authority, spiffe(SERVER, Some(&with_key))).await;
    let known = world.authority.federations().find(&domain("other.example")).unwrap();
    let reduced = bundle_of("other.example", &[&ca]).to_document();
    let EndpointProfile::HttpsSpiffe { bootstrap, .. } = &known.federation.endpoint else {
        panic!("another profile");
    };
    assert_eq!(bootstrap.as_deref(), Some(reduced.as_str()));

    let mut many = Vec::new();
    let mut refused = false;
    for _ in 0..100 {
        many.push(TestCa::default());
        let all: Vec<_> = many.iter().collect();
        let boot = bundle_of("other.example", &all);
        let fits = boot.to_document().len() <= MAXIMUM_BOOTSTRAP_BYTES;
        if fits && many.len() % 10 != 0 {
            continue;
        }
        let put = world.authority.put_federation(&operator(), spiffe(SERVER, Some(&boot))).await;
        assert_eq!(put.is_ok(), fits, "{put:?}");
        if !fits {
            refused = true;
            break;
        }
    }
    assert!(refused, "it was never too long");
}

#[tokio::test]
async fn f8_an_older_bundle_never_takes_the_place_of_a_newer_one() {
    let world = World::new().await;
    let authority = &world.authority;
    put(authority, web("other.example")).await;
    let (old, new) = (TestCa::default(), TestCa::default());
    take(authority, &bundle(7, &[&old, &new])).await.unwrap();
    let refused = async |came: &TrustBundle| match take(authority, came).await.unwrap_err() {
        FederationsError::Refused(refused) => refused,
        other => panic!("{other}"),
    };
    assert_eq!(refused(&bundle(6, &[&old])).await, Refused::Regressed { had: 7, got: 6 });
    let unnumbered = bundle_of("other.example", &[&old]);
    assert_eq!(refused(&unnumbered).await, Refused::Unnumbered { had: 7 });
    assert_eq!(in_force(authority), Some(bundle(7, &[&old, &new])));
    // The same after a restart: the number is kept.
    let again = world.reopened().await;
    assert_eq!(in_force(&again), Some(bundle(7, &[&old, &new])));
    assert!(take(&again, &bundle(6, &[&old])).await.is_err());
    assert!(take(&again, &bundle(8, &[&new])).await.unwrap());
    let notice = |authority: &Authority| {
        let known = authority.federations().find(&domain("other.example")).unwrap();
        known.fetched.as_ref().unwrap().notice
    };
    assert_eq!(notice(&again), None);
    // A fault of an authenticated server: its keys are taken and the fault is told.
    assert!(take(&again, &bundle(8, &[&old])).await.unwrap());
    assert_eq!(notice(&again), Some(Notice::SameSequence(8)));
    assert!(take(&again, &bundle(9, &[])).await.unwrap());
    assert_eq!(notice(&again), Some(Notice::Empty));
    assert_eq!(world.authority.now(), again.now());
}

#[tokio::test]
async fn a_refusal_is_recorded_once_and_not_at_every_look() {
    let world = World::new().await;
    let authority = &world.authority;
    put(authority, web("other.example")).await;
    take(authority, &bundle(7, &[])).await.unwrap();
    for _ in 0..3 {
        let failure = take(authority, &bundle(6, &[])).await.unwrap_err().to_string();
        let trial = Trial { at: world.now(), failure: Some(failure), next_at: world.now() };
        authority.federations().note(&domain("other.example"), &trial);
    }
    take(authority, &bundle(5, &[])).await.unwrap_err();
    let refused = |name: &String| name == "federation_bundle_refused";
    assert_eq!(world.audit.events().into_iter().filter(refused).count(), 2);
}

#[tokio::test]
async fn f8_a_bundle_that_cannot_be_fetched_anew_is_trusted_for_its_maximum_age() {
    let world = World::new().await;
    let authority = &world.authority;
    put(authority, web("other.example")).await;
    let ca = TestCa::default();
    take(authority, &bundle(7, &[&ca])).await.unwrap();
    let mut changes = authority.federations().changes();
    world.clock.advance(DAY.saturating_sub(Duration::from_secs(1)));
    authority.federations().settle(authority.now());
    assert!(in_force(authority).is_some());
    assert!(!changes.has_changed().unwrap());
    world.clock.advance(Duration::from_secs(1));
    authority.federations().settle(authority.now());
    assert_eq!(in_force(authority), None);
    assert!(changes.has_changed().unwrap(), "runners are told");
    changes.mark_unchanged();
    let known = authority.federations().find(&domain("other.example")).unwrap();
    assert_eq!(known.standing(authority.now(), DAY), Standing::TooOld);
    // After a restart it is no younger, and its number still counts.
    let again = world.reopened().await;
    assert_eq!(in_force(&again), None);
    assert!(take(&again, &bundle(6, &[&ca])).await.is_err());
    // Seen again unchanged it is in force again, and that is told too.
    assert!(!take(authority, &bundle(7, &[&ca])).await.unwrap());
    assert!(in_force(authority).is_some());
    assert!(changes.has_changed().unwrap());
    world.clock.advance(HOUR);
    assert!(in_force(&world.reopened().await).is_some());
}

#[tokio::test]
async fn f6_a_server_is_known_by_the_bundle_to_begin_with_and_then_by_the_newest() {
    let world = World::new().await;
    let authority = &world.authority;
    let (first, second) = (TestCa::default(), TestCa::default());
    let boot = bundle_of("other.example", &[&first]);
    let federation = spiffe(SERVER, Some(&boot));
    put(authority, federation.clone()).await;
    let known_by = |authority: &Authority| {
        let known = authority.federations().find(&domain("other.example")).unwrap();
        let Told::Spiffe(id, bundles) = known.server(&authority.trust_bundles()) else {
            panic!("another profile");
        };
        assert_eq!((id.as_str(), bundles.len()), (SERVER, 1));
        TrustBundle::clone(bundles.find(&domain("other.example")).unwrap())
    };
    assert_eq!(known_by(authority), boot);
    let newest = bundle(2, &[&second]);
    take(authority, &newest).await.unwrap();
    assert_eq!(known_by(authority), newest);
    // Not trusted any more, it still proves the server: else an outage would never end.
    world.clock.advance(2 * DAY);
    assert_eq!(known_by(authority), newest);
    assert_eq!(known_by(&world.reopened().await), newest);
    // To say the same again changes nothing; a new beginning counts until a bundle was fetched by it.
    put(authority, federation).await;
    assert_eq!(known_by(authority), newest);
    let third = bundle_of("other.example", &[&TestCa::default()]);
    put(authority, spiffe(SERVER, Some(&third))).await;
    assert_eq!(known_by(authority), third);
    assert_eq!(known_by(&world.reopened().await), third);
    take(authority, &newest).await.unwrap();
    assert_eq!(known_by(authority), newest);
}

#[tokio::test]
async fn f6_a_server_of_another_trust_domain_is_known_by_that_ones_bundle() {
    let world = World::new().await;
    let authority = &world.authority;
    put(authority, spiffe("spiffe://third.example/host", None)).await;
    let known_by = || {
        let known = authority.federations().find(&domain("other.example")).unwrap();
        match known.server(&authority.trust_bundles()) {
            Told::Spiffe(_, bundles) => bundles,
            Told::Web(_) => panic!("another profile"),
        }
    };
    take(authority, &bundle(1, &[&TestCa::default()])).await.unwrap();
    assert!(known_by().is_empty(), "the bundle that is served says nothing of who serves it");
    put(authority, web("third.example")).await;
    let third = bundle_of("third.example", &[&TestCa::default()]);
    take(authority, &third).await.unwrap();
    let bundles = known_by();
    assert_eq!((bundles.len(), bundles.find(&domain("third.example")).is_some()), (1, true));
}

#[tokio::test]
async fn a_bundle_of_many_records_is_kept_whole_and_shrinks_again() {
    let world = World::new().await;
    let authority = &world.authority;
    put(authority, web("other.example")).await;
    let many: Vec<_> = (0..240).map(|_| TestCa::default()).collect();
    let all: Vec<_> = many.iter().collect();
    let large = bundle(1, &all);
    assert!(large.to_document().len() > 64 * 1024, "one record would do");
    take(authority, &large).await.unwrap();
    let pieces = stored(&world.store, Collection::FederatedBundles).await;
    assert!(pieces.len() > 2, "{}", pieces.len());
    assert!(pieces.iter().all(|piece| piece.value.len() < 64 * 1024));
    assert_eq!(in_force(&world.reopened().await), Some(large));
    take(authority, &bundle(2, &all[..1])).await.unwrap();
    assert_eq!(stored(&world.store, Collection::FederatedBundles).await.len(), 1);
    assert_eq!(in_force(&world.reopened().await), Some(bundle(2, &all[..1])));
}

#[tokio::test]
async fn sixty_four_federations_are_put_and_one_more_is_not() {
    let world = World::new().await;
    for number in 0..MAXIMUM_FEDERATIONS {
        put(&world.authority, web(&format!("td-{number}.example"))).await;
    }
    let one_more = world.authority.put_federation(&operator(), web("more.example")).await;
    assert!(matches!(one_more, Err(FederationsError::TooMany)));
    put(&world.authority, web("td-0.example")).await;
}

#[tokio::test]
async fn all_bundles_together_fit_a_bundle_map() {
    let world = World::new().await;
    let authority = &world.authority;
    let many: Vec<_> = (0..250).map(|_| TestCa::default()).collect();
    let all: Vec<_> = many.iter().collect();
    let mut taken = 0;
    for number in 0..MAXIMUM_FEDERATIONS {
        let name = format!("td-{number}.example");
        put(authority, web(&name)).await;
        let came = bundle_of(&name, &all);
        let bytes = came.to_document().len();
        match take(authority, &came).await {
            Ok(_) => taken += bytes,
            Err(FederationsError::Refused(Refused::NoRoom { .. })) => {
                assert!(taken + bytes > MAXIMUM_FEDERATED_BYTES);
                assert!(taken <= MAXIMUM_FEDERATED_BYTES);
                let map = authority.trust_bundles().to_document();
                moneyer_identity::spiffe::TrustBundles::parse(map.as_bytes()).unwrap();
                return;
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("there was always room");
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_is_not_made() {
    let world = World::new().await;
    let authority = &world.authority;
    put(authority, web("other.example")).await;
    take(authority, &bundle(1, &[])).await.unwrap();
    world.audit.set_failing(true);
    let ca = TestCa::default();
    assert!(matches!(take(authority, &bundle(2, &[&ca])).await, Err(FederationsError::Audit(_))));
    let removal = authority.remove_federation(&operator(), domain("other.example")).await;
    assert!(matches!(removal, Err(FederationsError::Audit(_))));
    let put = authority.put_federation(&operator(), web("third.example")).await;
    assert!(matches!(put, Err(FederationsError::Audit(_))));
    assert_eq!(in_force(authority), Some(bundle(1, &[])));
}

#[tokio::test]
async fn f8_an_older_bundle_never_takes_the_place_of_one_that_another_coordinator_fetched() {
    let (place, clock) = (MemoryPlace::default(), ManualClock::default());
    let one = World::sharing(&place, "one", &clock).await;
    let other = World::sharing(&place, "other", &clock).await;
    let ca = TestCa::default();
    put(&one.authority, web("other.example")).await;
    assert!(take(&one.authority, &bundle(7, &[&ca])).await.unwrap());
    other.authority.follow().await.unwrap();
    assert!(take(&one.authority, &bundle(9, &[&ca])).await.unwrap());
    // It has not been told of it yet.
    assert_eq!(in_force(&other.authority).unwrap().sequence(), Some(7));
    let mut changes = other.authority.federations().changes();
    changes.borrow_and_update();
    let refused = take(&other.authority, &bundle(8, &[])).await;
    let older = Refused::Regressed { had: 9, got: 8 };
    assert!(
        matches!(&refused, Err(FederationsError::Refused(why)) if *why == older),
        "{refused:?}"
    );
    assert!(changes.has_changed().unwrap(), "and now it was");
    for world in [&one, &other] {
        assert_eq!(in_force(&world.authority).unwrap().sequence(), Some(9));
        world.authority.follow().await.unwrap();
        assert_eq!(in_force(&world.authority).unwrap().sequence(), Some(9));
    }
    // The same one again is no news, whoever fetched it first.
    assert!(take(&one.authority, &bundle(10, &[&ca])).await.unwrap());
    let before = place.replica("third").generation();
    assert!(!take(&other.authority, &bundle(10, &[&ca])).await.unwrap());
    assert_eq!(place.replica("third").generation(), before, "nothing is written twice");
    assert_eq!(in_force(&other.authority).unwrap().sequence(), Some(10));
}

#[tokio::test]
async fn a_bundle_of_a_federation_that_another_coordinator_has_ended_is_not_taken() {
    let (place, clock) = (MemoryPlace::default(), ManualClock::default());
    let one = World::sharing(&place, "one", &clock).await;
    put(&one.authority, web("other.example")).await;
    let other = World::sharing(&place, "other", &clock).await;
    one.authority.remove_federation(&operator(), domain("other.example")).await.unwrap();
    let refused = take(&other.authority, &bundle(7, &[])).await;
    assert!(matches!(refused, Err(FederationsError::NoSuchFederation(_))), "{refused:?}");
}
