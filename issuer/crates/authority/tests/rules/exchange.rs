//! Mappings and scopes: kept, recorded, changed together, and bounded.

use std::sync::Arc;

use moneyer_authority::enrollment::{AuthenticatedOperator, LocalPeer};
use moneyer_authority::exchange::{
    MAXIMUM_CLAIMS_BYTES, MAXIMUM_GRANTS, MAXIMUM_MAPPINGS, MAXIMUM_SCOPES, MappingsError, Place,
    ResourceMapping, ScopeMapping,
};
use moneyer_authority::store::Generation;
use serde_json::{Value, json};

use crate::world::World;

fn operator() -> AuthenticatedOperator {
    LocalPeer { uid: 0 }.authenticate(1000, &[]).unwrap()
}

fn mapping(client: &str, more: &Value) -> ResourceMapping {
    let mut value =
        json!({ "clientIdentifier": client, "participantContext": "pc1", "scopes": ["read"] });
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

fn scope(name: &str, claims: &Value) -> ScopeMapping {
    serde_json::from_value(json!({ "scope": name, "claims": claims })).unwrap()
}

impl World {
    async fn put(&self, several: Vec<ResourceMapping>, place: Place) -> Result<(), MappingsError> {
        self.authority.put_mappings(&operator(), several, place).await
    }

    async fn put_scopes(&self, several: Vec<ScopeMapping>) -> Result<(), MappingsError> {
        self.authority.put_scopes(&operator(), several, Place::Any).await
    }

    fn mappings(&self) -> usize {
        self.authority.exchange_catalog().mappings().count()
    }
}

#[tokio::test]
async fn a_change_is_recorded_and_one_that_changes_nothing_is_not() {
    let world = World::new().await;
    let one = mapping("a", &json!({}));
    world.put(vec![one.clone()], Place::New).await.unwrap();
    let before = world.audit.records().len();
    world.put(vec![one.clone()], Place::Any).await.unwrap();
    assert_eq!(world.audit.records().len(), before);
    let revision = world.authority.exchange_catalog().mapping(&one.key()).unwrap().revision;
    let changed = mapping("a", &json!({ "enabled": false }));
    let stale = Place::There(Some(Generation(revision.0 + 1)));
    let refused = world.put(vec![changed.clone()], stale).await.unwrap_err();
    assert!(matches!(refused, MappingsError::Changed));
    world.put(vec![changed], Place::There(Some(revision))).await.unwrap();
    let last = world.audit.records().pop().unwrap();
    assert_eq!((&last["event"], &last["enabled"]), (&json!("mapping_put"), &json!(false)));
    assert!(world.authority.remove_mapping(&operator(), one.key(), None).await.unwrap());
    assert!(!world.authority.remove_mapping(&operator(), one.key(), None).await.unwrap());
    assert_eq!(world.audit.records().pop().unwrap()["event"], "mapping_removed");
    assert_eq!(world.mappings(), 0);
}

#[tokio::test]
async fn of_several_all_are_written_or_none() {
    let world = World::new().await;
    world.put(vec![mapping("a", &json!({}))], Place::New).await.unwrap();
    let several = vec![mapping("b", &json!({})), mapping("a", &json!({}))];
    let refused = world.put(several, Place::New).await.unwrap_err();
    assert!(matches!(refused, MappingsError::MappingExists(_)));
    let twice = vec![mapping("c", &json!({})), mapping("c", &json!({}))];
    let refused = world.put(twice, Place::Any).await.unwrap_err();
    assert!(matches!(refused, MappingsError::MappingTwice(_)));
    assert_eq!(world.mappings(), 1);
}

#[tokio::test]
async fn what_is_no_mapping_and_no_scope_is_refused() {
    let world = World::new().await;
    let names = |count: usize| (0..count).map(|at| format!("s{at}")).collect::<Vec<_>>();
    let most = json!({ "scopes": names(MAXIMUM_GRANTS), "audiences": names(MAXIMUM_GRANTS) });
    world.put(vec![mapping("a", &most)], Place::Any).await.unwrap();
    for wrong in [
        json!({ "scopes": names(MAXIMUM_GRANTS + 1) }),
        json!({ "audiences": names(MAXIMUM_GRANTS + 1) }),
        json!({ "tokenLifetime": 59 }),
        json!({ "tokenLifetime": 86_401 }),
        json!({ "serviceAccountUid": "" }),
        json!({ "serviceAccountUid": "a b" }),
    ] {
        let refused = world.put(vec![mapping("b", &wrong)], Place::Any).await;
        assert!(refused.is_err(), "{wrong}");
    }
    let pinned = json!({ "serviceAccountUid": "uid" });
    let every = mapping("system:serviceaccount:ns:*", &pinned);
    assert!(world.put(vec![every], Place::Any).await.is_err());
    // `{"x":""}` around the text.
    let longest = "x".repeat(MAXIMUM_CLAIMS_BYTES - 8);
    world.put_scopes(vec![scope("a", &json!({ "x": longest }))]).await.unwrap();
    let long = scope("b", &json!({ "x": format!("{longest}x") }));
    assert!(world.put_scopes(vec![long]).await.is_err());
    assert!(world.put_scopes(vec![scope("b", &json!({ "sub": "x" }))]).await.is_err());
}

#[tokio::test]
async fn there_are_as_many_mappings_and_scopes_as_there_may_be() {
    let world = World::new().await;
    let template = mapping("a", &json!({}));
    let named = |at: usize| {
        let client_identifier = format!("a{at}").parse().unwrap();
        ResourceMapping { client_identifier, ..template.clone() }
    };
    world.put((0..MAXIMUM_MAPPINGS).map(named).collect(), Place::New).await.unwrap();
    let refused = world.put(vec![named(MAXIMUM_MAPPINGS)], Place::New).await.unwrap_err();
    assert!(matches!(refused, MappingsError::TooMany));
    // What is there may be changed.
    let changed = ResourceMapping { enabled: false, ..named(0) };
    world.put(vec![changed], Place::There(None)).await.unwrap();
    assert_eq!(world.mappings(), MAXIMUM_MAPPINGS);
    let scopes = (0..MAXIMUM_SCOPES).map(|at| scope(&format!("s{at}"), &json!({})));
    world.put_scopes(scopes.collect()).await.unwrap();
    let refused = world.put_scopes(vec![scope("one-more", &json!({}))]).await.unwrap_err();
    assert!(matches!(refused, MappingsError::TooMany));
}

#[tokio::test]
async fn what_is_kept_is_there_after_a_start() {
    let world = World::new().await;
    let one = mapping("a", &json!({ "spendOnce": true, "expiresAt": 7 }));
    world.put(vec![one.clone()], Place::New).await.unwrap();
    world.put_scopes(vec![scope("read", &json!({ "x": [1] }))]).await.unwrap();
    let authority = world.reopened().await;
    let catalog = authority.exchange_catalog();
    assert_eq!(
        catalog.mapping(&one.key()).map(|kept| Arc::clone(&kept.value)),
        Some(Arc::new(one))
    );
    assert_eq!(catalog.scopes().count(), 1);
}
