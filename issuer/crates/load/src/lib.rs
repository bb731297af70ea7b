//! Loads Moneyer's daemons and says how fast they are.
//!
//! It starts real processes (see [`stand`]), loads them from outside, and holds every figure against a
//! reference measured in the same run. The stand, the small HTTP client and the latencies are public for the
//! tests that run both daemons through faults, or beside what only tests have; everything else is for the
//! binary.

pub mod cli;
pub mod http1;
pub mod measure;
mod report;
pub mod stand;
mod work;
