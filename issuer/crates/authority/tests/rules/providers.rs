//! Profiles and providers: what is put, attached and taken away, and what follows for a sandbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use moneyer_authority::profiles::{MAXIMUM_ENDPOINTS, ProfileId};
use moneyer_authority::providers::{
    CredentialValue, Detachment, MAXIMUM_ATTACHMENTS, MAXIMUM_CREDENTIAL_BYTES, MAXIMUM_GRANTED,
    MAXIMUM_PROFILES, MAXIMUM_PROVIDERS, NewCredential, NewProvider, Provider, ProvidersError,
};
use moneyer_authority::store::{Change, Collection, Expected, Generation, Record, Store as _};
use moneyer_identity::grant::{Decision, Destination, SandboxGrants};
use moneyer_identity::{CredentialName, ErrorClass, ProviderName, UnixTime};
use moneyer_testkit::ManualClock;
use moneyer_testkit::store::{MemoryPlace, MemoryStore};
use serde_json::{Value, json};

use crate::world::{World, app, operator, sandbox};

fn profile(id: &str, host: &str) -> Value {
    json!({
        "id": id,
        "credentials": [{
            "name": "token",
            "token_grant": { "token_endpoint": "https://idp.example/token", "audience": id }
        }],
        "endpoints": [{ "host": host, "port": 443, "protocol": "rest", "access": "full", "enforcement": "enforce" }]
    })
}

/// One whose token is exchanged for a user's.
fn exchanging(id: &str) -> Value {
    let mut profile = profile(id, "api.example");
    profile["credentials"][0]["token_grant"]["grant_type"] = json!("token_exchange");
    profile["credentials"][0]["token_grant"]["subject_token"] =
        json!({ "source": "provider_credential", "credential": "user" });
    let user = json!({ "name": "user", "required": true });
    profile["credentials"].as_array_mut().unwrap().push(user);
    profile
}

fn name(text: &str) -> ProviderName {
    ProviderName::parse(text).unwrap()
}

fn id(text: &str) -> ProfileId {
    ProfileId::parse(text).unwrap()
}

fn user(value: &str, expires_at: Option<i64>) -> BTreeMap<CredentialName, NewCredential> {
    credential("user", value, expires_at)
}

fn credential(
    of: &str,
    value: &str,
    expires_at: Option<i64>,
) -> BTreeMap<CredentialName, NewCredential> {
    let value = CredentialValue::new(value.to_owned().into());
    let credential = NewCredential { value, expires_at: expires_at.map(UnixTime), refresh: None };
    BTreeMap::from([(CredentialName::parse(of).unwrap(), credential)])
}

struct Scene(World);

impl Scene {
    /// With an app `web` that has two sandboxes, and another app.
    async fn new() -> Self {
        let world = World::new().await;
        for name in ["web", "api"] {
            world.put_app(name).await;
        }
        world.join("runner-1").await;
        for (id, app) in [("web-1", "web"), ("web-2", "web"), ("api-1", "api")] {
            world.place(id, app, "runner-1").await;
        }
        Self(world)
    }

    async fn put(&self, document: Value) -> Result<Generation, ProvidersError> {
        self.0.authority.put_provider_profile(&operator(), document, None).await
    }

    async fn create(&self, of: &str, profile: &str) -> Result<Generation, ProvidersError> {
        self.create_with(of, profile, BTreeMap::new(), true).await
    }

    async fn create_with(
        &self,
        of: &str,
        profile: &str,
        credentials: BTreeMap<CredentialName, NewCredential>,
        runtime_credentials: bool,
    ) -> Result<Generation, ProvidersError> {
        let (name, profile) = (name(of), id(profile));
        let new = NewProvider { name, profile, credentials, runtime_credentials };
        self.0.authority.create_provider(&operator(), new).await
    }

    async fn update(
        &self,
        of: &str,
        credentials: BTreeMap<CredentialName, NewCredential>,
    ) -> Result<Generation, ProvidersError> {
        self.0.authority.update_provider(&operator(), name(of), credentials, None).await
    }

    async fn attach(&self, of: &str, to: &str) -> Result<Generation, ProvidersError> {
        self.0.authority.attach_provider_to_app(&operator(), name(of), app(to)).await
    }

    async fn attach_to_sandbox(&self, of: &str, to: &str) -> Result<Generation, ProvidersError> {
        self.0.authority.attach_provider_to_sandbox(&operator(), name(of), sandbox(to)).await
    }

    async fn detach(&self, of: &str, from: Detachment) -> Result<Generation, ProvidersError> {
        self.0.authority.detach_provider(&operator(), name(of), from).await
    }

    fn grants(&self, of: &str, id: &str) -> Arc<SandboxGrants> {
        grants(&self.0, of, id)
    }
}

fn grants(world: &World, of: &str, id: &str) -> Arc<SandboxGrants> {
    let (app, _) = world.authority.registry().find_app(&app(of)).unwrap();
    world.authority.grants_of(&app, &sandbox(id))
}

/// The audiences of the tokens on a request to a host.
fn tokens(grants: &SandboxGrants, host: &str) -> Option<Vec<String>> {
    match grants.decide(&Destination::parse(host, 443).unwrap(), "GET", "/") {
        Decision::Permitted(request) => {
            let audience = |binding: &&moneyer_identity::grant::Binding| {
                binding.grant.audience.as_ref().map(ToString::to_string)
            };
            Some(request.bindings().iter().filter_map(audience).collect())
        }
        Decision::Refused(_) => None,
    }
}

#[tokio::test]
async fn a_sandbox_reaches_what_its_providers_name_and_nothing_else() {
    let scene = Scene::new().await;
    scene.put(profile("one", "one.example")).await.unwrap();
    scene.put(profile("two", "two.example")).await.unwrap();
    for of in ["one", "two"] {
        scene.create(of, of).await.unwrap();
    }
    assert_eq!(*scene.grants("web", "web-1"), SandboxGrants::default());
    scene.attach("one", "web").await.unwrap();
    scene.attach_to_sandbox("two", "web-2").await.unwrap();
    let (first, second) = (scene.grants("web", "web-1"), scene.grants("web", "web-2"));
    assert_eq!(tokens(&first, "one.example"), Some(vec!["one".to_owned()]));
    assert_eq!(tokens(&first, "two.example"), None);
    assert_eq!(tokens(&second, "one.example"), Some(vec!["one".to_owned()]));
    assert_eq!(tokens(&second, "two.example"), Some(vec!["two".to_owned()]));
    assert!(scene.grants("api", "api-1").is_empty());
    let reopened = scene.0.reopened().await;
    let (web, _) = reopened.registry().find_app(&app("web")).unwrap();
    assert_eq!(reopened.grants_of(&web, &sandbox("web-2")), second);
    scene.detach("one", Detachment::App(app("web"))).await.unwrap();
    scene.detach("two", Detachment::Sandbox(sandbox("web-2"))).await.unwrap();
    assert!(scene.grants("web", "web-2").is_empty());
}

#[tokio::test]
async fn an_attachment_is_to_this_app_and_not_to_one_that_has_its_name_later() {
    let scene = Scene::new().await;
    scene.put(profile("one", "one.example")).await.unwrap();
    scene.create("one", "one").await.unwrap();
    scene.attach("one", "api").await.unwrap();
    scene.attach_to_sandbox("one", "api-1").await.unwrap();
    assert!(!scene.grants("api", "api-1").is_empty());
    scene.0.take_away("api-1").await;
    scene.0.authority.registry().remove_app(&operator(), app("api")).await.unwrap();
    scene.0.put_app("api").await;
    scene.0.place("api-1", "api", "runner-1").await;
    assert!(scene.grants("api", "api-1").is_empty());
    // What is gone can still be detached.
    scene.detach("one", Detachment::Sandbox(sandbox("api-1"))).await.unwrap();
    let again = scene.detach("one", Detachment::Sandbox(sandbox("api-1"))).await.unwrap_err();
    assert_eq!(again.class(), ErrorClass::NotFound);
    for missing in [scene.attach("one", "none").await, scene.attach_to_sandbox("one", "none").await]
    {
        assert_eq!(missing.unwrap_err().class(), ErrorClass::NotFound);
    }
}

#[tokio::test]
async fn every_change_behind_the_grants_of_a_sandbox_is_another_revision_of_them_and_is_told() {
    let scene = Scene::new().await;
    let mut changes = scene.0.authority.providers().changes();
    scene.put(exchanging("one")).await.unwrap();
    scene.create_with("one", "one", user("a", None), false).await.unwrap();
    scene.attach("one", "web").await.unwrap();
    let revision = || scene.grants("web", "web-1").revision.clone();
    let mut seen = vec![revision()];
    let mut told = || {
        let told = changes.has_changed().unwrap();
        changes.mark_unchanged();
        told
    };
    assert!(told());
    scene.update("one", user("b", None)).await.unwrap();
    assert!(told());
    seen.push(revision());
    let mut renamed = exchanging("one");
    renamed["display_name"] = json!("One");
    scene.put(renamed.clone()).await.unwrap();
    assert!(told());
    seen.push(revision());
    scene.put(profile("two", "two.example")).await.unwrap();
    scene.create("two", "two").await.unwrap();
    scene.attach("two", "web").await.unwrap();
    seen.push(revision());
    scene.detach("two", Detachment::App(app("web"))).await.unwrap();
    let before = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), before, "{seen:?}");
    assert!(told());
    // What changes nothing tells nothing.
    scene.put(renamed).await.unwrap();
    scene.attach("one", "web").await.unwrap();
    assert!(!told());
    scene.0.authority.remove_provider(&operator(), name("one"), None).await.unwrap();
    assert!(told());
    assert!(scene.grants("web", "web-1").is_empty());
}

#[tokio::test]
async fn two_tokens_between_which_nothing_decides_are_not_attached_to_one_sandbox() {
    let scene = Scene::new().await;
    scene.put(profile("one", "api.example")).await.unwrap();
    scene.put(profile("two", "api.example")).await.unwrap();
    scene.put(profile("three", "*.example")).await.unwrap();
    for of in ["one", "two", "three"] {
        scene.create(of, of).await.unwrap();
    }
    scene.attach("one", "web").await.unwrap();
    let refused = scene.attach("two", "web").await.unwrap_err();
    assert!(matches!(refused, ProvidersError::Ambiguous(_)), "{refused}");
    assert_eq!(refused.class(), ErrorClass::Conflict);
    assert!(refused.to_string().contains("api.example:443"), "{refused}");
    let refused = scene.attach_to_sandbox("two", "web-1").await.unwrap_err();
    assert!(matches!(refused, ProvidersError::Ambiguous(_)), "{refused}");
    // Elsewhere it may be, and one that says less may be beside it.
    scene.attach("two", "api").await.unwrap();
    scene.attach("three", "web").await.unwrap();
    let audiences = tokens(&scene.grants("web", "web-1"), "api.example");
    assert_eq!(audiences, Some(vec!["one".to_owned()]));
    // Nor may a profile become such.
    let refused = scene.put(profile("three", "api.example")).await.unwrap_err();
    assert!(matches!(refused, ProvidersError::Ambiguous(_)), "{refused}");
    let audiences = tokens(&scene.grants("web", "web-1"), "other.example");
    assert_eq!(audiences, Some(vec!["three".to_owned()]));
}

#[tokio::test]
async fn a_provider_holds_users_tokens_and_nothing_else_and_is_none_without_what_it_needs() {
    let scene = Scene::new().await;
    let now = scene.0.now().0;
    scene.put(exchanging("one")).await.unwrap();
    scene.put(profile("two", "two.example")).await.unwrap();
    let create = async |profile: &str, credentials, runtime| {
        scene.create_with("x", profile, credentials, runtime).await.unwrap_err()
    };
    let none = BTreeMap::new;
    assert!(matches!(create("one", none(), false).await, ProvidersError::NoCredentials));
    assert!(matches!(create("one", none(), true).await, ProvidersError::Missing(_)));
    assert!(matches!(create("none", none(), true).await, ProvidersError::NoSuchProfile(_)));
    let other = credential("other", "a", None);
    assert!(matches!(create("one", other, false).await, ProvidersError::NoSuchCredential { .. }));
    for of in ["one", "two"] {
        let own = credential("token", "a", None);
        assert!(matches!(create(of, own, true).await, ProvidersError::NotStored(_)));
    }
    assert!(matches!(create("one", user("a", Some(now)), false).await, ProvidersError::Ended(_)));
    let longer = "a".repeat(MAXIMUM_CREDENTIAL_BYTES + 1);
    for value in ["", "a b", "a\n", "\u{e9}", longer.as_str()] {
        let refused = create("one", user(value, None), false).await;
        assert!(matches!(refused, ProvidersError::Value(_)), "{value}");
    }
    let longest = "\"".repeat(MAXIMUM_CREDENTIAL_BYTES);
    scene.create_with("x", "one", user(&longest, Some(now + 1)), false).await.unwrap();
    assert!(matches!(create("one", user("a", None), false).await, ProvidersError::Exists(_)));
    scene.create("y", "two").await.unwrap();
    assert!(matches!(scene.update("y", none()).await, Err(ProvidersError::NoCredentials)));
}

#[tokio::test]
async fn a_users_token_is_for_the_token_services_of_when_it_was_handed_over() {
    let scene = Scene::new().await;
    scene.put(exchanging("one")).await.unwrap();
    scene.create_with("one", "one", user("a", None), false).await.unwrap();
    let mut moved = exchanging("one");
    moved["credentials"][0]["token_grant"]["token_endpoint"] =
        json!("https://elsewhere.example/token");
    scene.put(moved).await.unwrap();
    let now = scene.0.authority.providers().now();
    let (provider, _) = now.provider(&name("one")).unwrap();
    let endpoints: Vec<_> = (provider.credentials.values())
        .flat_map(|credential| credential.for_endpoints.iter().map(ToString::to_string))
        .collect();
    assert_eq!(endpoints, ["https://idp.example/token"]);
    // A profile does not forget a token that its providers hold.
    let refused = scene.put(profile("one", "api.example")).await.unwrap_err();
    assert!(matches!(refused, ProvidersError::NotStored(_)), "{refused}");
}

#[tokio::test]
async fn what_is_changed_is_recorded_first_and_holds_no_secret() {
    let scene = Scene::new().await;
    let before = scene.0.audit.records().len();
    scene.put(exchanging("one")).await.unwrap();
    scene.create_with("one", "one", user("canary", None), false).await.unwrap();
    scene.attach("one", "web").await.unwrap();
    scene.attach_to_sandbox("one", "web-1").await.unwrap();
    scene.detach("one", Detachment::App(app("web"))).await.unwrap();
    scene.0.authority.remove_provider(&operator(), name("one"), None).await.unwrap();
    scene.0.authority.remove_provider_profile(&operator(), id("one"), None).await.unwrap();
    let records = scene.0.audit.records().split_off(before);
    let events: Vec<_> = records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(
        events,
        [
            "provider_profile_put",
            "provider_put",
            "provider_attached",
            "provider_attached",
            "provider_detached",
            "provider_removed",
            "provider_profile_removed"
        ]
    );
    assert_eq!(records[1]["credentials"], json!(["user"]));
    assert_eq!(records[3]["sandbox"], "web-1");
    assert!(!records.iter().any(|record| record.to_string().contains("canary")));
    scene.put(profile("two", "two.example")).await.unwrap();
    scene.0.audit.set_failing(true);
    let refused = scene.create("two", "two").await.unwrap_err();
    assert!(matches!(refused, ProvidersError::Audit(_)), "{refused}");
    assert_eq!(scene.0.authority.providers().now().providers().count(), 0);
}

#[tokio::test]
async fn a_change_may_be_about_one_revision_only() {
    let scene = Scene::new().await;
    let authority = &scene.0.authority;
    let first = scene.put(profile("one", "one.example")).await.unwrap();
    let stale = Some(Generation(first.0 + 1));
    let put = authority.put_provider_profile(&operator(), profile("one", "a.example"), stale).await;
    assert!(matches!(put, Err(ProvidersError::Changed)));
    let put = authority.put_provider_profile(&operator(), profile("new", "a.example"), stale).await;
    assert!(matches!(put, Err(ProvidersError::Changed)));
    let put =
        authority.put_provider_profile(&operator(), profile("one", "a.example"), Some(first)).await;
    let second = put.unwrap();
    assert!(second > first);
    let made = scene.create("p", "one").await.unwrap();
    let refused = authority.remove_provider_profile(&operator(), id("one"), Some(second)).await;
    assert!(matches!(refused, Err(ProvidersError::InUse { .. })));
    let refused = authority.remove_provider(&operator(), name("p"), Some(first)).await;
    assert!(matches!(refused, Err(ProvidersError::Changed)));
    authority.remove_provider(&operator(), name("p"), Some(made)).await.unwrap();
    let refused = authority.remove_provider_profile(&operator(), id("one"), Some(first)).await;
    assert!(matches!(refused, Err(ProvidersError::Changed)));
    authority.remove_provider_profile(&operator(), id("one"), Some(second)).await.unwrap();
    let gone = authority.remove_provider_profile(&operator(), id("one"), None).await.unwrap_err();
    assert_eq!(gone.class(), ErrorClass::NotFound);
}

#[tokio::test]
async fn what_one_coordinator_attaches_the_other_tells_its_runners() {
    let (place, clock) = (MemoryPlace::default(), ManualClock::default());
    let one = Scene(World::sharing(&place, "one", &clock).await);
    let other = World::sharing(&place, "other", &clock).await;
    one.0.put_app("web").await;
    one.put(profile("one", "one.example")).await.unwrap();
    one.create("one", "one").await.unwrap();
    let mut changes = other.authority.providers().changes();
    one.attach("one", "web").await.unwrap();
    other.authority.follow().await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    assert_eq!(grants(&other, "web", "web-1"), one.grants("web", "web-1"));
    assert!(!grants(&other, "web", "web-1").is_empty());
    one.0.authority.remove_provider(&operator(), name("one"), None).await.unwrap();
    other.authority.follow().await.unwrap();
    assert!(changes.has_changed().unwrap());
    assert!(grants(&other, "web", "web-1").is_empty());
}

/// A store that holds so many profiles and providers.
async fn filled(profiles: usize, providers: usize) -> MemoryStore {
    let store = MemoryStore::default();
    let mut changes = Vec::new();
    for at in 0..profiles {
        let id = format!("p{at}");
        let record = json!({ "id": id, "document": profile(&id, "a.example") });
        let value = Some(serde_json::to_vec(&record).unwrap().into());
        let collection = Collection::ProviderProfiles;
        changes.push(Change { collection, id, expected: Expected::Absent, value });
    }
    for at in 0..providers {
        let provider = Provider {
            name: name(&format!("q{at}")),
            profile: id("p0"),
            credentials: BTreeMap::new(),
            apps: BTreeMap::new(),
            sandboxes: BTreeMap::new(),
        };
        changes.push(Change::put(&provider, Expected::Absent).unwrap());
    }
    store.commit(changes).await.unwrap();
    store
}

/// The document of a profile as another version stored it.
#[derive(serde::Serialize, serde::Deserialize)]
struct StoredProfile {
    id: ProfileId,
    document: Value,
}

impl Record for StoredProfile {
    const COLLECTION: Collection = Collection::ProviderProfiles;
    fn id(&self) -> String {
        self.id.as_str().to_owned()
    }
}

#[tokio::test]
async fn a_profile_that_this_version_refuses_gives_nothing_and_holds_nothing_else_back() {
    let scene = Scene::new().await;
    for (name, host) in [("good", "a.example"), ("odd", "b.example")] {
        scene.put(profile(name, host)).await.unwrap();
        scene.create(name, name).await.unwrap();
        scene.attach(name, "web").await.unwrap();
    }
    let mut document = profile("odd", "b.example");
    document["credentials"][0]["token_grant"]["of_a_later_version"] = json!(true);
    let stored = scene.0.stored(Collection::ProviderProfiles).await;
    let revision = stored.iter().find(|stored| stored.id == "odd").unwrap().revision;
    let odd = StoredProfile { id: id("odd"), document };
    let change = Change::put(&odd, Expected::Revision(revision)).unwrap();
    scene.0.store.commit(vec![change]).await.unwrap();
    let reopened = scene.0.reopened().await;
    let (web, _) = reopened.registry().find_app(&app("web")).unwrap();
    let grants = reopened.grants_of(&web, &sandbox("web-1"));
    assert_eq!(tokens(&grants, "a.example").unwrap(), ["good"]);
    assert_eq!(tokens(&grants, "b.example"), None);
    let told = reopened.unreadable_records().unwrap();
    assert!(told.starts_with("the profile odd: ") && told.contains("of_a_later_version"), "{told}");
    let new = NewProvider {
        name: name("another"),
        profile: id("odd"),
        credentials: BTreeMap::new(),
        runtime_credentials: true,
    };
    let refused = reopened.create_provider(&operator(), new).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Conflict, "{refused}");
    // Put anew it is one again.
    let put = reopened.put_provider_profile(&operator(), profile("odd", "b.example"), None).await;
    put.unwrap();
    assert_eq!(reopened.unreadable_records(), None);
    let grants = reopened.grants_of(&web, &sandbox("web-1"));
    assert_eq!(tokens(&grants, "b.example").unwrap(), ["odd"]);
}

#[tokio::test]
async fn there_are_as_many_profiles_and_providers_as_there_may_be() {
    let store = filled(MAXIMUM_PROFILES - 1, MAXIMUM_PROVIDERS - 1).await;
    let scene = Scene(World::of(store).await);
    scene.put(profile("last", "a.example")).await.unwrap();
    let refused = scene.put(profile("more", "a.example")).await.unwrap_err();
    assert!(matches!(refused, ProvidersError::TooManyProfiles), "{refused}");
    assert_eq!(refused.class(), ErrorClass::Exhausted);
    // One that is there can still be changed.
    scene.put(profile("last", "b.example")).await.unwrap();
    scene.create("last", "last").await.unwrap();
    let refused = scene.create("more", "last").await.unwrap_err();
    assert!(matches!(refused, ProvidersError::TooManyProviders), "{refused}");
}

#[tokio::test]
async fn a_provider_is_attached_to_as_much_as_it_may_be_and_fits_a_record() {
    let scene = Scene::new().await;
    scene.put(exchanging("one")).await.unwrap();
    let longest = "\"".repeat(MAXIMUM_CREDENTIAL_BYTES);
    let of = "p".repeat(63);
    scene.create_with(&of, "one", user(&longest, None), false).await.unwrap();
    let long_app = "a".repeat(63);
    scene.0.put_app(&long_app).await;
    for at in 0..=MAXIMUM_ATTACHMENTS {
        let id = format!("s{at:062}");
        scene.0.place(&id, &long_app, "runner-1").await;
        let attached = scene.attach_to_sandbox(&of, &id).await;
        if at < MAXIMUM_ATTACHMENTS {
            attached.unwrap();
        } else {
            assert!(matches!(attached, Err(ProvidersError::TooManyAttachments)));
        }
    }
}

#[tokio::test]
async fn a_sandbox_has_as_many_endpoints_as_it_may() {
    let scene = Scene::new().await;
    let many = |id: &str| {
        let mut document = profile(id, "a.example");
        let of = |at| {
            let host = format!("{id}-{at}.example");
            json!({ "host": host, "port": 443, "protocol": "rest", "access": "full" })
        };
        document["endpoints"] = json!((0..MAXIMUM_ENDPOINTS).map(of).collect::<Vec<_>>());
        document
    };
    let fit = MAXIMUM_GRANTED / MAXIMUM_ENDPOINTS;
    for at in 0..=fit {
        let of = format!("p{at}");
        scene.put(many(&of)).await.unwrap();
        scene.create(&of, &of).await.unwrap();
        let attached = scene.attach(&of, "web").await;
        if at < fit {
            attached.unwrap();
        } else {
            assert!(matches!(attached, Err(ProvidersError::TooMuch)));
        }
    }
    assert_eq!(scene.grants("web", "web-1").endpoints.len(), MAXIMUM_GRANTED);
}
