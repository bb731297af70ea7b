//! One JSON request to a management API.

use serde_json::Value;

use crate::http1::{Connection, Endpoint, HttpError};

/// Why a management call gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No answer.
    #[error("the request failed")]
    Request(#[source] HttpError),
    /// A refusal.
    #[error("{path} answered {status}: {body}")]
    Status {
        /// What was asked.
        path: String,
        /// The status code.
        status: u16,
        /// The answer.
        body: String,
    },
    /// Not JSON.
    #[error("the answer is not JSON")]
    Json(#[source] serde_json::Error),
    /// Another shape than expected.
    #[error("the answer has no {0}")]
    Missing(String),
}

/// Posts `body`, returns the answer of any 2xx.
pub(super) fn post(endpoint: &Endpoint, path: &str, body: &Value) -> Result<Value, ApiError> {
    let answer = call(endpoint, "POST", path, &body.to_string())?;
    serde_json::from_slice(&answer).map_err(ApiError::Json)
}

/// Deletes what is at `path`.
pub(super) fn delete(endpoint: &Endpoint, path: &str) -> Result<(), ApiError> {
    call(endpoint, "DELETE", path, "").map(drop)
}

fn call(endpoint: &Endpoint, method: &str, path: &str, body: &str) -> Result<Vec<u8>, ApiError> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = Connection::open(endpoint).map_err(ApiError::Request)?;
    let (status, answer) = connection.exchange(request.as_bytes()).map_err(ApiError::Request)?;
    if (200..300).contains(&status) {
        return Ok(answer.to_vec());
    }
    let body = String::from_utf8_lossy(answer).into_owned();
    Err(ApiError::Status { path: path.to_owned(), status, body })
}

/// A text member of an answer.
pub(super) fn text(answer: &Value, key: &str) -> Result<String, ApiError> {
    let found = answer.get(key).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| ApiError::Missing(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn answered(answer: &'static str) -> (Result<Value, ApiError>, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        let body = serde_json::json!({ "name": "r1" });
        let result = post(&Endpoint::Unix(path), "/api/v1/runners", &body);
        (result, server.join().unwrap())
    }

    #[test]
    fn the_answer_is_read_and_the_request_well_formed() {
        let text_of_answer =
            "HTTP/1.1 201 Created\r\nContent-Length: 20\r\n\r\n{\"join_token\":\"mjt\"}";
        let (answer, request) = answered(text_of_answer);
        let answer = answer.unwrap();
        assert_eq!(text(&answer, "join_token").unwrap(), "mjt");
        assert!(matches!(text(&answer, "other"), Err(ApiError::Missing(_))));
        assert!(request.starts_with("POST /api/v1/runners HTTP/1.1\r\nHost: localhost\r\n"));
        assert!(request.ends_with("Content-Length: 13\r\n\r\n{\"name\":\"r1\"}"), "{request}");
    }

    #[test]
    fn a_refusal_is_reported_with_its_text() {
        let (answer, _) = answered("HTTP/1.1 409 Conflict\r\nContent-Length: 5\r\n\r\ntaken");
        let error = answer.unwrap_err().to_string();
        assert_eq!(error, "/api/v1/runners answered 409: taken");
    }
}
