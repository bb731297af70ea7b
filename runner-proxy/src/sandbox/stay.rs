//! The time for which a sandbox is attached, as what is served to it sees it.
//!
//! It ends in one of two ways that a client must be able to tell apart: the sandbox has left and nothing is
//! left for it, or the proxy goes down and will be back.

use moneyer_daemon::lifecycle::Shutdown;
use moneyer_identity::SandboxId;
use tokio_util::sync::CancellationToken;

use crate::coordinator::Occupant;

/// One sandbox's stay. Clones are the same stay.
#[derive(Debug, Clone)]
pub(crate) struct Stay {
    sandbox: SandboxId,
    occupant: Occupant,
    left: CancellationToken,
    closing: Shutdown,
}

/// How a stay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The sandbox is attached no more.
    Left,
    /// The proxy goes down.
    Closing,
}

impl Stay {
    /// The stay of a sandbox that was attached as this one.
    pub(crate) fn new(sandbox: SandboxId, occupant: Occupant) -> Self {
        Self { sandbox, occupant, left: CancellationToken::new(), closing: Shutdown::new() }
    }

    /// Which sandbox.
    pub(crate) fn sandbox(&self) -> &SandboxId {
        &self.sandbox
    }

    /// Who its id stood for when it was attached.
    pub(crate) fn occupant(&self) -> &Occupant {
        &self.occupant
    }

    /// What serves it, and ends with it.
    pub(super) fn served(&self) -> Shutdown {
        self.closing.clone()
    }

    /// Cancelled when it ends, in whatever way.
    pub(crate) fn end(&self) -> &CancellationToken {
        self.closing.token()
    }

    /// How it ended, if it has.
    pub(crate) fn ending(&self) -> Option<Ending> {
        if self.left.is_cancelled() {
            Some(Ending::Left)
        } else if self.end().is_cancelled() {
            Some(Ending::Closing)
        } else {
            None
        }
    }

    /// Ends it: the sandbox has left.
    pub(crate) fn leave(&self) {
        self.left.cancel();
        self.closing.begin();
    }

    /// Ends what is served, and says nothing of the sandbox.
    pub(crate) fn close(&self) {
        self.closing.begin();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaving_and_closing_are_told_apart_in_whatever_order() {
        let stay = || Stay::new(SandboxId::parse("s").unwrap(), Occupant::of_app("web"));
        let (left, closed, both) = (stay(), stay(), stay());
        assert_eq!(left.ending(), None);
        left.leave();
        closed.close();
        both.close();
        both.leave();
        let endings = [left, closed, both].map(|stay| stay.ending());
        assert_eq!(endings, [Some(Ending::Left), Some(Ending::Closing), Some(Ending::Left)]);
    }
}
