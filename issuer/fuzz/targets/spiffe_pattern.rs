//! Patterns: what is taken is written as it was given, and matches what a reading by text says it does. The input is a
//! pattern and an id, each on a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moneyer_fuzz::{text, two};
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdPattern};

fn says(pattern: &[&str], id: &[&str]) -> bool {
    match (pattern, id) {
        ([], []) => true,
        (["**"], [_, ..]) => true,
        ([wanted, pattern @ ..], [named, id @ ..]) => {
            (*wanted == "*" || wanted == named) && says(pattern, id)
        }
        _ => false,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((pattern, id)) = two(data).and_then(|(one, two)| Some((text(one)?, text(two)?)))
    else {
        return;
    };
    let Ok(parsed) = SpiffeIdPattern::parse(pattern) else { return };
    assert_eq!(parsed.to_string(), pattern);
    let Ok(id) = SpiffeId::parse(id) else { return };
    let (pattern, named): (Vec<_>, Vec<_>) =
        (pattern.split('/').skip(2).collect(), id.as_str().split('/').skip(2).collect());
    assert_eq!(parsed.matches(&id), pattern[0] == named[0] && says(&pattern[1..], &named[1..]));
});
