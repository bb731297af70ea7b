//! The headers of a request on their way to the upstream, and of its answer on the way back.
//!
//! First everything goes that belongs to the connection (RFC 9110 section 7.6.1), with what `Connection` nominates, so
//! that a sandbox that nominates a token's header takes away its own and not ours. Then every copy of a token's header
//! goes, in whatever case, and exactly one of ours is put on.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use moneyer_identity::grant::{BearerToken, HeaderPlacement};

use super::refusal::Refusal;

/// Headers that end here besides those that `Connection` nominates. With the last three a server takes another
/// method than the one that was judged.
const NEVER_PASSED: [&str; 14] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// This proxy, in `Via` (RFC 9110 section 7.6.3).
const PSEUDONYM: &str = "moneyer";

/// Takes off what belongs to the connection.
pub(super) fn strip(headers: &mut HeaderMap) {
    for name in nominated(headers) {
        headers.remove(name);
    }
    let ends_here = |name: &HeaderName| NEVER_PASSED.iter().any(|one| is_read_as(name, one));
    remove(headers, ends_here);
}

/// Takes off every header of such a name.
fn remove(headers: &mut HeaderMap, is_such: impl Fn(&HeaderName) -> bool) {
    let found: Vec<_> = headers.keys().filter(|name| is_such(name)).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// Whether some server takes a header for one of another name: those that hand headers on as variables read `_` and `-`
/// alike.
fn is_read_as(name: &HeaderName, other: &str) -> bool {
    let read = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.as_str().bytes().map(read).eq(other.bytes().map(read))
}

/// Takes off what is for this proxy alone: it has answered it.
pub(super) fn strip_request(headers: &mut HeaderMap) {
    strip(headers);
    headers.remove(header::EXPECT);
}

fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(str::trim);
    names.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).collect()
}

/// Puts a token in its place, and takes away what stood there.
pub(super) fn inject(
    headers: &mut HeaderMap,
    placement: &HeaderPlacement,
    token: &BearerToken,
) -> Result<(), Refusal> {
    let name = placement.header().as_str();
    remove(headers, |other| is_read_as(other, name));
    let text = match placement {
        HeaderPlacement::Bearer(_) => format!("Bearer {}", token.expose()),
        HeaderPlacement::Header(_) => token.expose().to_owned(),
    };
    // Neither fails: the one is a token, the other token68.
    let name = HeaderName::from_bytes(name.as_bytes());
    let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_str(&text)) else {
        return Err(Refusal::Header);
    };
    value.set_sensitive(true);
    headers.append(name, value);
    Ok(())
}

/// Says that the message came by way of this proxy.
pub(super) fn say_via(headers: &mut HeaderMap, version: http::Version) {
    let version = if version == http::Version::HTTP_2 { "2" } else { "1.1" };
    if let Ok(via) = HeaderValue::from_str(&format!("{version} {PSEUDONYM}")) {
        headers.append(header::VIA, via);
    }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::grant::TokenHeader;

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_belongs_to_the_connection_goes_and_what_it_nominates() {
        let mut headers = headers(&[
            ("Connection", "close, X-Own"),
            ("connection", "authorization ,,;"),
            ("X-Own", "1"),
            ("Authorization", "Bearer own"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authorization", "Basic x"),
            ("TE", "trailers"),
            ("Trailer", "x"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "x"),
            ("Expect", "100-continue"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("X_HTTP_Method-Override", "DELETE"),
            ("proxy_authorization", "Basic x"),
            ("Accept", "*/*"),
            ("Cookie", "a=b"),
        ]);
        strip_request(&mut headers);
        assert_eq!(names(&headers), ["accept", "cookie"]);
    }

    #[test]
    fn every_copy_goes_and_exactly_one_is_put_on() {
        let token = BearerToken::parse("ours".to_owned()).unwrap();
        let own = [("Authorization", "Bearer a"), ("authorization", "b"), ("AUTHORIZATION", "c")];
        let mut sent = headers(&own);
        inject(&mut sent, &HeaderPlacement::default(), &token).unwrap();
        let values: Vec<_> = sent.get_all("authorization").iter().collect();
        assert_eq!(values, ["Bearer ours"]);
        assert!(!format!("{sent:?}").contains("ours"), "a log shows it");

        let place = HeaderPlacement::Header(TokenHeader::parse("X-Api-Token").unwrap());
        let mut sent =
            headers(&[("x_api-token", "a"), ("X-API-Token", "b"), ("Authorization", "c")]);
        inject(&mut sent, &place, &token).unwrap();
        assert_eq!(names(&sent), ["authorization", "x-api-token"]);
        assert_eq!(sent["x-api-token"], "ours");
    }
}
