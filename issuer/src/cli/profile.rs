//! `moneyer profile`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use moneyer_authority::profiles::{Finding, Profile, ProfileId, Severity};
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::input;
use crate::cli::output::{Column, Output, joined, print};
use crate::http::management::{ProviderProfileRow, ProviderProfileView};
use crate::yaml;

#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Say all that is wrong with profiles. Needs no coordinator; fails where something is.
    ///
    /// Each line names the file, the profile, the field and what is wrong with it. What is a warning is no fault: it
    /// says what of a profile does nothing here.
    Lint {
        /// The files, YAML or JSON; `-` for standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Put a profile, in place of what has its id.
    ///
    /// What follows for sandboxes is in force at once. A profile that would leave two tokens of one sandbox undecided
    /// is refused.
    Put {
        /// The file, YAML or JSON; `-` for standard input.
        file: PathBuf,
    },
    /// List the profiles.
    List,
    /// Show a profile: its credentials, its endpoints, and what of it does nothing here.
    Show {
        /// The profile.
        id: ProfileId,
    },
    /// Write a profile as YAML, as `put` takes it.
    Export {
        /// The profile.
        id: ProfileId,
    },
    /// Remove a profile that no provider is made of.
    Remove {
        /// The profile.
        id: ProfileId,
    },
}

const COLUMNS: &[Column<ProviderProfileRow>] = &[
    ("ID", |profile| profile.id.to_string()),
    ("CREDENTIALS", |profile| joined(profile.credentials.iter().map(|one| &one.name))),
    ("ENDPOINTS", |profile| joined(&profile.endpoints)),
];

pub(super) async fn run(
    command: &ProfileCommand,
    client: impl Fn() -> Result<Client, Failure>,
    output: Output,
) -> Result<(), Failure> {
    match command {
        ProfileCommand::Lint { files } => lint(files, output),
        ProfileCommand::Put { file } => {
            let document = document(file)?;
            let id = document.get("id").and_then(Value::as_str).unwrap_or_default();
            let id = ProfileId::parse(id)
                .map_err(|error| Failure::new(format!("{}: id {error}", file.display())))?;
            let path = format!("/api/v1/profiles/{id}");
            let put: ProviderProfileView = client()?.put(&path, &document).await?;
            output.record(&put, &shown(&put))
        }
        ProfileCommand::List => {
            let profiles: Vec<ProviderProfileRow> = client()?.get("/api/v1/profiles").await?;
            output.records(&profiles, COLUMNS)
        }
        ProfileCommand::Show { id } => {
            let profile = show(&client()?, id).await?;
            output.record(&profile, &shown(&profile))
        }
        ProfileCommand::Export { id } => {
            let profile = show(&client()?, id).await?;
            print(&yaml::write(&profile.document))
        }
        ProfileCommand::Remove { id } => {
            client()?.delete(&format!("/api/v1/profiles/{id}")).await?;
            let removed = json!({ "removed": id });
            output.record(&removed, &format!("{id} is removed"))
        }
    }
}

/// A profile by its id.
pub(super) async fn show(client: &Client, id: &ProfileId) -> Result<ProviderProfileView, Failure> {
    client.get(&format!("/api/v1/profiles/{id}")).await
}

fn document(file: &Path) -> Result<Value, Failure> {
    parsed(file)?.map_err(|why| Failure::new(format!("{}: {why}", file.display())))
}

/// What is in a file, or why that is no document.
fn parsed(file: &Path) -> Result<Result<Value, String>, Failure> {
    let limit = u64::try_from(yaml::MAXIMUM_YAML_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let text = input::text(file, limit)?;
    Ok(yaml::read(&text).map_err(|error| crate::chain(&error)))
}

/// One finding, and where it is.
#[derive(Debug, serde::Serialize)]
struct Found {
    source: String,
    profile: String,
    #[serde(flatten)]
    finding: Finding,
}

fn lint(files: &[PathBuf], output: Output) -> Result<(), Failure> {
    let mut all = Vec::new();
    let mut ids: Vec<(String, String)> = Vec::new();
    for file in files {
        let source = file.display().to_string();
        let found = match parsed(file)? {
            Ok(document) => {
                let id = document.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                let (Ok((_, mut findings)) | Err(mut findings)) = Profile::read(&document);
                if let Some((other, _)) =
                    ids.iter().find(|(_, known)| *known == id && !id.is_empty())
                {
                    findings.0.push(error("id", format!("is that of {other} too")));
                }
                ids.push((source.clone(), id.clone()));
                findings.0.into_iter().map(|finding| (id.clone(), finding)).collect()
            }
            Err(why) => vec![(String::new(), error("", format!("is not read: {why}")))],
        };
        all.extend(found.into_iter().map(|(profile, finding)| Found {
            source: source.clone(),
            profile,
            finding,
        }));
    }
    let lines = all.iter().map(|found| {
        let profile = if found.profile.is_empty() { "-" } else { &found.profile };
        format!("{}: {profile}: {}", found.source, found.finding)
    });
    let lines: Vec<_> = lines.collect();
    let is_sound = all.iter().all(|found| found.finding.severity == Severity::Warning);
    let text = if lines.is_empty() { "nothing is wrong".to_owned() } else { lines.join("\n") };
    output.record(&all, &text)?;
    if is_sound { Ok(()) } else { Err(Failure::new("not all of it is right")) }
}

fn error(field: &str, message: String) -> Finding {
    Finding { severity: Severity::Error, field: field.to_owned(), message }
}

fn shown(profile: &ProviderProfileView) -> String {
    let row = &profile.row;
    let mut lines = vec![format!("{} reaches {}", row.id, joined(&row.endpoints))];
    for credential in &row.credentials {
        let how = match (&credential.grant_type, credential.subject_token) {
            (Some(grant_type), _) => format!("is obtained by {grant_type}"),
            (None, true) => "is a user's token, which providers hold".to_owned(),
            (None, false) => "is neither obtained nor held".to_owned(),
        };
        let required = if credential.required { ", and is required" } else { "" };
        lines.push(format!("{} {how}{required}", credential.name));
    }
    lines.extend(profile.warnings.iter().map(ToString::to_string));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_demonstrations_are_profiles_as_they_stand() {
        for text in [
            include_str!("../../../deploy/demo/profiles/spiffe-token-grant-demo.yaml"),
            include_str!("../../../deploy/demo/profiles/spiffe-token-exchange-demo.yaml"),
        ] {
            let (profile, remarks) = Profile::read(&yaml::read(text).unwrap()).unwrap();
            assert_eq!((profile.endpoints().len(), remarks.0.len()), (2, 1));
            let exported = yaml::write(profile.document());
            assert_eq!(&yaml::read(&exported).unwrap(), profile.document());
        }
    }
}
