//! What the audit log has of requests, through real sockets.

use moneyer_identity::grant::Enforcement;

use super::fixtures::{World, grants, status};

#[tokio::test]
async fn what_is_refused_is_recorded_once_a_minute_by_endpoint_and_reason_and_without_its_path() {
    let world = World::plain().await;
    let credentials = world.credentials_line();
    for number in 0..50 {
        let authority = format!("h{number}.evil.test");
        let head =
            format!("GET http://{authority}/canary?canary HTTP/1.1\r\nHost: {authority}\r\n");
        let answer = world.exchange(&format!("{head}{credentials}\r\n")).await;
        assert_eq!(status(&answer), "403");
        let answer = world.get("/canary/../x?canary", "").await;
        assert_eq!(status(&answer), "403");
        world.connect("evil.test:443").await.unwrap_err();
    }
    assert_eq!(world.recorded.all("reason"), ["not_named", "target"]);
    assert_eq!(world.recorded.all("destination")[0], "h0.evil.test:80");
    let endpoint = format!("api.test:{}", world.port());
    assert_eq!(world.recorded.all("endpoint")[1], endpoint.as_str());
    world.proxy.parts.audit.settle(true);
    assert_eq!(world.recorded.all("count"), [1, 1, 99, 49]);
    assert!(!format!("{:?}", world.recorded.kept()).contains("canary"));
    world.assert_untouched("they were refused");
}

#[tokio::test]
async fn where_it_leads_is_recorded_too_and_what_is_no_policy_is_not() {
    let world = World::plain().await;
    *world.names.leads_to.lock().unwrap() = vec!["10.0.0.1".parse().unwrap()];
    assert_eq!(status(&world.get("/", "").await), "403");
    assert_eq!(world.recorded.all("reason"), ["address"]);
    let malformed = world.exchange("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(status(&malformed), "407", "nobody is known to be refused anything");
    let malformed = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", world.credentials_line());
    assert_eq!(status(&world.exchange(&malformed).await), "400");
    assert_eq!(world.recorded.kept().len(), 1);
}

#[tokio::test]
async fn what_an_endpoint_only_wants_written_down_is_written_down() {
    let world = World::plain().await;
    let mut audited = grants("2", world.port());
    audited.endpoints[0].enforcement = Enforcement::Audit;
    world.permissions.set("s", audited);
    let authority = world.authority();
    let head = format!("DELETE http://{authority}/canary HTTP/1.1\r\nHost: {authority}\r\n");
    let answer = world.exchange(&format!("{head}{}\r\n", world.credentials_line())).await;
    assert_eq!(status(&answer), "200");
    assert_eq!(world.recorded.all("event"), ["forward_audited"]);
    assert_eq!(world.recorded.all("decision"), ["allowed"]);
    assert_eq!(world.recorded.all("reason"), ["not_permitted"]);
}
