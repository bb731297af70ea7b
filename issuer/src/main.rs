//! The binary `moneyer`: parses the command line and runs one command.

use std::process::ExitCode;

use clap::Parser as _;
use moneyer::cli::{Arguments, run};

fn main() -> ExitCode {
    // Before any file is made: keys and records are for this user alone.
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    let arguments = Arguments::parse();
    run(arguments).into()
}
