//! A wire that can be cut: a TCP relay of our own between runner and coordinator, each direction apart.
//!
//! It stands for the network, and keeps a network's promise: what is held back arrives later, in order
//! and whole, or never, because the connection was given up; no byte is lost inside a connection. While
//! the way to the coordinator is cut nobody is connected to it either. It needs no root and no network
//! of its own, so a partition can be tried wherever the tests run.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

/// How often a thread that has nothing to carry looks up.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What one direction does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Carries them.
    Open,
    /// Keeps them, and the news of a close.
    Cut,
    /// Carries them this much later.
    Late(Duration),
    /// Carries one in each such time.
    Trickle(Duration),
}

/// An end of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Runner,
    Coordinator,
}

#[derive(Debug)]
struct Wire {
    to_coordinator: Mutex<Way>,
    to_runner: Mutex<Way>,
    /// Connections that each end has closed by itself.
    closed_by_runner: AtomicUsize,
    closed_by_coordinator: AtomicUsize,
    /// Connections that the runner has opened.
    opened: AtomicUsize,
    done: AtomicBool,
}

impl Wire {
    fn way_from(&self, from: End) -> Way {
        let way = match from {
            End::Runner => &self.to_coordinator,
            End::Coordinator => &self.to_runner,
        };
        *way.lock().unwrap()
    }

    fn closed_by(&self, end: End) -> &AtomicUsize {
        match end {
            End::Runner => &self.closed_by_runner,
            End::Coordinator => &self.closed_by_coordinator,
        }
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }
}

/// The relay. Dropped, it closes everything.
pub(crate) struct Relay {
    address: SocketAddr,
    wire: Arc<Wire>,
}

impl Relay {
    /// A wire to `coordinator`, open both ways.
    pub(crate) fn to(coordinator: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Arc::new(Wire {
            to_coordinator: Mutex::new(Way::Open),
            to_runner: Mutex::new(Way::Open),
            closed_by_runner: AtomicUsize::new(0),
            closed_by_coordinator: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            done: AtomicBool::new(false),
        });
        let accepting = wire.clone();
        thread::spawn(move || accept(&listener, coordinator, &accepting));
        Self { address, wire }
    }

    /// Where a runner connects.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets both directions.
    pub(crate) fn set(&self, to_coordinator: Way, to_runner: Way) {
        *self.wire.to_coordinator.lock().unwrap() = to_coordinator;
        *self.wire.to_runner.lock().unwrap() = to_runner;
    }

    /// Connections that this end has given up, or ended, so far.
    pub(crate) fn closed_by(&self, end: End) -> usize {
        self.wire.closed_by(end).load(Ordering::Relaxed)
    }

    /// Connections that the runner has opened so far.
    pub(crate) fn opened(&self) -> usize {
        self.wire.opened.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.wire.done.store(true, Ordering::Relaxed);
    }
}

fn accept(listener: &TcpListener, coordinator: SocketAddr, wire: &Arc<Wire>) {
    while !wire.is_done() {
        match listener.accept() {
            Ok((runner, _)) => {
                wire.opened.fetch_add(1, Ordering::Relaxed);
                let wire = wire.clone();
                thread::spawn(move || connect(runner, coordinator, &wire));
            }
            Err(_) => thread::sleep(LOOK_EVERY),
        }
    }
}

/// Connects through, as soon as a packet could pass, unless the runner has given up by then.
fn connect(runner: TcpStream, coordinator: SocketAddr, wire: &Arc<Wire>) {
    runner.set_nonblocking(false).unwrap();
    runner.set_read_timeout(Some(LOOK_EVERY)).unwrap();
    while wire.way_from(End::Runner) == Way::Cut {
        if wire.is_done() || matches!(runner.peek(&mut [0]), Ok(0)) {
            wire.closed_by(End::Runner).fetch_add(1, Ordering::Relaxed);
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
    // Nobody there: the runner sees its connection closed.
    let Ok(far) = TcpStream::connect(coordinator) else { return };
    far.set_read_timeout(Some(LOOK_EVERY)).unwrap();
    for stream in [&runner, &far] {
        stream.set_nodelay(true).unwrap();
    }
    let back = (far.try_clone().unwrap(), runner.try_clone().unwrap(), wire.clone());
    thread::spawn(move || carry(End::Coordinator, back.0, &back.1, &back.2));
    carry(End::Runner, runner, &far, wire);
}

/// Carries what comes from one end to the other, until both know that it is over.
fn carry(end: End, mut from: TcpStream, mut to: &TcpStream, wire: &Wire) {
    let mut held = VecDeque::<(Instant, Vec<u8>)>::new();
    let mut buffer = vec![0; 64 * 1024];
    let (mut ended, mut last) = (false, Instant::now());
    while !wire.is_done() {
        if ended {
            thread::sleep(LOOK_EVERY);
        } else {
            match from.read(&mut buffer) {
                Ok(length) if length > 0 => {
                    held.push_back((Instant::now(), buffer[..length].to_vec()));
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Ok(_) | Err(_) => {
                    ended = true;
                    wire.closed_by(end).fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        let way = wire.way_from(end);
        while let Some(bytes) = next(&mut held, way, &mut last) {
            if to.write_all(&bytes).is_err() {
                // The far end gave the connection up; so this one learns of it.
                drop(from.shutdown(Shutdown::Both));
                return;
            }
        }
        if ended && held.is_empty() && way != Way::Cut {
            drop(to.shutdown(Shutdown::Write));
            return;
        }
    }
    drop(from.shutdown(Shutdown::Both));
}

/// What may pass now.
fn next(held: &mut VecDeque<(Instant, Vec<u8>)>, way: Way, last: &mut Instant) -> Option<Vec<u8>> {
    let since = held.front()?.0;
    match way {
        Way::Open => held.pop_front().map(|(_, bytes)| bytes),
        Way::Cut => None,
        Way::Late(by) => (since.elapsed() >= by).then(|| held.pop_front())?.map(|(_, bytes)| bytes),
        Way::Trickle(every) => {
            if last.elapsed() < every {
                return None;
            }
            *last = Instant::now();
            let (since, mut bytes) = held.pop_front()?;
            let rest = bytes.split_off(1);
            if !rest.is_empty() {
                held.push_front((since, rest));
            }
            Some(bytes)
        }
    }
}

/// A wire that carries everything whatever it is told would pass every test here.
mod control {
    use super::*;

    #[test]
    fn what_is_cut_arrives_later_and_whole() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay::to(server.local_addr().unwrap());
        let mut runner = TcpStream::connect(relay.address()).unwrap();
        let (mut coordinator, _) = server.accept().unwrap();
        coordinator.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut read = [0; 8];

        runner.write_all(b"open").unwrap();
        coordinator.read_exact(&mut read[..4]).unwrap();
        relay.set(Way::Cut, Way::Open);
        thread::sleep(4 * LOOK_EVERY);
        runner.write_all(b"held").unwrap();
        coordinator.read(&mut read).unwrap_err();
        coordinator.write_all(b"back").unwrap();
        runner.read_exact(&mut read[..4]).unwrap();
        assert_eq!(&read[..4], b"back", "the other way is open");

        let mut late = TcpStream::connect(relay.address()).unwrap();
        late.write_all(b"late").unwrap();
        server.set_nonblocking(true).unwrap();
        thread::sleep(Duration::from_millis(100));
        server.accept().unwrap_err();

        relay.set(Way::Open, Way::Open);
        coordinator.read_exact(&mut read[..4]).unwrap();
        assert_eq!(&read[..4], b"held");
        drop(runner);
        coordinator.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(coordinator.read(&mut read).unwrap(), 0, "a close passes too");
        assert_eq!(relay.closed_by(End::Runner), 1);
    }
}
