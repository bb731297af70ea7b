//! The parts of the page below the verdict: each a section with its heading, drawings and a table.

use maud::{Markup, html};
use moneyer_authority::keys::{KeyState, Waiting};
use moneyer_identity::UnixTime;

use super::draw::{self, Scale};
use super::keys::{KeyStatus, RotationStatus};
use super::runners::{Certificate, RunnerStatus};
use super::view::StatusView;
use super::words::{clock_time, counted, machine_time, relative, short};
use crate::publish::PublicCopyStatus;

/// A time, for people and for programs.
pub(super) fn moment(at: UnixTime, now: UnixTime) -> Markup {
    html! {
        time datetime=(machine_time(at)) { (clock_time(at)) }
        " " span class="relative" { (relative(at, now)) }
    }
}

/// How far a time is from now; the time itself for who points at it.
pub(super) fn distance(at: UnixTime, now: UnixTime) -> Markup {
    html! { time datetime=(machine_time(at)) title=(clock_time(at)) { (relative(at, now)) } }
}

fn moment_or_none(at: Option<UnixTime>, now: UnixTime) -> Markup {
    html! {
        @match at { Some(at) => (moment(at, now)), None => span class="none" { "not yet" } }
    }
}

fn moment_or_dash(at: Option<UnixTime>, now: UnixTime) -> Markup {
    html! {
        @match at { Some(at) => (moment(at, now)), None => span class="none" { "–" } }
    }
}

/// A word with the colour of its state; the word says it all without the colour.
fn mark(class: &str, word: &str) -> Markup {
    html! { span class={ "mark " (class) } { (word) } }
}

/// What a person asks first, beside the verdict.
pub(super) fn glance(view: &StatusView) -> Markup {
    let ([five, ..], runners) = (&view.tokens.spans, &view.runners);
    let refused: u64 = five.refused.values().sum();
    html! {
        dl class="glance" {
            div { dt { "Another key signs" } dd {
                @match view.rotation.as_ref().and_then(|next| next.signs_at) {
                    Some(at) => (distance(at, view.at)),
                    None => "waits",
                }
            } }
            div { dt { "Tokens in 5 min" } dd {
                (five.minted) " minted"
                @if refused > 0 { ", " (refused) " refused" }
            } }
            div { dt { "Runners connected" } dd { (runners.connected) " of " (runners.joined) } }
            div { dt { "Last warning" } dd {
                @match view.warnings.first() {
                    Some(last) => (distance(last.last_at, view.at)),
                    None => "none",
                }
            } }
        }
    }
}

/// The keys: their lives beside each other, and each time in a table.
pub(super) fn keys(view: &StatusView) -> Markup {
    let (now, scale) = (view.at, Scale::of(&view.keys, view.at));
    let is_watched = view.publish.public_copy.is_some();
    html! {
        section aria-labelledby="keys" {
            h2 id="keys" { "Keys" }
            p class="lead" { (rotation(view.rotation.as_ref(), now)) }
            div class="lives" {
                @for key in &view.keys {
                    div class="name" {
                        code title=(key.key.key_id) { (short(&key.key.key_id)) }
                        " " (mark(key.key.state.as_str(), key.key.state.as_str()))
                    }
                    (draw::life(key, scale))
                }
                div class="name" {}
                (draw::axis(scale))
            }
            ul class="legend" {
                @for (class, words) in draw::PHASES { li { (draw::sample(class)) (words) } }
                @if view.keys.iter().any(draw::is_open) {
                    li { (draw::sample("open")) "waits, nobody knows how long" }
                }
            }
            table {
                caption { "When each key does what" }
                thead { tr {
                    th scope="col" { "Key" } th scope="col" { "Published" } th scope="col" { "Signs since" }
                    th scope="col" { "Signs until" } th scope="col" { "Gone" }
                    @if is_watched { th scope="col" { "Seen" } }
                } }
                tbody { @for key in &view.keys { (key_row(key, is_watched, now)) } }
            }
        }
    }
}

fn key_row(key: &KeyStatus, is_watched: bool, now: UnixTime) -> Markup {
    let view = &key.key;
    html! {
        tr {
            th scope="row" {
                code class="whole" { (view.key_id) }
                " " span class="relative" {
                    (view.algorithm.map_or("", |algorithm| algorithm.as_str())) " " (view.state.as_str())
                }
            }
            td data-label="Published" { (moment_or_none(view.published_at, now)) }
            td data-label="Signs since" { (moment_or_none(view.activated_at, now)) }
            td data-label="Signs until" { (moment_or_dash(view.sign_until, now)) }
            td data-label="Gone" { (moment_or_dash(key.gone_at, now)) }
            @if is_watched { td data-label="Seen" {
                @match (key.seen, view.state) {
                    (Some(true), _) => (mark("good", "seen")),
                    (Some(false), KeyState::Withdrawn) => "taken out",
                    (Some(false), _) => (mark("failing", "not seen")),
                    (None, _) => span class="none" { "not looked yet" },
                }
            } }
        }
    }
}

/// The next change of the signing key in a sentence.
fn rotation(next: Option<&RotationStatus>, now: UnixTime) -> Markup {
    let Some(next) = next else { return html! { "No change of the signing key is planned." } };
    let name = next.key_id.as_ref().map(short);
    let time = |at: Option<UnixTime>| html! { @if let Some(at) = at { (moment(at, now)) } };
    html! {
        @match (&name, next.waits_for) {
            (Some(name), Waiting::Publication) => {
                "The next key, " code { (name) } ", waits until relying parties are seen to be served it. "
                "The active key goes on signing."
            }
            (Some(name), Waiting::PublishBeforeUse) => {
                "The next key, " code { (name) } ", signs from " (time(next.signs_at))
                ", when no cache of a relying party can lack it any more."
            }
            (Some(name), _) => {
                "The next key, " code { (name) } ", signs from " (time(next.signs_at)) ", when its turn comes."
            }
            (None, _) => {
                "The next key is made and published at " (time(next.at)) ", and signs from "
                (time(next.signs_at)) "."
            }
        }
    }
}

/// The public documents: copies that are written, and what is seen of them.
pub(super) fn publish(view: &StatusView) -> Markup {
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
                        td data-label="Last written" { (moment_or_none(target.written_at, now)) }
                    } } }
                }
            }
        }
    }
}

fn public_copy(copy: &PublicCopyStatus, now: UnixTime) -> Markup {
    let names =
        |keys: &[moneyer_identity::KeyId]| keys.iter().map(short).collect::<Vec<_>>().join(", ");
    html! {
        dl class="facts" {
            dt { "Read at" } dd { code class="whole" { (copy.url) } }
            dt { "Last look" } dd { (moment_or_none(copy.looked_at, now)) }
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

/// Tokens of the last hour.
pub(super) fn tokens(view: &StatusView) -> Markup {
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

/// The runners that are listed.
pub(super) fn runners(view: &StatusView) -> Markup {
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

/// What minting depends on.
pub(super) fn checks(view: &StatusView) -> Markup {
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
                        @if check.ok { (mark("good", "works")) } @else { (mark("failing", "fails")) }
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
            ("store", _) => { "generation " (view.store_generation) }
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

/// The last warnings of the log.
pub(super) fn warnings(view: &StatusView) -> Markup {
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
