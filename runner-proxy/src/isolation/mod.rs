//! A program in a sandbox of this host: started so that all it has of Moneyer is what the sandbox was given.
//!
//! One process becomes two. The outer one (`start`) makes the namespaces while it has a single thread, hides what is
//! the daemon's, keeps the relay to the sandbox's own sockets and passes signals on; it stays outside the program's
//! process namespace, so the program cannot see it. The inner one (`first`) is that namespace's process 1: it mounts
//! `/proc`, gives up every privilege, starts the program as its user, reaps what others leave behind, and ends as the
//! program does. A step that fails ends both: a program never runs less apart than was asked for.
//!
//! What it is not: a container. The program sees the host's file system as its user does, but for what is hidden.

mod calls;
mod descriptors;
mod devices;
mod doors;
mod environment;
mod error;
mod first;
mod inspect;
mod loopback;
mod mounts;
mod namespaces;
mod plan;
mod privileges;
mod relay;
mod signals;
mod start;
mod user;

pub(crate) use descriptors::close_inherited;
pub(crate) use environment::{Scrubbed, VariableName};
pub(crate) use error::IsolationError;
pub(crate) use first::first_process;
pub(crate) use inspect::inspect;
pub(crate) use plan::{Hidden, Wanted};
pub(crate) use start::{FIRST_STEP, Program, start};
pub(crate) use user::{Account, UserAndGroup};
