//! What a person asks first, beside the verdict.

use maud::{Markup, html};

use super::cells::distance;
use crate::http::operations::status::view::StatusView;

/// What a person asks first, beside the verdict.
pub(in crate::http::operations::status) fn glance(view: &StatusView) -> Markup {
    let ([five, ..], runners) = (&view.tokens.spans, &view.runners);
    let refused: u64 = five.refused.values().sum();
    let turns: Option<Vec<_>> = view.rotations.iter().map(|next| next.signs_at).collect();
    let signs_at = turns.and_then(|turns| turns.into_iter().min());
    html! {
        dl class="glance" {
            div { dt { "Another key signs" } dd {
                @match signs_at {
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
