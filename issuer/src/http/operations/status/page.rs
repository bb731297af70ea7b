//! The page: its head, the verdict, and the sections.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::sections::{self, distance, moment};
use super::verdict::{Finding, State, Verdict};
use super::view::StatusView;
use super::words::{clock_time, machine_time};

/// The style, which is the page's own: its policy names it by its hash.
const STYLE: &str = include_str!("style.css");

/// Seconds until the page is asked for again: what relying parties read is looked at as often, and a
/// command on the page can be read and copied meanwhile.
const REFRESH: &str = "30";

/// Nothing is loaded or run but the style and the icon, both within the page; no other page frames it.
pub(in crate::http::operations) fn content_security_policy() -> String {
    let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// The whole page.
pub(in crate::http::operations) fn page(view: &StatusView) -> Markup {
    let verdict = &view.verdict;
    let name = view.issuer.url.as_str().trim_start_matches("https://");
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content=(REFRESH);
                title { (verdict.state.word()) " · " (name) " · Moneyer" }
                link rel="icon" href=(icon(verdict.state));
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(view))
                main {
                    (self::verdict(verdict))
                    (sections::glance(view))
                    (sections::keys(view))
                    (sections::publish(view))
                    div class="beside" { (sections::tokens(view)) (sections::checks(view)) }
                    (sections::runners(view))
                    (sections::warnings(view))
                }
                footer { p {
                    "All times in UTC. This page is loaded anew every " (REFRESH) " s, or " a href="/" { "now" }
                    ". For programs: " a href="/status.json" { "status.json" } ", "
                    a href="/readyz" { "readyz" } ", " a href="/metrics" { "metrics" } "."
                } }
            }
        }
    }
}

/// A dot in the tab with the colour of the state.
fn icon(state: State) -> String {
    let colour = match state {
        State::Good => "%231a7f37",
        State::Attention => "%23bf8700",
        State::Failing => "%23cf222e",
    };
    let dot = format!("%3Ccircle cx='8' cy='8' r='7' fill='{colour}'/%3E");
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E{dot}%3C/svg%3E"
    )
}

/// Which issuer this is, and when this was so.
fn header(view: &StatusView) -> Markup {
    let issuer = &view.issuer;
    html! {
        header {
            p class="issuer" { (issuer.url) }
            p class="about" {
                "as of " time datetime=(machine_time(view.at)) { (clock_time(view.at)) " UTC" }
                " · started " (distance(view.started_at, view.at)) " · Moneyer " (view.version)
            }
            @if !issuer.previous.is_empty() {
                ul class="previous" {
                    @for left in &issuer.previous {
                        li {
                            "before: " (left.url) ", served and verified until " (moment(left.until, view.at))
                        }
                    }
                }
            }
        }
    }
}

/// The sentence that is met first, and what to do.
fn verdict(verdict: &Verdict) -> Markup {
    html! {
        section class={ "verdict " (verdict.state.class()) } aria-label="State" {
            p class="word" { (verdict.state.word()) }
            h1 { (verdict.sentence) }
            @if let [one] = verdict.findings.as_slice() {
                (advice(one))
            } @else if !verdict.findings.is_empty() {
                ol { @for one in &verdict.findings { li { p class="what" { (one.what) } (advice(one)) } } }
            }
        }
    }
}

fn advice(finding: &Finding) -> Markup {
    html! {
        @if let Some(cause) = &finding.cause { p class="cause" { "Cause: " (cause) } }
        p { (finding.advice.todo) }
        @if !finding.advice.commands.is_empty() {
            pre { code { (finding.advice.commands.join("\n")) } }
        }
        p class="more" { "More in operations: “" (finding.advice.section) "”" }
    }
}
