//! The binary `moneyer-load`: parses the command line and runs one measurement.

use std::process::ExitCode;

use clap::Parser as _;
use moneyer_load::cli;

fn main() -> ExitCode {
    cli::run(cli::Arguments::parse()).into()
}
