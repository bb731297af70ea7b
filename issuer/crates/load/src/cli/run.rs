//! Runs one subcommand.

use std::io::Write as _;
use std::time::Duration;

use moneyer_daemon::exit::Exit;
use moneyer_identity::error_chain;

use super::arguments::{Arguments, Command, Effort, Format, MintArguments};
use super::failure::Failure;
use super::output;
use crate::measure::RawSignature;
use crate::report::{Plan, say};
use crate::stand::{Binaries, Cluster};
use crate::work::{MintLoad, measure_key_set, measure_mint, measure_token_server};

/// Runs one subcommand and says how it ended.
#[must_use]
pub fn run(arguments: Arguments) -> Exit {
    moneyer_daemon::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(arguments)),
        Err(error) => Err(Failure::Runtime(error)),
    };
    match ended {
        Ok(()) => Exit::Success,
        Err(failure) => {
            // Standard error may be closed; the exit code still tells.
            writeln!(std::io::stderr(), "moneyer-load: {}", error_chain(&failure)).ok();
            Exit::StartFailed
        }
    }
}

async fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { bin_dir, output, command } = arguments;
    let binaries = Binaries::in_directory(bin_dir.as_deref());
    match command {
        Command::Mint(arguments) => mint(&binaries, &arguments, output).await,
        Command::Keyset(effort) => key_set(&binaries, effort, output).await,
        Command::TokenServer(effort) => token_server(&binaries, effort, output).await,
        Command::Report(arguments) => {
            let sandboxes = arguments.sandboxes.iter().map(|count| count.get()).collect();
            let plan = Plan { sandboxes, quick: arguments.quick };
            let report = plan.run(&binaries).await?;
            report.write(&arguments.docs)?;
            say(&format!("wrote {}", arguments.docs.join("performance.md").display()));
            if output == Format::Json {
                output::print(output, &report).map_err(Failure::Print)?;
            }
            Ok(())
        }
    }
}

async fn mint(
    binaries: &Binaries,
    arguments: &MintArguments,
    output: Format,
) -> Result<(), Failure> {
    let batch = usize::try_from(arguments.batch).unwrap_or(1);
    let load = MintLoad { in_flight: arguments.in_flight.get(), batch };
    let yardstick = RawSignature::generate()?;
    let cluster = start(binaries, arguments.effort).await?;
    say("minting");
    let figures = measure_mint(&cluster, &yardstick, load, arguments.effort.duration()).await?;
    cluster.stop().await?;
    output::print(output, &figures).map_err(Failure::Print)
}

async fn key_set(binaries: &Binaries, effort: Effort, output: Format) -> Result<(), Failure> {
    let cluster = start(binaries, effort).await?;
    say("fetching");
    let figures = measure_key_set(&cluster, effort.duration()).await?;
    cluster.stop().await?;
    output::print(output, &figures).map_err(Failure::Print)
}

async fn token_server(binaries: &Binaries, effort: Effort, output: Format) -> Result<(), Failure> {
    let yardstick = RawSignature::generate()?;
    let cluster = start(binaries, effort).await?;
    say("asking for tokens");
    let figures = measure_token_server(&cluster, &yardstick, effort.duration()).await?;
    cluster.stop().await?;
    output::print(output, &figures).map_err(Failure::Print)
}

async fn start(binaries: &Binaries, effort: Effort) -> Result<Cluster, Failure> {
    say(&format!("registering sandboxes: {}", effort.sandboxes));
    Ok(Cluster::start(binaries, effort.sandboxes.get()).await?)
}

impl Effort {
    fn duration(self) -> Duration {
        Duration::from_secs(self.seconds.get())
    }
}
