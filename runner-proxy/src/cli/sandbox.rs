//! `moneyer-runner-proxy sandbox`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use moneyer_daemon::file;
use moneyer_identity::{ProfileName, SandboxId};
use moneyer_proto::v1;
use serde::Serialize;
use tonic::{Code, Status};

use super::check::CheckArguments;
use super::failure::Failure;
use super::output::{Format, json, print, remark, table};
use super::program::{FirstProcessArguments, RunArguments};
use crate::config::Config;
use crate::control;
use crate::isolation::FIRST_STEP;

#[derive(Debug, Subcommand)]
pub(super) enum SandboxCommand {
    /// Give a sandbox its directory, token files, socket and secret, and print its environment.
    ///
    /// The coordinator must have placed the sandbox on this host. Mount the directory that
    /// `--output json` names into the sandbox, read-only. Attaching again changes nothing but the
    /// choice of audiences.
    Attach {
        /// The sandbox's id.
        id: SandboxId,
        /// An audience profile to keep a token file for; may be repeated. Default: all that the
        /// coordinator names for the sandbox.
        #[arg(long = "audience", value_name = "NAME")]
        audiences: Vec<ProfileName>,
        /// Write the environment to this file (mode 0600) instead of printing it.
        #[arg(long, value_name = "FILE")]
        env_file: Option<PathBuf>,
    },
    /// Take all of it away from a sandbox, for good.
    Detach {
        /// The sandbox's id.
        id: SandboxId,
    },
    /// List the attached sandboxes and the state of their token files.
    List,
    /// Run a program in an attached sandbox, kept apart from the runner proxy and from other sandboxes.
    ///
    /// The program sees the host's files as its user does, but for the runner proxy's, other sandboxes', and those of
    /// /tmp, /var/tmp and /run. It has the sandbox's environment, a network in which there is nothing but the forward
    /// proxy and the token server, no other processes and no privileges. Ends as the program does, with 128 and the
    /// number of the signal that ended it, 127 where there is no such program, 126 where it cannot be run, and 125
    /// where it was not started because it could not be kept apart.
    Run(RunArguments),
    /// Look at a process of a sandbox, as root, for what it should not have.
    ///
    /// For programs that a container runtime started. Says which namespaces it shares with this command, which of
    /// the runner proxy's directories it sees under the path that they have here, which variables with authority are
    /// in its environment, and what privileges it has. A finding is exit code 1. None is no proof.
    Check(CheckArguments),
    /// A step of `run`.
    #[command(name = FIRST_STEP, hide = true)]
    FirstProcess(FirstProcessArguments),
}

pub(super) async fn run(
    command: SandboxCommand,
    config: &Config,
    output: Format,
) -> Result<(), Failure> {
    let mut client = control::connect(&config.control_socket())
        .await
        .map_err(|error| Failure::new(crate::chain(&error)))?;
    match command {
        SandboxCommand::Attach { id, audiences, env_file } => {
            let profiles = audiences.iter().map(ToString::to_string).collect();
            let request = v1::AttachSandboxRequest { sandbox_id: id.to_string(), profiles };
            let attached = client.attach_sandbox(request).await.map_err(|status| told(&status))?;
            show_attached(&id, attached.into_inner(), env_file.as_deref(), output)
        }
        SandboxCommand::Detach { id } => {
            let request = v1::DetachSandboxRequest { sandbox_id: id.to_string() };
            let detached = client.detach_sandbox(request).await.map_err(|status| told(&status))?;
            let was_attached = detached.into_inner().was_attached;
            match output {
                Format::Json => {
                    json(&serde_json::json!({ "sandbox_id": id, "was_attached": was_attached }))
                }
                Format::Text if was_attached => print(&format!("{id} is detached\n")),
                Format::Text => print(&format!("{id} was not attached\n")),
            }
        }
        SandboxCommand::List => {
            let listed = client.list_attached(v1::ListAttachedRequest {}).await;
            let listed = listed.map_err(|status| told(&status))?.into_inner();
            show_list(&listed.sandboxes, output)
        }
        // They are run elsewhere: what makes namespaces before there is a runtime.
        SandboxCommand::Check(_) | SandboxCommand::Run(_) | SandboxCommand::FirstProcess(_) => {
            Ok(())
        }
    }
}

pub(super) fn told(status: &Status) -> Failure {
    match status.code() {
        Code::InvalidArgument => Failure::usage(status.message()),
        _ => Failure::new(status.message()),
    }
}

#[derive(Serialize)]
struct Attached<'a> {
    sandbox_id: &'a SandboxId,
    directory: String,
    environment: BTreeMap<String, String>,
    warnings: &'a [String],
}

fn show_attached(
    id: &SandboxId,
    attached: v1::AttachSandboxResponse,
    env_file: Option<&Path>,
    output: Format,
) -> Result<(), Failure> {
    let parts = |variable: &v1::EnvironmentVariable| {
        [
            variable.name.clone(),
            "=".to_owned(),
            variable.value.clone(),
            "
"
            .to_owned(),
        ]
    };
    let lines: String = attached.environment.iter().flat_map(parts).collect();
    if let Some(path) = env_file {
        file::write_atomic(path, lines.as_bytes(), 0o600)
            .map_err(|error| Failure::of(&format!("cannot write {}", path.display()), &error))?;
    }
    for warning in &attached.warnings {
        remark(warning);
    }
    match (output, env_file) {
        (Format::Text, None) => print(&lines),
        (Format::Text, Some(path)) => {
            print(&format!("{id} is attached; its environment is in {}\n", path.display()))
        }
        (Format::Json, _) => {
            let variables = attached.environment.into_iter();
            json(&Attached {
                sandbox_id: id,
                directory: attached.directory,
                environment: variables.map(|variable| (variable.name, variable.value)).collect(),
                warnings: &attached.warnings,
            })
        }
    }
}

#[derive(Serialize)]
struct ListedSandbox<'a> {
    sandbox_id: &'a str,
    app: &'a str,
    directory: &'a str,
    files: Vec<ListedFile<'a>>,
}

#[derive(Serialize)]
struct ListedFile<'a> {
    path: &'a str,
    state: &'static str,
    expires_in_seconds: u32,
}

fn state(file: &v1::TokenFile) -> &'static str {
    match file.state() {
        v1::TokenFileState::Current => "current",
        v1::TokenFileState::Refused => "refused",
        v1::TokenFileState::Waiting | v1::TokenFileState::Unspecified => "waiting",
    }
}

fn show_list(sandboxes: &[v1::AttachedSandbox], output: Format) -> Result<(), Failure> {
    let file = |file: &v1::TokenFile| match file.state() {
        v1::TokenFileState::Current => format!("{} {}s", file.path, file.expires_in_seconds),
        _ => format!("{} {}", file.path, state(file)),
    };
    if output == Format::Json {
        let listed = sandboxes.iter().map(|sandbox| ListedSandbox {
            sandbox_id: &sandbox.sandbox_id,
            app: &sandbox.app,
            directory: &sandbox.directory,
            files: (sandbox.files.iter())
                .map(|file| ListedFile {
                    path: &file.path,
                    state: state(file),
                    expires_in_seconds: file.expires_in_seconds,
                })
                .collect(),
        });
        return json(&listed.collect::<Vec<_>>());
    }
    let heading = ["SANDBOX", "APP", "FILES", "DIRECTORY"].map(str::to_owned).to_vec();
    let rows = sandboxes.iter().map(|sandbox| {
        let files: Vec<_> = sandbox.files.iter().map(file).collect();
        let app = if sandbox.app.is_empty() { "-" } else { &sandbox.app };
        vec![
            sandbox.sandbox_id.clone(),
            app.to_owned(),
            files.join(", "),
            sandbox.directory.clone(),
        ]
    });
    print(&table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>()))
}
