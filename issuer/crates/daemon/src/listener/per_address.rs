//! How many connections one address holds, or one user of this machine.
//!
//! IPv6 is counted by /64, since one customer owns at least that much.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::PeerAddress;

/// Open connections by where they come from.
#[derive(Debug)]
pub(super) struct PerAddress {
    maximum: usize,
    open: Mutex<HashMap<Origin, usize>>,
}

/// What counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    Network(IpAddr),
    User(u32),
}

/// One counted connection, until dropped.
#[derive(Debug)]
pub(super) struct Counted {
    origin: Origin,
    counts: Arc<PerAddress>,
}

impl PerAddress {
    pub(super) fn new(maximum: usize) -> Arc<Self> {
        Arc::new(Self { maximum, open: Mutex::default() })
    }

    /// Counts one more connection from `address`; `None` if it has its share.
    pub(super) fn enter(self: &Arc<Self>, address: PeerAddress) -> Option<Counted> {
        let origin = Origin::of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&origin).copied().unwrap_or(0);
        if count >= self.maximum {
            return None;
        }
        open.insert(origin, count + 1);
        Some(Counted { origin, counts: Arc::clone(self) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.counts.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(self.origin) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Origin {
    pub(super) fn of(address: PeerAddress) -> Self {
        match address {
            PeerAddress::Unix { uid, .. } => Self::User(uid),
            PeerAddress::Tcp(from) => Self::Network(match from.ip().to_canonical() {
                IpAddr::V6(address) => {
                    IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
                }
                v4 @ IpAddr::V4(_) => v4,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> PeerAddress {
        PeerAddress::Tcp((text.parse::<IpAddr>().unwrap(), 1).into())
    }

    #[test]
    fn an_address_gets_its_share_and_no_more_until_one_closes() {
        let counts = PerAddress::new(2);
        let first = counts.enter(address("192.0.2.1")).unwrap();
        let _second = counts.enter(address("::ffff:192.0.2.1")).unwrap();
        assert!(counts.enter(address("192.0.2.1")).is_none());
        assert!(counts.enter(address("192.0.2.2")).is_some());
        drop(first);
        assert!(counts.enter(address("192.0.2.1")).is_some());
    }

    #[test]
    fn ipv6_is_counted_by_its_network() {
        let counts = PerAddress::new(1);
        let held = counts.enter(address("2001:db8::1")).unwrap();
        assert!(counts.enter(address("2001:db8::ffff:2")).is_none());
        assert!(counts.enter(address("2001:db8:0:1::1")).is_some());
        drop(held);
        assert!(counts.open.lock().unwrap().is_empty());
    }

    #[test]
    fn a_user_of_this_machine_gets_its_share_whatever_its_processes() {
        let counts = PerAddress::new(1);
        let user = |uid, pid| PeerAddress::Unix { uid, gid: 1, pid: Some(pid) };
        let _held = counts.enter(user(1000, 7)).unwrap();
        assert!(counts.enter(user(1000, 8)).is_none());
        assert!(counts.enter(user(0, 9)).is_some(), "another user is not kept out");
    }
}
