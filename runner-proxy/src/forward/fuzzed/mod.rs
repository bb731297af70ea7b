//! The law of the proxy, for any bytes that a sandbox sends it.
//!
//! Everything is the real proxy but the names, the grants and the tokens: what the sandbox sends goes through the guard,
//! hyper, the judgement and hyper again, to an upstream that keeps every byte. What arrives there is read by another
//! parser ([`reader`]), and has to be what the grants permit and what the sandbox asked for; a token is asked for by
//! what arrives and by nothing else. Time is virtual, so that what waits costs nothing.
//!
//! The fuzz target and the property test say the same: [`Stand::hold`].

mod reader;
mod stand;
#[cfg(test)]
mod tests;

pub use stand::Stand;

use reader::{End, Request};
use stand::{Exchange, TOKEN};

/// What the grants permit: this and what is below it, with these methods.
const OPEN: &str = "/open";
const METHODS: [&str; 6] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"];

/// What never reaches an upstream.
const ENDS_HERE: [&str; 12] = [
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "expect",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

impl Stand {
    /// Tries one input: `P` and what is sent to the proxy, or `T` and what is sent inside of a tunnel; `{A}` stands for the
    /// authority that is permitted, `{P}` for its port, `{C}` for nothing.
    ///
    /// Gives how many requests arrived at the upstream.
    ///
    /// # Panics
    /// The law is broken.
    pub fn hold(&self, input: &[u8]) -> usize {
        let Some(exchange) = self.exchange(input) else { return 0 };
        let Exchange { sent, answers, received, tokens, authority } = &exchange;
        let mut requests = Vec::new();
        for bytes in received {
            let (found, end) = reader::requests(bytes);
            assert!(!matches!(end, End::Wrong(_)), "two readings of what arrived: {end:?}");
            requests.extend(found);
        }
        // Of one whose body is broken off nothing may have been sent, though it was permitted.
        let broken = usize::from(reader::requests(sent).1 != End::Whole);
        let extra = tokens.checked_sub(requests.len());
        assert!(extra.is_some_and(|extra| extra <= broken), "{tokens} tokens for {requests:?}");
        for request in &requests {
            permitted(request, authority);
        }
        let shown = String::from_utf8_lossy(answers);
        assert!(!shown.contains(TOKEN), "the sandbox sees a token");
        if let (Some(asked), Some(arrived)) = (reader::first(sent), requests.first())
            && shown.starts_with("HTTP/1.1 200 ")
            && asked.method != "CONNECT"
        {
            same(&asked, arrived, authority);
        }
        requests.len()
    }
}

/// What arrived is what the grants permit, in one reading, with the one token.
fn permitted(request: &Request, authority: &str) {
    assert!(METHODS.contains(&request.method.as_str()), "{request:?}");
    assert_eq!(request.all("host"), [authority.as_bytes()], "{request:?}");
    assert_eq!(request.all("authorization"), [format!("Bearer {TOKEN}").as_bytes()], "{request:?}");
    for name in ENDS_HERE {
        assert_eq!(request.all(name).len(), 0, "{name}: {request:?}");
    }
    let (path, _) = request.path_and_query();
    let below = path.strip_prefix(OPEN);
    assert!(below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')), "{request:?}");
    let plain = reader::decoded(path.as_bytes());
    assert_eq!(reader::decoded(&plain), plain, "an escape of an escape: {request:?}");
    let is_odd = |byte: &u8| byte.is_ascii_control() || matches!(byte, b'\\' | b'#' | b'?');
    assert!(!plain.iter().any(is_odd), "{request:?}");
    let slashes = |bytes: &[u8]| bytes.split(|byte| *byte == b'/').count();
    assert_eq!(slashes(&plain), slashes(path.as_bytes()), "an escaped slash: {request:?}");
    assert!(!plain.windows(2).any(|pair| pair == b"//"), "{request:?}");
    for segment in plain.split(|byte| *byte == b'/') {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        assert!(name != b"." && name != b"..", "{request:?}");
    }
}

/// What arrived first is what was asked for first.
fn same(asked: &Request, arrived: &Request, authority: &str) {
    let mut asked = asked.clone();
    let absolute = asked.target.split_once("://").filter(|(scheme, _)| !scheme.starts_with('/'));
    if let Some(rest) = absolute.map(|(_, rest)| rest.to_owned()) {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (named, target) = rest.split_at(end);
        let named = named.to_ascii_lowercase();
        assert_eq!(named, *authority, "another authority: {asked:?} {arrived:?}");
        asked.target =
            if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    }
    for host in asked.all("host") {
        let named = host.to_ascii_lowercase();
        assert_eq!(named, authority.as_bytes(), "another host: {asked:?} {arrived:?}");
    }
    assert_eq!(asked.method, arrived.method);
    let ((path, query), (other, others)) = (asked.path_and_query(), arrived.path_and_query());
    assert_eq!(
        reader::decoded(path.as_bytes()),
        reader::decoded(other.as_bytes()),
        "{asked:?} {arrived:?}"
    );
    assert_eq!(query, others, "{asked:?} {arrived:?}");
}
