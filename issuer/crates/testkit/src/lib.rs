//! What the tests of Moneyer share: suites that every backend runs, and fakes.
//!
//! Only ever a development dependency: what is here panics where a check fails.

pub mod store;
