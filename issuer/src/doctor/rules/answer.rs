//! How a document is answered: reached at all, 200, no redirect, JSON by type and content, quick, small.

use http::HeaderMap;
use moneyer_daemon::outbound::Answer;

use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part};
use crate::doctor::observation::{Document, Limits, Missing};
use crate::doctor::rules::words::seconds;

/// Larger than any honest discovery document or key set.
const LARGE: usize = 64 * 1024;

pub(super) fn answer(document: &Document, part: Part, limits: &Limits) -> Vec<Finding> {
    let mut findings = vec![reachable(document, part), time(document, part, limits)];
    if let Ok(answer) = &document.answer {
        findings.extend(status(answer, part));
        findings.push(content_type(&answer.headers, part));
        findings.push(size(answer, part));
        findings.push(json(document, part));
    } else {
        let rest = [Check::Redirect, Check::Status, Check::ContentType, Check::Size, Check::Json];
        findings.extend(rest.map(|id| Finding::skipped(id, part, "there is no answer")));
    }
    findings
}

fn reachable(document: &Document, part: Part) -> Finding {
    let (id, url) = (Check::Reachable, &document.url);
    match &document.answer {
        Ok(_) => Finding::ok(id, part, format!("{url} answers")),
        Err(Missing::TimedOut) => {
            Finding::failure(id, part, format!("{url} does not answer in time"))
        }
        Err(Missing::NoAnswer(why)) => Finding::failure(id, part, why.as_str()),
        Err(Missing::NotAsked(why)) => Finding::skipped(id, part, why.as_str()),
    }
}

fn time(document: &Document, part: Part, limits: &Limits) -> Finding {
    let id = Check::Time;
    let found = format!("it took {}", seconds(document.took));
    match &document.answer {
        Ok(_) if document.took > limits.too_slow => Finding::failure(id, part, found),
        Ok(_) if document.took > limits.slow => Finding::warning(id, part, found),
        Ok(_) => Finding::ok(id, part, found),
        Err(Missing::TimedOut) => {
            Finding::failure(id, part, format!("nothing whole came in {}", seconds(limits.give_up)))
        }
        Err(_) => Finding::skipped(id, part, "there is no answer"),
    }
}

fn status(answer: &Answer, part: Part) -> Vec<Finding> {
    let status = answer.status;
    let location = answer.headers.get("location").map(|to| String::from_utf8_lossy(to.as_bytes()));
    let redirect = if status.is_redirection() {
        let to = location.map_or_else(String::new, |to| format!(" to {to}"));
        Finding::failure(Check::Redirect, part, format!("{status}{to}"))
    } else {
        Finding::ok(Check::Redirect, part, "no redirect")
    };
    let status = match status.as_u16() {
        200 => Finding::ok(Check::Status, part, "200"),
        _ if status.is_redirection() => Finding::skipped(Check::Status, part, "it is a redirect"),
        _ => Finding::failure(Check::Status, part, format!("{status}{}", begins(&answer.body))),
    };
    vec![redirect, status]
}

/// The beginning of an error page, by which somebody may know whose it is.
fn begins(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body)
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(80)
        .collect();
    if text.trim().is_empty() {
        String::new()
    } else {
        format!(", beginning with: {}", text.trim())
    }
}

/// `application/json`, with or without parameters (OpenID Connect Discovery 1.0 section 4.2).
fn content_type(headers: &HeaderMap, part: Part) -> Finding {
    let id = Check::ContentType;
    let sent = headers.get("content-type").map(|sent| String::from_utf8_lossy(sent.as_bytes()));
    let Some(sent) = sent else { return Finding::failure(id, part, "no Content-Type is sent") };
    let media_type = sent.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Finding::ok(id, part, &*sent)
    } else if part == Part::KeySet && media_type.eq_ignore_ascii_case("application/jwk-set+json") {
        // RFC 7517 section 8.5 gave key sets a type of their own, and few send it.
        Finding::warning(id, part, format!("it is sent as {sent}"))
    } else {
        Finding::failure(id, part, format!("it is sent as {sent}"))
    }
}

fn size(answer: &Answer, part: Part) -> Finding {
    let (id, size) = (Check::Size, answer.body.len());
    match size {
        _ if answer.cut_off => Finding::failure(id, part, format!("more than {size} bytes")),
        size if size > LARGE => Finding::warning(id, part, format!("{size} bytes")),
        size => Finding::ok(id, part, format!("{size} bytes")),
    }
}

fn json(document: &Document, part: Part) -> Finding {
    let id = Check::Json;
    let Some(answer) = document.whole() else {
        return Finding::skipped(id, part, "there is no whole document");
    };
    match document.object() {
        Some(_) => Finding::ok(id, part, "a JSON object"),
        None => Finding::failure(id, part, format!("no JSON object{}", begins(&answer.body))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::doctor::finding::Severity;
    use crate::doctor::samples::{discovery, key_set, severities, with_body, with_field};

    fn bad(document: &Document) -> (Vec<&'static str>, Vec<&'static str>) {
        let found = answer(document, Part::Discovery, &Limits::default());
        assert_eq!(found.len(), 7);
        (severities(&found, Severity::Failure), severities(&found, Severity::Warning))
    }

    fn none() -> Vec<&'static str> {
        Vec::new()
    }

    fn with_status(status: u16) -> Document {
        let mut document = discovery();
        document.answer.as_mut().unwrap().status = StatusCode::from_u16(status).unwrap();
        document
    }

    #[test]
    fn a_good_answer_has_nothing_to_be_said_of() {
        assert_eq!(bad(&discovery()), (none(), none()));
        let parameters = with_field(discovery(), "content-type", "Application/JSON; charset=utf-8");
        assert_eq!(bad(&parameters), (none(), none()));
    }

    #[test]
    fn a_redirect_is_told_with_where_it_leads() {
        for status in [301, 302, 303, 307, 308] {
            let document = with_field(with_status(status), "location", "https://other.example/");
            assert_eq!(bad(&document), (vec!["redirect"], none()));
            let found = answer(&document, Part::Discovery, &Limits::default());
            assert!(found.iter().any(|finding| finding.found.contains("https://other.example/")));
        }
    }

    #[test]
    fn any_status_but_200_is_a_failure() {
        for status in [201, 204, 403, 404, 429, 500, 503] {
            assert_eq!(bad(&with_status(status)), (vec!["status"], none()), "{status}");
        }
        let page = with_body(with_status(403), b"<Error>\n<Code>AccessDenied</Code>");
        let found = answer(&page, Part::Discovery, &Limits::default());
        assert!(
            found.iter().any(|f| f.found.contains("beginning with: <Error> <Code>AccessDenied"))
        );
    }

    #[test]
    fn the_type_is_json() {
        for wrong in ["text/html", "application/octet-stream", "application/jwk-set+json", ""] {
            let document = with_field(discovery(), "content-type", wrong);
            assert_eq!(bad(&document), (vec!["content-type"], none()), "{wrong}");
        }
        let own = with_field(key_set(), "content-type", "application/jwk-set+json");
        assert_eq!(
            content_type(&own.answer.unwrap().headers, Part::KeySet).severity,
            Severity::Warning
        );
        let mut nothing = discovery();
        nothing.answer.as_mut().unwrap().headers.remove("content-type");
        assert_eq!(bad(&nothing), (vec!["content-type"], none()));
    }

    #[test]
    fn a_second_is_slow_and_five_are_too_slow() {
        for (millis, failures, warnings) in [
            (1000, none(), none()),
            (1001, none(), vec!["time"]),
            (5000, none(), vec!["time"]),
            (5001, vec!["time"], none()),
        ] {
            let took = Duration::from_millis(millis);
            assert_eq!(bad(&Document { took, ..discovery() }), (failures, warnings), "{millis}");
        }
    }

    #[test]
    fn a_long_or_cut_off_body() {
        let spaces =
            |count: usize| with_body(discovery(), &[b"{}".to_vec(), vec![b' '; count]].concat());
        assert_eq!(bad(&spaces(LARGE - 2)), (none(), none()));
        assert_eq!(bad(&spaces(LARGE - 1)), (none(), vec!["size"]));
        let mut cut = discovery();
        cut.answer.as_mut().unwrap().cut_off = true;
        assert_eq!(bad(&cut), (vec!["size"], none()));
    }

    #[test]
    fn what_is_no_object_is_told() {
        for body in ["", "[]", "7", "<html>", "{"] {
            assert_eq!(
                bad(&with_body(discovery(), body.as_bytes())),
                (vec!["json"], none()),
                "{body}"
            );
        }
    }

    #[test]
    fn no_answer_is_one_failure_and_the_rest_is_skipped() {
        let with = |missing: Missing| Document { answer: Err(missing), ..discovery() };
        assert_eq!(
            bad(&with(Missing::NoAnswer("refused".to_owned()))),
            (vec!["reachable"], none())
        );
        assert_eq!(bad(&with(Missing::TimedOut)), (vec!["reachable", "time"], none()));
        assert_eq!(bad(&with(Missing::NotAsked("no name".to_owned()))), (none(), none()));
    }
}
