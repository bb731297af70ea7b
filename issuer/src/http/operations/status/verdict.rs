//! What it comes to: one sentence, and what to do for each thing that is wrong.

use serde::Serialize;

use super::advice::Advice;
use super::findings::findings;
use super::view::StatusView;

/// How bad it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Nothing is to be done.
    #[default]
    Good,
    /// Tokens are minted and taken. Something will stop that if nobody looks.
    Attention,
    /// Tokens are not minted, or not taken.
    Failing,
}

impl State {
    /// The state in a word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "Good",
            Self::Attention => "Attention",
            Self::Failing => "Failing",
        }
    }

    /// The state as a class of the page's style.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Attention => "attention",
            Self::Failing => "failing",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) state: State,
    /// What is wrong, and what follows from it.
    pub(super) what: String,
    /// Why, as far as the coordinator knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
    /// What to do.
    #[serde(flatten)]
    pub(super) advice: Advice,
}

/// What it comes to.
#[derive(Debug, Default, Serialize)]
pub(super) struct Verdict {
    pub(super) state: State,
    pub(super) sentence: String,
    /// What is wrong, the worst first.
    pub(super) findings: Vec<Finding>,
}

impl Verdict {
    /// What this comes to.
    pub(super) fn of(view: &StatusView) -> Self {
        let mut findings = findings(view);
        // Stable: what stops minting is found first.
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.state));
        let state = findings.first().map_or(State::Good, |worst| worst.state);
        let sentence = match (findings.first(), state) {
            (None, _) => {
                "All is well: tokens are minted, and relying parties can verify them.".into()
            }
            (Some(worst), State::Failing) => worst.what.clone(),
            (Some(worst), _) => format!("Tokens are minted. {}", worst.what),
        };
        Self { state, sentence, findings }
    }
}
