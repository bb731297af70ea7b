//! Look-ups of names, bounded: whoever answers them may take as long as it likes.
//!
//! The system's resolver has a thread for each, which nobody can take back. So each sandbox has a few at a time and all have
//! not many more, so that no sandbox's names hold up another's or what else needs those threads; and a place is
//! free when its look-up has really ended, not when nobody waits for it any more.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::SandboxId;
use tokio::sync::Semaphore;

use super::names::Names;
use super::shares::Shares;

/// Time to wait for a look-up, and for one's turn: resolvers ask a second server after 5 s.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(5);

/// Look-ups of one sandbox under way: a page has parts on fewer hosts that are new at once.
const LOOK_UPS_OF_A_SANDBOX: usize = 8;

/// Look-ups under way: an eighth of the threads that the runtime has for what blocks.
const LOOK_UPS: usize = 64;

/// The look-ups of all sandboxes.
pub(super) struct LookUps {
    names: Arc<dyn Names>,
    shares: Shares,
    all: Arc<Semaphore>,
}

impl LookUps {
    /// None under way.
    pub(super) fn new(names: impl Names + 'static) -> Self {
        let (shares, all) =
            (Shares::new(LOOK_UPS_OF_A_SANDBOX), Arc::new(Semaphore::new(LOOK_UPS)));
        Self { names: Arc::new(names), shares, all }
    }

    /// The addresses of a name.
    pub(super) async fn addresses(
        &self,
        sandbox: &SandboxId,
        name: &str,
    ) -> io::Result<Vec<IpAddr>> {
        let found = tokio::time::timeout(LOOK_UP_LIMIT, self.look_up(sandbox, name)).await;
        found.map_err(|_over| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Whether an address is one of this host.
    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        self.names.is_own(address)
    }

    async fn look_up(&self, sandbox: &SandboxId, name: &str) -> io::Result<Vec<IpAddr>> {
        let share = self.shares.wait(sandbox).await;
        let turn = Arc::clone(&self.all).acquire_owned().await;
        let (names, name) = (Arc::clone(&self.names), name.to_owned());
        let looking = tokio::spawn(async move {
            let _until_it_has_ended = (share, turn);
            names.addresses(&name).await
        });
        looking.await.map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::fakes::sandbox;

    /// Answers names that begin with `good`, and no others before it is let.
    struct Tarpit(Arc<Semaphore>);

    #[async_trait]
    impl Names for Tarpit {
        async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            if !name.starts_with("good") {
                self.0.acquire().await.unwrap().forget();
            }
            Ok(vec![IpAddr::from([1, 1, 1, 1])])
        }

        fn is_own(&self, _: IpAddr) -> bool {
            false
        }
    }

    fn tarpit() -> (Arc<LookUps>, Arc<Semaphore>) {
        let let_go = Arc::new(Semaphore::new(0));
        (Arc::new(LookUps::new(Tarpit(Arc::clone(&let_go)))), let_go)
    }

    /// Asks as a sandbox that hangs up after a moment.
    async fn hang_up(look_ups: &LookUps, id: &str) {
        let (id, moment) = (sandbox(id), Duration::from_millis(1));
        tokio::time::timeout(moment, look_ups.addresses(&id, "slow.test")).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_waited_for_for_five_seconds() {
        let (look_ups, _let_go) = tarpit();
        let began = tokio::time::Instant::now();
        let error = look_ups.addresses(&sandbox("s"), "slow.test").await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, LOOK_UP_LIMIT));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sandbox_has_8_look_ups_though_it_hangs_up_and_the_others_have_theirs() {
        let (look_ups, let_go) = tarpit();
        for _ in 0..7 {
            hang_up(&look_ups, "s").await;
        }
        look_ups.addresses(&sandbox("s"), "good.test").await.unwrap();
        hang_up(&look_ups, "s").await;
        look_ups.addresses(&sandbox("s"), "good.test").await.unwrap_err();
        look_ups.addresses(&sandbox("other"), "good.test").await.unwrap();
        let_go.add_permits(8);
        look_ups.addresses(&sandbox("s"), "good.test").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn all_have_64_look_ups() {
        let (look_ups, let_go) = tarpit();
        for number in 0..63 {
            hang_up(&look_ups, &format!("s{}", number / 8)).await;
        }
        look_ups.addresses(&sandbox("other"), "good.test").await.unwrap();
        hang_up(&look_ups, "s7").await;
        look_ups.addresses(&sandbox("other"), "good.test").await.unwrap_err();
        let_go.add_permits(64);
        look_ups.addresses(&sandbox("other"), "good.test").await.unwrap();
    }
}
