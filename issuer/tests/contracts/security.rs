//! docs/security.md: a promise names a test that exists.

use crate::pages::{code, read, rows};

#[test]
fn every_promise_names_its_test() {
    let promises = rows(&read("docs/security.md"));
    assert!(promises.len() > 10, "the table was not found");
    for promise in promises {
        let [number, _, test] = promise.as_slice() else { panic!("{promise:?}") };
        let digits = number.strip_prefix('P').unwrap_or_else(|| panic!("{number}"));
        assert!(digits.parse::<u8>().is_ok_and(|number| (1..=30).contains(&number)), "{number}");
        let (file, name) = code(test).split_once(' ').unwrap_or_else(|| panic!("{test}"));
        assert!(read(file).contains(&format!("fn {name}")), "there is no {name} in {file}");
    }
}
