//! The guard before hyper: how a stream is cut into pieces changes nothing of what gets through. The first byte of the
//! input says how it is cut.
#![no_main]

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use libfuzzer_sys::fuzz_target;
use moneyer_daemon::listener::http1_guard::Guard;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

const HEAD: usize = 512;
// A head that is too long is answered with one that never ends.
const ENOUGH: u64 = 64 * 1024;

struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buf.remaining()));
            buf.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn through(pieces: VecDeque<Vec<u8>>) -> (Vec<u8>, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut passed = Vec::new();
    let read =
        runtime.block_on(Guard::new(Pieces(pieces), HEAD).take(ENOUGH).read_to_end(&mut passed));
    (passed, read.err().map(|error| error.to_string()))
}

fuzz_target!(|data: &[u8]| {
    let Some((first, stream)) = data.split_first() else { return };
    let whole = through(VecDeque::from([stream.to_vec()]));
    let size = usize::from(*first).max(1);
    assert_eq!(whole, through(stream.chunks(size).map(<[u8]>::to_vec).collect()));
    assert_eq!(whole, through(stream.chunks(1).map(<[u8]>::to_vec).collect()));
});
