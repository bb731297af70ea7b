//! A coordinator over SoftHSM2, the real library.
//!
//! SoftHSM2 finds its tokens by an environment variable, and a process that changes its own environment is one
//! with undefined behaviour: so the test starts this very program again with the variable set.

use std::path::{Path, PathBuf};
use std::process::Command;

use moneyer_daemon::unix_http::Method;
use moneyer_identity::KeySet;
use serde_json::json as value;

use super::{configure, readiness, served, start_in, until_it_works, verified};

const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const INNER: &str = "signers::softhsm::on_a_token";

fn run(program: &Path, arguments: &[&str], config: &Path) -> String {
    let output = Command::new(program).args(arguments).env("SOFTHSM2_CONF", config).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{} is missing ({error}); run: .ci/packages softhsm2", program.display())
    });
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[test]
fn tokens_are_signed_in_a_security_module_that_may_go_and_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let tokens = directory.path().join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let config = directory.path().join("softhsm2.conf");
    let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display());
    std::fs::write(&config, text).unwrap();
    let made =
        ["--init-token", "--free", "--label", "moneyer", "--so-pin", "1234", "--pin", "5678"];
    run(Path::new("softhsm2-util"), &made, &config);
    let this = std::env::current_exe().unwrap();
    let said = run(&this, &["--ignored", "--exact", INNER, "--nocapture"], &config);
    assert!(said.contains("1 passed"), "{INNER} did not run: {said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a token, which the test above makes"]
async fn on_a_token() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("pin"), "5678\n").unwrap();
    let module: PathBuf = directory.path().join("module.so");
    std::os::unix::fs::symlink(LIBRARY, &module).unwrap();
    let text = "[signer]\nbackend = 'pkcs11'\n[signer.pkcs11]\nmodule = '@DIR@/module.so'\n\
                token_label = 'moneyer'\npin_file = '@DIR@/pin'\n";
    configure(&directory, text);
    let world = start_in(directory, &[("KEYS__SECOND_ALGORITHM", "RS256")]).await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let first = member.mint("web-1", &[]).await.unwrap();
    verified(&world, &first.token).await;
    assert_eq!(
        readiness(&world, "pkcs11").await,
        (true, Some(value!({"name": "pkcs11", "ok": true, "needed": false})))
    );
    assert_eq!(served(&world).await.len(), 2, "an ES256 key and an RS256 key");

    let command = r#"{"command":"emergency"}"#;
    let done = world.manage(Method::POST, "/keys", command).await;
    assert_eq!(done.status, 200, "{}", String::from_utf8_lossy(&done.body));
    let second = member.mint("web-1", &[]).await.unwrap();
    assert_ne!(second.key_id, first.key_id);
    let keys = world.public(Method::GET, "/.well-known/jwks.json", &[]).await;
    assert!(KeySet::parse(&keys.body).is_ok());

    // The library is gone at the next start, and is put where it belongs while the coordinator runs.
    let crate::world::World { app, clock, directory } = world;
    app.stop().await;
    std::fs::remove_file(&module).unwrap();
    let world =
        crate::world::World::start_in(directory, clock, &[("KEYS__SECOND_ALGORITHM", "RS256")])
            .await;
    let told = until_it_works(&world, "pkcs11", false).await;
    assert!(told["problem"].as_str().unwrap().contains("cannot be used"), "{told}");
    let member = world.join("runner-2").await;
    world.place("web-2", "runner-2").await;
    assert_eq!(member.mint("web-2", &[]).await.unwrap_err().code(), tonic::Code::Unavailable);
    std::os::unix::fs::symlink(LIBRARY, &module).unwrap();
    until_it_works(&world, "pkcs11", true).await;
    let third = member.mint("web-2", &[]).await.unwrap();
    assert_eq!(third.key_id, second.key_id);
    verified(&world, &third.token).await;
}
