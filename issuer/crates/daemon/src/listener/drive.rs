//! A connection on its way to its end.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use tokio::time::{Instant, sleep_until};

use super::activity::{Activity, Verdict};
use super::body::AnswerBody;
use super::connection::Served;

/// Why a connection ended early.
pub(super) type Broken = Box<dyn StdError + Send + Sync>;

/// A connection of hyper that can be told to take no more requests.
pub(super) trait Connection {
    /// Takes it on until it waits, or has ended.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Broken>>;

    /// Lets it finish what it has, and no more.
    fn close(self: Pin<&mut Self>);
}

impl<I, S> Connection for http1::Connection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = AnswerBody>,
    S::Error: Into<Broken>,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Future::poll(self, cx).map_err(Into::into)
    }

    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Connection for http1::UpgradeableConnection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = AnswerBody>,
    S::Error: Into<Broken>,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Future::poll(self, cx).map_err(Into::into)
    }

    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs a connection until it ends, is told to close and does not, or stalls.
pub(super) async fn drive(connection: impl Connection, activity: &Activity, served: &Served) {
    let (limits, now) = (&served.limits, Instant::now());
    let mut connection = pin!(connection);
    let mut stop = pin!(served.stop.cancelled());
    let mut age = pin!(sleep_until(now + limits.age + crate::backoff::jitter(limits.age_jitter)));
    let mut look = pin!(sleep_until(now));
    let mut closing = false;
    // Until closing, `age` is the time to close; after that, the time to be gone.
    loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.as_mut().poll(cx)) => {
                if let Err(error) = ended {
                    tracing::debug!(error = &*error as &dyn StdError, "a connection ended early");
                }
                return;
            }
            () = stop.as_mut(), if !closing => closing = true,
            () = age.as_mut() => {
                if closing {
                    return;
                }
                closing = true;
            }
            () = look.as_mut() => match activity.judge(Instant::now(), limits) {
                Verdict::LookAt(time) => {
                    look.as_mut().reset(time);
                    continue;
                }
                Verdict::Idle if !closing => {
                    closing = true;
                    look.as_mut().reset(Instant::now() + limits.grace);
                }
                Verdict::Idle | Verdict::Stalled => {
                    tracing::debug!("closed a stalled connection");
                    return;
                }
            }
        }
        connection.as_mut().close();
        age.as_mut().reset(Instant::now() + limits.grace.max(Duration::from_millis(1)));
    }
}
