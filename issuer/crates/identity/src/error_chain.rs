//! An error told with its causes: one sentence for a log, an audit record or a person.
//!
//! Errors of this project keep their cause apart from their text; here is the one place that joins the
//! two. A cause that its error has said already, as those of other crates often do, is not said again.

use std::error::Error;

/// An error and its causes, outermost first.
#[must_use]
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        #[source]
        cause: Option<Box<Link>>,
    }

    fn link(text: &'static str, cause: Option<Link>) -> Link {
        Link { text, cause: cause.map(Box::new) }
    }

    #[test]
    fn causes_follow_and_none_is_said_twice() {
        assert_eq!(error_chain(&link("a", None)), "a");
        let error = link("a", Some(link("b", Some(link("c", None)))));
        assert_eq!(error_chain(&error), "a: b: c");
        let error = link("a: b", Some(link("b", Some(link("c", None)))));
        assert_eq!(error_chain(&error), "a: b: c");
    }
}
