//! Writes a value as people write YAML: blocks, and texts without quotes where they are read back as texts.

use saphyr_parser::ScalarStyle;
use serde_json::Value;

use super::read::scalar;

/// A document.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => block(&mut text, value, 0),
        Value::Array(items) if !items.is_empty() => block(&mut text, value, 0),
        scalar => {
            text.push_str(&inline(scalar));
            text.push('\n');
        }
    }
    text
}

fn block(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                text.push_str(&indent);
                text.push_str(&quoted(name));
                text.push(':');
                below(text, value, depth + 1);
            }
        }
        Value::Array(items) => {
            for item in items {
                text.push_str(&indent);
                text.push('-');
                if let Value::Object(fields) = item
                    && !fields.is_empty()
                {
                    let mut nested = String::new();
                    block(&mut nested, item, depth + 1);
                    text.push(' ');
                    text.push_str(nested.trim_start_matches(' '));
                } else {
                    below(text, item, depth + 1);
                }
            }
        }
        scalar => {
            text.push_str(&inline(scalar));
            text.push('\n');
        }
    }
}

/// What stands behind a name or a dash.
fn below(text: &mut String, value: &Value, depth: usize) {
    let is_empty = match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    if is_empty {
        text.push(' ');
        text.push_str(&inline(value));
        text.push('\n');
    } else {
        text.push('\n');
        block(text, value, depth);
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        other => other.to_string(),
    }
}

/// Without quotes where nothing in it means anything to YAML; else as JSON, which is YAML too.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@+*()".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '.');
    let is_text = scalar(text, ScalarStyle::Plain).is_string();
    // A colon inside a word is part of it, as in a URL.
    let colons = text.replace("://", "").replace(':', "");
    let words = text.split(' ').all(|word| !word.is_empty() && !word.ends_with(':'));
    if begins && is_text && words && colons.replace(' ', "").chars().all(plain) {
        text.to_owned()
    } else {
        Value::String(text.to_owned()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::yaml::read;

    #[test]
    fn it_is_written_as_people_write_it() {
        // In the order of the names, which is that of any map.
        let value = json!({
            "credentials": [{ "name": "a b", "none": [], "scopes": ["1", "x: y", "https://a.example:80/b"] }],
            "id": "demo",
            "port": 80,
        });
        let written = write(&value);
        assert_eq!(
            written,
            "credentials:\n  - name: a b\n    none: []\n    scopes:\n      - \"1\"\n      - \"x: y\"\n      \
             - https://a.example:80/b\nid: demo\nport: 80\n"
        );
        assert_eq!(read(&written).unwrap(), value);
    }

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|b| json!(b)),
            any::<i64>().prop_map(|n| json!(n)),
            "[ -~\\n\\t\u{e9}]{0,12}".prop_map(|s| json!(s)),
            Just(json!("no")),
            Just(json!("1.5")),
            Just(json!("---")),
        ];
        scalar.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::btree_map("[ -~]{0,6}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in value()) {
            let written = write(&value);
            prop_assert_eq!(read(&written).map_err(|e| e.to_string()), Ok(value), "{}", written);
        }
    }
}
