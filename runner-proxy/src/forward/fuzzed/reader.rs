//! Another reader of HTTP/1.1 than the proxy's: `httparse` for heads, and bodies by RFC 9112 section 6 as far as it goes
//! without a doubt.

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// Every value of a header, `_` and `-` being one.
    pub(super) fn all(&self, name: &str) -> Vec<&[u8]> {
        let alike = |other: &str| other.replace('_', "-").eq_ignore_ascii_case(name);
        self.headers.iter().filter(|(other, _)| alike(other)).map(|(_, value)| &**value).collect()
    }

    /// The target in its two parts.
    pub(super) fn path_and_query(&self) -> (&str, Option<&str>) {
        match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&self.target, None),
        }
    }
}

/// The first head of a stream, where there is a whole one.
pub(super) fn first(bytes: &[u8]) -> Option<Request> {
    head(bytes).map(|(request, _)| request)
}

fn head(bytes: &[u8]) -> Option<(Request, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = parsed.parse(bytes) else { return None };
    let headers = parsed.headers.iter();
    let request = Request {
        method: parsed.method?.to_owned(),
        target: parsed.path?.to_owned(),
        headers: headers.map(|one| (one.name.to_owned(), one.value.to_vec())).collect(),
    };
    Some((request, length))
}

/// How a stream of requests ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// With the last of them.
    Whole,
    /// Within a body.
    CutOff,
    /// With what is no request, or has no single length.
    Wrong(String),
}

/// Every request of a stream, and how it ends.
pub(super) fn requests(mut bytes: &[u8]) -> (Vec<Request>, End) {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let Some((request, length)) = head(bytes) else {
            return (found, End::Wrong(String::from_utf8_lossy(bytes).into_owned()));
        };
        let body = after_body(&request, &bytes[length..]);
        found.push(request);
        match body {
            Ok(rest) => bytes = rest,
            Err(end) => return (found, end),
        }
    }
    (found, End::Whole)
}

/// What follows a request's body.
fn after_body<'b>(request: &Request, bytes: &'b [u8]) -> Result<&'b [u8], End> {
    let (encodings, lengths) = (request.all("transfer-encoding"), request.all("content-length"));
    match (&*encodings, &*lengths) {
        ([], []) => Ok(bytes),
        ([b"chunked"], []) => after_chunks(bytes),
        ([], [length]) if length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
            let length: usize = length.ok_or_else(|| End::Wrong(format!("{request:?}")))?;
            bytes.get(length..).ok_or(End::CutOff)
        }
        _ => Err(End::Wrong(format!("{request:?}"))),
    }
}

/// What follows a chunked body.
fn after_chunks(mut bytes: &[u8]) -> Result<&[u8], End> {
    loop {
        let (digits, rest) = line(bytes).ok_or(End::CutOff)?;
        let size = std::str::from_utf8(digits).ok();
        let size = size.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let size = size.ok_or_else(|| End::Wrong(format!("a chunk of {digits:?}")))?;
        if size == 0 {
            return after_trailers(rest);
        }
        let rest = rest.get(size..).filter(|rest| rest.len() > 1).ok_or(End::CutOff)?;
        let rest = rest.strip_prefix(b"\r\n");
        bytes = rest.ok_or_else(|| End::Wrong("a chunk without an end".to_owned()))?;
    }
}

/// The proxy takes no trailers and sends none, whatever stands in them.
fn after_trailers(bytes: &[u8]) -> Result<&[u8], End> {
    match bytes.strip_prefix(b"\r\n") {
        Some(rest) => Ok(rest),
        None if b"\r\n".starts_with(bytes) => Err(End::CutOff),
        None => Err(End::Wrong("trailers".to_owned())),
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&bytes[..end], &bytes[end + 2..]))
}

/// A path without its escapes.
pub(super) fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut rest, mut decoded) = (path, Vec::new());
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'%', Some(value)) = (byte, value) {
            decoded.push(value);
            rest = &after[2..];
        } else {
            decoded.push(*byte);
            rest = after;
        }
    }
    decoded
}
