//! `moneyer clock`.

use clap::Subcommand;
use moneyer_identity::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, optional_time, time};
use crate::http::management::{ClockBody, ClockView};

#[derive(Debug, Subcommand)]
pub(super) enum ClockCommand {
    /// Show what the coordinator thinks of its wall clock, and why nothing is minted, if so.
    ///
    /// The wall clock is held against the time since boot, which nobody sets, and against the latest
    /// time seen, which is kept across restarts. States: `sound`; `jumped` (somebody set the clock while
    /// the coordinator ran); `behind` (it is earlier than a time that was already seen); `ahead` (at the
    /// start it was more than 30 days later than that). In the last three nothing is minted or certified
    /// and no key changes. Each ends by itself when the clock is set right.
    ///
    /// Keys leave the key set, and begin to sign, by the time that has certainly come and not by the wall
    /// clock: an absence does not count until the coordinator has run for 26 hours since.
    Show,
    /// Tell the coordinator that its wall clock is right as it is.
    ///
    /// For when the clock is right and the coordinator cannot know it: it was started while the clock was
    /// ahead, or it was away for more than 30 days. First set the clock of its machine right. Then look
    /// at another clock and state what that one says: a time that is more than a minute from the wall
    /// clock is refused, so that nobody confirms blind. It is recorded in the audit log first.
    ///
    /// From then on the latest time seen is this one, earlier or later. No key leaves the key set and no
    /// previous issuer ends by that: what waits for its tokens to be dead waits for up to 26 hours of
    /// running more. Tokens that were minted while the clock was ahead live until the time they name;
    /// where that matters, withdraw their keys with `moneyer key rotate --emergency`.
    Confirm {
        /// The time by another clock, as 2026-01-31T12:00:00Z.
        #[arg(long, value_name = "TIME", value_parser = stated)]
        time: UnixTime,
    },
}

pub(super) async fn run(
    command: &ClockCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let view: ClockView = match command {
        ClockCommand::Show => client.get("/api/v1/clock").await?,
        ClockCommand::Confirm { time } => {
            client.post("/api/v1/clock/confirm", &ClockBody { time: *time }).await?
        }
    };
    output.record(&view, &described(&view).join("\n"))
}

fn described(view: &ClockView) -> Vec<String> {
    let missing = if view.mark_was_missing {
        " (its file was missing at the start; made again from other records)"
    } else {
        ""
    };
    let mut lines = vec![
        format!("clock     {}", view.state),
        format!("wall      {}", time(view.wall)),
        format!("expected  {}", optional_time(view.expected)),
        format!("mark      {}{missing}", optional_time(view.mark)),
        format!("proven    {}", optional_time(view.proven)),
    ];
    if view.settles_in_seconds > 0 {
        lines.push(format!("settles   after {} s more of running", view.settles_in_seconds));
    }
    lines.extend(view.problem.clone());
    lines
}

/// A time in full: a length of time before now would be the wall clock's own word.
fn stated(text: &str) -> Result<UnixTime, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    let time = time.map_err(|_no_time| "write the time as 2026-01-31T12:00:00Z".to_owned())?;
    Ok(UnixTime(time.unix_timestamp()))
}
