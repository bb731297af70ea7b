//! The binary `moneyer-load`: loads Moneyer's daemons and says how fast they are.
//!
//! It starts real processes (see [`stand`]), loads them from outside, and holds every figure against a
//! reference measured in the same run. `moneyer-load report` writes `docs/performance.md`.

mod cli;
mod http1;
mod measure;
mod report;
mod stand;
mod work;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cli::run(cli::Arguments::parse()).into()
}
