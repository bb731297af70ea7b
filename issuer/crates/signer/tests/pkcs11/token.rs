//! A token of SoftHSM2 in a directory of its own, and a process that sees it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The token's label.
pub(crate) const LABEL: &str = "moneyer-test";

/// The user's PIN.
pub(crate) const PIN: &str = "5678";

/// Where Debian and others put the library.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
];

/// SoftHSM2's library.
pub(crate) fn library() -> PathBuf {
    let found = LIBRARIES.into_iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("SoftHSM2 is missing; run: .ci/packages softhsm2 opensc")
}

/// The directory that this process was started for.
pub(crate) fn directory() -> PathBuf {
    let config = std::env::var_os("SOFTHSM2_CONF").expect("started by run_with_token");
    Path::new(&config).parent().unwrap().to_owned()
}

/// Runs `softhsm2-util` or `pkcs11-tool`, and gives what it says.
pub(crate) fn run(directory: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env("SOFTHSM2_CONF", directory.join("softhsm2.conf"));
    let output = command.output().unwrap_or_else(|error| {
        panic!("{program} is missing ({error}); run: .ci/packages softhsm2 opensc")
    });
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}{complained}");
    said
}

/// Makes a token, and runs a test of this program in a process that sees it.
pub(crate) fn run_with_token(test: &str) {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    std::fs::create_dir(directory.join("tokens")).unwrap();
    let tokens = directory.join("tokens");
    let config = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(directory.join("softhsm2.conf"), config).unwrap();
    std::fs::write(directory.join("pin"), format!("{PIN}\n")).unwrap();
    library();
    let made = ["--init-token", "--free", "--label", LABEL, "--so-pin", "1234", "--pin", PIN];
    run(directory, "softhsm2-util", &made);
    // By what it says and not by how it ends: SoftHSM takes itself down with the process, also under a thread that is
    // still at work in it.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test, "--nocapture"])
        .env("SOFTHSM2_CONF", directory.join("softhsm2.conf"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("test result: ok. 1 passed"), "{test}: {said}{complained}");
}
