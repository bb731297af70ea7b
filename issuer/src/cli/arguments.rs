//! The arguments, and which command runs.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use moneyer_daemon::exit::Exit;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Format, Output};
use crate::cli::{
    app, audience, audit, clock, config, controller, dev, doctor, federation, init, issuer, key,
    mapping, policy, profile, provider, publish, runner, sandbox, scope, serve, store, token,
    trust,
};

/// Moneyer, a per-cluster OIDC workload identity issuer.
///
/// The coordinator holds a cluster's signing keys, mints short-lived tokens for sandboxes, and publishes
/// the discovery document and key set that AWS, Google Cloud, Azure, Vault and your own services trust.
///
/// Try it: `moneyer dev`. Set it up: `moneyer init`, `moneyer serve`, `moneyer runner invite NAME`.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true, max_term_width = 100)]
pub struct Arguments {
    /// The coordinator's configuration file.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "MONEYER_CONFIG",
        hide_env_values = true
    )]
    #[arg(default_value = "/etc/moneyer/moneyer.toml")]
    config: PathBuf,

    /// The management socket, where it is not the one in the configuration.
    #[arg(long, global = true, value_name = "SOCKET")]
    socket: Option<PathBuf>,

    /// How records are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    output: Format,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a commented configuration file.
    Init(init::InitArguments),
    /// Run the coordinator until it is told to stop.
    Serve(serve::ServeArguments),
    /// Try everything on this machine: a coordinator, a runner proxy and a demo sandbox.
    Dev(dev::DevArguments),
    /// Signing keys: list them, rotate, and take over those of another issuer.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// The issuer: show it, or move to another URL.
    #[command(subcommand)]
    Issuer(issuer::IssuerCommand),
    /// Copies of the public documents: write them, and see what relying parties read.
    #[command(subcommand)]
    Publish(publish::PublishCommand),
    /// Look at an issuer from outside, as AWS would, and say what relying parties will refuse.
    ///
    /// Looks at the URL, the host's name and certificates, the discovery document, the key set and every key in
    /// it, and tells all it finds at once: what was seen, why it matters, what to do. It follows no redirect and
    /// changes nothing. Exit codes: 0 nothing is refused (there may be warnings), 76 something is.
    Doctor(doctor::DoctorArguments),
    /// Tokens: mint one for a sandbox, look into one, verify one.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Trust: what a relying party has to be told, and why it would refuse a token.
    #[command(subcommand)]
    Trust(trust::TrustCommand),
    /// Runner hosts.
    #[command(subcommand)]
    Runner(runner::RunnerCommand),
    /// Sandbox controllers: what places sandboxes on runners.
    #[command(subcommand)]
    Controller(controller::ControllerCommand),
    /// Apps: what is deployed as sandboxes.
    #[command(subcommand)]
    App(app::AppCommand),
    /// Audiences: what follows when a sandbox asks for a token for one of them.
    #[command(subcommand)]
    Audience(audience::AudienceCommand),
    /// Federation: foreign trust domains whose SVIDs workloads here verify.
    #[command(subcommand)]
    Federation(federation::FederationCommand),
    /// Policies: which workloads are let in that log in with an SVID, and what for.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Profiles: which endpoints a kind of service has, and which tokens they need.
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    /// Providers: profiles with what users hand over, attached to apps and sandboxes.
    #[command(subcommand)]
    Provider(provider::ProviderCommand),
    /// Mappings: what clients may ask for in token exchange.
    #[command(subcommand)]
    Mapping(mapping::MappingCommand),
    /// Scopes: which claims they stand for in token exchange.
    #[command(subcommand)]
    Scope(scope::ScopeCommand),
    /// Sandboxes: instances of apps, each placed on one runner.
    #[command(subcommand)]
    Sandbox(sandbox::SandboxCommand),
    /// The audit log: find records, walk its hash chain, export lines with their proof.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// The store: check it, copy it, restore a copy, seal it anew.
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// The wall clock: what the coordinator thinks of it, and your word that it is right.
    #[command(subcommand)]
    Clock(clock::ClockCommand),
    /// The configuration file: check it, show it with its defaults, print its schema.
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// Runs one command and says how it ended.
#[must_use]
pub fn run(arguments: Arguments) -> Exit {
    moneyer_daemon::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(arguments)),
        Err(error) => Err(Failure::new(format!("cannot start the async runtime: {error}"))),
    };
    match ended {
        Ok(()) => Exit::Success,
        Err(failure) => {
            // Standard error may be closed; the exit code still tells.
            writeln!(std::io::stderr(), "{failure}").ok();
            failure.exit()
        }
    }
}

async fn dispatch(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { config: path, socket, output, command } = arguments;
    let output = Output::new(output);
    let client = || Client::new(socket.as_deref(), &path);
    match command {
        Command::Init(arguments) => init::run(&arguments, &path),
        Command::Serve(arguments) => serve::run(&arguments, &path).await,
        Command::Dev(arguments) => dev::run(&arguments, output).await,
        Command::Key(command) => key::run(&command, &path, client, output).await,
        Command::Issuer(command) => issuer::run(&command, &client()?, output).await,
        Command::Publish(command) => publish::run(&command, &client()?, output).await,
        Command::Doctor(arguments) => doctor::run(&arguments, client, output).await,
        Command::Token(command) => token::run(&command, &path, client, output).await,
        Command::Trust(command) => trust::run(&command, client, output).await,
        Command::Runner(command) => runner::run(&command, &client()?, output).await,
        Command::Controller(command) => controller::run(&command, &client()?, output).await,
        Command::App(command) => app::run(&command, &client()?, output).await,
        Command::Audience(command) => audience::run(&command, &client()?, output).await,
        Command::Federation(command) => federation::run(&command, &client()?, output).await,
        Command::Policy(command) => policy::run(&command, &client()?, output).await,
        Command::Profile(command) => profile::run(&command, client, output).await,
        Command::Provider(command) => provider::run(&command, &client()?, output).await,
        Command::Mapping(command) => mapping::run(&command, &client()?, output).await,
        Command::Scope(command) => scope::run(&command, &client()?, output).await,
        Command::Sandbox(command) => sandbox::run(&command, &client()?, output).await,
        Command::Audit(command) => audit::run(&command, &path, output),
        Command::Store(command) => store::run(&command, &path, client, output).await,
        Command::Clock(command) => clock::run(&command, &client()?, output).await,
        Command::Config(command) => config::run(&command, &path, output),
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
}
