//! Real programs with nothing but the environment of their sandbox.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::fixtures::*;
use crate::forward::TrustFiles;
use crate::sandbox::{AUTHORITY_FILE, BUNDLE_FILE, Environment, Surroundings};

const PYTHON: &str =
    "import sys, urllib.request\nprint(urllib.request.urlopen(sys.argv[1]).read().decode())";
const REQUESTS: &str = "import sys\ntry:\n import requests\nexcept ImportError:\n print('ok')\n sys.exit()\n\
                        print(requests.get(sys.argv[1]).text)";

/// Runs a program in the sandbox's environment; what it printed, or nothing where it is not installed.
async fn run(world: &World, directory: &Path, program: &str, arguments: &[&str]) -> Option<String> {
    let id = crate::fakes::sandbox("s");
    let address = world.address.to_string();
    let environment = Environment::of(&Surroundings {
        sandbox: &id,
        secret: &world.secret,
        directory,
        issuer: None,
        token_url: "http://127.0.0.1:1/",
        profiles: &[],
        forward: Some(&address),
    });
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter()).stdin(Stdio::null());
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", directory).kill_on_drop(true);
    let output = tokio::time::timeout(SOON * 3, command.output()).await.expect("it hangs");
    let output = output.ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test]
async fn programs_reach_an_upstream_with_a_token_they_never_see() {
    let world = World::encrypted().await;
    let directory = tempfile::tempdir().unwrap();
    let trust = TrustFiles::of(&world.proxy.parts.authority);
    std::fs::write(directory.path().join(AUTHORITY_FILE), &trust.authority).unwrap();
    std::fs::write(directory.path().join(BUNDLE_FILE), &trust.bundle).unwrap();
    let url = format!("https://{}/", world.authority());
    let node = format!("fetch('{url}').then(r => r.text()).then(console.log, console.error)");
    let programs: [(&str, Vec<&str>, &str); 5] = [
        ("curl", vec!["-sS", &url], "ok"),
        ("python3", vec!["-c", PYTHON, &url], "ok"),
        ("python3", vec!["-c", REQUESTS, &url], "ok"),
        // It is no repository, and git says so.
        ("git", vec!["ls-remote", &url], ""),
        ("node", vec!["-e", &node], "ok"),
    ];
    let mut tried = 0;
    for (program, arguments, expected) in programs {
        world.upstream.forget();
        if program == "node" && !node_goes_by_the_environment(&world, directory.path()).await {
            continue;
        }
        let Some(said) = run(&world, directory.path(), program, &arguments).await else { continue };
        if program != "git" {
            assert_eq!(said.trim(), expected, "{program}: {said}");
        }
        assert!(!said.contains("canary"), "{program}: {said}");
        let received = world.upstream.received();
        let has_token = received.is_empty() || received.contains("authorization: Bearer canary-");
        assert!(has_token, "{program}: {received}");
        tried += usize::from(!received.is_empty());
    }
    assert!(tried > 0, "none of the programs is installed");
    // The same to a destination that nothing names.
    world.upstream.forget();
    let refused = ["-sS", "-o", "/dev/null", "-w", "%{http_connect}", "https://evil.test/"];
    if let Some(said) = run(&world, directory.path(), "curl", &refused).await {
        assert!(said.contains("403"), "{said}");
    }
    assert_eq!(world.upstream.received(), "");
}

/// Since 22.21 and 24.0 Node goes by the variables.
async fn node_goes_by_the_environment(world: &World, directory: &Path) -> bool {
    let version = run(world, directory, "node", &["--version"]).await.unwrap_or_default();
    let mut numbers = version.trim().trim_start_matches('v').split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(22)), Some(Ok(minor))) => minor >= 21,
        (Some(Ok(major)), Some(Ok(_))) => major >= 24,
        _ => false,
    }
}
