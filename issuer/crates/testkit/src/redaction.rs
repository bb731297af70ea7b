//! Whether `Debug` shows a secret, in any of the forms in which bytes come to light.

use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Bytes of a secret's begin or end that are enough to tell that it is shown.
const TELLING_BYTES: usize = 8;

/// In which form `{:?}` or `{:#?}` of a value shows the begin or the end of a secret; `None` if in no form.
/// The secret ought to be random: zeros are everywhere.
///
/// # Panics
/// Where the secret has fewer than eight bytes.
pub fn shown_as(value: &dyn Debug, secret: &[u8]) -> Option<&'static str> {
    assert!(secret.len() >= TELLING_BYTES, "too short to be told from other bytes");
    let (begin, _) = secret.split_at(TELLING_BYTES);
    let (_, end) = secret.split_at(secret.len() - TELLING_BYTES);
    let texts = [format!("{value:?}"), format!("{value:#?}")];
    let shown = |bytes| texts.iter().find_map(|text| form_of(bytes, text));
    shown(begin).or_else(|| shown(end))
}

fn form_of(bytes: &[u8], text: &str) -> Option<&'static str> {
    let hex = hex(bytes);
    let list: Vec<_> = bytes.iter().map(u8::to_string).collect();
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let raw = std::str::from_utf8(bytes).is_ok_and(|raw| text.contains(raw));
    if raw || text.contains(&bytes.escape_ascii().to_string()) {
        Some("raw")
    } else if text.to_lowercase().contains(&hex) {
        Some("hexadecimal digits")
    } else if dense.contains(&list.join(",")) {
        Some("a list of numbers")
    } else if (0..3).any(|shift| base64_at(shift, bytes).iter().any(|part| text.contains(part))) {
        Some("base64")
    } else {
        None
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    bytes.iter().flat_map(digits).flatten().collect()
}

/// The characters that these bytes alone decide, where so many others stand before them in their group.
fn base64_at(shift: usize, bytes: &[u8]) -> [String; 2] {
    let shifted = [&vec![0; shift], bytes].concat();
    let whole = shifted.len() / 3 * 4;
    let begin = if shift == 0 { 0 } else { 4 };
    [STANDARD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)]
        .map(|text| text.chars().take(whole).skip(begin).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"\x00\xfa canary of some bytes \xff\xfe";

    #[derive(Debug)]
    struct Leak<T>(T);

    #[test]
    fn each_form_is_found_and_also_a_part() {
        let hex = hex(SECRET).to_uppercase();
        let text = "canary of some bytes";
        assert_eq!(shown_as(&Leak(text), text.as_bytes()), Some("raw"));
        assert_eq!(
            shown_as(&Leak(SECRET.escape_ascii().to_string()), text.as_bytes()),
            Some("raw")
        );
        assert_eq!(shown_as(&Leak(SECRET), SECRET), Some("a list of numbers"));
        assert_eq!(shown_as(&Leak(SECRET[5..].to_vec()), SECRET), Some("a list of numbers"));
        assert_eq!(shown_as(&Leak(hex), SECRET), Some("hexadecimal digits"));
        for before in 0..3 {
            let bytes = [&vec![7; before], SECRET, b"more"].concat();
            for text in [STANDARD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
                assert_eq!(shown_as(&Leak(text), SECRET), Some("base64"), "{before}");
            }
        }
        assert_eq!(shown_as(&Leak("redacted"), SECRET), None);
    }
}
