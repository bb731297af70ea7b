//! The issuer's URL itself: what AWS, Google Cloud and Azure take, and what compares byte for byte.

use crate::doctor::address::IssuerAddress;
use crate::doctor::check::Check;
use crate::doctor::finding::{Finding, Part};

pub(in crate::doctor) fn issuer(issuer: &IssuerAddress) -> Vec<Finding> {
    let judge = |id: Check, wrong: Option<String>, right: &str| match wrong {
        Some(found) => Finding::failure(id, Part::Issuer, found),
        None => Finding::ok(id, Part::Issuer, right),
    };
    let plain = (!issuer.is_https()).then(|| format!("{issuer} is plain http"));
    let port = issuer.port().map(|port| format!("it names port {port}"));
    let slash = issuer.ends_with_slash().then(|| format!("{issuer} ends with a slash"));
    let case = issuer.lower_case().map(|lower| format!("{issuer} is written as {lower}"));
    let query = issuer.has_query().then(|| format!("{issuer} has a query or a fragment"));
    vec![
        judge(Check::Https, plain, "https"),
        judge(Check::Port, port, "no port"),
        judge(Check::TrailingSlash, slash, "no slash at its end"),
        judge(Check::Case, case, "scheme and host in lower case"),
        judge(Check::Query, query, "no query"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;
    use crate::doctor::samples::severities;

    #[test]
    fn each_fault_of_a_url_is_found_beside_the_others() {
        let failures = |text: &str| {
            let found = issuer(&IssuerAddress::parse(text).unwrap());
            assert_eq!(found.len(), 5);
            severities(&found, Severity::Failure)
        };
        assert!(failures("https://id.example.com/a").is_empty());
        assert_eq!(failures("http://id.example.com"), ["https"]);
        assert_eq!(failures("https://id.example.com:443"), ["port"]);
        assert_eq!(failures("https://id.example.com/"), ["trailing-slash"]);
        assert_eq!(failures("https://ID.example.com/Ab"), ["case"]);
        assert_eq!(failures("https://id.example.com/Ab"), [""; 0]);
        assert_eq!(failures("https://id.example.com?a"), ["query"]);
        let all = failures("HTTP://id.example.com:80/?a");
        assert_eq!(all, ["https", "port", "trailing-slash", "case", "query"]);
    }
}
