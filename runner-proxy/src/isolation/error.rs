//! Why a program was not started.

use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// The step that failed. None of them leaves a program behind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IsolationError {
    /// What was inherited cannot be closed.
    #[error("the descriptors that were inherited cannot be closed")]
    Descriptors(#[source] io::Error),
    /// `unshare`.
    #[error(
        "the kernel makes no namespaces for this process; run this as root, or allow user namespaces (user.max_user_namespaces)"
    )]
    Namespaces(#[source] Errno),
    /// `uid_map` and its kin.
    #[error("the user cannot be mapped into its namespace ({0})")]
    Map(&'static str, #[source] io::Error),
    /// A path that is to be hidden or shown is not there.
    #[error("{key} is to be hidden, and {path} cannot be found")]
    NotFound {
        /// Which one.
        key: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// To hide it would hide the system.
    #[error(
        "{key} cannot be hidden in {path}, which others need as well; give it a directory of its own"
    )]
    Shared {
        /// Which one.
        key: &'static str,
        /// The directory it lies in.
        path: PathBuf,
    },
    /// `--keep` would show what is to be hidden.
    #[error("{kept} cannot be kept: {key} ({path}) lies in it or around it")]
    Kept {
        /// What was to be kept.
        kept: PathBuf,
        /// Which one.
        key: &'static str,
        /// Where it lies.
        path: PathBuf,
    },
    /// A mount.
    #[error("{path} cannot be {what}")]
    Mount {
        /// What was to be done, as `hidden`.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The loopback device of the new network.
    #[error("the network's loopback cannot be raised")]
    Loopback(#[source] io::Error),
    /// An address for the relay.
    #[error("nothing can listen in the sandbox's network (port {port})")]
    Listen {
        /// On loopback.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Capabilities, `no_new_privs` and the like.
    #[error("privileges cannot be given up ({0})")]
    Privileges(&'static str, #[source] Errno),
    /// The filter of calls.
    #[error("calls to the kernel that lead past the namespaces cannot be refused (seccomp)")]
    Calls(#[source] io::Error),
    /// It is not process 1.
    #[error("this is a step of `sandbox run` and of no use on its own")]
    NotFirst,
    /// `/proc` is not that of the new namespace.
    #[error("/proc shows another process namespace than the program's")]
    ForeignProc,
    /// The first process.
    #[error("the first process cannot be started")]
    First(#[source] io::Error),
    /// Signals, the relay, waiting.
    #[error("the program cannot be attended to")]
    Attend(#[source] io::Error),
}

impl IsolationError {
    /// A mount that did not come about.
    pub(super) fn mount(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(Errno) -> Self {
        let path = path.into();
        move |source| Self::Mount { what, path, source: source.into() }
    }
}
