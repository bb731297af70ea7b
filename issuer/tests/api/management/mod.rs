//! `/api/v1` on the management socket.

mod adoption;
mod apps;
mod audiences;
mod import;
mod issuer;
mod members;
mod operators;
mod providers;
mod sandboxes;
