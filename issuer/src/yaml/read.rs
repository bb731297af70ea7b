//! Reads a document.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};
use serde_json::{Map, Number, Value};

/// Longest document in bytes: as JSON it is a record of the store.
pub(crate) const MAXIMUM_YAML_BYTES: usize = 64 * 1024;

/// Deepest nesting; a profile has nine levels.
const MAXIMUM_DEPTH: usize = 32;

/// Why a text is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum YamlError {
    /// Longer than [`MAXIMUM_YAML_BYTES`].
    #[error("it is longer than {MAXIMUM_YAML_BYTES} bytes")]
    TooLong,
    /// It is no YAML.
    #[error("it is no YAML: line {}, column {}: {}", .0.marker().line(), .0.marker().col() + 1, .0.info())]
    Scan(ScanError),
    /// YAML, but not of a kind that is read here.
    #[error("line {line}: {what}")]
    Refused {
        /// Where.
        line: usize,
        /// What.
        what: &'static str,
    },
}

/// Reads one document; nothing at all is null.
pub(crate) fn read(text: &str) -> Result<Value, YamlError> {
    if text.len() > MAXIMUM_YAML_BYTES {
        return Err(YamlError::TooLong);
    }
    let mut building = Building::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(YamlError::Scan)?;
        let line = span.start.line();
        building.take(event).map_err(|what| YamlError::Refused { line, what })?;
    }
    Ok(building.document.unwrap_or(Value::Null))
}

/// A collection that is being read.
enum Open {
    List(Vec<Value>),
    Object(Map<String, Value>, Option<String>),
}

#[derive(Default)]
struct Building {
    open: Vec<Open>,
    document: Option<Value>,
    documents: usize,
}

impl Building {
    fn take(&mut self, event: Event<'_>) -> Result<(), &'static str> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 { Err("only one document is read") } else { Ok(()) }
            }
            Event::Alias(_) => Err("aliases are not read: write it out"),
            Event::Scalar(text, style, anchor, tag) => {
                plain(anchor, tag.is_some())?;
                if self.needs_name() {
                    return self.name(text.into_owned(), style);
                }
                self.put(scalar(&text, style))
            }
            Event::SequenceStart(anchor, tag) => {
                plain(anchor, tag.is_some())?;
                self.begin(Open::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                plain(anchor, tag.is_some())?;
                self.begin(Open::Object(Map::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(items)) => self.put(Value::Array(items)),
                Some(Open::Object(fields, _)) => self.put(Value::Object(fields)),
                None => Err("it ends before it began"),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), &'static str> {
        if self.needs_name() {
            return Err("a name must be a text");
        }
        if self.open.len() >= MAXIMUM_DEPTH {
            return Err("it is nested too deeply");
        }
        self.open.push(open);
        Ok(())
    }

    fn needs_name(&self) -> bool {
        matches!(self.open.last(), Some(Open::Object(_, None)))
    }

    fn name(&mut self, name: String, style: ScalarStyle) -> Result<(), &'static str> {
        if name == "<<" && style == ScalarStyle::Plain {
            return Err("merge keys are not read: write it out");
        }
        match self.open.last_mut() {
            Some(Open::Object(fields, _)) if fields.contains_key(&name) => {
                Err("a name stands twice in one object")
            }
            Some(Open::Object(_, waiting)) => {
                *waiting = Some(name);
                Ok(())
            }
            _ => Err("a name stands where none may be"),
        }
    }

    fn put(&mut self, value: Value) -> Result<(), &'static str> {
        match self.open.last_mut() {
            None => self.document = Some(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Object(fields, waiting)) => {
                let name = waiting.take().ok_or("a value has no name")?;
                fields.insert(name, value);
            }
        }
        Ok(())
    }
}

fn plain(anchor: usize, has_tag: bool) -> Result<(), &'static str> {
    if anchor != 0 {
        return Err("anchors are not read: write it out");
    }
    if has_tag { Err("tags are not read") } else { Ok(()) }
}

/// Quoted, a text; else what the core schema says it is (YAML 1.2.2 section 10.3.2).
pub(super) fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Some(octal) = digits.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok().map(Number::from);
    }
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return i64::from_str_radix(hexadecimal, 16).ok().map(Number::from);
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.strip_prefix('+').unwrap_or(text).parse::<i64>().ok().map(Number::from);
    }
    let float = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !digits.chars().all(float) || !digits.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn collections_and_scalars_are_read_by_the_core_schema() {
        let text = "
# A comment.
id: demo
list: [1, -2, 0x10, 0o17, 1.5, true, ~, null, '1', \"x\\ty\"]
plain:
  - no
  - on
  - 1.2.3.4
  - 10.43.0.0/16
  - 2026-01-01
nested:
  text: |
    two
    lines
  folded: >-
    one
    line
  empty:
  object: { a: b }
";
        assert_eq!(
            read(text).unwrap(),
            json!({
                "id": "demo",
                "list": [1, -2, 16, 15, 1.5, true, null, null, "1", "x\ty"],
                "plain": ["no", "on", "1.2.3.4", "10.43.0.0/16", "2026-01-01"],
                "nested": { "text": "two\nlines\n", "folded": "one line", "empty": null, "object": { "a": "b" } },
            })
        );
        assert_eq!(read("").unwrap(), json!(null));
        assert_eq!(read("{\"a\": [1, \"b\"]}").unwrap(), json!({ "a": [1, "b"] }));
    }

    #[test]
    fn what_explodes_or_is_read_in_two_ways_is_refused() {
        for (text, what) in [
            ("a: &x 1\nb: *x", "anchors"),
            ("a: &x [1]\n", "anchors"),
            ("a: !!str 1", "tags"),
            ("a: !include x", "tags"),
            ("<<: {a: 1}", "merge"),
            ("a: 1\na: 2", "twice"),
            ("a: 1\n'a': 2", "twice"),
            ("? [1]\n: 2", "name"),
            ("a: 1\n---\nb: 2", "one document"),
            ("a: [1", "no YAML"),
            ("a: b: c", "no YAML"),
        ] {
            let refused = read(text).unwrap_err().to_string();
            assert!(refused.contains(what), "{text}: {refused}");
        }
        let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n";
        assert!(read(bomb).is_err());
    }

    #[test]
    fn a_document_is_bounded_in_length_and_depth() {
        let longest = format!("a: {}", "x".repeat(MAXIMUM_YAML_BYTES - 3));
        assert!(read(&longest).is_ok());
        assert!(matches!(read(&format!("{longest}x")), Err(YamlError::TooLong)));
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&deep(MAXIMUM_DEPTH)).is_ok());
        assert!(matches!(read(&deep(MAXIMUM_DEPTH + 1)), Err(YamlError::Refused { .. })));
        // Far past it nothing is exhausted either.
        assert!(read(&deep(30_000)).is_err());
    }
}
