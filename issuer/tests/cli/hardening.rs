//! `moneyer serve` as a process: nobody reads its memory and it leaves no core (cases 195, 197, P9).
//!
//! `/proc/PID/mem`, `environ` and `maps` are guarded by the check that also decides who may attach with
//! ptrace, so opening them tells what gcore would meet. Root may all of it: where the test runs as root,
//! daemon and reader are another user.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::session::make_seal_key;

/// `nobody`.
const NOBODY: u32 = 65_534;

const CONFIG: &str = "\
issuer.url = 'https://id.example.com'
keys.algorithm = 'ES256'
listen.public = '127.0.0.1:0'
listen.grpc = '127.0.0.1:0'
listen.operations = '127.0.0.1:0'
listen.management = 'unix:@DIR@/management.sock'
store.path = '@DIR@/store'
seal.key_file = '@DIR@/seal.key'
audit.path = '@DIR@/audit'
";

struct Place {
    directory: tempfile::TempDir,
    program: PathBuf,
    user: Option<u32>,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("moneyer");
        // The build's directory may be closed to the other user.
        std::fs::copy(env!("CARGO_BIN_EXE_moneyer"), &program).unwrap();
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let text = CONFIG.replace("@DIR@", directory.path().to_str().unwrap());
        std::fs::write(directory.path().join("moneyer.toml"), text).unwrap();
        make_seal_key(directory.path());
        let user = rustix::process::geteuid().is_root().then_some(NOBODY);
        if user.is_some() {
            chown(directory.path(), user, user).unwrap();
            chown(directory.path().join("seal.key"), user, user).unwrap();
        }
        Self { directory, program, user }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.directory.path());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// With as large a limit of core files as the machine lets it have.
    async fn serve(&self) -> Child {
        let script = "ulimit -c $(ulimit -H -c); exec \"$0\" --config moneyer.toml serve";
        let mut shell = self.command(Path::new("/bin/sh"));
        let mut child = shell.args(["-c", script]).arg(&self.program).spawn().unwrap();
        for _ in 0..600 {
            if self.directory.path().join("management.sock").exists() {
                return child;
            }
            assert_eq!(child.try_wait().unwrap(), None, "the daemon ended");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the daemon did not come up");
    }

    fn reads(&self, pid: u32, file: &str) -> bool {
        let path = format!("/proc/{pid}/{file}");
        let mut reader = self.command(Path::new("/bin/sh"));
        let script = "exec 3< \"$0\" && head -c 1 < \"$0\" > /dev/null";
        let mut reader = reader.args(["-c", script, &path]);
        reader = reader.stderr(Stdio::null());
        reader.status().unwrap().success() || (file == "mem" && self.opens(&path))
    }

    /// Nothing is mapped at the beginning of memory: opening is what is allowed or not.
    fn opens(&self, path: &str) -> bool {
        let mut reader = self.command(Path::new("/bin/sh"));
        reader.args(["-c", "exec 3< \"$0\"", path]).stderr(Stdio::null());
        reader.status().unwrap().success()
    }
}

// Case 195.
#[tokio::test]
async fn nobody_reads_its_memory_and_it_leaves_no_core() {
    let place = Place::new();
    let mut open = place.command(Path::new("/bin/sleep")).arg("600").spawn().unwrap();
    let mut daemon = place.serve().await;
    for file in ["mem", "environ", "maps"] {
        assert!(place.reads(open.id(), file), "the test itself cannot read {file}");
        assert!(!place.reads(daemon.id(), file), "{file} can be read");
    }
    open.kill().unwrap();
    open.wait().unwrap();
    let pid = rustix::process::Pid::from_child(&daemon);
    rustix::process::kill_process(pid, rustix::process::Signal::ABORT).unwrap();
    let ended = daemon.wait().unwrap();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(6), false), "{ended:?}");
}

// F11, across a restart.
#[tokio::test]
async fn the_latest_time_seen_is_kept_beside_the_records() {
    let place = Place::new();
    let mut daemon = place.serve().await;
    let path = place.directory.path().join("store/CLOCK");
    for _ in 0..200 {
        if path.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let mark: i64 = kept.lines().next().unwrap().parse().unwrap();
    assert!(mark > 1_700_000_000, "{kept}");
}
