//! One keep-alive connection over TCP or a Unix socket.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::answer::{Answer, AnswerError, find};

/// A server that says nothing for this long has failed; the slowest answers here take milliseconds.
const SILENCE: Duration = Duration::from_secs(10);

/// What is read at once: more than a key set with its head.
const READ_BYTES: usize = 16 * 1024;

/// Why a request got no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody listens.
    #[error("cannot connect to {0}")]
    Connect(Endpoint, #[source] io::Error),
    /// The request did not leave.
    #[error("cannot send a request")]
    Send(#[source] io::Error),
    /// No whole answer came back.
    #[error("the server closed the connection or fell silent before it had answered")]
    Receive(#[source] io::Error),
    /// What came back is no answer.
    #[error("the answer cannot be measured")]
    Answer(#[source] AnswerError),
    /// Not 200.
    #[error("the server answered {status}: {body}")]
    Status {
        /// The status code.
        status: u16,
        /// The start of the body.
        body: String,
    },
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// What a connection needs of its socket.
pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// A connection and what was read from it.
pub struct Connection<S> {
    stream: S,
    buffer: Vec<u8>,
    /// Where the answer before ends: the next one starts there.
    taken: usize,
}

impl Connection<Box<dyn Stream>> {
    /// Connects.
    pub fn open(endpoint: &Endpoint) -> Result<Self, HttpError> {
        let stream = dial(endpoint).map_err(|e| HttpError::Connect(endpoint.clone(), e))?;
        Ok(Self::over(stream))
    }
}

impl<S: Read + Write> Connection<S> {
    /// Speaks over a stream that is connected.
    pub fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::with_capacity(READ_BYTES), taken: 0 }
    }

    /// Sends a whole request, waits for the whole answer, returns its status and body.
    pub fn exchange(&mut self, request: &[u8]) -> Result<(u16, &[u8]), HttpError> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.stream.write_all(request).map_err(HttpError::Send)?;
        let answer = self.receive()?;
        self.taken = answer.end;
        Ok((answer.status, self.buffer.get(answer.body..answer.end).unwrap_or_default()))
    }

    /// The same, where only 200 will do.
    pub fn exchange_ok(&mut self, request: &[u8]) -> Result<&[u8], HttpError> {
        match self.exchange(request)? {
            (200, body) => Ok(body),
            (status, body) => {
                let start = body.get(..body.len().min(200)).unwrap_or_default();
                Err(HttpError::Status { status, body: String::from_utf8_lossy(start).into_owned() })
            }
        }
    }

    fn receive(&mut self) -> Result<Answer, HttpError> {
        let mut answer = find(&self.buffer).map_err(HttpError::Answer)?;
        loop {
            if let Some(found) = answer
                && found.end <= self.buffer.len()
            {
                return Ok(found);
            }
            self.read_more().map_err(HttpError::Receive)?;
            if answer.is_none() {
                answer = find(&self.buffer).map_err(HttpError::Answer)?;
            }
        }
    }

    fn read_more(&mut self) -> io::Result<()> {
        let filled = self.buffer.len();
        self.buffer.resize(filled + READ_BYTES, 0);
        let free = self.buffer.get_mut(filled..).unwrap_or_default();
        let read = self.stream.read(free);
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn dial(endpoint: &Endpoint) -> io::Result<Box<dyn Stream>> {
    match endpoint {
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, SILENCE)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(SILENCE))?;
            Ok(Box::new(stream))
        }
        Endpoint::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(SILENCE))?;
            Ok(Box::new(stream))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that reads nothing and answers in the pieces it was given.
    struct Canned(Vec<Vec<u8>>);

    impl Read for Canned {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    impl Write for Canned {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const ONE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst";
    const TWO: &[u8] = b"HTTP/1.1 503 Busy\r\ncontent-length: 6\r\n\r\nsecond";

    #[test]
    fn answers_come_out_whole_wherever_they_are_cut() {
        let both = [ONE, TWO].concat();
        for cut in 1..both.len() {
            let pieces = vec![both[..cut].to_vec(), both[cut..].to_vec()];
            let mut connection = Connection::over(Canned(pieces));
            assert_eq!(connection.exchange(b"x").unwrap(), (200, b"first".as_slice()));
            assert_eq!(connection.exchange(b"x").unwrap(), (503, b"second".as_slice()));
        }
        let bytes = both.iter().map(|byte| vec![*byte]).collect();
        let mut connection = Connection::over(Canned(bytes));
        assert_eq!(connection.exchange_ok(b"x").unwrap(), b"first");
        let error = connection.exchange_ok(b"x").unwrap_err();
        assert_eq!(error.to_string(), "the server answered 503: second");
    }

    #[test]
    fn a_connection_that_ends_early_is_an_error() {
        for cut in [0, 10, ONE.len() - 1] {
            let mut connection = Connection::over(Canned(vec![ONE[..cut].to_vec()]));
            assert!(matches!(connection.exchange(b"x"), Err(HttpError::Receive(_))));
        }
    }

    #[test]
    fn nobody_listening_is_said_with_the_address() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = Connection::open(&Endpoint::Tcp(free)).err().unwrap();
        assert_eq!(error.to_string(), format!("cannot connect to {free}"));
    }
}
