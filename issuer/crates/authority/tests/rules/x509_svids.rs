//! X.509-SVIDs: what they say, to the bit (X509-SVID), who gets them, and what is recorded. The names begin
//! with the requirement's number where a test is that requirement's.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::audit::{Audit, AuditError, AuditEvent, Event, Recording};
use moneyer_authority::enrollment::{AuthenticatedRunner, Caller};
use moneyer_authority::keys::KeyCommand;
use moneyer_authority::registry::RegistryError;
use moneyer_authority::svid::{SvidError, SvidLifetimeError, X509Plan, X509Svid};
use moneyer_authority::{Authority, Ports};
use moneyer_identity::{ClockFault, ErrorClass, UnixTime};
use moneyer_testkit::signer::FixtureSigner;
use moneyer_testkit::{MemberRequest, START, openssl_verifies};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use crate::world::{DAY, HOUR, World, charter, operator, sandbox};

const ID: &str = "spiffe://id.example.com/app/web/sandbox/web-1";

/// A sandbox on a runner.
struct Placed {
    world: World,
    runner: AuthenticatedRunner,
}

impl Placed {
    async fn new() -> Self {
        let world = World::new().await;
        let (runner, _) = world.join("runner-1").await;
        world.put_app("web").await;
        world.place("web-1", "web", "runner-1").await;
        Self { world, runner }
    }

    async fn sign(&self, id: &str, request: &[u8]) -> Result<X509Svid, SvidError> {
        self.world.authority.sign_x509_svid(&self.runner, &sandbox(id), request).await
    }

    async fn svid(&self) -> X509Svid {
        self.sign("web-1", &MemberRequest::p256().der).await.unwrap()
    }

    /// The authority that signs, DER.
    fn authority(&self) -> Vec<u8> {
        let ring = self.world.authority.x509_authorities().ring();
        ring.signing(self.world.now()).unwrap().certificate().to_vec()
    }

    fn bundle(&self) -> Vec<Vec<u8>> {
        bundle(&self.world.authority)
    }
}

/// The authorities that the cluster's own bundle lists, once it follows.
pub(crate) fn bundle(authority: &Authority) -> Vec<Vec<u8>> {
    authority.bundle().now().x509_authorities().iter().map(|one| one.der().to_vec()).collect()
}

pub(crate) fn parse(der: &[u8]) -> X509Certificate<'_> {
    let (rest, certificate) = X509Certificate::from_der(der).unwrap();
    assert!(rest.is_empty());
    certificate
}

fn verified(leaf: &[u8], anchors: &[Vec<u8>], at: UnixTime) -> Result<(), String> {
    openssl_verifies(leaf, anchors, at)
}

#[tokio::test]
async fn x1_a_leaf_has_one_uri_name_and_it_is_the_sandboxs_spiffe_id() {
    let placed = Placed::new().await;
    let wishes = MemberRequest::wishing_for("spiffe://id.example.com/app/web/sandbox/web-2");
    for request in [MemberRequest::p256(), wishes] {
        let svid = placed.sign("web-1", &request.der).await.unwrap();
        assert_eq!(svid.id.as_str(), ID);
        let [leaf] = svid.certificates.as_slice() else { panic!("the leaf is all of the chain") };
        let leaf = parse(leaf);
        let names = leaf.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names, [GeneralName::URI(ID)]);
        // The key of the request, and nothing else of it.
        assert_eq!(leaf.public_key().subject_public_key.data.as_ref(), request.public_key);
        assert!(verified(&svid.certificates[0], &placed.bundle(), placed.world.now()).is_ok());
    }
}

#[tokio::test]
async fn x2_a_leafs_id_has_a_path_and_its_name_is_critical_as_there_is_no_subject() {
    let svid = Placed::new().await.svid().await;
    assert_eq!(svid.id.segments().collect::<Vec<_>>(), ["app", "web", "sandbox", "web-1"]);
    let leaf = parse(&svid.certificates[0]);
    assert_eq!(leaf.subject().iter().count(), 0);
    assert!(leaf.subject_alternative_name().unwrap().unwrap().critical);
}

#[tokio::test]
async fn x3_a_leaf_says_itself_that_it_is_no_authority() {
    let placed = Placed::new().await;
    for request in [MemberRequest::p256(), MemberRequest::wishing_for(ID)] {
        let svid = placed.sign("web-1", &request.der).await.unwrap();
        let leaf = parse(&svid.certificates[0]);
        let constraints = leaf.basic_constraints().unwrap().unwrap();
        assert!(!constraints.value.ca && constraints.value.path_len_constraint.is_none());
        // What it signs is believed by nobody: it anchors nothing.
        assert!(verified(&svid.certificates[0], &svid.certificates, placed.world.now()).is_err());
    }
}

#[tokio::test]
async fn x4_a_leafs_key_usage_is_critical_and_digital_signature_alone() {
    let placed = Placed::new().await;
    for request in [MemberRequest::p256(), MemberRequest::wishing_for(ID)] {
        let svid = placed.sign("web-1", &request.der).await.unwrap();
        let leaf = parse(&svid.certificates[0]);
        let usage = leaf.key_usage().unwrap().unwrap();
        assert!(usage.critical);
        assert_eq!(usage.value.flags, 1);
    }
}

#[tokio::test]
async fn x5_a_leaf_is_for_servers_and_for_clients() {
    let svid = Placed::new().await.svid().await;
    let leaf = parse(&svid.certificates[0]);
    let usage = leaf.extended_key_usage().unwrap().unwrap();
    assert!(usage.value.server_auth && usage.value.client_auth);
    assert!(!usage.value.any && usage.value.other.is_empty());
}

#[tokio::test]
async fn x6_an_authority_signs_certificates_alone_and_names_the_trust_domain() {
    let placed = Placed::new().await;
    let der = placed.authority();
    let authority = parse(&der);
    let constraints = authority.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = authority.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.flags, 0b110_0000, "keyCertSign and cRLSign");
    let names = authority.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names, [GeneralName::URI("spiffe://id.example.com")]);
    let name = authority.subject().iter_common_name().next().unwrap().as_str().unwrap();
    assert!(name.starts_with("Moneyer SVID authority ") && name.len() <= 64, "{name}");
    authority.verify_signature(None).unwrap();
    let serial = authority.raw_serial();
    assert!(serial.len() == 16 && (0x40..0x80).contains(&serial[0]), "{serial:x?}");
    // A member's authority is another one: its members are no sandboxes.
    assert_ne!(der, placed.world.authority.enrollment().authority().certificate());
}

#[tokio::test]
async fn x7_nothing_constrains_names() {
    let placed = Placed::new().await;
    let svid = placed.svid().await;
    for der in [&placed.authority(), &svid.certificates[0]] {
        let certificate = parse(der);
        let constrains = |extension: &ParsedExtension<'_>| {
            matches!(extension, ParsedExtension::NameConstraints(_))
        };
        assert!(!certificate.extensions().iter().any(|one| constrains(one.parsed_extension())));
    }
}

#[tokio::test]
async fn a_leaf_lives_an_hour_from_half_a_minute_ago_under_a_serial_of_its_own() {
    let placed = Placed::new().await;
    let mut serials = BTreeSet::new();
    for _ in 0..20 {
        let svid = placed.svid().await;
        let leaf = parse(&svid.certificates[0]);
        let validity = leaf.validity();
        let span = (validity.not_before.timestamp(), validity.not_after.timestamp());
        assert_eq!(span, (START.0 - 30, START.0 + 3600));
        assert_eq!((svid.not_before.0, svid.not_after.0), span);
        assert_eq!(svid.expires_in.seconds(), 3600);
        let serial = leaf.raw_serial();
        assert!(serial.len() == 16 && (0x40..0x80).contains(&serial[0]), "{serial:x?}");
        assert_eq!(svid.serial.len(), 32);
        serials.insert(svid.serial.clone());
        let names_its_authority = leaf.extensions().iter().any(|extension| {
            matches!(extension.parsed_extension(), ParsedExtension::AuthorityKeyIdentifier(_))
        });
        assert!(names_its_authority);
        let bundle = placed.bundle();
        let at = |time| verified(&svid.certificates[0], &bundle, time);
        at(svid.not_before).unwrap();
        at(svid.not_after.minus(Duration::from_secs(1))).unwrap();
        assert_eq!(at(svid.not_after).unwrap_err(), "certificate has expired");
        assert_eq!(
            at(svid.not_before.minus(Duration::from_secs(1))).unwrap_err(),
            "certificate is not yet valid"
        );
    }
    assert_eq!(serials.len(), 20);
    // The cluster's own authority vouches for no SVID.
    let members = placed.world.authority.enrollment().authority().certificate().to_vec();
    assert!(verified(&placed.svid().await.certificates[0], &[members], START).is_err());
}

#[test]
fn an_svid_lives_from_60_s_to_24_h() {
    let second = Duration::from_secs(1);
    for good in [60 * second, HOUR, DAY] {
        assert_eq!(X509Plan::check_lifetime(good), Ok(good));
    }
    for bad in [Duration::ZERO, 59 * second, DAY + second] {
        assert_eq!(X509Plan::check_lifetime(bad), Err(SvidLifetimeError));
    }
}

#[tokio::test]
async fn what_is_no_request_of_a_p256_key_is_refused() {
    let placed = Placed::new().await;
    let mut trailing = MemberRequest::p256().der;
    trailing.push(0);
    for (request, told) in [
        (Vec::new(), "malformed"),
        (b"not a request".to_vec(), "malformed"),
        (vec![0x30; 4097], "malformed"),
        (trailing, "malformed"),
        (MemberRequest::badly_signed().der, "malformed"),
        (MemberRequest::rsa().der, "not a P-256 key"),
        (MemberRequest::p384().der, "not a P-256 key"),
        (MemberRequest::p384_with_sha256().der, "not a P-256 key"),
    ] {
        let refused = placed.sign("web-1", &request).await.unwrap_err();
        assert_eq!(refused.class(), ErrorClass::Invalid);
        assert!(refused.told().contains(told), "{}", refused.told());
    }
}

fn last(world: &World) -> Value {
    let mut record = world.audit.records().pop().unwrap();
    record.as_object_mut().unwrap().remove("seq");
    record
}

#[tokio::test]
async fn an_svid_has_its_record_and_a_refusal_too() {
    let placed = Placed::new().await;
    let world = &placed.world;
    let svid = placed.svid().await;
    let expected = json!({
        "time": START.0, "who": "runner:runner-1", "decision": "allowed",
        "event": "x509_svid_signed", "sandbox": "web-1", "app": "web", "runner": "runner-1",
        "spiffe_id": ID, "serial": svid.serial, "kid": svid.key_id.as_str(),
        "not_after": svid.not_after.0,
    });
    assert_eq!(last(world), expected);
    placed.sign("nobody", &MemberRequest::p256().der).await.unwrap_err();
    let refused = last(world);
    assert_eq!(refused["event"], "x509_svid_refused");
    assert_eq!((&refused["decision"], &refused["sandbox"]), (&json!("refused"), &json!("nobody")));
    assert_eq!((&refused["class"], &refused["count"]), (&json!("not_found"), &json!(1)));
}

#[tokio::test]
async fn refusals_beyond_ten_in_a_minute_are_counted_by_what_was_asked_for() {
    let placed = Placed::new().await;
    let world = &placed.world;
    for _ in 0..15 {
        placed.sign("nobody", b"").await.unwrap_err();
    }
    let ask = moneyer_authority::mint::Ask::default;
    for _ in 0..3 {
        world.authority.mint(&placed.runner, &sandbox("nobody"), ask()).await.unwrap_err();
    }
    world.authority.settle_refusals(true);
    let records = world.audit.records();
    let counts = |event: &str| -> Vec<u64> {
        let of = records.iter().filter(|record| record["event"] == event);
        of.map(|record| record["count"].as_u64().unwrap()).collect()
    };
    assert_eq!(counts("x509_svid_refused"), [vec![1; 10], vec![5]].concat());
    assert_eq!(counts("token_refused"), [3]);
}

#[tokio::test]
async fn another_runners_sandbox_is_as_unknown_as_none() {
    let placed = Placed::new().await;
    let world = &placed.world;
    world.join("runner-2").await;
    world.place("web-2", "web", "runner-2").await;
    let request = MemberRequest::p256().der;
    let mut told = Vec::new();
    for id in ["web-2", "nobody"] {
        let refused = placed.sign(id, &request).await.unwrap_err();
        assert!(matches!(refused, SvidError::Registry(_)), "{refused}");
        assert_eq!(refused.class(), ErrorClass::NotFound);
        told.push(refused.told());
    }
    let ask = moneyer_authority::mint::Ask::default();
    let token = world.authority.mint(&placed.runner, &sandbox("web-2"), ask).await.unwrap_err();
    told.push(token.told());
    assert!(told.iter().all(|text| *text == told[0]), "{told:?}");
}

#[tokio::test]
async fn nothing_is_signed_by_a_wrong_clock_or_without_a_record() {
    let placed = Placed::new().await;
    let world = &placed.world;
    let request = MemberRequest::p256().der;
    world.clock.fail(Some(ClockFault::Jumped { by: DAY, forward: true }));
    let refused = placed.sign("web-1", &request).await.unwrap_err();
    assert!(matches!(refused, SvidError::Clock(_)), "{refused}");
    assert_eq!(refused.class(), ErrorClass::Unavailable);
    world.clock.fail(None);
    placed.svid().await;

    world.audit.set_failing(true);
    let refused = placed.sign("web-1", &request).await.unwrap_err();
    assert!(matches!(refused, SvidError::Audit(_)), "{refused}");
    assert_eq!(refused.told(), "no X.509-SVID can be made at this time");
    world.audit.set_failing(false);

    // The store need not be there: an SVID is signed from memory.
    world.store.set_unavailable(true);
    placed.svid().await;
}

/// The ring is ahead of the bundle: nobody would take what its new authority signs.
#[tokio::test]
async fn nothing_is_signed_by_an_authority_that_the_served_bundle_does_not_list() {
    let placed = Placed::new().await;
    let world = &placed.world;
    let first = placed.svid().await;
    let emergency = KeyCommand::Emergency(None);
    world.authority.command_x509(&operator(), &emergency).await.unwrap();
    let request = MemberRequest::p256().der;
    let refused = placed.sign("web-1", &request).await.unwrap_err();
    assert!(matches!(refused, SvidError::NotInBundle), "{refused}");
    assert_eq!(refused.class(), ErrorClass::Unavailable);
    assert_eq!(refused.told(), "no X.509-SVID can be made at this time");
    world.store.set_unavailable(true);
    world.authority.bundle().follow().await.unwrap_err();
    assert!(matches!(placed.sign("web-1", &request).await, Err(SvidError::NotInBundle)));
    world.store.set_unavailable(false);
    world.authority.bundle().follow().await.unwrap();
    assert_ne!(placed.svid().await.key_id, first.key_id);
}

/// A log that answers for SVIDs when it is let.
#[derive(Debug, Clone)]
struct HeldAudit {
    inner: moneyer_testkit::audit::MemoryAudit,
    begun: Arc<Semaphore>,
    let_go: Arc<Semaphore>,
}

impl Audit for HeldAudit {
    fn record(&self, events: Vec<AuditEvent>) -> Result<Recording, AuditError> {
        let of_svid = events.iter().any(|one| matches!(one.what(), Event::X509SvidSigned(_)));
        let recording = self.inner.record(events)?;
        if !of_svid {
            return Ok(recording);
        }
        let (answer, answered) = oneshot::channel();
        let let_go = self.let_go.clone();
        tokio::spawn(async move {
            let recorded = recording.durable().await;
            let_go.acquire().await.unwrap().forget();
            answer.send(recorded).ok();
        });
        self.begun.add_permits(1);
        Ok(Recording::new(answered, None))
    }

    fn health(&self) -> Result<(), AuditError> {
        self.inner.health()
    }
}

#[tokio::test]
async fn a_change_while_it_is_recorded_holds_for_the_svid() {
    let Placed { mut world, .. } = Placed::new().await;
    let (begun, let_go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let inner = world.audit.clone();
    let ports = Ports {
        store: Arc::new(world.store.clone()),
        signer: Arc::new(FixtureSigner::default()),
        audit: Arc::new(HeldAudit { inner, begun: begun.clone(), let_go: let_go.clone() }),
        clock: Arc::new(world.clock.clone()),
    };
    world.authority = Authority::open(charter(), ports).await.unwrap();
    let (one, _) = world.join("runner-1").await;
    world.join("runner-2").await;
    for change in ["none", "moves", "goes", "authority"] {
        world.place("web-1", "web", "runner-1").await;
        let (authority, runner) = (world.authority.clone(), one.clone());
        let signing = tokio::spawn(async move {
            let request = MemberRequest::p256().der;
            authority.sign_x509_svid(&runner, &sandbox("web-1"), &request).await
        });
        begun.acquire().await.unwrap().forget();
        match change {
            "moves" => drop(world.place("web-1", "web", "runner-2").await),
            "goes" => drop(world.take_away("web-1").await),
            "authority" => {
                let emergency = KeyCommand::Emergency(None);
                world.authority.command_x509(&operator(), &emergency).await.unwrap();
            }
            _ => {}
        }
        let_go.add_permits(1);
        let outcome = signing.await.unwrap();
        match change {
            "none" => drop(outcome.unwrap()),
            "authority" => assert!(matches!(outcome, Err(SvidError::NoAuthority)), "{outcome:?}"),
            _ => {
                let unknown =
                    matches!(outcome, Err(SvidError::Registry(RegistryError::NoSuchSandbox)));
                assert!(unknown, "{change}: {outcome:?}");
            }
        }
        if change != "none" {
            let records = world.audit.records();
            let of = |event: &str| records.iter().rfind(|one| one["event"] == event).cloned();
            let (signed, withheld) =
                (of("x509_svid_signed").unwrap(), of("x509_svid_withheld").unwrap());
            assert_eq!(signed["serial"], withheld["serial"], "{change}");
            assert_eq!(withheld["decision"], "withheld");
        }
    }
}

// P6: what a caller was once is not what it is.
#[tokio::test]
async fn a_removed_runner_gets_none() {
    let placed = Placed::new().await;
    let world = &placed.world;
    let (_, leaf) = world.join("runner-2").await;
    world.place("web-2", "web", "runner-2").await;
    let Caller::Runner(runner) = world.authority.authenticate(&leaf).unwrap() else { panic!() };
    world.remove_runner("runner-2").await;
    let request = MemberRequest::p256().der;
    let refused = world.authority.sign_x509_svid(&runner, &sandbox("web-2"), &request).await;
    assert!(matches!(refused, Err(SvidError::Registry(_))), "{refused:?}");
}
