//! The parts of the page below the verdict: each a section with its heading, drawings and a table.

mod cells;
mod glance;
mod keys;
mod parts;
mod publish;
mod traffic;

pub(super) use cells::{distance, moment};
pub(super) use glance::glance;
pub(super) use keys::keys;
pub(super) use parts::{checks, runners};
pub(super) use publish::publish;
pub(super) use traffic::{tokens, warnings};
