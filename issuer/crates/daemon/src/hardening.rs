//! Keeping what is in memory from everybody else on the machine.
//!
//! `prctl(PR_SET_DUMPABLE, 0)` has two ends: the kernel writes no core dump of the process, and no
//! process of the same user may attach to it or open `/proc/PID/mem`, `environ` or `maps`. The limit of
//! core files is set to zero beside it, hard, so that children have it too. Done before a key is read;
//! a daemon that cannot do it does not start. Root sees everything regardless.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, set_dumpable_behavior, setrlimit,
};

/// Why the process is not hardened.
#[derive(Debug, thiserror::Error)]
pub enum HardenError {
    /// The limit of core files.
    #[error("the limit of core files could not be set to zero")]
    CoreLimit(#[source] rustix::io::Errno),
    /// `PR_SET_DUMPABLE`.
    #[error("the process could not be closed to others (PR_SET_DUMPABLE)")]
    Dumpable(#[source] rustix::io::Errno),
    /// The kernel said yes and did not.
    #[error("the process is still open to others after PR_SET_DUMPABLE")]
    StillDumpable,
}

/// Writes no core dump and lets nobody attach, from now until the process ends.
pub fn harden_process() -> Result<(), HardenError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(HardenError::CoreLimit)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(HardenError::Dumpable)?;
    match dumpable_behavior().map_err(HardenError::Dumpable)? {
        DumpableBehavior::NotDumpable => Ok(()),
        _ => Err(HardenError::StillDumpable),
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getrlimit;

    use super::*;

    // Case 195. What others are refused is tried on real processes in moneyer-integration.
    #[test]
    fn no_core_and_nobody_attaches() {
        harden_process().unwrap();
        harden_process().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
