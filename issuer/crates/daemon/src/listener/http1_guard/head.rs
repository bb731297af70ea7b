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
}

/// The fields that decide framing and authority.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
    chunked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

/// Checks a head, from the method to the empty line, and says what follows it.
pub(super) fn check(head: &[u8]) -> Result<BodyFraming, Refusal> {
    let mut lines =
        head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (authority, version) = request_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    for line in lines.take_while(|line| !line.is_empty()) {
        fields.take(line)?;
    }
    match (fields.host, version) {
        (None, Version::Http11) => return Err(Refusal::HostCount),
        (None, Version::Http10) => {}
        (Some(host), _) => {
            check_host(host)?;
            if authority.is_some_and(|authority| !authority.eq_ignore_ascii_case(host)) {
                return Err(Refusal::HostMismatch);
            }
        }
    }
    match (fields.content_length, fields.chunked) {
        (Some(_), true) => Err(Refusal::TwoLengths),
        (None, true) if version == Version::Http10 => Err(Refusal::TransferEncoding),
        (None, true) => Ok(BodyFraming::Chunked),
        (length, false) => Ok(BodyFraming::Length(length.unwrap_or(0))),
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
        }
        Ok(())
    }
}

/// Checks the request line; gives the authority of an absolute target.
fn request_line(line: &[u8]) -> Result<(Option<&[u8]>, Version), Refusal> {
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
        return Err(Refusal::Tunnel);
    }
    if !target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return Err(Refusal::Target);
    }
    match target {
        [b'/', ..] => Ok((None, version)),
        b"*" if method == b"OPTIONS" => Ok((None, version)),
        _ => absolute_authority(target).map(|authority| (Some(authority), version)),
    }
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
