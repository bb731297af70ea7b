//! Attaching, what a sandbox then has, and detaching.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

use moneyer_proto::v1::TokenFileState;
use tonic::Code;

use crate::coordinator::{Cluster, ISSUER};
use crate::host::{Host, Proxy, eventually, inode, with_one_sandbox};
use crate::http;

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attached_sandbox_has_files_a_socket_and_an_environment() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    assert_eq!(mode(&host.path("state")), 0o700);
    assert_eq!(mode(&host.path("state/membership.json")), 0o600);
    let proxy = host.start();
    cluster.place("s-1", &[("aws", "sts.amazonaws.com"), ("vault", "https://vault")]);
    let attached = proxy.attach("s-1", &[]).await.unwrap();
    assert_eq!(attached.warnings, Vec::<String>::new());

    let directory = proxy.directory("s-1");
    assert_eq!(attached.directory, directory.display().to_string());
    assert_eq!(mode(&directory), 0o755);
    assert_eq!(mode(directory.parent().unwrap()), 0o700);
    assert_eq!(mode(&directory.join("token")), 0o644);
    assert_eq!(mode(&directory.join("identity.sock")), 0o666);
    assert_eq!(proxy.file("s-1", "token").unwrap(), "s-1..1", "no newline");
    assert_eq!(proxy.file("s-1", "tokens/aws").unwrap(), "s-1.sts.amazonaws.com.2");
    assert_eq!(proxy.file("s-1", "tokens/vault").unwrap(), "s-1.https://vault.3");

    let environment: Vec<_> =
        attached.environment.iter().map(|v| format!("{}={}\n", v.name, v.value)).collect();
    assert_eq!(proxy.file("s-1", "env").unwrap(), environment.concat());
    assert_eq!(proxy.variable("s-1", "MONEYER_ISSUER").unwrap(), ISSUER);
    let aws_file = proxy.variable("s-1", "AWS_WEB_IDENTITY_TOKEN_FILE").unwrap();
    assert_eq!(aws_file, directory.join("tokens/aws").display().to_string());
    assert_eq!(proxy.variable("s-1", "AWS_ROLE_SESSION_NAME").unwrap(), "s-1");
    let role = proxy.variable("s-1", "AWS_ROLE_ARN").unwrap();
    assert_eq!(role, "arn:aws:iam::123456789012:role/deploy");
    let (url, secret) = (
        proxy.variable("s-1", "ACTIONS_ID_TOKEN_REQUEST_URL").unwrap(),
        proxy.variable("s-1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN").unwrap(),
    );

    let socket = directory.join("identity.sock");
    let asked = http::on_socket(&socket, "/v1/token?audience=x&ttl=900").await.unwrap();
    assert_eq!(asked, (200, serde_json::json!({ "value": "s-1.x.4" })));
    assert_eq!(http::on_socket(&socket, "/v1/token?audience=x&ttl=900").await.unwrap(), asked);
    assert_eq!(http::on_socket(&socket, "/v1/token?audience=forbidden").await.unwrap().0, 403);
    assert_eq!(http::with_secret(&url, "&audience=x&ttl=900", &secret).await, asked);

    let url = proxy.variable("s-1", "MONEYER_TOKEN_URL").unwrap();
    let secret = proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap();
    assert_eq!(http::with_secret(&url, "?audience=x&ttl=900", &secret).await, asked);
    assert_eq!(http::with_secret(&url, "", &"0".repeat(64)).await.0, 403);

    let state = proxy.state("s-1", "tokens/aws").await;
    assert_eq!(state, Some(TokenFileState::Current));
    proxy.stop().await;
    coordinator.stop(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attaching_again_keeps_the_secret_and_changes_the_choice() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[("aws", "sts"), ("vault", "v")]);
    let first = proxy.attach("s-1", &["aws"]).await.unwrap();
    assert!(proxy.file("s-1", "tokens/aws").is_some());
    assert!(proxy.file("s-1", "tokens/vault").is_none());
    let (token, minted) = (proxy.file("s-1", "token"), cluster.records(|r| r.minted()));

    assert_eq!(proxy.attach("s-1", &["aws"]).await.unwrap(), first);
    assert_eq!(cluster.records(|records| records.minted()), minted, "nothing was minted anew");
    proxy.attach("s-1", &["vault"]).await.unwrap();
    assert!(proxy.file("s-1", "tokens/aws").is_none(), "no longer chosen");
    assert!(proxy.file("s-1", "tokens/vault").is_some());
    assert_eq!(proxy.file("s-1", "token"), token);
    let secret = |attached: &moneyer_proto::v1::AttachSandboxResponse| {
        let mut variables = attached.environment.iter();
        variables.find(|v| v.name == "MONEYER_TOKEN_SECRET").unwrap().value.clone()
    };
    let again = proxy.attach("s-1", &[]).await.unwrap();
    assert_eq!(secret(&again), secret(&first));
    assert!(proxy.file("s-1", "tokens/aws").is_some());

    let error = proxy.attach("s-1", &["gcp"]).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("aws, vault"), "{error}");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_placed_here_is_refused_and_leaves_nothing() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    let error = proxy.attach("s-2", &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    assert!(
        error.message().contains("s-2") && error.message().contains("moneyer sandbox"),
        "{error}"
    );
    assert!(!proxy.directory("s-2").exists());
    assert_eq!(proxy.list().await, []);
    for bad in ["", "a:b", "../x", "a b", "null\n"] {
        assert_eq!(
            proxy.attach(bad, &[]).await.unwrap_err().code(),
            Code::InvalidArgument,
            "{bad}"
        );
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attach_that_fails_leaves_nothing() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[]);
    let directory = proxy.directory("s-1");
    // In the place of the socket, before there is a token; of the environment, when there is one.
    for obstacle in ["identity.sock", "env"] {
        std::fs::create_dir_all(directory.join(obstacle)).unwrap();
        let error = proxy.attach("s-1", &[]).await.unwrap_err();
        assert_eq!(error.code(), Code::Internal, "{error}");
        assert!(!directory.exists(), "{obstacle}");
        assert_eq!(proxy.list().await, []);
        let roster = std::fs::read_to_string(host.path("state/roster.json")).unwrap();
        assert!(!roster.contains("s-1"), "{roster}");
    }
    proxy.attach("s-1", &[]).await.unwrap();
    assert!(proxy.file("s-1", "token").is_some());
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_could_not_be_brought_back_is_detached_with_its_files() {
    let (_cluster, _coordinator, host, proxy) = with_one_sandbox().await;
    let directory = proxy.directory("s-1");
    proxy.stop().await;
    std::fs::create_dir(directory.join("identity.sock")).unwrap();

    let proxy = host.start();
    assert_eq!(proxy.list().await, []);
    assert!(proxy.file("s-1", "token").is_some(), "it is still mounted in the sandbox");
    assert!(proxy.detach("s-1").await);
    assert!(!directory.exists());
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_profile_costs_its_file_only() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[("bad", "forbidden"), ("good", "g")]);
    let attached = proxy.attach("s-1", &[]).await.unwrap();
    assert_eq!(attached.warnings.len(), 1);
    assert!(attached.warnings[0].contains("tokens/bad"), "{:?}", attached.warnings);
    assert!(proxy.file("s-1", "tokens/good").is_some());
    assert!(proxy.file("s-1", "tokens/bad").is_none());
    eventually("the file is listed as refused", async || {
        proxy.state("s-1", "tokens/bad").await == Some(TokenFileState::Refused)
    })
    .await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_leaves_loses_everything_and_its_secret_never_comes_back() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[]);
    cluster.place("s-2", &[]);
    proxy.attach("s-1", &[]).await.unwrap();
    proxy.attach("s-2", &[]).await.unwrap();
    let url = proxy.variable("s-1", "MONEYER_TOKEN_URL").unwrap();
    let secret = proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap();
    assert_eq!(http::with_secret(&url, "", &secret).await.0, 200);

    cluster.displace("s-1");
    eventually("s-1 is detached", async || !proxy.directory("s-1").exists()).await;
    assert_eq!(http::with_secret(&url, "", &secret).await.0, 403);
    assert!(!std::fs::read_to_string(host.path("state/roster.json")).unwrap().contains(&secret));
    assert!(proxy.directory("s-2").exists());

    cluster.place("s-1", &[]);
    proxy.attach("s-1", &[]).await.unwrap();
    let renewed = proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap();
    assert_ne!(renewed, secret);
    assert_eq!(http::with_secret(&url, "", &secret).await.0, 403);
    assert_eq!(http::with_secret(&url, "", &renewed).await.0, 200);

    assert!(proxy.detach("s-1").await);
    assert!(!proxy.detach("s-1").await);
    assert!(!proxy.directory("s-1").exists());
    assert_eq!(http::with_secret(&url, "", &renewed).await.0, 403);
    proxy.stop().await;

    let proxy = host.start();
    assert_eq!(proxy.list().await.len(), 1, "only s-2 comes back");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_comes_back_for_another_app_is_another_sandbox() {
    let (cluster, _coordinator, _host, proxy) = with_one_sandbox().await;
    let url = proxy.variable("s-1", "MONEYER_TOKEN_URL").unwrap();
    let secret = proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap();
    assert_eq!(http::with_secret(&url, "", &secret).await.0, 200);

    cluster.place_app("s-1", "other", &[]);
    eventually("the old s-1 is detached", async || !proxy.directory("s-1").exists()).await;
    assert_eq!(http::with_secret(&url, "", &secret).await.0, 403);

    proxy.attach("s-1", &[]).await.unwrap();
    assert_ne!(proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap(), secret);
    assert_eq!(http::with_secret(&url, "", &secret).await.0, 403);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_attached_only_once_its_app_is_known() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    eventually("the watch has begun", async || {
        cluster.records(|records| records.seen_generations.len() == 1)
    })
    .await;
    cluster.records(|records| records.tells = false);
    cluster.place_app("s-1", "first", &[]);
    let refused = proxy.attach("s-1", &[]).await;
    // What was handed out for the first app, if anything, must not be good for the next.
    let url = proxy.variable("s-1", "MONEYER_TOKEN_URL");
    let secret = proxy.variable("s-1", "MONEYER_TOKEN_SECRET");
    cluster.records(|records| records.tells = true);
    cluster.place_app("s-1", "second", &[]);
    if let (Some(url), Some(secret)) = (url, secret) {
        eventually("the first s-1 is detached", async || {
            http::with_secret(&url, "", &secret).await.0 == 403
        })
        .await;
    }
    assert!(!proxy.directory("s-1").exists());
    let error = refused.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.message().contains("try again"), "{error}");
    proxy.attach("s-1", &[]).await.unwrap();
    assert_eq!(proxy.list().await[0].app, "second");
    proxy.stop().await;
}

/// Waits until the proxy has taken in all that it was told before.
async fn heard(cluster: &Cluster, proxy: &Proxy) {
    let id = format!("told-{}", cluster.records(|records| records.sandboxes.len()));
    cluster.place(&id, &[]);
    eventually("all is heard", async || proxy.attach(&id, &[]).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_comes_back_is_another_sandbox_whatever_its_runner_heard_meanwhile() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let mut proxy = host.start();
    let (one, other) = ("a".repeat(32), "b".repeat(32));
    // An older coordinator says neither, and a newer one says it of whom it has said nothing before.
    cluster.place("s-1", &[]);
    proxy.attach("s-1", &[]).await.unwrap();
    let first = proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap();
    let url = proxy.variable("s-1", "MONEYER_TOKEN_URL").unwrap();
    for (app_uid, number) in [(&*one, 1), ("", 0), (&*one, 1), ("no id", 1)] {
        cluster.identify("s-1", app_uid, number);
        heard(&cluster, &proxy).await;
        assert_eq!(http::with_secret(&url, "", &first).await.0, 200, "{app_uid} {number}");
    }
    let mut secrets = vec![first];
    for (app_uid, number) in [(&one, 2), (&other, 2)] {
        proxy.stop().await;
        cluster.identify("s-1", app_uid, number);
        proxy = host.start();
        eventually("the one before is detached", async || !proxy.directory("s-1").exists()).await;
        proxy.attach("s-1", &[]).await.unwrap();
        let url = proxy.variable("s-1", "MONEYER_TOKEN_URL").unwrap();
        for secret in &secrets {
            assert_eq!(http::with_secret(&url, "", secret).await.0, 403);
        }
        let secret = proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap();
        assert_eq!(http::with_secret(&url, "", &secret).await.0, 200);
        secrets.push(secret);
    }
    cluster.identify("s-1", &other, 3);
    eventually("it is heard of at once, too", async || !proxy.directory("s-1").exists()).await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_follow_the_coordinator() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[("aws", "sts")]);
    proxy.attach("s-1", &[]).await.unwrap();
    cluster.place("s-1", &[("vault", "v")]);
    eventually("the files are those of the new profiles", async || {
        proxy.file("s-1", "tokens/vault").is_some() && proxy.file("s-1", "tokens/aws").is_none()
    })
    .await;
    eventually("and so is the environment", async || {
        proxy.variable("s-1", "AWS_ROLE_SESSION_NAME").is_none()
    })
    .await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_sandboxes_and_secrets_and_renews_their_files() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    cluster.place("s-1", &[("aws", "sts")]);
    proxy.attach("s-1", &[]).await.unwrap();
    let secret = proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap();
    let directory = proxy.directory("s-1");
    proxy.stop().await;
    let token = std::fs::read_to_string(directory.join("token")).unwrap();
    assert!(!directory.join("identity.sock").exists(), "nobody would answer");
    assert!(!host.path("run/control.sock").exists());
    let before = inode(&directory.join("token"));
    std::fs::create_dir(host.path("run/sandboxes/left-over")).unwrap();

    let proxy = host.start();
    assert!(!host.path("run/sandboxes/left-over").exists());
    assert_eq!(inode(&directory), inode(&directory), "the mounted directory stays the same one");
    assert_eq!(proxy.variable("s-1", "MONEYER_TOKEN_SECRET").unwrap(), secret);
    eventually("the token is renewed", async || proxy.file("s-1", "token").unwrap() != token).await;
    assert_ne!(inode(&directory.join("token")), before);
    let socket = directory.join("identity.sock");
    assert!(std::fs::metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!(http::on_socket(&socket, "/v1/token").await.unwrap().0, 200);
    let seen = cluster.records(|records| records.seen_generations.clone());
    assert!(seen[0] == 0 && seen[1] > 0, "{seen:?}");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_proxy_on_the_same_state_is_refused() {
    let cluster = Cluster::new();
    let coordinator = cluster.start(0);
    let host = Host::joined(&cluster, &coordinator).await;
    let proxy = host.start();
    let second = host.command(&["serve"], "").await;
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    proxy.stop().await;
}
