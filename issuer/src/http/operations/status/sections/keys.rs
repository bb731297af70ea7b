//! The keys: their lives beside each other, and each time in a table.

use maud::{Markup, html};
use moneyer_authority::keys::{KeyState, Waiting};
use moneyer_identity::UnixTime;

use super::cells::{mark, moment, moment_or};
use crate::http::management::X509AuthorityView;
use crate::http::operations::status::draw::{self, Scale};
use crate::http::operations::status::keys::{KeyStatus, RotationStatus};
use crate::http::operations::status::view::StatusView;
use crate::http::operations::status::words::short;

/// The keys: their lives beside each other, and each time in a table.
pub(in crate::http::operations::status) fn keys(view: &StatusView) -> Markup {
    let (now, scale) = (view.at, Scale::of(&view.keys, view.at));
    let is_watched = view.publish.public_copy.is_some();
    html! {
        section aria-labelledby="keys" {
            h2 id="keys" { "Keys" }
            @for next in &view.rotations {
                p class="lead" {
                    @if let (true, Some(algorithm)) = (view.rotations.len() > 1, next.algorithm) {
                        (algorithm.as_str()) ": "
                    }
                    (rotation(next, now))
                }
            }
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
            table {
                caption { "Authorities of X.509-SVIDs" }
                thead { tr {
                    th scope="col" { "Authority" } th scope="col" { "Published" }
                    th scope="col" { "Signs since" } th scope="col" { "Signs until" }
                    th scope="col" { "Next" }
                } }
                tbody { @for one in &view.x509_authorities { (authority_row(one, now)) } }
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
            td data-label="Published" { (moment_or(view.published_at, "not yet", now)) }
            td data-label="Signs since" { (moment_or(view.activated_at, "not yet", now)) }
            td data-label="Signs until" { (moment_or(view.sign_until, "–", now)) }
            td data-label="Gone" { (moment_or(key.gone_at, "–", now)) }
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

fn authority_row(one: &X509AuthorityView, now: UnixTime) -> Markup {
    html! {
        tr {
            th scope="row" {
                code class="whole" { (one.key_id) } " " span class="relative" { (one.state.as_str()) }
            }
            td data-label="Published" { (moment_or(one.published_at, "not yet", now)) }
            td data-label="Signs since" { (moment_or(one.activated_at, "not yet", now)) }
            td data-label="Signs until" { (moment_or(one.sign_until, "–", now)) }
            td data-label="Next" {
                @if let Some(next) = &one.next {
                    (next.step) " " (moment_or(next.at, "when the bundle lists it", now))
                } @else { "–" }
            }
        }
    }
}

/// The next change of the signing key in a sentence.
fn rotation(next: &RotationStatus, now: UnixTime) -> Markup {
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
