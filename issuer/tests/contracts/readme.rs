//! README.md: its commands parse, its folders exist, its links lead somewhere, and its token is one.

use std::sync::Arc;

use clap::Parser as _;
use clap::error::ErrorKind::{
    DisplayHelpOnMissingArgumentOrSubcommand as HelpOnMissing, MissingRequiredArgument,
};
use moneyer::cli::Arguments;
use moneyer::config::Config;
use moneyer_authority::enrollment::{LocalPeer, Principal};
use moneyer_authority::mint::Ask;
use moneyer_authority::registry::{AppChange, Sandbox};
use moneyer_authority::{Authority, Ports};
use moneyer_daemon::settings::Source;
use moneyer_identity::{AppName, MintedToken, RunnerId, SandboxId};
use moneyer_testkit::audit::MemoryAudit;
use moneyer_testkit::signer::FixtureSigner;
use moneyer_testkit::store::MemoryStore;
use moneyer_testkit::{ManualClock, MemberRequest, START};

use crate::pages::{code, read, root, rows};

/// Everything between backticks that is a command with arguments, and the lines of shell blocks.
fn commands(page: &str) -> Vec<String> {
    let spans = page.split('`').skip(1).step_by(2).map(str::to_owned);
    let lines = page.lines().map(|line| line.trim().to_owned());
    let all = spans.chain(lines).filter(|text| text.starts_with("moneyer "));
    // What the shell does with the output is not ours.
    all.map(|text| text.split(['>', '#', '|']).next().unwrap().trim().to_owned()).collect()
}

#[test]
fn every_command_parses() {
    let mut tried = 0;
    for page in [
        "README.md",
        "docs/adoption.md",
        "docs/claims.md",
        "docs/limits.md",
        "docs/architecture.md",
        "docs/audit.md",
        "docs/operations.md",
        "docs/security.md",
    ] {
        for command in commands(&read(page)) {
            // A verb that is mentioned, such as `moneyer init`, may lack what it needs.
            let parsed = Arguments::try_parse_from(command.split(' '));
            let mentioned = command.split(' ').count() <= 3;
            match parsed.err().map(|error| error.kind()) {
                None => {}
                Some(MissingRequiredArgument | HelpOnMissing) if mentioned => {}
                Some(kind) => panic!("{page}: {command}: {kind}"),
            }
            tried += 1;
        }
    }
    assert!(tried >= 5, "the commands of README.md were not found");
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
    let change = AppChange { name: app.clone(), audiences: Vec::new() };
    authority.registry().put_app(&by, change, START).await.unwrap();
    let sandbox = Sandbox { id: id.clone(), app, runner, role: None, placed_at: START };
    authority.registry().put_sandbox(&by, sandbox).await.unwrap();
    authority.mint_any(&by, &id, Ask::default()).await.unwrap()
}

#[test]
fn every_link_leads_somewhere() {
    // Written by `make bench`.
    let made_later = ["docs/performance.md"];
    for page in [
        "README.md",
        "docs/adoption.md",
        "docs/architecture.md",
        "docs/claims.md",
        "docs/limits.md",
        "docs/operations.md",
        "docs/security.md",
    ] {
        let text = read(page);
        let folder = root().join(page).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let local = !target.contains("://") && !target.starts_with('#');
            let file = target.split('#').next().unwrap();
            let there = made_later.contains(&file) || folder.join(file).exists();
            assert!(!local || there, "{page}: {target}");
        }
    }
}
