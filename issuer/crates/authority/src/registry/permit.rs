//! Permits: proof that a token may be minted.
//!
//! A permit is made by the registry from the placement of that moment and holds everything a token
//! says of its holder, so that nothing a request says can end up in a claim.

use std::sync::Arc;

use moneyer_identity::{RunnerId, SystemWorkloadName};

use crate::registry::app::App;
use crate::registry::sandbox::Placed;

/// A token for this sandbox may be minted now.
#[derive(Debug)]
pub struct Permit {
    pub(super) placed: Arc<Placed>,
    pub(super) app: Arc<App>,
}

impl Permit {
    /// The sandbox and its placement.
    #[must_use]
    pub fn placed(&self) -> &Placed {
        &self.placed
    }

    /// Its app.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }
}

/// One of the closed list of system workloads in the coordinator's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemWorkload {
    /// Its name.
    pub name: SystemWorkloadName,
    /// Whether it runs on runners, which then may ask for its tokens.
    pub on_runners: bool,
}

/// A token for this system workload may be minted now.
#[derive(Debug)]
pub struct SystemPermit {
    pub(super) workload: SystemWorkloadName,
    pub(super) runner: Option<RunnerId>,
}

impl SystemPermit {
    /// The workload.
    #[must_use]
    pub fn workload(&self) -> &SystemWorkloadName {
        &self.workload
    }

    /// The runner it runs on, if on one.
    #[must_use]
    pub fn runner(&self) -> Option<&RunnerId> {
        self.runner.as_ref()
    }
}
