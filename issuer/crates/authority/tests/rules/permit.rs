//! Who may have a token: the runner a sandbox is placed on, at that moment (promises P7, P15, P29).

use moneyer_authority::enrollment::{AuthenticatedRunner, Principal};
use moneyer_authority::mint::{Ask, MintError};
use moneyer_authority::registry::{AppChange, EndingChange, RegistryError};
use moneyer_identity::ErrorClass;
use moneyer_testkit::START;

use crate::world::{World, app, audience, controller, operator, runner, sandbox, workload};

fn may(world: &World, runner: &AuthenticatedRunner, id: &str) -> bool {
    match world.authority.registry().permit(runner, &sandbox(id)) {
        Ok(permit) => {
            assert_eq!(permit.placed().sandbox.runner, *runner.id());
            assert_eq!(permit.placed().sandbox.id, sandbox(id));
            true
        }
        Err(RegistryError::NoSuchSandbox) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_permit_follows_the_placement_of_the_moment() {
    let world = World::new().await;
    let ((one, _), (two, _)) = (world.join("runner-1").await, world.join("runner-2").await);
    world.put_app("web").await;
    assert!(!may(&world, &one, "web-1") && !may(&world, &two, "web-1"));
    world.place("web-1", "web", "runner-1").await;
    assert!(may(&world, &one, "web-1") && !may(&world, &two, "web-1"));
    world.place("web-1", "web", "runner-2").await;
    assert!(!may(&world, &one, "web-1") && may(&world, &two, "web-1"));
    world.take_away("web-1").await;
    assert!(!may(&world, &one, "web-1") && !may(&world, &two, "web-1"));
    world.take_away("web-1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_is_in_force_when_it_is_acknowledged() {
    let world = std::sync::Arc::new(World::new().await);
    let runners = [world.join("runner-0").await.0, world.join("runner-1").await.0];
    world.put_app("web").await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let (world, runners) = (world.clone(), runners.clone());
        tasks.spawn(async move {
            let id = format!("web-{task}");
            for turn in 0..100_usize {
                let (here, elsewhere) = (turn % 2, (turn + 1) % 2);
                world.place(&id, "web", &format!("runner-{here}")).await;
                assert!(may(&world, &runners[here], &id));
                assert!(!may(&world, &runners[elsewhere], &id));
            }
        });
    }
    assert_eq!(tasks.join_all().await.len(), 8);
}

#[tokio::test]
async fn what_is_unknown_and_what_is_not_yours_are_one_refusal() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.join("runner-2").await;
    world.put_app("web").await;
    world.place("foreign", "web", "runner-2").await;
    let mut texts = std::collections::BTreeSet::new();
    for id in ["foreign", "unknown"] {
        let refused = world.authority.registry().permit(&one, &sandbox(id)).unwrap_err();
        assert_eq!(refused.class(), ErrorClass::NotFound);
        let ask = Ask::default();
        let not_minted = world.authority.mint(&one, &sandbox(id), ask).await.unwrap_err();
        assert!(matches!(&not_minted, MintError::Registry(RegistryError::NoSuchSandbox)));
        assert_eq!(not_minted.class(), ErrorClass::NotFound);
        texts.insert(format!("{refused} {refused:?} {not_minted} {}", not_minted.told()));
    }
    for name in ["backup", "unknown"] {
        let ask = Ask::default();
        let refused = world.authority.mint_system(&one, &workload(name), ask).await.unwrap_err();
        assert!(matches!(&refused, MintError::Registry(RegistryError::NoSuchSystemWorkload)));
        texts.insert(format!("{refused} {refused:?} {}", refused.told()));
    }
    // One for sandboxes and one for system workloads, which a caller asks for by another call.
    assert_eq!(texts.len(), 2, "{texts:?}");
}

#[tokio::test]
async fn a_removed_runner_is_refused_though_it_was_authenticated_before() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    world.remove_runner("runner-1").await;
    assert!(!may(&world, &one, "web-1"));
    let system = world.authority.registry().permit_system(&one, &workload("telemetry"));
    assert!(matches!(system, Err(RegistryError::NoSuchSystemWorkload)));
    let placed = world.try_place("web-2", "web", "runner-1").await;
    assert!(matches!(placed, Err(RegistryError::NoSuchRunner(id)) if id == runner("runner-1")));
}

#[tokio::test]
async fn a_sandbox_needs_its_app_and_its_runner() {
    let world = World::new().await;
    world.join("runner-1").await;
    world.join_as(Principal::Controller(controller("scheduler"))).await;
    let refused = world.try_place("web-1", "web", "runner-1").await.unwrap_err();
    assert!(matches!(&refused, RegistryError::NoSuchApp(name) if *name == app("web")));
    assert_eq!(refused.class(), ErrorClass::NotFound);
    world.put_app("web").await;
    for other in ["runner-2", "scheduler"] {
        let refused = world.try_place("web-1", "web", other).await.unwrap_err();
        assert!(matches!(&refused, RegistryError::NoSuchRunner(id) if *id == runner(other)));
    }
    assert_eq!(world.authority.registry().sandbox_count(), 0);
}

#[tokio::test]
async fn an_app_in_use_stays_and_one_made_anew_has_another_uid() {
    let world = World::new().await;
    let registry = world.authority.registry();
    world.join("runner-1").await;
    let first = world.put_app("web").await;
    let limited = world.put_app_limited("web", &["https://rp.example.com"]).await;
    assert_eq!(first.uid, limited.uid);
    assert_eq!(first.created_at, limited.created_at);
    world.place("web-1", "web", "runner-1").await;
    world.place("web-2", "web", "runner-1").await;
    let refused = registry.remove_app(&operator(), app("web")).await.unwrap_err();
    assert!(matches!(&refused, RegistryError::AppInUse { sandboxes: 2, .. }), "{refused:?}");
    assert_eq!(refused.class(), ErrorClass::Conflict);
    world.take_away("web-1").await;
    // A sandbox that goes over to another app leaves this one.
    world.put_app("api").await;
    world.place("web-2", "api", "runner-1").await;
    registry.remove_app(&operator(), app("web")).await.unwrap();
    registry.remove_app(&operator(), app("web")).await.unwrap();
    assert_ne!(world.put_app("web").await.uid, first.uid);
    let counts: Vec<_> = registry.list_apps().into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [1, 0]);
}

#[tokio::test]
async fn saying_the_same_again_writes_nothing() {
    use moneyer_authority::store::Store as _;
    let world = World::new().await;
    world.join("runner-1").await;
    let uid = world.put_app("web").await.uid.clone();
    let placed = world.place("web-1", "web", "runner-1").await;
    let generation = world.store.generation();
    assert_eq!(world.place("web-1", "web", "runner-1").await, placed);
    assert_eq!(world.put_app("web").await.uid, uid);
    assert_eq!(world.store.generation(), generation);
    assert_eq!(world.take_away("unknown").await, generation);
}

#[tokio::test]
async fn a_system_workload_is_for_runners_only_where_it_runs_on_them() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    let registry = world.authority.registry();
    let permit = registry.permit_system(&one, &workload("telemetry")).unwrap();
    assert_eq!(permit.runner(), Some(&runner("runner-1")));
    assert!(registry.permit_system(&one, &workload("backup")).is_err());
    let permit = registry.permit_system_any(&operator(), &workload("backup")).unwrap();
    assert_eq!((permit.workload(), permit.runner()), (&workload("backup"), None));
    assert!(registry.permit_system_any(&operator(), &workload("unknown")).is_err());
}

#[tokio::test]
async fn an_app_lists_48_audiences_and_no_more() {
    let world = World::new().await;
    let list = |count: usize| (0..count).map(|n| format!("https://{n}.example.com")).collect();
    let put = |count| {
        let named: Vec<String> = list(count);
        let audiences = named.iter().map(|text| audience(text)).collect();
        let change = AppChange {
            name: app("web"),
            audiences,
            accounts: None,
            spiffe_ending: EndingChange::AsBefore,
        };
        let registry = world.authority.registry().clone();
        async move { registry.put_app(&operator(), change, START).await }
    };
    assert_eq!(put(48).await.unwrap().audiences.len(), 48);
    let recorded = world.audit.records().len();
    let refused = put(49).await.unwrap_err();
    assert!(matches!(refused, RegistryError::TooManyAudiences(49)), "{refused}");
    assert_eq!(refused.class(), ErrorClass::Invalid);
    assert_eq!(world.audit.records().len(), recorded, "nothing is written before it is refused");
}
