//! `GET /.well-known/oauth-authorization-server` (RFC 8414).

use moneyer_daemon::unix_http::Method;

use crate::public::behaves_as_a_document;
use crate::world::World;

#[tokio::test]
async fn the_metadata_is_the_discovery_document() {
    let world = World::start().await;
    let metadata = behaves_as_a_document(&world, "/.well-known/oauth-authorization-server").await;
    let discovery = world.public(Method::GET, "/.well-known/openid-configuration", &[]).await;
    assert_eq!(metadata.body, discovery.body);
}

/// Section 3.1 inserts the path between host and issuer path; clients that append are answered too.
#[tokio::test]
async fn an_issuer_with_a_path_has_both_forms() {
    let world = World::with(&[("ISSUER__URL", "https://example.com/a")]).await;
    let inserted = behaves_as_a_document(&world, "/.well-known/oauth-authorization-server/a").await;
    let appended = behaves_as_a_document(&world, "/a/.well-known/oauth-authorization-server").await;
    assert_eq!(inserted.body, appended.body);
}
