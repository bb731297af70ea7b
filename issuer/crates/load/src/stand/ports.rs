//! Free ports on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Addresses that were free a moment ago, all different. Another process could take one before it
/// is used: then the start fails and says so.
pub(super) fn free_addresses<const N: usize>() -> io::Result<[SocketAddr; N]> {
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    // All are held until the last one is known, or the system would give the same one twice.
    let mut held = Vec::with_capacity(N);
    for address in &mut addresses {
        let listener = TcpListener::bind(*address)?;
        *address = listener.local_addr()?;
        held.push(listener);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_different_and_free() {
        let addresses = free_addresses::<8>().unwrap();
        let listeners = addresses.map(|address| TcpListener::bind(address).unwrap());
        assert_eq!(listeners.map(|listener| listener.local_addr().unwrap()), addresses);
    }
}
