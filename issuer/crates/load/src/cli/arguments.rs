//! What can be asked for.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Loads Moneyer's daemons and says how fast they are.
///
/// Every subcommand starts its own coordinator on loopback with an empty store, so nothing that runs on
/// this machine is touched. Build the programs under load first:
/// `cargo build --release --bin moneyer --bin moneyer-runner-proxy --bin moneyer-load`.
#[derive(Debug, Parser)]
#[command(name = "moneyer-load", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Arguments {
    /// Where `moneyer` and `moneyer-runner-proxy` are. Default: beside this program.
    #[arg(long, global = true, value_name = "DIRECTORY")]
    pub(super) bin_dir: Option<PathBuf>,

    /// How figures are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(super) output: Format,

    #[command(subcommand)]
    pub(super) command: Command,
}

/// How figures are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A figure a line.
    Text,
    /// One JSON object: `ratio`, `per_second`, `p50_ms`, `p99_ms`, `reference` and more.
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Mint over mutually authenticated gRPC; the ratio is the CPU time of a raw RSA-2048 signature over
    /// the CPU time the coordinator spends on a token.
    Mint(MintArguments),
    /// Fetch key set and discovery; the ratio is their rate over nginx's for the same bytes. Then the key
    /// set's latency, alone and while 64 mint calls are in flight.
    Keyset(Effort),
    /// Ask a runner proxy for tokens on a sandbox's socket, cached and uncached; the ratio is the rate of
    /// uncached tokens over the raw signatures all cores could make.
    TokenServer(Effort),
    /// All of it at several numbers of sandboxes, written as a page with charts.
    Report(ReportArguments),
}

/// How long, with how many sandboxes.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Effort {
    /// How long to measure, without start and registration.
    #[arg(long, default_value = "10")]
    pub(super) seconds: NonZeroU64,

    /// How many sandboxes are registered.
    #[arg(long, default_value = "1000")]
    pub(super) sandboxes: NonZeroU64,
}

#[derive(Debug, Args)]
pub(super) struct MintArguments {
    #[command(flatten)]
    pub(super) effort: Effort,

    /// Calls in flight.
    #[arg(long, default_value = "64")]
    pub(super) in_flight: NonZeroUsize,

    /// Tokens a call, at most 64.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(super) batch: u64,
}

#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// Two seconds for each figure instead of ten: to see that it runs, not to compare.
    #[arg(long)]
    pub(super) quick: bool,

    /// Numbers of registered sandboxes.
    #[arg(long, value_delimiter = ',', default_value = "1,1000,100000")]
    pub(super) sandboxes: Vec<NonZeroU64>,

    /// Where `performance.md` and `performance/` are written.
    #[arg(long, default_value = "docs", value_name = "DIRECTORY")]
    pub(super) docs: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_kind_of_work_takes_seconds_sandboxes_and_output() {
        for work in ["mint", "keyset", "token-server"] {
            let line =
                ["moneyer-load", work, "--seconds", "3", "--sandboxes", "9", "--output", "json"];
            let parsed = Arguments::try_parse_from(line).unwrap();
            assert_eq!(parsed.output, Format::Json);
            let effort = match parsed.command {
                Command::Mint(arguments) => arguments.effort,
                Command::Keyset(effort) | Command::TokenServer(effort) => effort,
                Command::Report(_) => unreachable!(),
            };
            assert_eq!((effort.seconds.get(), effort.sandboxes.get()), (3, 9));
        }
        for wrong in [["--seconds", "0"], ["--sandboxes", "0"], ["--batch", "65"]] {
            let line = ["moneyer-load", "mint"].into_iter().chain(wrong);
            assert!(Arguments::try_parse_from(line).is_err(), "{wrong:?}");
        }
    }
}
