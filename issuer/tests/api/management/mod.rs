//! `/api/v1` on the management socket.

mod apps;
mod issuer;
mod members;
mod operators;
mod sandboxes;
