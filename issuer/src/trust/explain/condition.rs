//! One condition of a statement: an operator, a key, and what is expected (IAM, condition operators).

use super::token::Told;
use super::{Look, Verdict};

/// An operator, a key, and the values of which one has to fit.
#[derive(Debug)]
pub(super) struct Condition {
    operator: String,
    key: String,
    expected: Vec<String>,
}

/// How values are compared.
#[derive(Debug, Clone, Copy)]
struct Comparison {
    /// Whether one expected value fits one found value.
    fits: fn(&str, &str) -> bool,
    /// Whether none may fit.
    negated: bool,
}

impl Condition {
    pub(super) fn new(operator: &str, key: &str, expected: Vec<String>) -> Self {
        Self { operator: operator.to_owned(), key: key.to_owned(), expected }
    }

    /// What it does with a token.
    pub(super) fn look(&self, told: &Told<'_>) -> Look {
        let what = format!("{} {}", self.operator, self.key);
        let Some(comparison) = self.comparison() else {
            let found = "a kind of condition that is not judged here";
            return Look::new(Verdict::Unknown, what, found);
        };
        if self.expected.iter().any(|expected| expected.contains("${")) {
            return Look::new(
                Verdict::Unknown,
                what,
                "a policy variable, which is not judged here",
            );
        }
        let any = self.operator.starts_with("ForAnyValue:");
        let may_be_missing = self.operator.ends_with("IfExists")
            || self.operator.starts_with("ForAllValues:")
            || (comparison.negated && !any);
        let Some(values) = told.values(&self.key) else {
            return self.foreign(told, what, may_be_missing);
        };
        let wanted = self.expected.join(", ");
        if values.is_empty() {
            let verdict = if may_be_missing { Verdict::Fits } else { Verdict::Refuses };
            return Look::new(
                verdict,
                what,
                format!("the token has none; the policy wants {wanted}"),
            );
        }
        let fits = |value: &String| {
            self.expected.iter().any(|expected| (comparison.fits)(expected, value))
                != comparison.negated
        };
        let found = values.join(", ");
        if if any { values.iter().any(fits) } else { values.iter().all(fits) } {
            Look::new(Verdict::Fits, what, found)
        } else {
            let wants = if comparison.negated { "does not want" } else { "wants" };
            Look::new(
                Verdict::Refuses,
                what,
                format!("the token has {found}; the policy {wants} {wanted}"),
            )
        }
    }

    /// A key that the token gives no value.
    fn foreign(&self, told: &Told<'_>, what: String, may_be_missing: bool) -> Look {
        let claim = self.key.rsplit_once(':').map_or(self.key.as_str(), |(_, claim)| claim);
        let (is_of_token, provider) = (
            matches!(claim.to_ascii_lowercase().as_str(), "aud" | "sub" | "azp" | "amr" | "oaud"),
            told.provider().unwrap_or_default(),
        );
        if is_of_token && may_be_missing {
            return Look::new(Verdict::Fits, what, "a key of another issuer, which may be missing");
        }
        if is_of_token {
            let found =
                format!("a key of another issuer; that of this token is {provider}:{claim}");
            return Look::new(Verdict::Refuses, what, found);
        }
        if self.key.to_ascii_lowercase().starts_with(&format!("{}:", provider.to_ascii_lowercase()))
        {
            let found = "AWS knows aud, sub, azp and amr of a token and no other claim; a session tag \
                         (aws:RequestTag/…) says the same";
            return Look::new(Verdict::Refuses, what, found);
        }
        Look::new(Verdict::Unknown, what, "not from the token")
    }

    fn comparison(&self) -> Option<Comparison> {
        let operator = self.operator.strip_suffix("IfExists").unwrap_or(&self.operator);
        let operator = operator.split_once(':').map_or(operator, |(_, operator)| operator);
        let (name, negated) = match operator.split_once("Not") {
            Some((kind, rest)) => (format!("{kind}{rest}"), true),
            None => (operator.to_owned(), false),
        };
        let fits: fn(&str, &str) -> bool = match name.as_str() {
            "StringEquals" => |expected, value| expected == value,
            "StringEqualsIgnoreCase" | "Bool" => {
                |expected, value| expected.eq_ignore_ascii_case(value)
            }
            "StringLike" => is_like,
            _ => return None,
        };
        Some(Comparison { fits, negated })
    }
}

/// Whether a text fits a pattern, in which `*` stands for any text and `?` for any character.
pub(super) fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // Which prefixes of the text fit the pattern read so far: no more work than their product.
    let mut fits = vec![false; text.len().saturating_add(1)];
    if let Some(empty) = fits.first_mut() {
        *empty = true;
    }
    for letter in pattern {
        let before = fits.clone();
        let mut carried = false;
        for (at, fit) in fits.iter_mut().enumerate() {
            let above = before.get(at).copied().unwrap_or(false);
            let shorter = at.checked_sub(1);
            let step = shorter.and_then(|at| before.get(at)).copied().unwrap_or(false);
            let same = shorter.and_then(|at| text.get(at)).is_some_and(|other| *other == letter);
            *fit = match letter {
                '*' => above || carried,
                '?' => step,
                _ => step && same,
            };
            carried = *fit;
        }
    }
    fits.last().copied().unwrap_or(false)
}
