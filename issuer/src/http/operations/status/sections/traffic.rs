//! Tokens of the last hour, and the last warnings of the log.

use maud::{Markup, html};

use super::cells::{mark, moment};
use crate::http::operations::status::draw;
use crate::http::operations::status::view::StatusView;
use crate::http::operations::status::words::clock_time;

/// Tokens of the last hour.
pub(in crate::http::operations::status) fn tokens(view: &StatusView) -> Markup {
    let spans = &view.tokens.spans;
    let [.., hour] = spans;
    let minted = spans.iter().map(|span| span.minted);
    html! {
        section aria-labelledby="tokens" {
            h2 id="tokens" { "Tokens" }
            (draw::minutes(&view.tokens.minutes))
            ul class="legend" {
                li { (draw::sample("minted")) "minted" } li { (draw::sample("refused")) "refused" }
                li { "by the minute, the present one at the right" }
            }
            table class="numbers" {
                caption { "Minted, and refused by class" }
                thead { tr {
                    td {}
                    @for span in spans { th scope="col" { (span.minutes) " min" } }
                } }
                tbody {
                    tr { th scope="row" { "minted" } @for count in minted { td { (count) } } }
                    @for class in hour.refused.keys() {
                        tr {
                            th scope="row" { "refused: " (class.replace('_', " ")) }
                            @for span in spans { td { (span.refused.get(class).unwrap_or(&0)) } }
                        }
                    }
                    @if hour.refused.is_empty() {
                        tr { th scope="row" { "refused" } @for _ in spans { td { "0" } } }
                    }
                }
            }
        }
    }
}

/// The last warnings of the log.
pub(in crate::http::operations::status) fn warnings(view: &StatusView) -> Markup {
    html! {
        section aria-labelledby="warnings" {
            h2 id="warnings" { "Last warnings" }
            @if view.warnings.is_empty() {
                p class="lead" { "None since the start." }
            } @else {
                table {
                    caption { "Warnings and errors of the log, the last one first" }
                    thead { tr {
                        th scope="col" { "Message" } th scope="col" { "Last" } th scope="col" { "Times" }
                    } }
                    tbody { @for warning in &view.warnings { tr {
                        th scope="row" class="place" {
                            (mark(if warning.level == "error" { "failing" } else { "attention" }, warning.level))
                            " " (warning.message)
                            @if !warning.values.is_empty() { " " code class="whole" { (warning.values) } }
                        }
                        td data-label="Last" { (moment(warning.last_at, view.at)) }
                        td data-label="Times" {
                            (warning.count)
                            @if warning.count > 1 {
                                " " span class="relative" { "since " (clock_time(warning.first_at)) }
                            }
                        }
                    } } }
                }
            }
        }
    }
}
