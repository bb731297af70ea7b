//! Promise P7 over random histories: a permit exists exactly where a sandbox is placed now, whatever
//! two hostile runners have kept from before.

use std::collections::{BTreeMap, BTreeSet};

use moneyer_authority::enrollment::AuthenticatedRunner;
use moneyer_authority::registry::{Registry, RegistryError};
use proptest::prelude::*;

use crate::world::{World, app, operator, sandbox};

const RUNNERS: [&str; 2] = ["runner-0", "runner-1"];
const APPS: [&str; 2] = ["app-0", "app-1"];
const SANDBOXES: [&str; 4] = ["s-0", "s-1", "s-2", "s-3"];

#[derive(Debug, Clone)]
enum Step {
    PutApp(usize),
    RemoveApp(usize),
    Place { sandbox: usize, app: usize, runner: usize },
    TakeAway(usize),
    RemoveRunner(usize),
    Join(usize),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..2_usize).prop_map(Step::PutApp),
        1 => (0..2_usize).prop_map(Step::RemoveApp),
        8 => (0..4_usize, 0..2_usize, 0..2_usize)
            .prop_map(|(sandbox, app, runner)| Step::Place { sandbox, app, runner }),
        3 => (0..4_usize).prop_map(Step::TakeAway),
        1 => (0..2_usize).prop_map(Step::RemoveRunner),
        1 => (0..2_usize).prop_map(Step::Join),
        1 => Just(Step::Restart),
    ]
}

/// What must be so.
#[derive(Debug, Default)]
struct Truth {
    apps: BTreeSet<usize>,
    placed: BTreeMap<usize, (usize, usize)>,
    members: BTreeSet<usize>,
}

impl Truth {
    fn in_use(&self, app: usize) -> bool {
        self.placed.values().any(|(of, _)| *of == app)
    }
}

async fn take(world: &mut World, truth: &mut Truth, step: &Step) {
    match *step {
        Step::PutApp(app) => {
            world.put_app(APPS[app]).await;
            truth.apps.insert(app);
        }
        Step::RemoveApp(at) => {
            let removed = world.authority.registry().remove_app(&operator(), app(APPS[at])).await;
            if truth.in_use(at) {
                assert!(matches!(removed, Err(RegistryError::AppInUse { .. })));
            } else {
                removed.unwrap();
                truth.apps.remove(&at);
            }
        }
        Step::Place { sandbox, app, runner } => {
            let placed = world.try_place(SANDBOXES[sandbox], APPS[app], RUNNERS[runner]).await;
            if !truth.apps.contains(&app) {
                assert!(matches!(placed, Err(RegistryError::NoSuchApp(_))));
            } else if !truth.members.contains(&runner) {
                assert!(matches!(placed, Err(RegistryError::NoSuchRunner(_))));
            } else {
                placed.unwrap();
                truth.placed.insert(sandbox, (app, runner));
            }
        }
        Step::TakeAway(sandbox) => {
            world.take_away(SANDBOXES[sandbox]).await;
            truth.placed.remove(&sandbox);
        }
        Step::RemoveRunner(runner) => {
            world.remove_runner(RUNNERS[runner]).await;
            truth.members.remove(&runner);
        }
        Step::Join(runner) => {
            world.join(RUNNERS[runner]).await;
            truth.members.insert(runner);
        }
        Step::Restart => world.authority = world.reopened().await,
    }
}

fn check(registry: &Registry, hostile: &[AuthenticatedRunner], truth: &Truth) {
    for (at, id) in SANDBOXES.iter().enumerate() {
        for (runner, caller) in hostile.iter().enumerate() {
            let placed_here = truth.placed.get(&at).is_some_and(|(_, on)| *on == runner);
            let expected = placed_here && truth.members.contains(&runner);
            let permit = registry.permit(caller, &sandbox(id));
            assert_eq!(permit.is_ok(), expected, "{id} for {caller:?}: {truth:?}");
            if let (Ok(permit), Some((of, _))) = (permit, truth.placed.get(&at)) {
                assert_eq!(permit.app().name, app(APPS[*of]));
            }
        }
    }
    for (app, count) in registry.list_apps() {
        let at = APPS.iter().position(|name| *name == app.name.as_str()).unwrap();
        assert!(truth.apps.contains(&at));
        assert_eq!(count, truth.placed.values().filter(|(of, _)| *of == at).count());
    }
    assert_eq!(registry.sandbox_count(), truth.placed.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn a_permit_exists_exactly_where_a_sandbox_is_placed(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            let hostile = [world.join(RUNNERS[0]).await.0, world.join(RUNNERS[1]).await.0];
            let mut truth = Truth { members: [0, 1].into(), ..Truth::default() };
            for step in &steps {
                take(&mut world, &mut truth, step).await;
                check(world.authority.registry(), &hostile, &truth);
            }
        });
    }
}
