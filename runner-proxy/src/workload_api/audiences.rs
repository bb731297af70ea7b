//! The audiences of a request for JWT-SVIDs.

use moneyer_identity::{Audience, AudienceError};

use super::status::Refusal;

/// Most audiences looked at in one request: the most that a coordinator can be configured to allow; 4 unless
/// it is.
const MAXIMUM_AUDIENCES: usize = 32;

/// Reads them in their order. One that is named twice counts once: the standard forbids no repetition, and
/// the token would say the same.
pub(super) fn read(texts: &[String]) -> Result<Vec<Audience>, Refusal> {
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(Refusal::NoAudience);
    }
    if texts.len() > MAXIMUM_AUDIENCES {
        return Err(Refusal::Audience(AudienceError::TooMany(MAXIMUM_AUDIENCES)));
    }
    let mut audiences: Vec<Audience> = Vec::with_capacity(texts.len());
    for text in texts {
        let audience = Audience::parse(text).map_err(Refusal::Audience)?;
        if !audiences.contains(&audience) {
            audiences.push(audience);
        }
    }
    Ok(audiences)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Option<Vec<String>> {
        let texts: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
        let read = read(&texts).ok()?;
        Some(read.iter().map(Audience::to_string).collect())
    }

    #[test]
    fn in_their_order_and_each_once() {
        assert_eq!(parse(&["b", "a", "b"]).unwrap(), ["b", "a"]);
        for odd in [&[][..], &[""], &["a", ""], &["a b"]] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_request_names_32_at_most() {
        let names: Vec<_> = (0..33).map(|number| format!("a{number}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        assert_eq!(parse(&names[..32]).unwrap().len(), 32);
        assert_eq!(parse(&names), None);
    }
}
