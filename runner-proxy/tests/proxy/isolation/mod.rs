//! Programs that are kept apart, for real: namespaces, a daemon that is a process of its own, and a search of everything
//! that such a program can read.
//!
//! Each search is one that can find something: the same program finds the same texts in the daemon's memory, and what
//! is planted where it looks. `MONEYER_TEST_NO_MOUNT=1` leaves out what takes namespaces, and says so.

mod apart;
mod lab;
mod searched;
