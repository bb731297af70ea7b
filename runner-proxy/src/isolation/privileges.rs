//! Giving up what a program could undo its isolation with, for good: no `execve` brings it back.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    configure_capability_in_ambient_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

use super::IsolationError;

/// What the first process needs before it starts the program: to mount `/proc`, and to give all up.
const FOR_THE_FIRST: [CapabilitySet; 2] = [CapabilitySet::SYS_ADMIN, CapabilitySet::SETPCAP];

/// Keeps what the first process needs over `execve` though it is not root in its namespace.
pub(super) fn hand_on() -> Result<(), IsolationError> {
    let failed = |error| IsolationError::Privileges("capabilities of the first process", error);
    let mut sets = capabilities(None).map_err(failed)?;
    for capability in FOR_THE_FIRST {
        sets.inheritable |= capability;
    }
    set_capabilities(None, sets).map_err(failed)?;
    for capability in FOR_THE_FIRST {
        configure_capability_in_ambient_set(capability, true).map_err(failed)?;
    }
    Ok(())
}

/// Bars this process's children from every capability and from every program that gives some.
pub(super) fn bar_children() -> Result<(), IsolationError> {
    set_no_new_privs(true).map_err(|error| IsolationError::Privileges("no_new_privs", error))?;
    let failed = |error| IsolationError::Privileges("the bounding set", error);
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // Past the last that this kernel has, of which there is at least one.
            Err(Errno::INVAL) if number > 0 => break,
            Err(error) => return Err(failed(error)),
        }
    }
    let failed = |error| IsolationError::Privileges("inherited capabilities", error);
    clear_ambient_capability_set().map_err(failed)?;
    let mut sets = capabilities(None).map_err(failed)?;
    sets.inheritable = CapabilitySet::empty();
    set_capabilities(None, sets).map_err(failed)
}

/// Gives up all but what it takes to pass signals on to another user's program.
pub(super) fn keep_signals_alone() -> Result<(), IsolationError> {
    let failed = |error| IsolationError::Privileges("capabilities", error);
    let held = capabilities(None).map_err(failed)?;
    let kept = held.permitted & CapabilitySet::KILL;
    let sets =
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(failed)
}
