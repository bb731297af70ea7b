//! What other coordinators have written and this one cannot read, damaged or of a newer version: pure.
//!
//! A record that is about one thing alone is taken for removed here, so that what it is about is refused and nothing
//! else is. Where everything hangs on all records of a kind nobody can say what is safe without one of them: that
//! counts as not following. Either is told until it is mended.

use std::collections::BTreeMap;

use moneyer_identity::error_chain;

use crate::enrollment::Enrollment;
use crate::exchange::Mappings;
use crate::registry::Registry;
use crate::shared_store::Changed;
use crate::store::{Collection, StoreError};

/// So many are named; of more it is said how many there are.
const NAMED: usize = 3;

/// What cannot be read.
#[derive(Debug, Default)]
pub(crate) struct Unreadable {
    /// Why, of each record.
    records: BTreeMap<(Collection, String), String>,
    /// Why the last round took in less than it was told.
    fault: Option<String>,
}

impl Unreadable {
    /// The changes as they are taken in: a record that cannot be read is gone.
    pub(crate) fn sift(&mut self, changed: Vec<Changed>) -> Vec<Changed> {
        changed.into_iter().map(|change| self.sifted(change)).collect()
    }

    fn sifted(&mut self, change: Changed) -> Changed {
        let read = Registry::read(&change)
            .and_then(|()| Enrollment::read(&change))
            .and_then(|()| Mappings::read(&change));
        match read {
            Ok(()) => {
                self.records.remove(&(change.collection, change.id.clone()));
                change
            }
            Err(error) => {
                self.note(change.collection, &change.id, &error);
                Changed { value: None, ..change }
            }
        }
    }

    /// A record cannot be read.
    pub(crate) fn note(&mut self, collection: Collection, id: &str, error: &StoreError) {
        self.records.insert((collection, id.to_owned()), error_chain(error));
    }

    /// All records of a kind can be read.
    pub(crate) fn forget(&mut self, collection: Collection) {
        self.records.retain(|(of, _), _| *of != collection);
    }

    /// Why a round took in less than it was told; `None`: it took in all.
    pub(crate) fn fail(&mut self, fault: Option<String>) {
        self.fault = fault;
    }

    /// What is wrong, for people.
    pub(crate) fn told(&self) -> Option<String> {
        let named = self.records.values().take(NAMED).map(String::as_str);
        let mut told: Vec<_> = self.fault.as_deref().into_iter().chain(named).collect();
        let more = self.records.len().saturating_sub(NAMED);
        let more = (more > 0).then(|| format!("{more} more records cannot be read"));
        told.extend(more.as_deref());
        (!told.is_empty()).then(|| told.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Generation;

    fn sandbox(id: &str) -> Changed {
        let value = Some(b"no record".to_vec().into());
        let collection = Collection::Sandboxes;
        Changed { collection, id: id.to_owned(), revision: Generation(1), value }
    }

    #[test]
    fn what_cannot_be_read_is_gone_and_told_until_it_is_read_or_removed() {
        let mut unreadable = Unreadable::default();
        assert_eq!(unreadable.told(), None);
        let all = (1..=5).map(|number| sandbox(&format!("web-{number}"))).collect();
        assert!(unreadable.sift(all).iter().all(|change| change.value.is_none()));
        let told = unreadable.told().unwrap();
        assert!(told.contains("web-3") && !told.contains("web-4"), "{told}");
        assert!(told.ends_with("2 more records cannot be read"), "{told}");
        let removed =
            (1..=5).map(|number| Changed { value: None, ..sandbox(&format!("web-{number}")) });
        unreadable.sift(removed.collect());
        assert_eq!(unreadable.told(), None);
    }

    #[test]
    fn what_everything_hangs_on_is_left_to_whoever_reads_all_of_it() {
        let mut unreadable = Unreadable::default();
        let key = Changed { collection: Collection::Keys, ..sandbox("key") };
        assert_eq!(unreadable.sift(vec![key.clone()]), [key]);
        unreadable.fail(Some("the keys".to_owned()));
        assert_eq!(unreadable.told().unwrap(), "the keys");
    }
}
