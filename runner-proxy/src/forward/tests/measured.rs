//! What is counted of requests, and that no sandbox makes it more.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use moneyer_identity::grant::HostPattern;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::fixtures::{World, grants, read_answer, status};

/// Runs something with metrics of its own.
fn measured(run: impl AsyncFnOnce(&PrometheusHandle)) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(run(&handle)));
}

/// The lines of one metric.
fn lines(handle: &PrometheusHandle, name: &str) -> Vec<String> {
    let text = handle.render();
    let mut found: Vec<_> =
        text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect();
    found.sort();
    found
}

#[test]
fn requests_are_counted_by_the_endpoint_that_names_their_destination_and_by_outcome() {
    measured(async |handle| {
        let world = World::plain().await;
        let port = world.port();
        let mut two = grants("2", port);
        let mut wide = two.endpoints[0].clone();
        wide.host = HostPattern::parse("*.test").unwrap();
        two.endpoints.push(wide);
        world.permissions.set("s", two);
        assert_eq!(status(&world.get("/", "").await), "200");
        assert_eq!(status(&world.get("/a/../b", "").await), "403");
        let credentials = world.credentials_line();
        let other = format!("GET http://x.test:{port}/ HTTP/1.1\r\nHost: x.test:{port}\r\n");
        assert_eq!(status(&world.exchange(&format!("{other}{credentials}\r\n")).await), "200");
        world.connect("evil.test:443").await.unwrap_err();
        assert_eq!(status(&world.exchange(&format!("{other}\r\n")).await), "407");
        let name = "moneyer_runner_forwarded_requests_total";
        let count = |destination: &str, outcome: &str| {
            format!("{name}{{destination=\"{destination}\",outcome=\"{outcome}\"}} 1")
        };
        let expected = [
            count(&format!("*.test:{port}"), "passed"),
            count(&format!("api.test:{port}"), "passed"),
            count(&format!("api.test:{port}"), "policy_denied"),
            count("none", "policy_denied"),
            count("none", "proxy_authentication_required"),
        ];
        assert_eq!(lines(handle, name), expected);
        let timed = lines(handle, "moneyer_runner_forwarded_seconds_count");
        assert_eq!(timed.len(), 2, "{timed:?}");
    });
}

#[test]
fn ten_thousand_hosts_that_a_sandbox_chooses_add_no_series() {
    measured(async |handle| {
        let world = World::plain().await;
        let credentials = world.credentials_line();
        let ask = async |stream: &mut TcpStream, host: &str| {
            let head = format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{credentials}\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            assert_eq!(status(&read_answer(stream).await), "403");
        };
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        ask(&mut stream, "evil.test").await;
        let before = lines(handle, "moneyer_runner_").len();
        for number in 0..10_000 {
            ask(&mut stream, &format!("h{number}.evil.test")).await;
        }
        assert_eq!(lines(handle, "moneyer_runner_").len(), before);
        let counted = "moneyer_runner_forwarded_requests_total{destination=\"none\",outcome=\"policy_denied\"}";
        assert_eq!(lines(handle, counted), [format!("{counted} 10001")]);
        world.assert_untouched("hosts of its own choosing");
    });
}
