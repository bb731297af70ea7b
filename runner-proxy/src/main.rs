//! The binary `moneyer-runner-proxy`: parses the command line and runs one command.

use std::process::ExitCode;

use clap::Parser as _;
use moneyer_runner_proxy::cli::{Arguments, run};

fn main() -> ExitCode {
    // Before any file is made: what is for others says so itself.
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    let arguments = Arguments::parse();
    run(arguments)
}
