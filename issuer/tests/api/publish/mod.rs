//! Copies of the public documents, and what a rotation makes of what relying parties read.

mod copies;
mod gate;
mod page;
mod site;
