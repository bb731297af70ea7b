//! Drawings: the time line of the keys, and the tokens of the last hour.
//!
//! SVG whose places are percentages and whose heights are pixels, so that a drawing takes whatever width
//! there is and no text in it is stretched. No attribute is a style: the page's policy allows none.

use std::fmt;

use maud::{Markup, html};
use moneyer_authority::keys::KeyState;
use moneyer_identity::UnixTime;

use super::keys::KeyStatus;
use super::traffic::MinuteStatus;
use super::words::relative;
use crate::rates::MINUTES;

/// What a key is to relying parties in a part of its life: the class of the style, and the words of the
/// legend.
pub(super) const PHASES: [(&str, &str); 4] = [
    ("waits", "published, does not sign yet"),
    ("signs", "signs"),
    ("spare", "signs on if the next key is late"),
    ("verifies", "published until its last token is dead"),
];

/// How much of a life that began long ago is drawn, in lives that are still to come: what is to come is
/// what somebody waits for.
const PAST: i64 = 2;

/// A span of time across the width of a drawing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) from: UnixTime,
    pub(super) to: UnixTime,
    pub(super) now: UnixTime,
}

impl Scale {
    /// From the first key's beginning to the last one's end.
    pub(super) fn of(keys: &[KeyStatus], now: UnixTime) -> Self {
        let begins = keys.iter().map(|key| key.key.created_at.0).min().unwrap_or(now.0);
        let ends = keys.iter().flat_map(|key| [key.gone_at, key.turn_at]).flatten();
        let to = ends.map(|at| at.0).max().unwrap_or(now.0).max(now.0.saturating_add(60));
        let ahead = to.saturating_sub(now.0);
        let from = begins.max(now.0.saturating_sub(ahead.saturating_mul(PAST))).min(now.0);
        Self { from: UnixTime(from), to: UnixTime(to), now }
    }

    /// Where a time is.
    fn place(&self, at: UnixTime) -> Share {
        Share::of(at.since(self.from).as_secs(), self.to.since(self.from).as_secs())
    }
}

/// A part of the width, in tenths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Share(u16);

impl Share {
    fn of(part: u64, whole: u64) -> Self {
        let tenths = u128::from(part.min(whole)) * 1000 / u128::from(whole.max(1));
        Self(u16::try_from(tenths).unwrap_or(1000))
    }

    /// From there to here: seen, however short.
    fn from(self, there: Self) -> Self {
        Self(self.0.saturating_sub(there.0).max(3))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}%", self.0 / 10, self.0 % 10)
    }
}

/// A key's life, the present marked.
pub(super) fn life(key: &KeyStatus, scale: Scale) -> Markup {
    let now = scale.place(scale.now);
    html! {
        svg class="life" role="img" width="100%" height="28" aria-label=(told(key, scale.now)) {
            rect class="ground" x="0" y="10" width="100%" height="8" {}
            @for (class, from, to) in phases(key, scale.now) {
                @let (from, to) = (scale.place(from), scale.place(to));
                rect class=(class) x=(from) y="6" width=(to.from(from)) height="16" rx="2" {}
            }
            @if is_open(key) {
                @let rest = scale.place(scale.to).from(now);
                rect class="open" x=(now) y="6.5" width=(rest) height="15" rx="2" {}
            }
            line class="now" x1=(now) x2=(now) y1="0" y2="28" {}
        }
    }
}

/// Whether nobody knows when this key will sign.
pub(super) fn is_open(key: &KeyStatus) -> bool {
    key.key.state == KeyState::Prepared && key.turn_at.is_none()
}

/// The phases of a key, those that last.
fn phases(key: &KeyStatus, now: UnixTime) -> Vec<(&'static str, UnixTime, UnixTime)> {
    let view = &key.key;
    let published = view.published_at.unwrap_or(view.created_at);
    let mut phases = Vec::new();
    let mut add = |class, from: UnixTime, to: UnixTime| {
        if to > from {
            phases.push((class, from, to));
        }
    };
    let Some(activated) = view.activated_at else {
        let until = key.turn_at.or(key.gone_at).unwrap_or(now).max(published.plus(MINUTE));
        let class = if view.state == KeyState::Prepared { "waits" } else { "verifies" };
        add(class, published, until);
        return phases;
    };
    let ends = view.sign_until.or(key.turn_at).unwrap_or(now);
    let turn = key.turn_at.unwrap_or(ends).min(ends);
    add("waits", published, activated);
    add("signs", activated, turn);
    // Of a key that has a successor nobody needs what was spare.
    let after = if view.state == KeyState::Active { "spare" } else { "verifies" };
    add(after, turn, ends);
    if view.state != KeyState::Withdrawn {
        add("verifies", ends, key.gone_at.unwrap_or(ends));
    }
    phases
}

/// So that a key of this moment is seen.
const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

/// The drawing in words.
fn told(key: &KeyStatus, now: UnixTime) -> String {
    let view = &key.key;
    let mut words = vec![format!("made {}", relative(view.created_at, now))];
    let mut add = |what: &str, at: Option<UnixTime>| {
        words.extend(at.map(|at| format!("{what} {}", relative(at, now))));
    };
    add("published", view.published_at);
    add("signs since", view.activated_at);
    add("next turn", key.turn_at);
    add("signs at the longest until", view.sign_until);
    add("gone", key.gone_at);
    words.join(", ")
}

/// The axis under the lives: the ends and the present.
pub(super) fn axis(scale: Scale) -> Markup {
    let now = scale.place(scale.now);
    let day = |at| super::words::clock_time(at).split(' ').next().unwrap_or_default().to_owned();
    // Beside an end there is no room for another word.
    let (left, right) = (now > Share(300), now < Share(700));
    let anchor = if now < Share(60) {
        "start"
    } else if now > Share(940) {
        "end"
    } else {
        "middle"
    };
    html! {
        svg class="axis" aria-hidden="true" width="100%" height="18" {
            @if left { text x="0" y="13" { (day(scale.from)) } }
            text class="now" x=(now) y="13" text-anchor=(anchor) { "now" }
            @if right { text x="100%" y="13" text-anchor="end" { (day(scale.to)) } }
        }
    }
}

/// The sample of a phase in the legend.
pub(super) fn sample(class: &str) -> Markup {
    html! {
        svg class="sample" aria-hidden="true" width="18" height="12" {
            rect class=(class) width="18" height="12" rx="2" {}
        }
    }
}

/// Height of the drawing of tokens, in pixels.
const HEIGHT: u64 = 64;

/// Tokens by the minute over the last hour: minted upwards from the ground, refused above them.
pub(super) fn minutes(minutes: &[MinuteStatus]) -> Markup {
    let highest = minutes.iter().map(|one| one.minted + one.refused).max().unwrap_or(0);
    let height = |count: u64| (count * HEIGHT).div_ceil(highest.max(1));
    // The present minute is at the right edge, however many there are.
    let first = MINUTES.saturating_sub(minutes.len() as u64);
    let bars = minutes.iter().zip(first..);
    let label = format!("tokens by the minute over the last hour, {highest} in the busiest");
    html! {
        svg class="minutes" role="img" width="100%" height=(HEIGHT) aria-label=(label) {
            @for (one, at) in bars {
                @let x = Share::of(at, MINUTES);
                @let refused = height(one.refused).min(HEIGHT);
                @let minted = height(one.minted).min(HEIGHT - refused);
                @if minted > 0 {
                    rect class="minted" x=(x) y=(HEIGHT - minted) width="1.3%" height=(minted) {}
                }
                @if refused > 0 {
                    rect class="refused" x=(x) y=(HEIGHT - minted - refused) width="1.3%" height=(refused) {}
                }
            }
            line class="ground" x1="0" x2="100%" y1=(HEIGHT) y2=(HEIGHT) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::KeyId;

    use super::*;
    use crate::http::management::KeyView;

    const DAY: i64 = 24 * 3600;
    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn day(days: i64) -> UnixTime {
        UnixTime(NOW.0 + days * DAY)
    }

    fn key(state: KeyState, times: [Option<i64>; 5]) -> KeyStatus {
        let [published_at, activated_at, turn_at, sign_until, gone_at] =
            times.map(|time| time.map(day));
        let key = KeyView {
            key_id: "k".parse::<KeyId>().unwrap(),
            state,
            algorithm: None,
            created_at: published_at.unwrap_or(NOW),
            published_at,
            activated_at,
            sign_until,
            next: None,
        };
        KeyStatus { key, turn_at, gone_at, seen: None }
    }

    #[test]
    fn a_life_has_its_phases_in_order_and_without_a_gap() {
        let told = |key: &KeyStatus| {
            let phases = phases(key, NOW).into_iter();
            let days = |at: UnixTime| (at.0 - NOW.0) / DAY;
            phases.map(|(class, from, to)| (class, days(from), days(to))).collect::<Vec<_>>()
        };
        let active = key(KeyState::Active, [-21, -20, 10, 13, 14].map(Some));
        let expected =
            [("waits", -21, -20), ("signs", -20, 10), ("spare", 10, 13), ("verifies", 13, 14)];
        assert_eq!(told(&active), expected);
        let retiring = key(KeyState::Retiring, [-31, -30, -1, 2, 3].map(Some));
        let expected =
            [("waits", -31, -30), ("signs", -30, -1), ("verifies", -1, 2), ("verifies", 2, 3)];
        assert_eq!(told(&retiring), expected);
        let prepared = key(KeyState::Prepared, [Some(-1), None, Some(4), None, None]);
        assert_eq!(told(&prepared), [("waits", -1, 4)]);
        // A successor that is held up leaves what was spare to the active key.
        let held_up = key(KeyState::Active, [Some(-31), Some(-30), None, Some(3), Some(4)]);
        assert_eq!(told(&held_up), [("waits", -31, -30), ("signs", -30, 3), ("verifies", 3, 4)]);
        let withdrawn = key(KeyState::Withdrawn, [Some(-9), Some(-8), Some(-2), Some(-2), Some(1)]);
        assert_eq!(
            told(&withdrawn),
            [("waits", -9, -8), ("signs", -8, -2)],
            "it is out of the set"
        );
    }

    #[test]
    fn what_is_to_come_has_room_however_old_a_key_is() {
        let old = [key(KeyState::Active, [Some(-4000), Some(-4000), Some(8), Some(9), Some(10)])];
        let scale = Scale::of(&old, NOW);
        assert_eq!((scale.from, scale.to), (day(-20), day(10)));
        assert_eq!(scale.place(NOW).to_string(), "66.6%");
        assert_eq!(scale.place(day(-4000)), Share(0));
        assert_eq!(scale.place(day(4000)), Share(1000));
        let young = [key(KeyState::Active, [Some(0), Some(0), Some(30), Some(33), Some(34)])];
        assert_eq!(Scale::of(&young, NOW).from, NOW);
        let none = Scale::of(&[], NOW);
        assert!(none.to > none.from);
    }

    #[test]
    fn a_refusal_among_many_tokens_is_seen() {
        let busy = [MinuteStatus { minted: 10_000, refused: 1 }; 2];
        let drawn = minutes(&busy).into_string();
        assert_eq!(drawn.matches("class=\"refused\"").count(), 2, "{drawn}");
        assert!(drawn.contains("10001 in the busiest"));
        assert!(drawn.contains("x=\"98.3%\""), "the present minute is at the right: {drawn}");
        assert!(!minutes(&[]).into_string().contains("rect"));
    }
}
