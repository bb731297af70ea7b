//! What is stored of an audience profile: what an operator said, so that what follows from the
//! configuration follows it.

use crate::audiences::profile::ProfileSpec;
use crate::store::{Collection, Record};

/// Most profiles an operator may put: each is a token file of every sandbox whose app may ask for it.
pub const MAXIMUM_PROFILES: usize = 64;

impl Record for ProfileSpec {
    const COLLECTION: Collection = Collection::Audiences;

    fn id(&self) -> String {
        self.name.as_str().to_owned()
    }
}
