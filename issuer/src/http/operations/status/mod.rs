//! The status page: how it stands with the cluster, for the person who is called at night.
//!
//! What is shown is a value, [`StatusView`], made of the authority, the publisher, the counts and the last
//! warnings at one moment; as HTML it is the page at `/`, as JSON `/status.json`. Its [`Verdict`](verdict::Verdict) comes
//! first: one sentence, and for whatever is wrong what to do.
//!
//! Nothing here names a sandbox, an app, a subject or a token: of sandboxes and tokens there are numbers.
//! Every text is escaped by the template, and the page may load and run nothing: no script, no file, no
//! form, and no style but its own.

mod advice;
mod draw;
mod federations;
mod findings;
mod keys;
mod page;
mod runners;
mod sections;
mod traffic;
mod verdict;
mod view;
pub(super) mod words;

pub(super) use page::{content_security_policy, page};
pub(super) use view::{Moment, StatusView};
