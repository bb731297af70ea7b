//! WebSocket: the one upgrade that is passed on (RFC 6455 section 4).
//!
//! The request that asks for it is judged as any other and has its token; the bytes after it have none. HTTP/2 in
//! clear text (`h2c`) and every other upgrade is refused, since requests in it would be judged by nobody.

use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Version};

use super::refusal::Refusal;

/// Whether a request asks for a WebSocket; one that asks for something else is refused.
pub(super) fn is_asked(
    method: &Method,
    version: Version,
    headers: &HeaderMap,
) -> Result<bool, Refusal> {
    if !headers.contains_key(UPGRADE) {
        return Ok(false);
    }
    let in_form = method == Method::GET
        && version == Version::HTTP_11
        && is_only(headers, UPGRADE.as_str(), "websocket")
        && is_only(headers, SEC_WEBSOCKET_VERSION.as_str(), "13")
        && headers.get_all(SEC_WEBSOCKET_KEY).iter().count() == 1
        && nominates_upgrade(headers);
    if in_form { Ok(true) } else { Err(Refusal::Malformed("of upgrades only WebSocket 13 passes")) }
}

/// Whether an answer opens it.
pub(super) fn is_opened(headers: &HeaderMap) -> bool {
    is_only(headers, UPGRADE.as_str(), "websocket") && nominates_upgrade(headers)
}

/// Puts on again what was stripped with all that belongs to the connection.
pub(super) fn ask(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

fn is_only(headers: &HeaderMap, name: &str, wanted: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(HeaderValue::as_bytes);
    first.is_some_and(|value| value.eq_ignore_ascii_case(wanted.as_bytes()))
        && values.next().is_none()
}

fn nominates_upgrade(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("upgrade"))
}
