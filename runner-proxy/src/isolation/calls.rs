//! Calls to the kernel that lead past the namespaces, refused to the program and to whatever it starts (seccomp(2)).
//!
//! Some kinds of sockets are of the machine and not of a network namespace: from a virtual machine a `AF_VSOCK` reaches
//! its host. Keyrings are inherited by descent, whoever one has become. And what is asked for by an `io_uring` no filter
//! sees. A call by another architecture's numbers ends the program: this filter knows one set of numbers.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::io;

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use super::IsolationError;

/// Kinds of sockets that belong to a network namespace, or to nobody.
const FAMILIES: [libc::c_int; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

/// Refused whatever they are asked.
const REFUSED: [libc::c_long; 4] =
    [libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl, libc::SYS_io_uring_setup];

/// The bit of the numbers of x32, the other set that a 64-bit PC takes without being of another architecture.
const X32: i64 = 0x4000_0000;

/// Refuses them to this process and to its children, from now on. `no_new_privs` has to be set.
pub(super) fn refuse() -> Result<(), IsolationError> {
    let failed = |error| IsolationError::Calls(io::Error::other(error));
    let program = filter().map_err(|error| failed(error.to_string()))?;
    apply_filter(&program).map_err(|error| failed(error.to_string()))
}

fn filter() -> Result<BpfProgram, seccompiler::BackendError> {
    let other_family: Result<Vec<_>, _> = FAMILIES
        .iter()
        .map(|family| {
            let family = u64::from(family.unsigned_abs());
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family)
        })
        .collect();
    let other_family = SeccompRule::new(other_family?)?;
    let mut rules = BTreeMap::new();
    for number in REFUSED {
        rules.insert(number, Vec::new());
    }
    rules.insert(libc::SYS_socket, vec![other_family]);
    if ARCH == "x86_64" {
        let again: Vec<_> =
            rules.iter().map(|(number, rule)| (number | X32, rule.clone())).collect();
        rules.extend(again);
    }
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let architecture: TargetArch = ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_filter_for_this_machine() {
        assert!(!filter().unwrap().is_empty());
    }
}
