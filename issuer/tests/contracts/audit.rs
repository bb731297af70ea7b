//! docs/audit.md: the events and their fields.

use std::collections::BTreeSet;

use moneyer_authority::audit::{Actor, AuditEvent, Event};
use moneyer_identity::{ErrorClass, UnixTime};
use moneyer_testkit::audit::samples;
use serde_json::Value;

use crate::pages::read;
use crate::tables::{code, rows};

fn fields(what: Event) -> BTreeSet<String> {
    let event = AuditEvent::new(UnixTime(1), Actor::System, what);
    let Value::Object(fields) = serde_json::to_value(event).unwrap() else { panic!("an object") };
    fields.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn every_event_and_field_is_on_the_page() {
    let page = read("docs/audit.md");
    let tables: Vec<_> = page.split("\n| Event |").collect();
    let common: BTreeSet<_> = rows(tables[0]).iter().map(|row| code(&row[0]).to_owned()).collect();
    let events = rows(&format!("| Event |{}", tables[1].split("\n\n").next().unwrap()));
    assert_eq!(events.len(), Event::NAMES.len());
    for ((row, what), name) in events.iter().zip(samples()).zip(Event::NAMES) {
        assert_eq!(code(&row[0]), name);
        let names = row[2].split(' ').filter(|name| !name.is_empty());
        let names = names.map(|name| code(name).trim_matches(['[', ']']).to_owned());
        // The two ends of a line are the log's own.
        let told: BTreeSet<_> = names.chain(common.clone()).collect();
        let ends = ["seq".to_owned(), "prev".to_owned()];
        let written: BTreeSet<_> = fields(what).into_iter().chain(ends).collect();
        assert_eq!(told, written, "{name}");
    }
    for class in ErrorClass::ALL {
        assert!(page.contains(&format!("`{}`", class.as_str())), "{}", class.as_str());
    }
}
