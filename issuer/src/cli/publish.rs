//! `moneyer publish`.

use clap::Subcommand;
use moneyer_daemon::progress::Progress;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, optional_time};
use crate::http::management::{PublicCopyStatus, PublishStatus};

#[derive(Debug, Subcommand)]
pub(super) enum PublishCommand {
    /// Write every copy now, and look at what relying parties read.
    ///
    /// Fails where a copy is not written, or where relying parties do not read what they should.
    Now,
    /// Show where copies are, when they were written, and which keys relying parties are served.
    ///
    /// A key that they are not served does not sign; the active one goes on.
    Status,
}

pub(super) async fn run(
    command: &PublishCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let status: PublishStatus = match command {
        PublishCommand::Status => client.get("/api/v1/publish").await?,
        PublishCommand::Now => {
            let progress = Progress::start("writing every copy");
            let status = client.post("/api/v1/publish", &serde_json::json!({})).await?;
            progress.finish("every copy was tried");
            status
        }
    };
    output.record(&status, &described(&status))?;
    if matches!(command, PublishCommand::Now) && !status.is_good() {
        return Err(Failure::new("relying parties are not served what they should be".to_owned()));
    }
    Ok(())
}

fn described(status: &PublishStatus) -> String {
    let mut lines = Vec::new();
    for target in &status.targets {
        lines.push(format!("copy         {}", target.target));
        lines.push(format!("  written    {}", optional_time(target.written_at)));
        lines.extend(target.problem.iter().map(|problem| format!("  problem    {problem}")));
    }
    lines.extend(status.public_copy.iter().flat_map(described_copy));
    if lines.is_empty() {
        lines.push("no copies are configured; relying parties read the public listener".to_owned());
    }
    lines.join("\n")
}

fn described_copy(copy: &PublicCopyStatus) -> Vec<String> {
    let mut lines = vec![
        format!("public copy  {}", copy.url),
        format!("  looked at  {}", optional_time(copy.looked_at)),
    ];
    lines.extend(copy.shows.iter().map(|key| format!("  shows      {key}")));
    lines.extend(
        copy.lacks.iter().map(|key| format!("  lacks      {key} (it does not begin to sign)")),
    );
    lines.extend(copy.problem.iter().map(|problem| format!("  problem    {problem}")));
    lines
}
