//! Where an answer ends: the framing of RFC 9112 section 6, as far as measuring needs it.
//!
//! Pure: bytes in, an answer's parts out, however the bytes were cut into packets.

/// Longest head taken, in bytes; the servers here send some hundred.
const MAXIMUM_HEAD_BYTES: usize = 16 * 1024;

/// Longest body taken, in bytes: a page of 10,000 records fits.
const MAXIMUM_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Why bytes are not an answer that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not a status line of HTTP/1.1.
    #[error("the server did not answer in HTTP/1.1")]
    StatusLine,
    /// No end of the head within the limit.
    #[error("the answer's head is longer than {MAXIMUM_HEAD_BYTES} bytes")]
    Head,
    /// Chunked, or until the connection closes.
    #[error("the answer has no Content-Length")]
    Unframed,
    /// Not a number, or too large a one.
    #[error("the answer's Content-Length is unusable")]
    Length,
}

/// Where the parts of a complete answer are in the bytes it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Where the body starts.
    pub(crate) body: usize,
    /// Where the answer ends.
    pub(crate) end: usize,
}

/// Finds the answer at the start of `bytes`; `None` until all of its head is there. Its end may lie
/// beyond the bytes at hand.
pub(crate) fn find(bytes: &[u8]) -> Result<Option<Answer>, AnswerError> {
    let Some(head_end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        let too_long = bytes.len() > MAXIMUM_HEAD_BYTES;
        return if too_long { Err(AnswerError::Head) } else { Ok(None) };
    };
    let head = bytes.get(..head_end).unwrap_or_default();
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().and_then(status).ok_or(AnswerError::StatusLine)?;
    let length = match status {
        // Never a body (RFC 9110 section 8.6), so never a length.
        204 | 304 => 0,
        _ => lines.find_map(content_length).ok_or(AnswerError::Unframed)??,
    };
    let body = head_end + 4;
    Ok(Some(Answer { status, body, end: body + length }))
}

/// The code of `HTTP/1.1 200 OK`.
fn status(line: &[u8]) -> Option<u16> {
    let code = line.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// The value of a `Content-Length` line.
fn content_length(line: &[u8]) -> Option<Result<usize, AnswerError>> {
    let (name, value) = line.split_at_checked(b"content-length:".len())?;
    if !name.eq_ignore_ascii_case(b"content-length:") {
        return None;
    }
    let length = std::str::from_utf8(value).ok().and_then(|value| value.trim().parse().ok());
    Some(length.filter(|length| *length <= MAXIMUM_BODY_BYTES).ok_or(AnswerError::Length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_once_its_head_is_complete() {
        let text = b"HTTP/1.1 404 Not Found\r\nServer: x\r\nCONTENT-length: 3 \r\n\r\nabcrest";
        for cut in 0..57 {
            assert_eq!(find(&text[..cut]), Ok(None), "{cut}");
        }
        for cut in 57..=text.len() {
            let found = find(&text[..cut]).unwrap().unwrap();
            assert_eq!((found.status, found.body, found.end), (404, 57, 60), "{cut}");
        }
    }

    #[test]
    fn an_answer_without_a_body_ends_with_its_head() {
        let text = b"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n";
        let found = find(text).unwrap().unwrap();
        assert_eq!((found.status, found.body, found.end), (204, text.len(), text.len()));
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let cases: [(&[u8], AnswerError); 6] = [
            (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", AnswerError::StatusLine),
            (b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n", AnswerError::StatusLine),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", AnswerError::Unframed),
            (b"HTTP/1.1 200 OK\r\n\r\n", AnswerError::Unframed),
            (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", AnswerError::Length),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", AnswerError::Length),
        ];
        for (bytes, error) in cases {
            assert_eq!(find(bytes), Err(error));
        }
        assert_eq!(find(&vec![b'a'; MAXIMUM_HEAD_BYTES + 1]), Err(AnswerError::Head));
    }
}
