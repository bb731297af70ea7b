//! By what a request went out, and whether it would now.
//!
//! Before it is sent nothing of that may have changed. Afterwards, while its answer is on the way or its WebSocket is
//! open, it has to be permitted still: by the same holder's grants, to the same address, with the same tokens.

use std::net::IpAddr;
use std::sync::Arc;

use moneyer_identity::grant::{GrantKind, SandboxGrants};

use super::caller::Caller;
use super::names::Pinned;
use super::proxy::ForwardProxy;
use super::request::Asked;
use crate::grant::{GrantKey, Holder};

/// By what a request was permitted.
pub(super) struct Standing {
    pub(super) proxy: ForwardProxy,
    pub(super) caller: Caller,
    pub(super) asked: Arc<Asked>,
    pub(super) encrypted: bool,
    pub(super) holder: Holder,
    pub(super) grants: Arc<SandboxGrants>,
    pub(super) pinned: Pinned,
    /// What its tokens are for.
    pub(super) tokens: Vec<GrantKey>,
    /// Whether these are taken out of the answer.
    pub(super) redacted: bool,
}

impl Standing {
    /// The same of a request that goes to this address.
    pub(super) fn at(self, address: IpAddr) -> Self {
        Self { pinned: self.pinned.only(address), ..self }
    }

    /// Whether what was decided would be decided now: by the same revision of what the same holder may do.
    pub(super) fn is_unchanged(&self) -> bool {
        self.current_grants().is_some_and(|grants| self.are_same(&grants))
    }

    /// Whether it would be sent now: to the same address and with the same tokens. What goes on without end is looked at
    /// more strictly: behind the same words of another revision may be another user's token.
    pub(super) fn is_permitted(&self) -> bool {
        let Some(grants) = self.current_grants() else { return false };
        if self.are_same(&grants) {
            return true;
        }
        let Ok(permitted) = self.asked.decide(&grants) else { return false };
        let is_granted = |key: &GrantKey| {
            let is_same = !self.asked.upgrades
                || key.grant.kind != GrantKind::TokenExchange
                || key.revision == grants.revision;
            is_same && permitted.bindings().iter().any(|binding| binding.grant == key.grant)
        };
        // An answer that began as it came does not become another one.
        let shows = !self.redacted && permitted.is_echo_redacted();
        !shows
            && self.tokens.iter().all(is_granted)
            && self.pinned.for_request(&permitted, self.encrypted).is_ok()
    }

    /// What the holder may do at this moment; `None` where it is another one, or none.
    fn current_grants(&self) -> Option<Arc<SandboxGrants>> {
        let now = self.caller.grants(&*self.proxy.parts.permissions).ok();
        now.filter(|(holder, _)| *holder == self.holder).map(|(_, grants)| grants)
    }

    fn are_same(&self, grants: &Arc<SandboxGrants>) -> bool {
        Arc::ptr_eq(grants, &self.grants) || **grants == *self.grants
    }
}
