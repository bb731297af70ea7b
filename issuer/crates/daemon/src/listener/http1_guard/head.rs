//! Checking one complete request head (RFC 9112 sections 2 to 6, RFC 9110 section 5).
//!
//! The lines are known to end in CR LF and to hold no other control byte than a tab.

use super::Refusal;

/// How the body that follows a head is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// This many bytes; none is 0.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// No body, and no more of the stream before it is answered: `CONNECT` or `Upgrade`.
    Held,
}

/// Whether a stream may become something else than a stream of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tunnels {
    /// Never: `CONNECT` is refused, and `Upgrade` a field like any other.
    Refused,
    /// By `CONNECT` and `Upgrade`, as in a proxy.
    Served,
}

/// The fields that decide framing and authority.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

/// What a request line asks for.
struct RequestLine<'a> {
    /// The authority of an absolute target, or the one to connect to.
    authority: Option<&'a [u8]>,
    version: Version,
    connects: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// Checks a head, from the method to the empty line, and says what follows it.
pub(super) fn check(head: &[u8], tunnels: Tunnels) -> Result<BodyFraming, Refusal> {
    let mut lines =
        head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let line = request_line(lines.next().unwrap_or_default(), tunnels)?;
    let mut fields = Fields::default();
    for line in lines.take_while(|line| !line.is_empty()) {
        fields.take(line)?;
    }
    match (fields.host, line.version) {
        (None, Version::Http11) => return Err(Refusal::HostCount),
        (None, Version::Http10) => {}
        (Some(host), _) => {
            check_host(host)?;
            if !line.is_for(host) {
                return Err(Refusal::HostMismatch);
            }
        }
    }
    let holds = line.connects || (fields.upgrade && tunnels == Tunnels::Served);
    match (fields.content_length, fields.chunked) {
        (Some(_), true) => Err(Refusal::TwoLengths),
        (None, true) if line.version == Version::Http10 => Err(Refusal::TransferEncoding),
        (Some(1..), _) | (None, true) if holds => Err(Refusal::TunnelBody),
        (None, true) => Ok(BodyFraming::Chunked),
        (_, false) if holds => Ok(BodyFraming::Held),
        (length, false) => Ok(BodyFraming::Length(length.unwrap_or(0))),
    }
}

impl RequestLine<'_> {
    /// Whether `host` is the authority asked for. Clients of a tunnel leave the port out.
    fn is_for(&self, host: &[u8]) -> bool {
        let Some(authority) = self.authority else { return true };
        let is_name_of = |host: &[u8]| {
            let rest = authority.get(host.len()..).unwrap_or_default();
            let same = authority.get(..host.len()).is_some_and(|a| a.eq_ignore_ascii_case(host));
            same && rest.first() == Some(&b':') && !rest.contains(&b']')
        };
        authority.eq_ignore_ascii_case(host) || (self.connects && is_name_of(host))
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, line: &'a [u8]) -> Result<(), Refusal> {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(Refusal::Folded);
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Refusal::FieldName)?;
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(Refusal::FieldName);
        }
        if name.eq_ignore_ascii_case(b"host") {
            if self.host.replace(value).is_some() {
                return Err(Refusal::HostCount);
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            if self.content_length.replace(plain_number(value)?).is_some() {
                return Err(Refusal::ContentLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::TransferEncoding);
            }
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.upgrade = true;
        }
        Ok(())
    }
}

/// Checks the request line.
fn request_line(line: &[u8], tunnels: Tunnels) -> Result<RequestLine<'_>, Refusal> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::RequestLine);
    };
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return Err(Refusal::RequestLine),
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(Refusal::RequestLine);
    }
    if method == b"CONNECT" {
        if tunnels == Tunnels::Refused {
            return Err(Refusal::Tunnel);
        }
        let has_port = target.iter().rposition(|byte| matches!(byte, b':' | b']'));
        let has_port = has_port.is_some_and(|at| target.get(at) == Some(&b':'));
        if !has_port || check_host(target).is_err() {
            return Err(Refusal::Target);
        }
        return Ok(RequestLine { authority: Some(target), version, connects: true });
    }
    if !target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return Err(Refusal::Target);
    }
    let authority = match target {
        [b'/', ..] => None,
        b"*" if method == b"OPTIONS" => None,
        _ => Some(absolute_authority(target)?),
    };
    Ok(RequestLine { authority, version, connects: false })
}

/// The authority of `http://authority/path` or `https://authority/path`.
fn absolute_authority(target: &[u8]) -> Result<&[u8], Refusal> {
    let scheme_end = target.iter().position(|byte| *byte == b':').ok_or(Refusal::Target)?;
    let (scheme, rest) = target.split_at(scheme_end);
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(Refusal::Target);
    }
    let rest = rest.strip_prefix(b"://").ok_or(Refusal::Target)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, _) = rest.split_at(end);
    if check_host(authority).is_err() {
        return Err(Refusal::Target);
    }
    Ok(authority)
}

/// Checks `host[:port]` (RFC 9110 section 7.2): no user, no path, no list, a real port.
fn check_host(host: &[u8]) -> Result<(), Refusal> {
    let (name, port) = match host.iter().rposition(|byte| matches!(byte, b':' | b']')) {
        Some(at) if host.get(at) == Some(&b':') => {
            let (name, port) = host.split_at(at);
            (name, port.strip_prefix(b":"))
        }
        _ => (host, None),
    };
    let real_port = |port| plain_number(port).is_ok_and(|port| (1..=0xffff).contains(&port));
    if !port.is_none_or(real_port) {
        return Err(Refusal::Host);
    }
    let (name, may_hold_colons) = match name.strip_prefix(b"[") {
        Some(rest) => (rest.strip_suffix(b"]").ok_or(Refusal::Host)?, true),
        None => (name, false),
    };
    let allowed = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || b"-._~%!$&'()*+;=".contains(byte)
            || (may_hold_colons && *byte == b':')
    };
    if name.is_empty() || !name.iter().all(allowed) {
        return Err(Refusal::Host);
    }
    Ok(())
}

/// A number of plain digits, few enough that it cannot overflow.
fn plain_number(text: &[u8]) -> Result<u64, Refusal> {
    if text.is_empty() || text.len() > 19 || !text.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::ContentLength);
    }
    Ok(text.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
