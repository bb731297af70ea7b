//! The store port on sled 0.34, for one coordinator with one directory.
//!
//! sled by itself keeps none of the port's promises: its `flush` does not reach the disk
//! (`sync_file_range`), its files are readable by everybody, large pages go to files it never
//! syncs, and a damaged directory makes it panic. This module is the only way to write to it:
//!
//! - one thread writes; what waits is checked and applied as one batch, flushed, and synced through
//!   our own descriptor of sled's file before anything is acknowledged (`writer`, `group`,
//!   `barrier`);
//! - after the first failed write, flush or sync nothing is acknowledged any more (`failure`);
//! - every record carries its revision and a checksum over everything (`envelope`);
//! - the directory is private and belongs to one process (`directory`, `lock`, `open`).
//!
//! It does not notice that a whole directory was rolled back or that sled dropped the end of a
//! damaged log; that needs a witness outside of sled.

mod barrier;
mod directory;
mod envelope;
mod failure;
mod group;
mod key;
mod load;
mod lock;
mod open;
mod store;
mod writer;

pub use open::OpenError;
pub use store::{SledOptions, SledStore};
