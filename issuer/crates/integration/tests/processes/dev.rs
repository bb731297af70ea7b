//! `moneyer dev`, as a new user runs it.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::stand::binary_directory;

/// Whoever starts where a new user does looks for the same preferred ports: one after the other.
pub(crate) static PORTS: Mutex<()> = Mutex::new(());

fn dev_once(directory: &Path) -> Output {
    Command::new(binary_directory().join("moneyer"))
        .args(["dev", "--once", "--dir"])
        .arg(directory)
        .output()
        .unwrap()
}

fn summary(directory: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(directory.join("dev.json")).unwrap()).unwrap()
}

fn claims(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let (from, to) = (text.find('{').unwrap(), text.rfind("}\n").unwrap());
    serde_json::from_str(text.get(from..=to).unwrap()).unwrap()
}

#[test]
fn a_second_start_keeps_issuer_keys_and_sandboxes() {
    let _ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("new");
    let first = dev_once(&directory);
    assert!(first.status.success(), "{first:?}");
    let told = summary(&directory);
    for key in [
        "issuer",
        "public_url",
        "token_file",
        "token_url",
        "token_secret",
        "identity_sock",
        "management_sock",
        "operations_url",
        "config",
        "runner_config",
    ] {
        assert!(told[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {told}");
    }
    let second = dev_once(&directory);
    assert!(second.status.success(), "{second:?}");
    assert_eq!(told, summary(&directory));
    let (first, second) = (claims(&first), claims(&second));
    for kept in ["iss", "sub", "app_uid", "sandbox_id", "runner_id"] {
        assert_eq!(first[kept], second[kept], "{kept}");
    }
    assert_ne!(first["jti"], second["jti"]);
}

#[test]
fn one_secret_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let _ports = PORTS.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("new");
    assert!(dev_once(&directory).status.success());
    let mut open = vec![directory.clone()];
    while let Some(path) = open.pop() {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o077;
        // What is mounted into a sandbox is readable there; everything around it is closed.
        let mounted = path.starts_with(directory.join("run/sandboxes/demo-1"));
        assert!(mounted || mode == 0, "{} has mode {mode:o}", path.display());
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}
