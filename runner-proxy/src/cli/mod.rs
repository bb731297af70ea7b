//! The command line of `moneyer-runner-proxy`.
//!
//! `join` makes this host a runner, `serve` runs the daemon, `sandbox …` and `grant …` talk to a running daemon
//! over its control socket, and `audit …` and `config …` need none. Records are printed for people, or with
//! `--output json` as JSON. Exit codes: 0 done, 1 failed, 2 usage, 65 a damaged audit log, 78 bad configuration;
//! `sandbox run` ends as its program does, or with 125 where that could not be kept apart.

mod arguments;
mod audit;
mod check;
mod config;
mod failure;
mod grant;
mod join;
mod output;
mod program;
mod sandbox;
mod self_check;
mod serve;

pub use arguments::{Arguments, run};
