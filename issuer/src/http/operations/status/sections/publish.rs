//! The public documents: copies that are written, and what is seen of them.

use maud::{Markup, html};
use moneyer_identity::{KeyId, UnixTime};

use super::cells::{mark, moment_or};
use crate::http::operations::status::view::StatusView;
use crate::http::operations::status::words::short;
use crate::publish::PublicCopyStatus;

/// The public documents: copies that are written, and what is seen of them.
pub(in crate::http::operations::status) fn publish(view: &StatusView) -> Markup {
    let (publish, now) = (&view.publish, view.at);
    html! {
        section aria-labelledby="publish" {
            h2 id="publish" { "What relying parties read" }
            @match &publish.public_copy {
                Some(copy) => (public_copy(copy, now)),
                None if publish.targets.is_empty() => p class="lead" {
                    "The coordinator's own public listener; no copies are written."
                },
                None => p class="lead" {
                    "The copies below. Nobody looks at what is served of them: "
                    code { "publish.verify_url" } " is not set."
                },
            }
            @if !publish.targets.is_empty() {
                table {
                    caption class="shown" { "Copies that are written" }
                    thead { tr {
                        th scope="col" { "Place" } th scope="col" { "State" } th scope="col" { "Last written" }
                    } }
                    tbody { @for target in &publish.targets { tr {
                        th scope="row" class="place" { code class="whole" { (target.target) } }
                        td data-label="State" { (problem(target.problem.as_deref(), "written")) }
                        td data-label="Last written" { (moment_or(target.written_at, "not yet", now)) }
                    } } }
                }
            }
        }
    }
}

fn public_copy(copy: &PublicCopyStatus, now: UnixTime) -> Markup {
    let names = |keys: &[KeyId]| keys.iter().map(short).collect::<Vec<_>>().join(", ");
    html! {
        dl class="facts" {
            dt { "Read at" } dd { code class="whole" { (copy.url) } }
            dt { "Last look" } dd { (moment_or(copy.looked_at, "not yet", now)) }
            dt { "Shows" } dd {
                @if copy.shows.is_empty() { span class="none" { "no key of this issuer" } }
                code { (names(&copy.shows)) }
            }
            @if !copy.lacks.is_empty() {
                dt { "Lacks" } dd { (mark("failing", "not seen")) " " code { (names(&copy.lacks)) } }
            }
            @if copy.problem.is_some() {
                dt { "Problem" } dd { (problem(copy.problem.as_deref(), "")) }
            }
        }
    }
}

fn problem(problem: Option<&str>, good: &str) -> Markup {
    html! {
        @match problem {
            Some(problem) => { (mark("failing", "problem")) " " (problem) }
            None => (mark("good", good)),
        }
    }
}
