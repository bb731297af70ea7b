//! What minting depends on, and the runners it is done for.

use maud::{Markup, html};
use moneyer_identity::UnixTime;

use super::cells::{mark, moment};
use crate::http::operations::status::runners::{Certificate, RunnerStatus};
use crate::http::operations::status::view::StatusView;
use crate::http::operations::status::words::{clock_time, counted, machine_time, short};

/// What minting depends on.
pub(in crate::http::operations::status) fn checks(view: &StatusView) -> Markup {
    html! {
        section aria-labelledby="checks" {
            h2 id="checks" { "What minting depends on" }
            table {
                caption { "As " code { "/readyz" } " has it" }
                thead { tr {
                    th scope="col" { "Part" } th scope="col" { "State" } th scope="col" { "Where it stands" }
                } }
                tbody { @for check in &view.checks { tr {
                    th scope="row" { (check.name.replace('_', " ")) }
                    td data-label="State" {
                        @if check.ok { (mark("good", "works")) }
                        @else if check.needed { (mark("failing", "fails")) }
                        @else { (mark("attention", "fails")) }
                    }
                    td data-label="Where it stands" {
                        @match &check.problem {
                            Some(problem) => (problem),
                            None => (stands(check.name, view)),
                        }
                    }
                } } }
            }
        }
    }
}

/// The number or the time that tells where a part stands.
fn stands(part: &str, view: &StatusView) -> Markup {
    html! {
        @match (part, &view.audit) {
            ("store", _) => { "takes changes" }
            ("store_generation", _) => { "generation " (view.store_generation) }
            ("audit", Some(audit)) => {
                "record " (audit.sequence)
                @if audit.failures > 0 { ", " (audit.failures) " writes failed since the start" }
            }
            ("clock", _) => { time datetime=(machine_time(view.at)) { (clock_time(view.at)) } }
            ("signing_key", _) => {
                @if let Some(first) = view.keys.first() { code { (short(&first.key.key_id)) } }
            }
            _ => {}
        }
    }
}

/// The runners that are listed.
pub(in crate::http::operations::status) fn runners(view: &StatusView) -> Markup {
    let runners = &view.runners;
    let unlisted = runners.joined.saturating_sub(runners.listed.len());
    html! {
        section aria-labelledby="runners" {
            h2 id="runners" { "Runners" }
            p class="lead" {
                (counted(runners.joined, "runner has", "runners have")) " joined, "
                (runners.connected) " connected now, with " (counted(view.sandboxes, "sandbox", "sandboxes"))
                " in the cluster."
            }
            @if !runners.listed.is_empty() {
                table {
                    caption class=[(unlisted > 0).then_some("shown")] {
                        "Those that need somebody first"
                        @if unlisted > 0 { "; " (unlisted) " more by " code { "moneyer runner list" } }
                    }
                    thead { tr {
                        th scope="col" { "Runner" } th scope="col" { "Connection" }
                        th scope="col" { "Sandboxes" } th scope="col" { "Certificate ends" }
                        th scope="col" { "Joined" }
                    } }
                    tbody { @for runner in &runners.listed { (runner_row(runner, view.at)) } }
                }
            }
        }
    }
}

fn runner_row(runner: &RunnerStatus, now: UnixTime) -> Markup {
    html! {
        tr {
            th scope="row" { (runner.name) }
            td data-label="Connection" {
                @if runner.connected { (mark("good", "connected")) }
                @else { (mark("attention", "not connected")) }
            }
            td data-label="Sandboxes" { (runner.sandboxes) }
            td data-label="Certificate ends" {
                (moment(runner.certificate_ends_at, now)) " "
                @match runner.certificate {
                    Certificate::Ended => (mark("failing", "ended")),
                    Certificate::EndsSoon => (mark("attention", "ends soon")),
                    Certificate::Good => {}
                }
            }
            td data-label="Joined" { (moment(runner.joined_at, now)) }
        }
    }
}
