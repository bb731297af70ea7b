//! Import of keys: every fixture, and what becomes of them when bytes change.

#[cfg(test)]
mod accepted;
#[cfg(test)]
mod files;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod refused;
