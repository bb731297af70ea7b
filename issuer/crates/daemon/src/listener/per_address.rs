//! How many connections one address holds.
//!
//! IPv6 is counted by /64, since one customer owns at least that much.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Open connections by address.
#[derive(Debug)]
pub(super) struct PerAddress {
    maximum: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One counted connection, until dropped.
#[derive(Debug)]
pub(super) struct Counted {
    address: IpAddr,
    counts: Arc<PerAddress>,
}

impl PerAddress {
    pub(super) fn new(maximum: usize) -> Arc<Self> {
        Arc::new(Self { maximum, open: Mutex::default() })
    }

    /// Counts one more connection from `address`; `None` if it has its share.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let address = customer(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.get(&address).copied().unwrap_or(0);
        if count >= self.maximum {
            return None;
        }
        open.insert(address, count + 1);
        Some(Counted { address, counts: Arc::clone(self) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.counts.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(self.address) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// What counts as one address.
fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_share_and_no_more_until_one_closes() {
        let counts = PerAddress::new(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
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
        let held = counts.enter("2001:db8::1".parse().unwrap()).unwrap();
        assert!(counts.enter("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(counts.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
        drop(held);
        assert!(counts.open.lock().unwrap().is_empty());
    }
}
