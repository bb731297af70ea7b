//! YAML (version 1.2, core schema) as operators write profiles in, to JSON values and back.
//!
//! One document of plain collections and scalars, bounded in size and depth. Anchors, aliases, tags, merge keys, names
//! that stand twice and names that are no texts are refused: they are what documents that explode, or that two
//! readers read in two ways, are made of. `no` and `on` are texts, as version 1.2 has it.

mod read;
mod write;

pub(crate) use read::{MAXIMUM_YAML_BYTES, read};
pub(crate) use write::write;
