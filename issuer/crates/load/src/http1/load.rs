//! Many connections at once: as fast as the server answers, or at a fixed rate.
//!
//! A fixed rate is open-loop: each request has a time at which it is due, and its latency counts from
//! then, so a server that stalls pays for the requests that had to wait for it (no coordinated
//! omission). A thread a connection; blocked threads cost less than a runtime at these numbers.

use std::time::Duration;

use tokio::time::Instant;

use super::{Connection, Endpoint, HttpError};
use crate::measure::{Histogram, Sample};

/// Why a load could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// A request failed: figures over failures would mean nothing.
    #[error("request {after} on one of the connections failed")]
    Request {
        /// How many went well before.
        after: u64,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// A thread died.
    #[error("a thread of the load generator died")]
    Thread,
}

/// Sends the next request on each of `connections` as soon as the last one is answered.
pub(crate) fn closed_loop(
    endpoint: &Endpoint,
    connections: u64,
    duration: Duration,
    request: &(impl Fn(u64) -> Vec<u8> + Sync),
) -> Result<Sample, LoadError> {
    on_threads(connections, |first| {
        let mut line = Line::open(endpoint)?;
        let end = Instant::now() + duration;
        let mut number = first;
        while Instant::now() < end {
            line.send(&request(number), Instant::now())?;
            number += connections;
        }
        Ok(line.latencies)
    })
}

/// Sends `rate` requests a second in all, each when it is due, spread over `connections`.
pub(crate) fn paced(
    endpoint: &Endpoint,
    connections: u64,
    rate: f64,
    duration: Duration,
    request: &(impl Fn(u64) -> Vec<u8> + Sync),
) -> Result<Sample, LoadError> {
    let start = Instant::now() + RUN_UP;
    on_threads(connections, |first| {
        let mut line = Line::open(endpoint)?;
        let mut number = first;
        loop {
            let since_start = Duration::from_secs_f64(crate::measure::as_f64(number) / rate);
            if since_start >= duration {
                return Ok(line.latencies);
            }
            let due = start + since_start;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            line.send(&request(number), due)?;
            number += connections;
        }
    })
    .map(|sample| Sample { elapsed: sample.elapsed.saturating_sub(RUN_UP), ..sample })
}

/// Time to open all connections before the first request is due.
const RUN_UP: Duration = Duration::from_millis(50);

/// A connection and what was measured on it.
struct Line {
    connection: Connection<Box<dyn super::Stream>>,
    latencies: Histogram,
}

impl Line {
    fn open(endpoint: &Endpoint) -> Result<Self, LoadError> {
        let opened = Connection::open(endpoint);
        let connection = opened.map_err(|source| LoadError::Request { after: 0, source })?;
        Ok(Self { connection, latencies: Histogram::default() })
    }

    fn send(&mut self, request: &[u8], since: Instant) -> Result<(), LoadError> {
        let after = self.latencies.count();
        self.connection
            .exchange_ok(request)
            .map_err(|source| LoadError::Request { after, source })?;
        self.latencies.record(since.elapsed());
        Ok(())
    }
}

/// Runs `line` once a thread with the numbers from 0, and adds up what they measured.
fn on_threads(
    threads: u64,
    line: impl Fn(u64) -> Result<Histogram, LoadError> + Sync,
) -> Result<Sample, LoadError> {
    let start = Instant::now();
    let line = &line;
    let latencies = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|n| scope.spawn(move || line(n))).collect();
        let mut all = Histogram::default();
        for thread in running {
            all.merge(&thread.join().or(Err(LoadError::Thread))??);
        }
        Ok(all)
    })?;
    Ok(Sample { latencies, elapsed: start.elapsed() })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const BAD: &[u8] = b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n";
    const PING: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// Answers every read with what `answer` gives for its number; ends with the test.
    fn server(answer: impl Fn(u64) -> &'static [u8] + Send + Sync + 'static) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (served, answer) = (&AtomicU64::new(0), &answer);
            std::thread::scope(|scope| {
                for stream in listener.incoming() {
                    scope.spawn(move || {
                        let mut stream = stream.unwrap();
                        let mut request = [0; 256];
                        while matches!(stream.read(&mut request), Ok(1..)) {
                            let number = served.fetch_add(1, Ordering::Relaxed);
                            stream.write_all(answer(number)).unwrap();
                        }
                    });
                }
            });
        });
        Endpoint::Tcp(address)
    }

    #[test]
    fn a_rate_is_kept_and_every_request_counted() {
        let endpoint = server(|_| OK);
        let sample =
            paced(&endpoint, 3, 400.0, Duration::from_millis(250), &|_| PING.to_vec()).unwrap();
        assert_eq!(sample.latencies.count(), 100);
        assert!(sample.elapsed >= Duration::from_millis(240), "{:?}", sample.elapsed);
    }

    #[test]
    fn a_stall_is_paid_by_every_request_that_was_due() {
        let stall = Duration::from_millis(100);
        let endpoint = server(move |number| {
            if number == 0 {
                std::thread::sleep(stall);
            }
            OK
        });
        let sample =
            paced(&endpoint, 1, 1000.0, Duration::from_millis(200), &|_| PING.to_vec()).unwrap();
        assert_eq!(sample.latencies.count(), 200);
        // Half of all requests were due during the stall, and waited 50 ms on average.
        assert!(sample.latencies.within(750) > Duration::from_millis(40));
    }

    #[test]
    fn a_closed_loop_keeps_going_until_the_end() {
        let endpoint = server(|_| OK);
        let sample =
            closed_loop(&endpoint, 2, Duration::from_millis(50), &|_| PING.to_vec()).unwrap();
        assert!(sample.latencies.count() > 10);
        assert!(sample.per_second() > 100.0);
    }

    #[test]
    fn one_failure_fails_the_run() {
        let endpoint = server(|number| if number == 20 { BAD } else { OK });
        let failed = closed_loop(&endpoint, 1, Duration::from_secs(5), &|_| PING.to_vec());
        assert!(matches!(failed, Err(LoadError::Request { after: 20, .. })));
    }
}
