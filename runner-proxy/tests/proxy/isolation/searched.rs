//! Everything that a program can read is searched, for a token and for what it was obtained with.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use serde_json::{Value, json};
use tokio::process::Command;

use super::lab::{Lab, ended, is_root, is_tried, not_tried, search_program};

/// Which texts were found, each once.
fn found(said: &Value) -> Vec<&str> {
    let mut names: Vec<_> =
        said["found"].as_array().unwrap().iter().map(|found| found[0].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The port in a URL.
fn port(url: &str) -> u16 {
    let address = url.split(['@', '/']).find_map(|part| part.parse::<std::net::SocketAddr>().ok());
    address.unwrap().port()
}

/// A part of the private key of this host's certificate, past what all keys have.
fn key_of_host(lab: &Lab) -> String {
    let text = std::fs::read_to_string(lab.host.path("state/membership.json")).unwrap();
    let membership: Value = serde_json::from_str(&text).unwrap();
    let key = membership.get("private_key").unwrap().as_str().unwrap();
    key.get(60..120).unwrap().to_owned()
}

/// A socket outside that answers everybody with a text.
fn abstract_socket(name: &str, answer: String) {
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // What is asked is read first: a socket that is closed over it takes its answer along.
            let asked = std::io::Read::read(&mut stream, &mut [0; 4096]);
            asked.and_then(|_| std::io::Write::write_all(&mut stream, answer.as_bytes())).ok();
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_program_can_read_holds_a_token_or_what_it_was_obtained_with() {
    if !is_tried("a search for a token in namespaces") {
        return;
    }
    let lab = Lab::new().await;
    lab.request().await;
    assert_eq!(lab.upstream.seen(), [format!("Bearer {} ", lab.canary)]);
    let assertion = lab.assertion();
    let secret = lab.variables("s-2")["MONEYER_TOKEN_SECRET"].clone();
    let key = key_of_host(&lab);
    let needles = [
        ("token", lab.canary.as_str()),
        ("assertion", &assertion),
        ("the secret of another sandbox", &secret),
        ("the key of the host", &key),
    ];

    // It is there, and this search finds it: in the memory of the daemon, which root may read.
    if is_root() {
        let daemon = lab.daemon.id().unwrap();
        let said = lab.search(&needles[..2], &[("only_process", json!(daemon))]);
        let mut command = Command::new("python3");
        command.args(["-I", "-B", "-", &said]).stdin(search_program());
        let (code, outside, errors) = ended(command).await;
        assert_eq!(code, 0, "{errors}");
        assert_eq!(found(&serde_json::from_str(&outside).unwrap()), ["assertion", "token"]);
    } else {
        not_tried("not root", "the search of the daemon's memory from outside");
    }

    let name = format!("moneyer-{}", lab.canary.get(7..23).unwrap());
    abstract_socket(&name, lab.canary.clone());
    let upstream = lab.upstream.address.port();
    let past = json!([["127.0.0.1", upstream], ["localhost", upstream], ["1.1.1.1", 443]]);
    let said = lab.search(
        &needles,
        &[("every_port", json!(true)), ("abstract", json!([name])), ("addresses", past)],
    );
    let inside = lab.searched(&[], "", &said).await;
    assert_eq!(inside["found"], json!([]), "{inside}");
    let count = |of: &str| inside["seen"][of].as_u64().unwrap();
    assert!(count("files") > 1000 && count("read") > 0 && count("answers") > 8, "{inside}");
    let told = lab.variables("s-1");
    let mut ports = ["HTTPS_PROXY", "MONEYER_TOKEN_URL"].map(|name| port(&told[name]));
    ports.sort_unstable();
    let doors = ports.map(|port| format!("127.0.0.1:{port}"));
    assert_eq!(inside["doors"], json!(doors), "loopback has other doors: {inside}");
    assert_eq!((&inside["reached"], &inside["abstract"]), (&json!([]), &json!([])), "{inside}");
    // Process 1 and itself.
    assert_eq!(inside["processes"], 2, "{inside}");

    // The same search with the host's network finds the socket that nothing hides there.
    let said = lab.search(&needles, &[("abstract", json!([name]))]);
    let with_network = lab.searched(&["--network", "host"], "", &said).await;
    assert_eq!(found(&with_network), ["token"], "{with_network}");
    let log = std::fs::read_to_string(lab.host.path("log")).unwrap();
    assert!(log.contains("a token was granted"), "{log}");
    assert!(!log.contains(&lab.canary) && !log.contains(&assertion), "{log}");
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planted_is_found_wherever_it_is() {
    if !is_tried("a search for what is planted in namespaces") {
        return;
    }
    let lab = Lab::new().await;
    let planted = lab.canary.clone();
    let said = lab.search(&[("planted", &planted)], &[]);
    // In a file, in memory and arguments of another process, behind a descriptor, and in the environment.
    let holding =
        "import sys, time; held = sys.stdin.read(); print(1, flush=True); time.sleep(600)";
    let before = format!(
        r#"exec 9<&0
           printf %s "$PLANTED" >/tmp/file
           mkfifo /tmp/ready
           printf %s "$PLANTED" | env -u PLANTED python3 -I -c '{holding}' >/tmp/ready &
           read ready </tmp/ready
           exec 7</tmp/file 0<&9 9<&-
           "#
    );
    let mut command = lab.command(
        &["--keep-env", "PLANTED"],
        &["sh", "-c", &format!("{before}exec python3 -I -B - {said}")],
    );
    command.env("PLANTED", &planted).stdin(search_program());
    let (code, told, errors) = ended(command).await;
    assert_eq!(code, 0, "{errors}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let places: Vec<_> =
        told["found"].as_array().unwrap().iter().map(|found| found[1].as_str().unwrap()).collect();
    for place in ["the environment", "/environ", "/mem", "/tmp/file", "/fd/7"] {
        assert!(
            places.iter().any(|found| found.ends_with(place)),
            "{place} was not searched: {told}"
        );
    }
    lab.stop().await;
}
