//! README.md: its commands parse, its folders exist, its links lead somewhere, and its token is one.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::CommandFactory as _;
use moneyer::cli::Arguments;
use moneyer::config::Config;
use moneyer_authority::enrollment::{LocalPeer, Principal};
use moneyer_authority::mint::Ask;
use moneyer_authority::registry::{AppChange, EndingChange, Sandbox};
use moneyer_authority::{Authority, Ports};
use moneyer_daemon::settings::Source;
use moneyer_identity::{AppName, MintedToken, RunnerId, SandboxId};
use moneyer_testkit::audit::MemoryAudit;
use moneyer_testkit::signer::FixtureSigner;
use moneyer_testkit::store::MemoryStore;
use moneyer_testkit::{ManualClock, MemberRequest, START};

use crate::pages::{read, root};
use crate::tables::{code, rows};

#[test]
fn every_command_parses() {
    let pages = [
        "README.md",
        "docs/adoption.md",
        "docs/architecture.md",
        "docs/audit.md",
        "docs/claims.md",
        "docs/clouds.md",
        "docs/deploy.md",
        "docs/doctor.md",
        "docs/federation.md",
        "docs/limits.md",
        "docs/operations.md",
        "docs/runner.md",
        "docs/security.md",
    ];
    let tried = crate::pages::every_command_parses(&Arguments::command(), &pages);
    assert!(tried > 30, "only {tried} commands were found");
}

#[test]
fn every_folder_of_the_map_exists() {
    let page = read("README.md");
    let map = page.split("## Where things are").nth(1).unwrap();
    let rows = rows(map);
    assert!(rows.len() > 10, "the map was not found");
    for row in rows {
        let folder = code(&row[0]);
        assert!(root().join(folder).is_dir(), "{folder} does not exist");
    }
}

/// The members of a JSON object in the order they are written, one a line.
fn members(json: &str) -> Vec<String> {
    let names = json.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\":"));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn the_token_has_the_claims_that_are_minted() {
    let page = read("README.md");
    let block = page.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let shown: serde_json::Value = serde_json::from_str(block).unwrap();
    let minted = demo_token().await;
    let payload = minted.token.expose().split('.').nth(1).unwrap().to_owned();
    let claims = crate::claims::decoded(&payload);
    let pretty = serde_json::to_string_pretty(&claims).unwrap();
    assert_eq!(members(block), crate::claims::names(&payload));
    assert_eq!(members(&pretty).len(), members(block).len());
    let once = ["iat", "nbf", "exp", "jti", "app_uid"];
    for (name, value) in claims.as_object().unwrap() {
        let same_kind = value.is_string() == shown[name].is_string();
        assert!(shown[name] == *value || once.contains(&name.as_str()) && same_kind, "{name}");
    }
    let second = |name: &str| shown[name].as_i64().unwrap();
    assert_eq!(second("exp") - second("iat"), 3600);
    assert_eq!(second("iat") - second("nbf"), 30);
    let text = |name: &str| shown[name].as_str().unwrap().len();
    assert_eq!((text("jti"), text("app_uid")), (32, 32));
}

/// A token as `moneyer dev` mints it for its demo sandbox.
async fn demo_token() -> MintedToken {
    let text = "[issuer]\nurl = 'http://127.0.0.1:8480'\norganization_id = 'acme'\n\
                cluster_id = 'dev'\n[keys]\nalgorithm = 'ES256'";
    let (_, charter) = Config::load(&Source::from_parts("dev", text, "MONEYER", &[])).unwrap();
    let ports = Ports {
        store: Arc::new(MemoryStore::default()),
        signer: Arc::new(FixtureSigner::default()),
        audit: Arc::new(MemoryAudit::default()),
        clock: Arc::new(ManualClock::default()),
    };
    let authority = Authority::open(charter, ports).await.unwrap();
    let by = LocalPeer { uid: 0 }.authenticate(0, &[]).unwrap();
    let (app, id) = (AppName::parse("demo").unwrap(), SandboxId::parse("demo-1").unwrap());
    let runner = RunnerId::parse("dev").unwrap();
    let hour = std::time::Duration::from_secs(3600);
    let desk = authority.enrollment();
    let token = desk.invite(&by, Principal::Runner(runner.clone()), hour, START).await.unwrap();
    desk.join(token.expose(), MemberRequest::p256().der, START).await.unwrap();
    let change = AppChange {
        name: app.clone(),
        audiences: Vec::new(),
        accounts: None,
        spiffe_ending: EndingChange::AsBefore,
    };
    authority.registry().put_app(&by, change, START).await.unwrap();
    let sandbox = Sandbox { id: id.clone(), app, runner, role: None, placed_at: START };
    authority.registry().put_sandbox(&by, sandbox).await.unwrap();
    authority.mint_any(&by, &id, Ask::default()).await.unwrap()
}

#[test]
fn every_link_leads_somewhere() {
    let pages = [
        "README.md",
        "docs/adoption.md",
        "docs/architecture.md",
        "docs/claims.md",
        "docs/clouds.md",
        "docs/deploy.md",
        "docs/doctor.md",
        "docs/federation.md",
        "docs/limits.md",
        "docs/operations.md",
        "docs/runner.md",
        "docs/security.md",
    ];
    links_lead_somewhere(&pages);
}

/// Every link of these pages to a file leads to one, and to a heading that is in it.
pub(crate) fn links_lead_somewhere(pages: &[impl AsRef<str>]) {
    // Written by `make bench`.
    let made_later = ["docs/performance.md"];
    for page in pages.iter().map(AsRef::as_ref) {
        let text = read(page);
        let folder = root().join(page).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if target.contains("://") || target.starts_with('#') {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let there = made_later.contains(&file) || folder.join(file).exists();
            assert!(there, "{page}: {target}");
            let is_in_it = || std::fs::read_to_string(folder.join(file)).unwrap();
            assert!(
                heading.is_empty() || anchors(&is_in_it()).contains(heading),
                "{page}: {target}"
            );
        }
    }
}

/// The headings of a page as links name them.
pub(crate) fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

fn anchor(heading: &str) -> String {
    let letter = |letter: char| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        letter => letter.is_alphanumeric().then(|| letter.to_ascii_lowercase()),
    };
    heading.chars().filter_map(letter).collect()
}
