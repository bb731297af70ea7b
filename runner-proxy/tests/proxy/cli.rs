//! The commands: what they print and how they end.

use std::process::Output;

use serde_json::Value;

use crate::coordinator::Cluster;
use crate::host::Host;

/// Exit code, standard output, standard error.
fn ended(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_configuration_is_78_with_every_error() {
    let host = Host::new(1);
    std::fs::write(host.config_file(), "[coordinator]\nadress = \"x\"\n[runner]\nrun = 5\n")
        .unwrap();
    for command in [&["serve"][..], &["config", "check"], &["sandbox", "list"]] {
        let (code, _, errors) = ended(&host.command(command, "").await);
        assert_eq!(code, 78, "{errors}");
        for part in ["toml:2:1", "did you mean", "trust_domain", "toml:4:"] {
            assert!(errors.contains(part), "no {part} in:\n{errors}");
        }
    }
    let (code, schema, _) = ended(&host.command(&["config", "schema"], "").await);
    assert_eq!(code, 0);
    assert!(
        serde_json::from_str::<Value>(&schema).unwrap()["properties"]["token_server"].is_object()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_configuration_is_shown_and_its_variables_count() {
    let host = Host::new(1);
    let (code, shown, _) = ended(&host.command(&["config", "show"], "").await);
    assert_eq!(code, 0);
    assert!(
        shown.contains("jitter = \"100ms\"") && shown.contains("cached_tokens = 65536"),
        "{shown}"
    );
    let (code, good, _) = ended(&host.command(&["config", "check", "--output", "json"], "").await);
    assert_eq!(code, 0);
    assert!(good.contains("runner-proxy.toml"), "{good}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_2_and_help_teaches() {
    let host = Host::new(1);
    for arguments in [&["sandbox"][..], &["sandbox", "attach", "a:b"], &["frobnicate"], &["join"]] {
        let (code, _, errors) = ended(&host.command(arguments, "no join token").await);
        assert_eq!(code, 2, "{arguments:?}: {errors}");
    }
    let (code, help, _) = ended(&host.command(&["--help"], "").await);
    assert_eq!(code, 0);
    for part in ["runner invite", "join", "serve", "sandbox", "MONEYER__SECTION__KEY"] {
        assert!(help.contains(part), "no {part} in:\n{help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_say_the_next_step() {
    let host = Host::new(1);
    let (code, _, errors) = ended(&host.command(&["serve"], "").await);
    assert_eq!(code, 1);
    assert!(errors.contains("moneyer-runner-proxy join"), "{errors}");
    let (code, _, errors) = ended(&host.command(&["sandbox", "list"], "").await);
    assert_eq!(code, 1);
    assert!(errors.contains("moneyer-runner-proxy serve"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_pinned_cluster_is_joined_and_only_with_a_good_token() {
    let (cluster, other) = (Cluster::new(), Cluster::new());
    let coordinator = cluster.start(0);
    let host = Host::new(coordinator.address.port());
    let (code, _, errors) = ended(&host.command(&["join", "-"], &other.join_token()).await);
    assert_eq!(code, 1, "another cluster's authority: {errors}");
    assert!(!host.path("state").exists(), "it did not join");
    let spent = cluster.join_token().replacen("mjt1.", "mjt1.e30", 1);
    let (code, _, errors) = ended(&host.command(&["join", "-"], &spent).await);
    assert_eq!(code, 2, "{errors}");
    assert!(!errors.contains(&spent), "{errors}");

    let file = host.path("token");
    std::fs::write(&file, cluster.join_token()).unwrap();
    let path = file.to_str().unwrap();
    let (code, _, errors) = ended(&host.command(&["join", path], "").await);
    assert_eq!(code, 1);
    assert!(errors.contains("chmod 600"), "{errors}");
    moneyer_daemon::file::write_atomic(&file, cluster.join_token().as_bytes(), 0o600).unwrap();
    let (code, joined, errors) =
        ended(&host.command(&["--output", "json", "join", path], "").await);
    assert_eq!(code, 0, "{errors}");
    let joined: Value = serde_json::from_str(&joined).unwrap();
    assert_eq!(joined["identity"], "spiffe://id.test/moneyer/runner/r1");
}

#[tokio::test(flavor = "multi_thread")]
async fn sandboxes_by_command() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[("aws", "sts")]);

    let (code, lines, errors) = ended(&host.command(&["sandbox", "attach", "s-1"], "").await);
    assert_eq!(code, 0, "{errors}");
    assert_eq!(lines, proxy.file("s-1", "env").unwrap());
    let json = ["sandbox", "attach", "s-1", "--output", "json"];
    let attached: Value = serde_json::from_str(&ended(&host.command(&json, "").await).1).unwrap();
    assert_eq!(attached["directory"], proxy.directory("s-1").display().to_string());
    let token_file = proxy.directory("s-1").join("token").display().to_string();
    assert_eq!(attached["environment"]["MONEYER_TOKEN_FILE"], token_file);

    let file = host.path("s-1.env");
    let to_file = ["sandbox", "attach", "s-1", "--env-file", file.to_str().unwrap()];
    let (code, said, _) = ended(&host.command(&to_file, "").await);
    assert_eq!(code, 0);
    assert!(!said.contains("SECRET"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), lines);

    let (_, table, _) = ended(&host.command(&["sandbox", "list"], "").await);
    assert!(
        table.starts_with("SANDBOX") && table.contains("s-1") && table.contains("tokens/aws"),
        "{table}"
    );
    let list = ["sandbox", "list", "--output", "json"];
    let listed: Value = serde_json::from_str(&ended(&host.command(&list, "").await).1).unwrap();
    assert_eq!(listed[0]["files"][0]["state"], "current");

    let (code, _, errors) = ended(&host.command(&["sandbox", "attach", "s-9"], "").await);
    assert_eq!(code, 1);
    assert!(errors.contains("has not placed s-9"), "{errors}");
    let (code, _, _) =
        ended(&host.command(&["sandbox", "attach", "s-1", "--audience", "x"], "").await);
    assert_eq!(code, 2);
    let (_, said, _) = ended(&host.command(&["sandbox", "detach", "s-1"], "").await);
    assert_eq!(said, "s-1 is detached\n");
    assert!(!proxy.directory("s-1").exists());
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_ends_on_sigterm_and_logs_no_secret() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    cluster.place("s-1", &[]);
    let log = host.path("log");
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_moneyer-runner-proxy"))
        .arg("--config")
        .arg(host.config_file())
        .arg("serve")
        .env("MONEYER__TELEMETRY__FILTER", "trace")
        .stderr(std::fs::File::create(&log).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    crate::host::eventually("the sandbox is attached", async || {
        host.command(&["sandbox", "attach", "s-1"], "").await.status.success()
    })
    .await;
    let environment = std::fs::read_to_string(host.path("run/sandboxes/s-1/env")).unwrap();
    let secret = environment.lines().find_map(|line| line.strip_prefix("MONEYER_TOKEN_SECRET="));
    let process = i32::try_from(child.id().unwrap()).unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    assert!(host.path("run/sandboxes/s-1/token").exists(), "files stay");
    assert!(!host.path("run/sandboxes/s-1/identity.sock").exists());
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.contains("the runner proxy is ready"), "{logged}");
    assert!(!logged.contains(secret.unwrap()));
    let token = std::fs::read_to_string(host.path("run/sandboxes/s-1/token")).unwrap();
    assert!(!logged.contains(&token), "a token is in the log");
}
