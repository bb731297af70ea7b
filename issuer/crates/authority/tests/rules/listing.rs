//! Pages of sandboxes, at their limits.

use moneyer_authority::registry::{PageRequest, RegistryError, Sandbox};
use moneyer_authority::store::{Change, Collection, Expected, Store as _};
use moneyer_identity::ErrorClass;
use serde_json::json;

use crate::world::{World, app, placement, runner, sandbox};

const MAXIMUM_PAGE: usize = 10_000;
const DEFAULT_PAGE: usize = 1_000;

/// This many sandboxes of `web` on runner 1, and one of `api` on runner 2.
async fn crowded(count: usize) -> World {
    let mut world = World::new().await;
    world.join("runner-1").await;
    world.join("runner-2").await;
    world.put_app("web").await;
    world.put_app("api").await;
    let web =
        (0..count).map(|at| placement(&format!("web-{at:05}"), "web", "runner-1", world.now()));
    let api = placement("api-1", "api", "runner-2", world.now());
    let put = |sandbox: Sandbox| {
        let Sandbox { id, app, runner, placed_at, .. } = sandbox;
        let record = json!({ "id": id, "app": app, "runner": runner, "placed_at": placed_at });
        Change {
            collection: Collection::Sandboxes,
            id: id.as_str().to_owned(),
            expected: Expected::Absent,
            value: Some(serde_json::to_vec(&record).unwrap().into()),
        }
    };
    world.store.commit(web.chain([api]).map(put).collect()).await.unwrap();
    world.authority = world.reopened().await;
    world
}

fn request(size: usize) -> PageRequest {
    PageRequest { size, ..PageRequest::default() }
}

#[tokio::test]
async fn a_page_has_a_default_and_a_largest_size() {
    let world = crowded(MAXIMUM_PAGE).await;
    let registry = world.authority.registry();
    assert_eq!(registry.sandbox_count(), MAXIMUM_PAGE + 1);
    for (asked, given) in [(0, DEFAULT_PAGE), (1, 1), (MAXIMUM_PAGE, MAXIMUM_PAGE)] {
        let page = registry.list_sandboxes(&request(asked)).unwrap();
        assert_eq!(page.sandboxes.len(), given);
        assert_eq!(page.next, page.sandboxes.last().map(|placed| placed.sandbox.id.clone()));
    }
    for asked in [MAXIMUM_PAGE + 1, usize::MAX] {
        let refused = registry.list_sandboxes(&request(asked)).unwrap_err();
        assert!(matches!(refused, RegistryError::PageSize(MAXIMUM_PAGE)));
        assert_eq!(refused.class(), ErrorClass::Invalid);
    }
}

#[tokio::test]
async fn pages_together_are_everything_once() {
    let world = crowded(25).await;
    for size in [1, 5, 13, 26, 27] {
        let mut request = request(size);
        let mut ids = Vec::new();
        loop {
            let page = world.authority.registry().list_sandboxes(&request).unwrap();
            assert!(page.sandboxes.len() <= size);
            ids.extend(page.sandboxes.iter().map(|placed| placed.sandbox.id.clone()));
            match page.next {
                Some(next) => request.after = Some(next),
                None => break,
            }
        }
        assert!(ids.is_sorted());
        assert_eq!(ids.len(), 26, "{size}");
    }
}

#[tokio::test]
async fn a_page_holds_what_is_asked_for() {
    let world = crowded(3).await;
    let list = |of: Option<&str>, on: Option<&str>, after: Option<&str>| {
        let request = PageRequest {
            app: of.map(app),
            runner: on.map(runner),
            after: after.map(sandbox),
            size: 0,
        };
        let page = world.authority.registry().list_sandboxes(&request).unwrap();
        assert_eq!(page.next, None);
        page.sandboxes.len()
    };
    assert_eq!(list(None, None, None), 4);
    assert_eq!(list(Some("web"), None, None), 3);
    assert_eq!(list(None, Some("runner-2"), None), 1);
    assert_eq!(list(Some("web"), Some("runner-2"), None), 0);
    assert_eq!(list(Some("web"), None, Some("web-00001")), 1);
    assert_eq!(list(None, None, Some("zzz")), 0);
    let members = world.authority.registry().list_members();
    let counts: Vec<_> = members.iter().map(|(member, count)| (&*member.name, *count)).collect();
    assert_eq!(counts, [("runner-1", 3), ("runner-2", 1)]);
}
