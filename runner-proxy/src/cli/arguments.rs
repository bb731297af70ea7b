//! The arguments, and which command runs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use moneyer_daemon::exit::Exit;
use moneyer_daemon::settings::Source;

use super::failure::Failure;
use super::output::Format;
use super::sandbox::SandboxCommand;
use super::{audit, check, config, grant, join, program, sandbox, serve};
use crate::config::Config;

/// What the names of overriding environment variables begin with.
const VARIABLES: &str = "MONEYER";

/// Moneyer's runner proxy: hands tokens to the sandboxes of this host.
///
/// Set it up, once per host: ask for a join token on the coordinator (`moneyer runner invite NAME`),
/// write its address and trust domain into the configuration file, spend the token with
/// `moneyer-runner-proxy join FILE`, and run `moneyer-runner-proxy serve`.
///
/// Then, for each sandbox that the coordinator places on this host: `moneyer-runner-proxy sandbox
/// attach ID`, mount the directory it names, and put the variables it prints into the sandbox's
/// environment.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true, max_term_width = 100)]
pub struct Arguments {
    /// The configuration file. Every key can also be set as `MONEYER__SECTION__KEY`.
    #[arg(long, global = true, value_name = "FILE")]
    #[arg(default_value = "/etc/moneyer/runner-proxy.toml")]
    config: PathBuf,

    /// How records are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    output: Format,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this host a runner of its cluster, with a one-time join token.
    Join(join::JoinArguments),
    /// Run the daemon until it is told to stop.
    Serve,
    /// Attach, detach and list the sandboxes of this host, and run programs in them.
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// What sandboxes may reach by the forward proxy.
    #[command(subcommand)]
    Grant(grant::GrantCommand),
    /// What the forward proxy obtained and refused, as its audit log has it.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The configuration file: check it, show it with its defaults, print its schema.
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Runs one command and says how it ended.
#[must_use]
pub fn run(arguments: Arguments) -> ExitCode {
    moneyer_daemon::tls::install_provider();
    // What separates itself from the host does it with one thread, before there is a runtime.
    let ended = match arguments {
        Arguments { command: Command::Sandbox(SandboxCommand::FirstProcess(own)), .. } => {
            Ok(program::first(&own))
        }
        Arguments { config: path, command: Command::Sandbox(SandboxCommand::Run(own)), .. } => {
            loaded(&path).and_then(|config| program::run(own, &path, &config))
        }
        arguments => with_runtime(arguments).map(|()| Exit::Success.into()),
    };
    ended.unwrap_or_else(|failure| {
        // Standard error may be closed; the exit code still tells.
        writeln!(std::io::stderr(), "{failure}").ok();
        failure.exit().into()
    })
}

fn with_runtime(arguments: Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of("cannot start the async runtime", &error))?;
    runtime.block_on(dispatch(arguments))
}

fn loaded(path: &Path) -> Result<Config, Failure> {
    Ok(Config::load(&Source::read(path, VARIABLES)?)?)
}

async fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { config: path, output, command } = arguments;
    if let Command::Config(config::ConfigCommand::Schema) = command {
        return config::schema();
    }
    let config = loaded(&path)?;
    match command {
        Command::Join(arguments) => join::run(&arguments, &config, output).await,
        Command::Serve => serve::run(&config).await,
        Command::Sandbox(SandboxCommand::Check(own)) => {
            check::run(&own, &path, &config, output).await
        }
        Command::Sandbox(command) => sandbox::run(command, &config, output).await,
        Command::Grant(command) => grant::run(command, &config, output).await,
        Command::Audit(command) => audit::run(&command, &config, output),
        Command::Config(command) => config::run(&command, &path, &config, output),
    }
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
    fn global_options_stand_anywhere() {
        for line in [
            "m --config /c --output json sandbox attach a",
            "m sandbox attach a --audience aws --audience vault --config /c --output json",
            "m --config /c join -",
            "m join",
            "m grant explain https://a/ --sandbox s --method POST",
            "m audit query --sandbox s --since 1h --output json",
            "m audit verify",
            "m config schema",
            "m sandbox check s --pid 7 --output json",
            "m sandbox run s --user 9:9 --keep-env CI --network host --config /c -- program --output json",
        ] {
            Arguments::try_parse_from(line.split(' ')).unwrap();
        }
        for line in ["m", "m sandbox attach", "m sandbox attach a:b", "m join a b", "m serve x"] {
            Arguments::try_parse_from(line.split(' ')).unwrap_err();
        }
        for line in [
            "m sandbox run s",
            "m sandbox run s program",
            "m sandbox run s --keep-env A_TOKEN -- p",
        ] {
            Arguments::try_parse_from(line.split(' ')).unwrap_err();
        }
    }
}
