//! Figures on standard output, progress on standard error.

use std::io::{self, Write as _};

use serde::Serialize;
use serde_json::Value;

use super::arguments::Format;

/// Prints figures: as JSON as they are, as text a figure a line with its path.
pub(super) fn print(format: Format, figures: &impl Serialize) -> io::Result<()> {
    let figures = serde_json::to_value(figures)?;
    let text = match format {
        Format::Json => figures.to_string() + "\n",
        Format::Text => table(&figures),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn table(figures: &Value) -> String {
    let mut lines = Vec::new();
    flatten(String::new(), figures, &mut lines);
    let width = lines.iter().map(|(path, _)| path.len()).max().unwrap_or(0);
    let aligned = lines.into_iter().map(|(path, value)| format!("{path:width$}  {value}"));
    aligned.collect::<Vec<_>>().join("\n") + "\n"
}

fn flatten(path: String, value: &Value, lines: &mut Vec<(String, String)>) {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| flatten(below(name), value, lines));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(n, item)| flatten(below(&n.to_string()), item, lines));
        }
        Value::Number(number) if number.is_f64() => {
            lines.push((path, format!("{:.3}", number.as_f64().unwrap_or(f64::NAN))));
        }
        Value::String(text) => lines.push((path, text.clone())),
        Value::Null => lines.push((path, "none".to_owned())),
        plain => lines.push((path, plain.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_for_each_figure() {
        let figures = serde_json::json!({
            "work": "mint", "ratio": 0.87654, "tokens": 12, "reference": { "what": "nginx" },
            "none": null, "list": [1.5],
        });
        let text = table(&figures);
        for line in [
            "ratio           0.877",
            "reference.what  nginx",
            "tokens          12",
            "none            none",
            "list.0          1.500",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
