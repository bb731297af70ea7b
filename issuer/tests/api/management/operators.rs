//! Who may use the management socket. Other user ids are tried beside the code that refuses them.

use std::os::unix::fs::PermissionsExt as _;

use crate::world::World;

async fn mode(settings: &[(&str, &str)]) -> u32 {
    let world = World::with(settings).await;
    let socket = world.directory.path().join("management.sock");
    std::fs::metadata(socket).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_socket_is_the_owners_unless_others_are_operators() {
    assert_eq!(mode(&[]).await, 0o600);
    assert_eq!(mode(&[("LISTEN__OPERATORS", "[1234]")]).await, 0o666);
}
