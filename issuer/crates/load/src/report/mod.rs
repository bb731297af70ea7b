//! The report: every kind of work at several numbers of sandboxes, as a page with charts.
//!
//! The page is written whole, by this program only: what it says about how figures came about stands
//! beside the code that makes them.

mod chart;
mod charts;
mod machine;
mod page;
mod plan;
#[cfg(test)]
mod tests;
mod verdict;
mod write;

pub(crate) use plan::{Plan, ReportError, say};
