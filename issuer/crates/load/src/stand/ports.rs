//! Free ports on loopback.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that Linux gives to outgoing connections (from 32,768), one of which could take what was free a moment
/// ago, and above those of services that people run.
const FIRST: u16 = 20_000;

/// How many there are.
const COUNT: u16 = 12_000;

/// How many were tried in this process, which never tries one twice before all.
static TRIED: AtomicU16 = AtomicU16::new(0);

/// Addresses that were free a moment ago, all different. Another process could take one before it
/// is used: then the start fails and says so.
pub(super) fn free_addresses<const N: usize>() -> io::Result<[SocketAddr; N]> {
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    // All are held until the last one is known.
    let mut held = Vec::with_capacity(N);
    for address in &mut addresses {
        let listener = free()?;
        *address = listener.local_addr()?;
        held.push(listener);
    }
    Ok(addresses)
}

/// One that is free, from where this process begins to look: processes that run at once begin apart.
fn free() -> io::Result<TcpListener> {
    let process = std::process::id().wrapping_mul(61) % u32::from(COUNT);
    let mut last = io::ErrorKind::AddrInUse.into();
    for _ in 0..COUNT {
        let tried = u32::from(TRIED.fetch_add(1, Ordering::Relaxed) % COUNT);
        let offset = u16::try_from((process + tried) % u32::from(COUNT)).unwrap_or_default();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, FIRST + offset)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
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
