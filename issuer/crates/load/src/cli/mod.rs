//! The command line: one subcommand for each kind of work, and the report over all of them.

mod arguments;
mod failure;
mod output;
mod run;

pub use arguments::Arguments;
pub use run::run;
