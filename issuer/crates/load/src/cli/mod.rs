//! The command line: one subcommand for each kind of work, and the report over all of them.

mod arguments;
mod failure;
mod output;
mod run;

pub(crate) use arguments::Arguments;
pub(crate) use run::run;
