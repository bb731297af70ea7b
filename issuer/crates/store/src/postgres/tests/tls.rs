//! TLS: the whole chain and the name, or nothing.

use moneyer_identity::UnixTime;
use moneyer_testkit::TestCa;

use super::*;

const CENTURY: (UnixTime, UnixTime) = (UnixTime(1_577_836_800), UnixTime(4_733_510_400));

/// A server whose certificate is for this name.
fn server_for(name: &str, ca: &TestCa) -> PostgresServer {
    let (certificate, key) = ca.server_files(name, CENTURY);
    let server = PostgresServer::start();
    server.put_file("server.crt", &certificate);
    server.put_file("server.key", &key);
    server.crash();
    server.set(&[("ssl", "on")]);
    server.start_again();
    server
}

fn options(server: &PostgresServer, host: &str, parameters: &str) -> PostgresOptions {
    let database = server.create_database();
    let text = format!("postgres://postgres@{host}:{}/{database}{parameters}", server.port());
    PostgresOptions::new(DatabaseUrl::parse(&text).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_name_from_the_right_ca_is_let_in_and_nothing_else() {
    let (ca, other) = (TestCa::default(), TestCa::default());
    let directory = tempfile::TempDir::new().unwrap();
    let file = |name: &str, pem: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, pem).unwrap();
        Some(path)
    };
    let (right, wrong) = (file("right.pem", &ca.pem), file("wrong.pem", &other.pem));
    let server = server_for("localhost", &ca);

    let mut good = options(&server, "localhost", "");
    good.ca_file.clone_from(&right);
    let store = PostgresStore::open(good.clone()).await.unwrap();
    store.commit(add("a")).await.unwrap();
    let secured = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                   WHERE application_name = 'moneyer'";
    assert_eq!(server.sql("postgres", secured), "t");
    store.close().await;

    // The wrong one has the same name and another key.
    for (ca_file, why) in [(wrong, "BadSignature"), (None, "UnknownIssuer")] {
        let mut options = good.clone();
        options.ca_file = ca_file;
        let refused = chain(&PostgresStore::open(options).await.unwrap_err());
        assert!(refused.contains(why), "{refused}");
    }
    let mut named = options(&server, "127.0.0.1", "");
    named.ca_file = right;
    let refused = chain(&PostgresStore::open(named).await.unwrap_err());
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn a_server_without_tls_is_not_talked_to_in_plain() {
    let server = PostgresServer::shared();
    let refused = PostgresStore::open(options(server, "localhost", "")).await.unwrap_err();
    let text = chain(&refused);
    assert!(text.contains("server does not support TLS"), "{text}");
    assert!(!refused.is_damage());
    let plain = options(server, "localhost", "?sslmode=disable");
    PostgresStore::open(plain).await.unwrap();
}

#[tokio::test]
async fn plain_to_another_machine_is_refused_before_anything_is_sent() {
    // TEST-NET-1 (RFC 5737): nobody is there.
    let url = DatabaseUrl::parse("postgres://u:secret@192.0.2.1/d?sslmode=disable").unwrap();
    let refused = PostgresStore::open(PostgresOptions::new(url)).await.unwrap_err();
    assert!(matches!(&refused, PostgresError::Plain(host) if host == "192.0.2.1:5432"));
    assert!(!chain(&refused).contains("secret"));
}
