//! `moneyer-runner-proxy sandbox check`: what a process of a sandbox has that it should not have.

use std::path::Path;

use clap::Args;
use moneyer_identity::SandboxId;

use super::failure::Failure;
use super::output::{Format, json, print};
use super::program::{directory_of, hidden};
use crate::config::Config;
use crate::isolation::inspect;

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// The sandbox's id.
    id: SandboxId,
    /// The process, by its number on this host.
    #[arg(long)]
    pid: u32,
}

/// Prints what was found; a finding is a failure.
pub(super) async fn run(
    arguments: &CheckArguments,
    config_file: &Path,
    config: &Config,
    output: Format,
) -> Result<(), Failure> {
    let CheckArguments { id, pid } = arguments;
    let file = directory_of(config, id).await?.join("env");
    let own = std::fs::read_to_string(&file)
        .map_err(|error| Failure::of(&format!("cannot read {}", file.display()), &error))?;
    let hidden = hidden(config_file, config).map_err(|error| Failure::new(crate::chain(&error)))?;
    let found = inspect(*pid, &hidden, &own).map_err(|error| {
        Failure::of(
            &format!("process {pid} cannot be looked at; is it there, and are you root?"),
            &error,
        )
    })?;
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    match output {
        Format::Json => {
            json(&serde_json::json!({ "sandbox_id": id, "pid": pid, "findings": found }))?;
        }
        Format::Text if found.is_empty() => {
            print(&format!("nothing was found at process {pid}\n"))?;
        }
        Format::Text => {
            print(&found.iter().flat_map(|found| [found, "\n"]).collect::<String>())?;
        }
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "process {pid} is not kept apart as a sandbox should be; see docs/isolation.md"
    )))
}
