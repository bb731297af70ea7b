//! Writes that are gathered until a connection has nothing more to do.
//!
//! HTTP/2 asks for a flush after every DATA frame. Over TLS each would be a record and a system call of its
//! own, also where a dozen answers are ready at once. Here a flush does nothing: what is written stays until
//! the buffer is full, or whoever polls the connection pulls the cork. Nothing is kept longer than one poll.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};

/// Bytes kept at most: one TLS record at its longest (RFC 8446 section 5.1).
const GATHERED_BYTES: usize = 16 * 1024;

/// The connection's end: its flushes do nothing.
pub(super) struct Corked<I>(Arc<Mutex<BufWriter<I>>>);

/// The end of whoever polls the connection. Both ends belong to one task, so neither waits at the lock.
pub(super) struct Cork<I>(Arc<Mutex<BufWriter<I>>>);

/// Corks a byte stream.
pub(super) fn cork<I: AsyncWrite>(io: I) -> (Corked<I>, Cork<I>) {
    let shared = Arc::new(Mutex::new(BufWriter::with_capacity(GATHERED_BYTES, io)));
    (Corked(Arc::clone(&shared)), Cork(shared))
}

/// A panic under the lock ends the connection, and nobody uses the stream after it.
fn lock<I>(shared: &Mutex<BufWriter<I>>) -> MutexGuard<'_, BufWriter<I>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<I: AsyncWrite + Unpin> Cork<I> {
    /// Writes what was gathered. Where the stream takes no more, the task is woken once it does.
    pub(super) fn pull(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.0)).poll_flush(cx)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Corked<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(lock(&self.0).get_mut()).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Corked<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *lock(&self.0)).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *lock(&self.0)).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        lock(&self.0).is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.0)).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn pull<I: AsyncWrite + Unpin>(cork: &Cork<I>) -> io::Result<()> {
        std::future::poll_fn(|cx| cork.pull(cx)).await
    }

    #[tokio::test]
    async fn what_is_flushed_arrives_when_the_cork_is_pulled() {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut corked, cork) = cork(near);
        for part in ["a few ", "small ", "writes"] {
            corked.write_all(part.as_bytes()).await.unwrap();
            corked.flush().await.unwrap();
        }
        let mut arrived = [0; 18];
        let early = far.read(&mut arrived);
        assert!(futures_util::FutureExt::now_or_never(early).is_none(), "it was kept");
        pull(&cork).await.unwrap();
        assert_eq!(far.read(&mut arrived).await.unwrap(), 18, "all of it, in one write");
        assert_eq!(&arrived, b"a few small writes");
    }

    #[tokio::test]
    async fn no_more_is_kept_than_the_buffer_holds_and_a_shutdown_leaves_nothing() {
        let (near, mut far) = tokio::io::duplex(GATHERED_BYTES * 4);
        let (mut corked, _cork) = cork(near);
        corked.write_all(&vec![7; GATHERED_BYTES * 2 + 1]).await.unwrap();
        let mut arrived = vec![0; GATHERED_BYTES];
        far.read_exact(&mut arrived).await.unwrap();
        corked.shutdown().await.unwrap();
        arrived.clear();
        far.read_to_end(&mut arrived).await.unwrap();
        assert_eq!(arrived.len(), GATHERED_BYTES + 1);
    }

    #[tokio::test]
    async fn an_error_of_the_stream_is_told_to_whoever_pulls() {
        let (near, far) = tokio::io::duplex(64);
        drop(far);
        let (mut corked, cork) = cork(near);
        corked.write_all(b"nobody is there").await.unwrap();
        assert_eq!(pull(&cork).await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
