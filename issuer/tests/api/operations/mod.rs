//! The operations listener: `/`, `/status.json`, `/livez`, `/readyz`, `/metrics`.

use moneyer_daemon::unix_http::Method;

use crate::world::{World, field, problem};

mod livez;
mod metrics;
mod readyz;
mod status;

#[tokio::test]
async fn nothing_else_is_served_and_nothing_is_written() {
    let world = World::start().await;
    for path in
        ["/index.html", "/metrics/", "/debug/pprof", "/api/v1/keys", "/.well-known/jwks.json"]
    {
        problem(&world.operations(Method::GET, path).await, 404);
    }
    for path in ["/", "/status.json", "/livez", "/readyz", "/metrics"] {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let answer = world.operations(method, path).await;
            problem(&answer, 405);
            assert_eq!(field(&answer, "allow"), "GET,HEAD", "{path}");
        }
    }
}
