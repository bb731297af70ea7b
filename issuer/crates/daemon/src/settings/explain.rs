//! serde's messages in an operator's words.

/// What a message of serde says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Explained {
    /// This required key is not there.
    Missing(String),
    /// Something else, said in full.
    Other(String),
}

/// Reads a message of serde. One it does not know passes unchanged.
pub(super) fn explain(message: &str) -> Explained {
    let message = message.trim();
    if let Some(field) = message.strip_prefix("missing field `").and_then(|m| m.strip_suffix('`')) {
        return Explained::Missing(field.to_owned());
    }
    Explained::Other(
        unknown(message, "unknown field `", "key")
            .or_else(|| unknown(message, "unknown variant `", "value"))
            .or_else(|| wrong(message, "invalid type: ", "wrong type"))
            .or_else(|| wrong(message, "invalid value: ", "not allowed"))
            .or_else(|| wrong(message, "invalid length ", "wrong number of values"))
            .unwrap_or_else(|| message.replace('\n', ", ")),
    )
}

/// An unknown name and what was expected, each in backticks, with the nearest of them.
fn unknown(message: &str, start: &str, noun: &str) -> Option<String> {
    let (name, expected) = message.strip_prefix(start)?.split_once('`')?;
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let near = known
        .iter()
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1));
    Some(match near {
        Some((_, near)) => format!("unknown {noun}; did you mean {near}?"),
        None if known.is_empty() => format!("unknown {noun}; none is known here"),
        None => format!("unknown {noun}; known are {}", known.join(", ")),
    })
}

/// `invalid type: FOUND, expected WANTED`.
fn wrong(message: &str, start: &str, what: &str) -> Option<String> {
    let (found, wanted) = message.strip_prefix(start)?.rsplit_once(", expected ")?;
    Some(format!("{what}: found {}, expected {}", named(found), named(wanted)))
}

/// Rust's names for types in TOML's words.
fn named(text: &str) -> String {
    match text {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => {
            "a whole number".to_owned()
        }
        "a sequence" | "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        _ => text.strip_prefix("struct ").map_or_else(|| text.to_owned(), |_| "a table".to_owned()),
    }
}

/// The edits (insert, delete, replace, swap neighbours) from one name to another.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&row, j) + usize::from(a != b)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_edits() {
        for (from, to, edits) in [
            ("", "", 0),
            ("a", "", 1),
            ("lifetme", "lifetime", 1),
            ("prot", "port", 1),
            ("ab", "cd", 2),
        ] {
            assert_eq!((distance(from, to), distance(to, from)), (edits, edits), "{from} {to}");
        }
    }

    #[test]
    fn far_names_are_not_suggested() {
        let message = "unknown field `colour`, expected `url` or `path`";
        let said = Explained::Other("unknown key; known are url, path".to_owned());
        assert_eq!(explain(message), said);
    }
}
