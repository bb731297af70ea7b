//! What a request asks for, read once and strictly.
//!
//! Its form was checked before (exactly one `Host`, no user info, no fragment); here it is read which authority it is
//! for. Outside of a tunnel that is the absolute target's, inside of one it has to be the tunnel's, in every place
//! that names one.

use axum::extract::Request;
use http::header::{CONTENT_LENGTH, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri, Version};
use moneyer_identity::grant::{Decision, Destination, PermittedRequest, Protocol, SandboxGrants};

use super::refusal::Refusal;
use super::websocket;

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) destination: Destination,
    pub(super) method: String,
    /// In origin form, as it came.
    pub(super) target: String,
    /// Whether it asks for a `WebSocket`.
    pub(super) upgrades: bool,
}

impl Asked {
    /// What the grants say of it.
    pub(super) fn decide<'g>(
        &self,
        grants: &'g SandboxGrants,
    ) -> Result<PermittedRequest<'g>, Refusal> {
        let permitted = match grants.decide(&self.destination, &self.method, &self.target) {
            Decision::Permitted(permitted) => permitted,
            Decision::Refused(refusal) => return Err(Refusal::Policy(refusal)),
        };
        // What is said in it is judged by nobody: where methods are, it would be a way around them.
        let takes_upgrades =
            permitted.endpoint().protocol == Protocol::Websocket && !permitted.is_echo_redacted();
        if self.upgrades && !takes_upgrades {
            return Err(Refusal::NoWebSocket);
        }
        Ok(permitted)
    }
}

/// A request in absolute form.
pub(super) fn read_absolute(request: &Request) -> Result<Asked, Refusal> {
    let uri = request.uri();
    let authority = match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) => authority,
        (Some("https"), _) => {
            return Err(Refusal::Malformed("for https ask for a tunnel: use CONNECT"));
        }
        _ => return Err(Refusal::Malformed("a proxy is asked with an absolute http:// target")),
    };
    asked(request, destination_of(authority.as_str(), 80)?)
}

/// A request inside of a tunnel to `destination`, encrypted or not.
pub(super) fn read_inside(
    request: &Request,
    destination: &Destination,
    encrypted: bool,
) -> Result<Asked, Refusal> {
    let default_port = if encrypted { 443 } else { 80 };
    let uri = request.uri();
    let scheme = if encrypted { "https" } else { "http" };
    if uri.scheme_str().is_some_and(|named| named != scheme) {
        return Err(Refusal::Authority);
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (None, _) => None,
        (Some(host), None) => Some(host.to_str().map_err(|_bytes| Refusal::Authority)?),
        _ => return Err(Refusal::Authority),
    };
    let named = [uri.authority().map(Authority::as_str), host];
    if named == [None, None] || (host.is_none() && request.version() < Version::HTTP_2) {
        return Err(Refusal::Malformed("the request names no host"));
    }
    for authority in named.into_iter().flatten() {
        let own = destination_of(authority, default_port).map_err(|_no_host| Refusal::Authority)?;
        if own != *destination {
            return Err(Refusal::Authority);
        }
    }
    asked(request, destination.clone())
}

fn asked(request: &Request, destination: Destination) -> Result<Asked, Refusal> {
    check_length(request.headers())?;
    let upgrades = websocket::is_asked(request.method(), request.version(), request.headers())?;
    let (method, target) = (request.method().as_str().to_owned(), target(request.uri()));
    Ok(Asked { destination, method, target, upgrades })
}

/// One length in the one form (RFC 9110 section 8.6), or none: HTTP/2 lets others in, which the next server may read
/// otherwise.
fn check_length(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let is_plain = |length: &HeaderValue| {
        let text = length.to_str().unwrap_or_default();
        text.parse::<u64>().is_ok_and(|number| number.to_string() == text)
    };
    if lengths.next().is_none_or(is_plain) && lengths.next().is_none() {
        Ok(())
    } else {
        Err(Refusal::Malformed("the length of the body is not in the one form that is taken"))
    }
}

fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", |target| target.as_str()).to_owned()
}

/// The destination that an authority names.
pub(super) fn destination_of(authority: &str, default_port: u16) -> Result<Destination, Refusal> {
    let malformed = Refusal::Malformed("the host is not in the one form that is taken");
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => match port.parse::<u16>() {
            Ok(number) if number.to_string() == port => (host, number),
            _ => return Err(malformed),
        },
        _ => (authority, default_port),
    };
    Destination::parse(host, port).map_err(|_no_destination| malformed)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(uri: &str, version: Version, hosts: &[&str]) -> Request {
        let mut request = http::Request::builder().uri(uri).version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn an_absolute_target_says_where_it_goes() {
        let read = |uri: &str| read_absolute(&request(uri, Version::HTTP_11, &["ignored"]));
        let asked = read("http://API.example.com/a?b=c").unwrap();
        assert_eq!(asked.destination.to_string(), "api.example.com:80");
        assert_eq!(asked.target, "/a?b=c");
        assert_eq!(read("http://a:8080").unwrap().target, "/");
        for bad in [
            "https://a/",
            "/",
            "http://a./",
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://a:0/",
            "http://a:080/",
        ] {
            assert!(matches!(read(bad), Err(Refusal::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn a_length_has_one_form() {
        let read = |lengths: &[&str]| {
            let mut request = request("https://a.example/x", Version::HTTP_2, &[]);
            for length in lengths {
                request
                    .headers_mut()
                    .append(CONTENT_LENGTH, HeaderValue::from_str(length).unwrap());
            }
            read_inside(&request, &Destination::parse("a.example", 443).unwrap(), true)
        };
        assert!(
            read(&[]).is_ok() && read(&["0"]).is_ok() && read(&["18446744073709551615"]).is_ok()
        );
        for bad in
            [&["5", "5"][..], &["05"], &["+5"], &["5 "], &["5,5"], &[""], &["18446744073709551616"]]
        {
            assert!(matches!(read(bad), Err(Refusal::Malformed(_))), "{bad:?}");
        }
    }

    #[test]
    fn inside_of_a_tunnel_every_name_is_the_tunnels() {
        let tunnel = Destination::parse("a.example", 443).unwrap();
        let read = |uri: &str, version, hosts: &[&str]| {
            read_inside(&request(uri, version, hosts), &tunnel, true).map(|asked| asked.target)
        };
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        for (uri, version, hosts) in [
            ("/x", one, &["a.example"][..]),
            ("/x", one, &["A.example:443"]),
            ("https://a.example/x", one, &["a.example"]),
            ("https://a.example/x", two, &[]),
            ("https://a.example:443/x", two, &["a.example"]),
        ] {
            assert_eq!(read(uri, version, hosts).unwrap(), "/x", "{uri} {hosts:?}");
        }
        for (uri, version, hosts) in [
            ("/x", one, &["b.example"][..]),
            ("/x", one, &["a.example:80"]),
            ("/x", one, &["a.example."]),
            ("/x", one, &["a.example.evil"]),
            ("/x", one, &["evila.example"]),
            ("/x", one, &["a.example", "a.example"]),
            ("https://b.example/x", one, &["a.example"]),
            ("http://a.example/x", one, &["a.example"]),
            ("https://b.example/x", two, &[]),
            ("https://a.example/x", two, &["b.example"]),
            ("http://a.example/x", two, &[]),
        ] {
            let refused = read(uri, version, hosts);
            assert!(matches!(refused, Err(Refusal::Authority)), "{uri} {hosts:?}");
        }
        assert!(matches!(read("/x", one, &[]), Err(Refusal::Malformed(_))));
    }
}
