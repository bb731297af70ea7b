//! `moneyer dev`: everything on this machine, with real parts.
//!
//! A coordinator in this process and a runner proxy in one of its own, over the same mutual TLS as in a
//! cluster, a demo app and sandbox, and a token verified through the public endpoints. A second start in
//! the same directory keeps keys, sandboxes and issuer.

mod command;
mod layout;
mod report;
mod runner_process;

pub(super) use command::{DevArguments, run};
