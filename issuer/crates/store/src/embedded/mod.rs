//! The store port on sled 0.34, for one coordinator with one directory.
//!
//! sled by itself keeps none of the port's promises: its `flush` does not reach the disk
//! (`sync_file_range`), its files are readable by everybody, large pages go to files it never
//! syncs, and a damaged directory makes it panic. This module is the only way to write to it:
//!
//! - one thread writes; what waits is checked and applied as one batch, flushed, synced through our own
//!   descriptor of sled's file, and named in our catalogue before anything is acknowledged (`writer`,
//!   `group`, `barrier`, `catalogue`);
//! - after the first failed write, flush or sync nothing is acknowledged until the directory was opened
//!   anew and everything acknowledged was found in it (`failure`, `writer`);
//! - every record carries its revision and a checksum over everything (`envelope`), is sealed where it
//!   holds a secret (`sealing`), and counts in an authenticated sum of all (`head`);
//! - a store that lacks what it acknowledged is not opened, and the missing records are named
//!   (`inspection`); private keys are in files of their own too (`secret_files`);
//! - who may recover it finds its seal keys beside it, encrypted (`recovery`);
//! - the directory is private and belongs to one process (`directory`, `lock`, `open`).
//!
//! It does not notice by itself that the whole directory was rolled back: for that there are the
//! generations that runners have seen.

mod barrier;
mod catalogue;
mod directory;
mod failure;
mod group;
mod identity_file;
mod inspection;
mod load;
mod lock;
mod open;
mod recovery;
mod reopen;
mod replace;
mod secret_files;
mod snapshot;
mod store;
mod writer;

pub use open::OpenError;
pub use recovery::{RecoveryError, RecoverySource, has_recovery_copy, keep_recovery_copy};
pub use snapshot::{Copied, RestoreError};
pub use store::{SledOptions, SledStore};
