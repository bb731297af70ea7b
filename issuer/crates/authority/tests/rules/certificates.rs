//! What the cluster's certificates say, to the bit (X509-SVID sections 2 to 5, RFC 5280).

use std::collections::BTreeSet;

use moneyer_authority::Authority;
use moneyer_authority::enrollment::{PeerLeaf, Principal};
use moneyer_authority::store::{Change, Collection, Expected, Store as _};
use moneyer_testkit::{MemberRequest, START};
use serde_json::Value;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use crate::world::{HOUR, World, charter, open, operator, runner};

fn parse(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(der).unwrap();
    assert!(rest.is_empty());
    certificate
}

fn authority_of(authority: &Authority) -> X509Certificate<'_> {
    parse(authority.enrollment().authority().certificate())
}

/// Everything that is the same in every leaf.
fn check_leaf(leaf: &X509Certificate<'_>, authority: &X509Certificate<'_>, uri: &str) {
    assert_eq!(leaf.subject().iter().count(), 0, "the name is the URI");
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(names.critical, "critical, as the subject is empty (RFC 5280 section 4.2.1.6)");
    assert_eq!(names.value.general_names, [GeneralName::URI(uri)]);
    let constraints = leaf.basic_constraints().unwrap().unwrap();
    assert!(!constraints.value.ca && constraints.value.path_len_constraint.is_none());
    let usage = leaf.key_usage().unwrap().unwrap();
    assert_eq!(usage.value.flags, 1, "digitalSignature alone");
    assert!(usage.critical);
    assert_eq!(leaf.issuer(), authority.subject());
    assert_ne!(authority.subject().iter().count(), 0, "an issuer has a name");
    leaf.verify_signature(Some(authority.public_key())).unwrap();
    let has_key_id = leaf.extensions().iter().any(|extension| {
        matches!(extension.parsed_extension(), ParsedExtension::AuthorityKeyIdentifier(_))
    });
    assert!(has_key_id);
    let serial = leaf.raw_serial();
    assert!(serial.len() == 16 && (0x40..0x80).contains(&serial[0]), "{serial:x?}");
}

#[tokio::test]
async fn a_members_certificate_takes_the_key_of_the_request_and_nothing_else() {
    let world = World::new().await;
    let enrollment = world.authority.enrollment();
    let mut serials = BTreeSet::new();
    for request in [
        MemberRequest::p256(),
        MemberRequest::wishing_for("spiffe://id.example.com/moneyer/runner/runner-2"),
        MemberRequest::wishing_for("https://id.example.com"),
    ] {
        let principal = Principal::Runner(runner("runner-1"));
        let token = enrollment.invite(&operator(), principal, HOUR, world.now()).await.unwrap();
        let made = enrollment.join(token.expose(), request.der, world.now()).await.unwrap();
        let leaf = parse(&made.der);
        let uri = "spiffe://id.example.com/moneyer/runner/runner-1";
        check_leaf(&leaf, &authority_of(&world.authority), uri);
        assert_eq!(leaf.public_key().subject_public_key.data.as_ref(), request.public_key);
        let usage = leaf.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && !usage.server_auth && !usage.any && usage.other.is_empty());
        let validity = leaf.validity();
        assert_eq!(validity.not_before.timestamp(), START.0 - 60);
        assert_eq!(validity.not_after.timestamp(), START.0 + 24 * 3600);
        assert_eq!((made.not_before.0, made.not_after.0), (START.0 - 60, START.0 + 24 * 3600));
        assert_eq!(made.id.as_str(), uri);
        assert_eq!(PeerLeaf::parse(&made.der).unwrap().id(), &made.id);
        serials.insert(leaf.raw_serial().to_vec());
    }
    assert_eq!(serials.len(), 3, "no serial number twice");
}

#[tokio::test]
async fn the_coordinators_certificate_is_a_servers() {
    let world = World::new().await;
    let authority = world.authority.enrollment().authority();
    let made = authority.certify_coordinator(world.now()).unwrap();
    let [leaf, root] = made.chain.as_slice() else { panic!("a leaf and its authority") };
    assert_eq!(root, authority.certificate());
    let leaf = parse(leaf);
    check_leaf(&leaf, &parse(root), "spiffe://id.example.com/moneyer/coordinator");
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth && !usage.any);
    let life = leaf.validity().not_after.timestamp() - START.0;
    assert_eq!(life, 7 * 24 * 3600);
    let renewal = authority.lifetimes().coordinator_renewal();
    let renewal = i64::try_from(renewal.as_secs()).unwrap();
    assert!((life / 2..life).contains(&renewal), "renewed in time");
    // It is no member: nobody can use it to ask for tokens.
    let peer = PeerLeaf::parse(&made.chain[0]).unwrap();
    assert!(world.authority.authenticate(&peer).is_err());
}

#[tokio::test]
async fn the_authority_signs_leaves_and_nothing_below() {
    let world = World::new().await;
    let authority = authority_of(&world.authority);
    let constraints = authority.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = authority.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    let names = &authority.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert_eq!(*names, [GeneralName::URI("spiffe://id.example.com")]);
    authority.verify_signature(None).unwrap();
}

#[tokio::test]
async fn each_cluster_has_its_own_authority_and_keeps_it() {
    let (world, other) = (World::new().await, World::new().await);
    let certificate =
        |authority: &Authority| authority.enrollment().authority().certificate().to_vec();
    assert_ne!(certificate(&world.authority), certificate(&other.authority));
    assert_eq!(certificate(&world.authority), certificate(&world.reopened().await));
}

/// Why a cluster with this authority's record does not come up.
async fn refusal(world: &World, record: Value, charter: moneyer_authority::Charter) -> String {
    let stored = world.stored(Collection::Authorities).await.remove(0);
    let change = Change {
        collection: Collection::Authorities,
        id: stored.id,
        expected: Expected::Revision(stored.revision),
        value: Some(record.to_string().into_bytes().into()),
    };
    world.store.commit(vec![change]).await.unwrap();
    let store = std::sync::Arc::new(world.store.clone());
    let refused = open(charter, store, &world.clock).await.unwrap_err();
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = Some(&refused);
    while let Some(error) = cause {
        text = text + &error.to_string() + ": ";
        cause = error.source();
    }
    text
}

async fn record(world: &World) -> Value {
    let stored = world.stored(Collection::Authorities).await.remove(0);
    serde_json::from_slice(&stored.value).unwrap()
}

#[tokio::test]
async fn an_authority_that_does_not_fit_is_refused() {
    let (world, other) = (World::new().await, World::new().await);
    let mut charter = charter();
    let good = record(&world).await;
    let mut mixed = good.clone();
    mixed["key"] = record(&other).await["key"].clone();
    let text = refusal(&world, mixed, charter.clone()).await;
    assert!(text.contains("not the one its certificate names"), "{text}");
    let mut garbage = good.clone();
    garbage["key"] = "AAAA".into();
    let text = refusal(&world, garbage, charter.clone()).await;
    assert!(text.contains("the authorities record cluster is damaged"), "{text}");
    charter.parts.trust_domain = "other.example.com".parse().unwrap();
    let text = refusal(&world, good, charter).await;
    assert!(text.contains("id.example.com") && text.contains("other.example.com"), "{text}");
}
