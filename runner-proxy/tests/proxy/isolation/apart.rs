//! What a program has and has not, and how it ends.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::lab::{Lab, ended, is_root, is_tried, not_tried};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_has_its_sandboxs_environment_and_nothing_of_its_callers() {
    if !is_tried("an environment in namespaces") {
        return;
    }
    let lab = Lab::new().await;
    let mut command = lab.command(&["--keep-env", "CI"], &["env"]);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("CI", "yes")
        .env("LANG", "C");
    for name in [
        "GITHUB_TOKEN",
        "SSH_AUTH_SOCK",
        "MONEYER__TELEMETRY__FILTER",
        "SPIFFE_ENDPOINT_SOCKET",
        "OTHER",
    ] {
        command.env(name, "warn");
    }
    let (code, said, errors) = ended(command).await;
    assert_eq!(code, 0, "{errors}");
    let mut names: Vec<_> = said.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    let own = lab.variables("s-1");
    let mut expected: Vec<_> =
        own.keys().map(String::as_str).chain(["CI", "HOME", "LANG", "PATH"]).collect();
    if said.contains("LOGNAME=") {
        expected.extend(["LOGNAME", "USER"]);
    }
    expected.sort_unstable();
    assert_eq!(names, expected);
    // Being on its own loopback is the credential for the proxy.
    assert!(!said.contains("s-1:") && said.contains("https_proxy=http://127.0.0.1:"), "{said}");
    for name in [
        "NODE_EXTRA_CA_CERTS",
        "DENO_CERT",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
    ] {
        let file = said.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
        let (code, pem, errors) = lab.run(&[], &["cat", file]).await;
        assert!(code == 0 && pem.contains("BEGIN CERTIFICATE"), "{name}: {errors}");
    }
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_doors_open_and_no_other_way_leads_out() {
    if !is_tried("a network of its own") {
        return;
    }
    let lab = Lab::new().await;
    lab.request().await;
    let seen = lab.upstream.seen().len();
    let port = lab.upstream.address.port();
    // Past the proxy, to the upstream and to where the daemon listens.
    let told = lab.variables("s-1");
    let past = format!(
        "import socket, sys\nfor host in ('127.0.0.1', 'localhost', '::1', '10.0.0.1', '1.1.1.1'):\n try:\n  \
         socket.create_connection((host, {port}), 2)\n  print('reached', host)\n except OSError: pass"
    );
    assert_eq!(lab.run(&[], &["python3", "-I", "-c", &past]).await.1, "");
    assert_eq!(lab.upstream.seen().len(), seen);
    // The same with the host's network reaches it, so it would have been seen.
    let (_, said, errors) = lab.run(&["--network", "host"], &["python3", "-I", "-c", &past]).await;
    assert!(said.contains("reached 127.0.0.1"), "{said}{errors}");
    // By a socket that knows no network namespaces, by numbers of calls that are not usual, or by a keyring.
    let other = "import ctypes, socket\nfor family in (40, 38, 16, 1, 2, 10):\n try: socket.socket(family, socket.SOCK_STREAM if family != 16 else socket.SOCK_RAW).close()\n \
                 except PermissionError: print('refused', family)\n except OSError as e: print(e)\n\
                 libc = ctypes.CDLL(None, use_errno=True)\n\
                 for call in (248, 250, 425) if __import__('platform').machine() == 'x86_64' else (217, 219, 425):\n \
                 libc.syscall(call, 0, 0, 0, 0, 0); print(ctypes.get_errno())";
    let (_, said, errors) = lab.run(&[], &["python3", "-I", "-c", other]).await;
    assert_eq!(said, "refused 40\nrefused 38\n1\n1\n1\n", "{errors}");
    // The token server, by the URL in the environment and with its secret.
    let token = "import os, urllib.request as r\nurl, secret = os.environ['MONEYER_TOKEN_URL'], os.environ['MONEYER_TOKEN_SECRET']\n\
                 request = r.Request(url + '?audience=other', headers={'Authorization': 'Bearer ' + secret})\n\
                 print(r.build_opener(r.ProxyHandler({})).open(request, timeout=20).status)";
    let (code, said, errors) = lab.run(&[], &["python3", "-I", "-c", token]).await;
    assert_eq!((code, said.trim()), (0, "200"), "{errors}");
    // A destination that nothing names.
    let refused = "import urllib.request as r\ntry: r.urlopen('http://elsewhere.test/', timeout=20)\nexcept r.HTTPError as e: print(e.code)";
    assert_eq!(
        lab.run(
            &[],
            &[
                "python3",
                "-I",
                "-c",
                &refused.replace("r.HTTPError", "__import__('urllib.error').error.HTTPError")
            ]
        )
        .await
        .1
        .trim(),
        "403"
    );
    drop(told);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_sees_its_own_directory_and_neither_the_daemons_nor_anothers() {
    if !is_tried("mounts of its own") {
        return;
    }
    let lab = Lab::new().await;
    let run = lab.host.path("run");
    let look = format!(
        "ls {run}/sandboxes; ls {run}; cat {state}/membership.json {config} 2>/dev/null; \
         touch {run}/sandboxes/s-1/x {run}/x 2>/dev/null; ls {run}/sandboxes/s-1; ls -A /tmp | wc -l; ls /dev",
        run = run.display(),
        state = lab.host.path("state").display(),
        config = lab.host.config_file().display(),
    );
    let (_, said, errors) = lab.run(&[], &["sh", "-c", &look]).await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..2], ["s-1", "sandboxes"], "{said}{errors}");
    for name in
        ["env", "forward.sock", "identity.sock", "workload-api.sock", "ca-bundle.pem", "token"]
    {
        assert!(lines.contains(&name), "{name}: {said}");
    }
    assert!(
        !lines.contains(&"x") && !said.contains("PRIVATE") && !said.contains("trust_domain"),
        "{said}"
    );
    assert!(
        !lines
            .iter()
            .any(|line| line.starts_with("vd") || line.starts_with("sd") || *line == "mem"),
        "{said}"
    );
    let status = "grep -E '^(Cap|NoNewPrivs|Groups)' /proc/self/status; id -u; ls -d /proc/[0-9]* | wc -l; ls /proc/self/fd";
    // Beside the three there is the one that `ls` has open.
    let (_, said, _) = {
        let outer = format!("exec 5<{}; exec \"$@\"", lab.host.config_file().display());
        let inner = lab.command(&[], &["sh", "-c", status]);
        let mut command = Command::new("sh");
        command
            .args(["-c", &outer, "sh"])
            .arg(inner.as_std().get_program())
            .args(inner.as_std().get_args());
        ended(command).await
    };
    assert!(
        said.contains("CapEff:\t0000000000000000") && said.contains("CapBnd:\t0000000000000000"),
        "{said}"
    );
    assert!(
        said.contains("CapInh:\t0000000000000000") && said.contains("CapAmb:\t0000000000000000"),
        "{said}"
    );
    assert!(said.contains("NoNewPrivs:\t1") && !said.contains("\n0\n0\n"), "{said}");
    assert!(said.ends_with("0\n1\n2\n3\n"), "a descriptor came along: {said}");
    if is_root() {
        assert!(said.contains("\n65534\n") && said.contains("Groups:\t \n"), "{said}");
    }
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_there_and_the_rest_of_its_directory_is_not() {
    if !is_tried("paths that are kept") {
        return;
    }
    let lab = Lab::new().await;
    let place = tempfile::tempdir_in("/tmp").unwrap();
    let path = |name: &str| place.path().join(name).display().to_string();
    for name in ["kept", "other"] {
        std::fs::write(path(name), name).unwrap();
    }
    std::fs::create_dir(path("work")).unwrap();
    std::fs::write(path("work/file"), "work").unwrap();
    let (kept, work) = (path("kept"), path("work"));
    let look = format!("cat {kept} {work}/file; ls {}", place.path().display());
    let options = ["--keep", &kept, "--keep", &work];
    let (code, said, errors) = lab.run(&options, &["sh", "-c", &look]).await;
    assert_eq!((code, said.as_str()), (0, "keptworkkept\nwork\n"), "{errors}");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_as_the_program_does_and_signals_reach_it() {
    if !is_tried("the end of a program in namespaces") {
        return;
    }
    let lab = Lab::new().await;
    for (program, code) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["sh", "-c", "kill -TERM $$"], 143),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["no-such-program"], 127),
        (&["/etc/passwd"], 126),
        // What it leaves behind ends with it.
        (&["sh", "-c", "sleep 600 & exit 3"], 3),
    ] {
        let (ended, _, errors) = lab.run(&[], program).await;
        assert_eq!(ended, code, "{program:?}: {errors}");
    }
    let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = lab.command(&[], &["sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(9));
    // One that is killed takes the program with it.
    let mut child = lab
        .command(&[], &["sh", "-c", "echo ready; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
    child.kill().await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await;
    assert_eq!(closed.expect("the program lives on").unwrap(), None);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_started_that_cannot_be_kept_apart() {
    if !is_tried("what cannot be kept apart") {
        return;
    }
    let lab = Lab::new().await;
    let (code, said, errors) =
        lab.run(&["--keep", lab.host.path("run").to_str().unwrap()], &["echo", "x"]).await;
    assert!(
        code == 125 && said.is_empty() && errors.contains("cannot be kept"),
        "{code} {said} {errors}"
    );
    let config = std::fs::read_to_string(lab.host.config_file()).unwrap();
    let shared = format!("{config}[grants]\nworkload_api_socket = \"/etc/agent.sock\"\n");
    std::fs::write(lab.host.config_file(), shared).unwrap();
    let (code, said, errors) = lab.run(&[], &["echo", "x"]).await;
    assert!(
        code == 125 && said.is_empty() && errors.contains("a directory of its own"),
        "{code} {said} {errors}"
    );
    std::fs::write(lab.host.config_file(), config).unwrap();
    // The step on its own, without the one before it.
    let step = lab.host.command(&["sandbox", "first-process", "--", "echo", "x"], "").await;
    assert!(step.status.code() == Some(125) && step.stdout.is_empty(), "{step:?}");
    let unknown = lab
        .host
        .command(&["sandbox", "run", "s-3", "--user", "65534", "--", "echo", "x"], "")
        .await;
    assert!(!unknown.status.success() && unknown.stdout.is_empty(), "{unknown:?}");
    if is_root() {
        for user in [&[][..], &["--user", "0"]] {
            let mut arguments = vec!["sandbox", "run", "s-1"];
            arguments.extend(user);
            arguments.extend(["--", "echo", "x"]);
            let refused = lab.host.command(&arguments, "").await;
            assert!(refused.status.code() == Some(2) && refused.stdout.is_empty(), "{refused:?}");
        }
    }
    lab.stop().await;
}

/// The program of a `sandbox run`, by its number on the host: the only child of the only child.
fn program_of(outer: u32) -> String {
    let child = |pid: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
            .unwrap()
            .trim()
            .to_owned()
    };
    child(&child(&outer.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_nothing_at_such_a_program_and_what_is_wrong_with_another() {
    if !is_tried("a check of a program in namespaces") {
        return;
    }
    if !is_root() {
        not_tried("not root", "a check of a program in namespaces");
        return;
    }
    let lab = Lab::new().await;
    let mut child = lab
        .command(&[], &["sh", "-c", "echo ready; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("ready"));
    let pid = program_of(child.id().unwrap());
    let checked = lab.host.command(&["sandbox", "check", "s-1", "--pid", &pid], "").await;
    assert!(checked.status.success(), "{checked:?}");
    child.kill().await.unwrap();

    let mut other = Command::new("sleep")
        .arg("600")
        .env("GITHUB_TOKEN", "x")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = other.id().unwrap().to_string();
    let checked = lab.host.command(&["sandbox", "check", "s-1", "--pid", &pid], "").await;
    assert_eq!(checked.status.code(), Some(1));
    let said = String::from_utf8(checked.stdout).unwrap();
    for found in [
        "network",
        "processes",
        "mounts",
        "runner.state",
        "runner.run",
        "--config",
        "GITHUB_TOKEN",
        "as root",
    ] {
        assert!(said.contains(found), "{found}: {said}");
    }
    other.kill().await.unwrap();
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_mounted_for_a_program_is_not_seen_by_its_caller() {
    if !is_tried("mounts that do not spread") {
        return;
    }
    if !is_root() {
        not_tried("not root", "mounts that do not spread");
        return;
    }
    let lab = Lab::new().await;
    // As service managers leave it: what is mounted in one namespace is mounted in those that came from it.
    let script = "before=$(cat /proc/self/mountinfo); \"$@\" || exit 1; \
                  [ \"$before\" = \"$(cat /proc/self/mountinfo)\" ] && ls -d \"$DIRECTORY\"";
    let inner = lab.command(&[], &["true"]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "shared", "sh", "-c", script, "sh"]);
    command.arg(inner.as_std().get_program()).args(inner.as_std().get_args());
    command.env("DIRECTORY", lab.host.path("state"));
    let (code, said, errors) = ended(command).await;
    assert!(code == 0 && said.trim().ends_with("/state"), "{said}{errors}");
    lab.stop().await;
}
