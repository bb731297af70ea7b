//! Pages of sandboxes in the order of their ids.

use std::ops::Bound;
use std::sync::Arc;

use moneyer_identity::{AppName, RunnerId, SandboxId};

use crate::registry::directory::Registry;
use crate::registry::error::RegistryError;
use crate::registry::sandbox::Placed;

/// Largest page: about 2 MiB on the wire.
const MAXIMUM_PAGE: usize = 10_000;

/// Page size where none is asked for.
const DEFAULT_PAGE: usize = 1_000;

/// Which sandboxes.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// Only those of this app.
    pub app: Option<AppName>,
    /// Only those on this runner.
    pub runner: Option<RunnerId>,
    /// Only those after this id.
    pub after: Option<SandboxId>,
    /// At most this many; 0 for the default.
    pub size: usize,
}

/// Some sandboxes, and the last of them if there are more.
#[derive(Debug, Clone)]
pub struct Page {
    /// In the order of their ids.
    pub sandboxes: Vec<Arc<Placed>>,
    /// Ask for what comes after this.
    pub next: Option<SandboxId>,
}

impl Registry {
    /// A page of sandboxes.
    pub fn list_sandboxes(&self, request: &PageRequest) -> Result<Page, RegistryError> {
        let size = match request.size {
            0 => DEFAULT_PAGE,
            size if size <= MAXIMUM_PAGE => size,
            _ => return Err(RegistryError::PageSize(MAXIMUM_PAGE)),
        };
        let from = request.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let placements = self.shared.read();
        let wanted = |placed: &&Arc<Placed>| {
            let sandbox = &placed.sandbox;
            request.app.as_ref().is_none_or(|app| *app == sandbox.app)
                && request.runner.as_ref().is_none_or(|runner| *runner == sandbox.runner)
        };
        let mut sandboxes: Vec<_> = placements
            .sandboxes
            .range((from, Bound::Unbounded))
            .map(|(_, placed)| placed)
            .filter(wanted)
            .take(size + 1)
            .cloned()
            .collect();
        let more = sandboxes.len() > size;
        sandboxes.truncate(size);
        let last = sandboxes.last().map(|placed| placed.sandbox.id.clone());
        Ok(Page { sandboxes, next: last.filter(|_| more) })
    }
}
