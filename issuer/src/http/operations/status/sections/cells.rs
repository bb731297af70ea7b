//! What cells are made of: times and marks.

use maud::{Markup, html};
use moneyer_identity::UnixTime;

use crate::http::operations::status::words::{clock_time, machine_time, relative};

/// A time, for people and for programs.
pub(in crate::http::operations::status) fn moment(at: UnixTime, now: UnixTime) -> Markup {
    html! {
        time datetime=(machine_time(at)) { (clock_time(at)) }
        " " span class="relative" { (relative(at, now)) }
    }
}

/// How far a time is from now; the time itself for who points at it.
pub(in crate::http::operations::status) fn distance(at: UnixTime, now: UnixTime) -> Markup {
    html! { time datetime=(machine_time(at)) title=(clock_time(at)) { (relative(at, now)) } }
}

/// A time that may be missing, and what stands there then.
pub(super) fn moment_or(at: Option<UnixTime>, missing: &str, now: UnixTime) -> Markup {
    html! {
        @match at { Some(at) => (moment(at, now)), None => span class="none" { (missing) } }
    }
}

/// A word with the colour of its state; the word says it all without the colour.
pub(super) fn mark(class: &str, word: &str) -> Markup {
    html! { span class={ "mark " (class) } { (word) } }
}
