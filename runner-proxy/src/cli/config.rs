//! `moneyer-runner-proxy config`.

use std::path::Path;

use clap::Subcommand;
use moneyer_daemon::settings;

use super::failure::Failure;
use super::output::{Format, json, print};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Read the configuration as `serve` would and report every error in it, with its line.
    Check,
    /// Print the JSON Schema of the configuration file.
    Schema,
    /// Print the configuration in force: file, environment and defaults. It holds no secrets.
    Show,
}

/// Prints the schema; the one command that reads no configuration.
pub(super) fn schema() -> Result<(), Failure> {
    print(&settings::schema::<Config>())
}

pub(super) fn run(
    command: &ConfigCommand,
    path: &Path,
    config: &Config,
    output: Format,
) -> Result<(), Failure> {
    match (command, output) {
        (ConfigCommand::Check, Format::Json) => json(&serde_json::json!({ "good": path })),
        (ConfigCommand::Check, Format::Text) => print(&format!("{} is good\n", path.display())),
        (ConfigCommand::Schema, _) => schema(),
        (ConfigCommand::Show, Format::Json) => json(config),
        (ConfigCommand::Show, Format::Text) => {
            let text = settings::show(config)
                .map_err(|error| Failure::of("cannot write the configuration", &error))?;
            print(&text)
        }
    }
}
