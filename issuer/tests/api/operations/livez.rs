//! `GET /livez`.

use moneyer_daemon::unix_http::Method;

use crate::world::World;

#[tokio::test]
async fn a_running_coordinator_is_alive() {
    let world = World::start().await;
    let answer = world.operations(Method::GET, "/livez").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, b"ok\n".as_slice()));
    assert_eq!(world.operations(Method::HEAD, "/livez").await.status, 200);
}
