//! Policies as they are kept, and which of them decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use moneyer_authority::login::{
    Effect, KeySource, LoginError, LoginPlan, MAXIMUM_DOMAINS, MAXIMUM_PATTERNS,
    MAXIMUM_PERMISSIONS, MAXIMUM_POLICIES, PoliciesError, Policy, PolicyError, Resource, Verdict,
    decide,
};
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdPattern};
use moneyer_identity::{ErrorClass, Lifetime, PolicyName};
use proptest::prelude::*;
use serde_json::json;

use super::{Scene, allow, chartered, deny, domain, limited, names, policy};
use crate::world::operator;

#[tokio::test]
async fn a_policy_is_recorded_kept_through_a_restart_and_removed() {
    let scene = Scene::new().await;
    let before = scene.world.audit.records().len();
    let builds = limited("builds", "other.example/build/*", &["apps:write", "*:read"], Some(600));
    for policy in [builds.clone(), builds.clone(), deny("rogue", "other.example/build/rogue")] {
        scene.put(policy).await;
    }
    let reopened = scene.world.reopened_as(chartered(&scene.foreign)).await;
    assert_eq!(reopened.policies().list(), scene.world.authority.policies().list());
    assert_eq!(*reopened.policies().list()[0], builds);
    scene.remove("rogue").await;
    let records = scene.world.audit.records().split_off(before);
    let put = json!({
        "seq": records[0]["seq"], "time": scene.world.now().0, "who": "operator:uid:0",
        "decision": "allowed", "event": "policy_put", "policy": "builds",
        "patterns": ["spiffe://other.example/build/*"], "effect": "allow",
        "permissions": ["*:read", "apps:write"], "maximum_lifetime": 600,
    });
    assert_eq!(records[0], put);
    let events: Vec<_> =
        records.iter().map(|record| (&record["event"], &record["policy"])).collect();
    // What was put a second time was that already.
    let expected = [("policy_put", "builds"), ("policy_put", "rogue"), ("policy_removed", "rogue")];
    let expected: Vec<_> = expected.map(|(event, name)| (json!(event), json!(name))).into();
    assert_eq!(events, expected.iter().map(|(event, name)| (event, name)).collect::<Vec<_>>());
    let reopened = scene.world.reopened_as(chartered(&scene.foreign)).await;
    assert_eq!(reopened.policies().list().len(), 1);
    let again = scene.world.authority.remove_policy(&operator(), name("rogue")).await;
    assert_eq!(again.unwrap_err().class(), ErrorClass::NotFound);
}

#[tokio::test]
async fn what_is_not_recorded_is_not_put_and_not_removed() {
    let scene = Scene::new().await;
    scene.put(allow("builds", "other.example/build/*", &[])).await;
    scene.world.audit.set_failing(true);
    let authority = &scene.world.authority;
    let put = authority.put_policy(&operator(), deny("rogue", "other.example/rogue")).await;
    assert!(matches!(put, Err(PoliciesError::Audit(_))), "{put:?}");
    let removed = authority.remove_policy(&operator(), name("builds")).await;
    assert!(matches!(removed, Err(PoliciesError::Audit(_))), "{removed:?}");
    let listed = authority.policies().list();
    assert_eq!(listed.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>(), ["builds"]);
}

#[tokio::test]
async fn the_most_specific_policy_decides_at_a_log_in() {
    let scene = Scene::new().await;
    let unnamed = scene.log_in("/build/one").await.unwrap_err();
    assert!(matches!(unnamed, LoginError::Unnamed(_)), "{unnamed}");
    scene.put(allow("everyone", "other.example/**", &[])).await;
    scene.put(allow("builds", "other.example/build/*", &[])).await;
    scene.put(allow("also", "other.example/build/*", &[])).await;
    scene.put(deny("rogue", "other.example/build/rogue")).await;
    for (path, expected) in [
        ("/build/one", &["also", "builds"][..]),
        ("/build/one/deeper", &["everyone"]),
        ("/x", &["everyone"]),
    ] {
        assert_eq!(names(&scene.log_in(path).await.unwrap()), expected, "{path}");
    }
    let denied = scene.log_in("/build/rogue").await.unwrap_err();
    assert!(matches!(&denied, LoginError::Denied { policy, .. } if policy.as_str() == "rogue"));
    assert_eq!(denied.class(), ErrorClass::Unauthenticated);
}

#[tokio::test]
async fn a_token_lives_as_long_as_its_policies_the_configuration_and_the_request_allow() {
    let scene = Scene::new().await;
    scene.put(allow("usual", "other.example/usual", &[])).await;
    scene.put(limited("long", "other.example/long", &[], Some(7200))).await;
    scene.put(limited("short", "other.example/short", &[], Some(120))).await;
    scene.put(limited("both-long", "other.example/both", &[], Some(7200))).await;
    scene.put(allow("both-usual", "other.example/both", &[])).await;
    for (path, asked, lives) in [
        ("/usual", None, Some(900)),
        ("/usual", Some(900), Some(900)),
        ("/usual", Some(901), None),
        ("/usual", Some(60), Some(60)),
        ("/usual", Some(59), None),
        ("/long", None, Some(900)),
        ("/long", Some(7200), Some(7200)),
        ("/long", Some(7201), None),
        ("/short", None, Some(120)),
        ("/short", Some(121), None),
        // One that says nothing allows what is usual.
        ("/both", Some(900), Some(900)),
        ("/both", Some(901), None),
    ] {
        let outcome = scene.log_in_for(path, asked).await;
        match (outcome, lives) {
            (Ok(token), Some(lives)) => {
                assert_eq!(token.minted.expires_in.seconds(), lives, "{path} {asked:?}");
                assert_eq!(token.minted.expires_at.0, scene.world.now().0 + i64::from(lives));
            }
            (Err(LoginError::Lifetime(_)), None) => {}
            (other, _) => panic!("{path} {asked:?}: {other:?}"),
        }
    }
    let never = limited("never", "other.example/x", &[], Some(59));
    let refused = scene.world.authority.put_policy(&operator(), never).await.unwrap_err();
    assert!(matches!(refused, PoliciesError::Lifetime(_)), "{refused}");
}

#[tokio::test]
async fn what_is_no_policy_is_refused() {
    let scene = Scene::new().await;
    let refused = async |policy| match scene.world.authority.put_policy(&operator(), policy).await {
        Err(PoliciesError::Policy(why)) => why,
        other => panic!("{other:?}"),
    };
    let of = |patterns: Vec<SpiffeIdPattern>| Policy { patterns, ..deny("x", "other.example/x") };
    let pattern = |at: usize| SpiffeIdPattern::parse(&format!("spiffe://other.example/{at}"));
    let several = |count| (0..count).map(|at| pattern(at).unwrap()).collect::<Vec<_>>();
    assert_eq!(refused(of(vec![])).await, PolicyError::NoPattern);
    assert_eq!(refused(of(several(MAXIMUM_PATTERNS + 1))).await, PolicyError::TooManyPatterns);
    let twice = [several(2), several(1)].concat();
    assert_eq!(refused(of(twice)).await, PolicyError::Twice(pattern(0).unwrap()));
    scene.put(of(several(MAXIMUM_PATTERNS))).await;
    // Every permission there is fits.
    let resources = Resource::ALL.map(Resource::as_str);
    let each = resources.into_iter().chain(["*"]);
    let all: BTreeSet<_> = each
        .flat_map(|resource| ["read", "write"].map(|verb| format!("{resource}:{verb}")))
        .map(|text| text.parse().unwrap())
        .collect();
    assert!(all.len() <= MAXIMUM_PERMISSIONS);
    let effect = Effect::Allow { permissions: all, maximum_lifetime: None };
    scene.put(policy("all", "other.example/all", effect)).await;
}

#[tokio::test]
async fn the_longest_policy_there_may_be_fits_a_record() {
    let scene = Scene::new().await;
    let domain = format!("{}.example", "d".repeat(63));
    let long = |at: usize| {
        let start = format!("spiffe://{domain}/{at:02}");
        let fill = "/".to_owned() + &"s".repeat(2048 - start.len() - 1);
        SpiffeIdPattern::parse(&(start + &fill)).unwrap()
    };
    let patterns: Vec<_> = (0..MAXIMUM_PATTERNS).map(long).collect();
    scene.put(Policy { patterns, ..allow(&"n".repeat(63), "other.example/x", &["*:read"]) }).await;
    let reopened = scene.world.reopened_as(chartered(&scene.foreign)).await;
    assert_eq!(reopened.policies().list()[0].patterns.len(), MAXIMUM_PATTERNS);
}

#[tokio::test]
async fn there_are_as_many_policies_and_trust_domains_as_there_may_be() {
    let scene = Scene::new().await;
    for at in 0..MAXIMUM_POLICIES {
        scene.put(deny(&format!("p-{at}"), "other.example/x")).await;
    }
    let one_more = deny("one-more", "other.example/x");
    let refused = scene.world.authority.put_policy(&operator(), one_more).await.unwrap_err();
    assert!(matches!(refused, PoliciesError::TooMany), "{refused}");
    assert_eq!(refused.class(), ErrorClass::Exhausted);
    // One that is there can still be changed.
    scene.put(deny("p-0", "other.example/y")).await;

    let domains = |count: usize| {
        let all = (0..count).map(|at| domain(&format!("d{at}.example"), KeySource::Bundle));
        LoginPlan::new(Lifetime::from_seconds(900), all.collect())
    };
    assert!(domains(MAXIMUM_DOMAINS).is_ok());
    assert!(domains(MAXIMUM_DOMAINS + 1).is_err());
}

fn name(text: &str) -> PolicyName {
    PolicyName::parse(text).unwrap()
}

fn some_policy() -> impl Strategy<Value = (Vec<String>, Option<u32>)> {
    let segment = prop_oneof![Just("a"), Just("b"), Just("*")];
    let ending = prop_oneof![3 => Just(""), 1 => Just("/**")];
    let pattern = (prop::collection::vec(segment, 1..3), ending);
    let pattern =
        pattern.prop_map(|(path, end)| format!("spiffe://d.example/{}{end}", path.join("/")));
    let patterns = prop::collection::btree_set(pattern, 1..4);
    let patterns = patterns.prop_map(|several| several.into_iter().collect());
    (patterns, prop::option::weighted(0.7, 60..4000_u32))
}

/// The policy of this place: one that allows where it has a lifetime.
fn made(at: usize, (patterns, lifetime): &(Vec<String>, Option<u32>)) -> Arc<Policy> {
    let effect = match lifetime {
        Some(seconds) => Effect::Allow {
            permissions: BTreeSet::new(),
            maximum_lifetime: Some(Lifetime::from_seconds(*seconds)),
        },
        None => Effect::Deny,
    };
    let patterns = patterns.iter().map(|text| SpiffeIdPattern::parse(text).unwrap()).collect();
    Arc::new(Policy { name: name(&format!("p{at}")), patterns, effect })
}

/// How texts compare as patterns of the same id: a name says more than `*`, and that more than `**`.
fn rank(pattern: &str) -> Vec<u8> {
    let rank = |segment| match segment {
        "**" => 0,
        "*" => 1,
        _ => 2,
    };
    pattern.split('/').skip(3).map(rank).collect()
}

fn matches(pattern: &str, id: &str) -> bool {
    let (pattern, id): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), id.split('/').collect());
    let open = pattern.last() == Some(&"**");
    let fixed = if open { pattern.len() - 1 } else { pattern.len() };
    let long_enough = if open { id.len() > fixed } else { id.len() == fixed };
    long_enough && (0..fixed).all(|at| pattern[at] == "*" || pattern[at] == id[at])
}

proptest! {
    #[test]
    fn it_is_decided_alike_in_whatever_order_policies_are_put(
        several in prop::collection::vec(some_policy(), 0..6),
        path in prop::collection::vec(prop_oneof![Just("a"), Just("b")], 1..4),
        turn in 0..6_usize,
    ) {
        let text = format!("spiffe://d.example/{}", path.join("/"));
        let id = SpiffeId::parse(&text).unwrap();
        let policies: Vec<_> = several.iter().enumerate().map(|(at, one)| made(at, one)).collect();
        let verdict = decide(&policies, &id).verdict;
        let mut turned = policies.clone();
        turned.rotate_left(turn.min(policies.len()));
        turned.reverse();
        prop_assert_eq!(&decide(&turned, &id).verdict, &verdict);

        // The rule itself, said another way.
        let best = |one: &&(Vec<String>, Option<u32>)| {
            one.0.iter().filter(|pattern| matches(pattern, &text)).map(|text| rank(text)).max()
        };
        let most = several.iter().filter_map(|one| best(&one)).max();
        let deciding: Vec<_> = several
            .iter()
            .filter(|one| most.is_some() && best(one) == most)
            .map(|one| one.1)
            .collect();
        let usual = Lifetime::from_seconds(900);
        match verdict {
            Verdict::Unnamed => prop_assert!(deciding.is_empty()),
            Verdict::Denied(_) => prop_assert!(deciding.contains(&None)),
            Verdict::Allowed(admission) => {
                prop_assert_eq!(admission.policies().len(), deciding.len());
                let shortest = deciding.iter().map(|seconds| seconds.unwrap()).min();
                prop_assert_eq!(Some(admission.maximum_lifetime(usual).seconds()), shortest);
            }
        }
    }
}
