//! What is measured: latencies, CPU time, memory, and the raw signature all of it is held against.
//!
//! Nothing here knows what is being loaded. CPU time is that of whole processes, so the load
//! generator's own share of the cores never enters a ratio. Percentiles come from fixed logarithmic
//! buckets: recording never allocates and never samples.

mod histogram;
mod neighbours;
mod number;
mod process;
mod raw_signature;
mod sample;

pub use histogram::Histogram;
pub(crate) use neighbours::busy_part;
pub(crate) use number::{as_f64, millis, per};
pub(crate) use process::{ProcessError, ProcessId};
pub(crate) use raw_signature::{RawSignature, RawSignatureCost, RawSignatureError};
pub use sample::Sample;
