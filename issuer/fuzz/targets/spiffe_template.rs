//! Templates of ids: what is taken is written as it was given and makes ids, and two apps never share one. The input is a
//! template and an ending, each on a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moneyer_fuzz::{text, trust_domain, two};
use moneyer_identity::spiffe::{SpiffeIdEnding, SpiffeIdTemplate};
use moneyer_identity::{AppName, SandboxId};

fuzz_target!(|data: &[u8]| {
    let Some((template, ending)) = two(data).and_then(|(one, two)| Some((text(one)?, text(two)?)))
    else {
        return;
    };
    let ending =
        SpiffeIdEnding::parse(ending).ok().inspect(|parsed| assert_eq!(parsed.to_string(), ending));
    let Ok(parsed) = SpiffeIdTemplate::parse(template) else { return };
    assert_eq!(parsed.to_string(), template);
    let (web, db): (AppName, AppName) = ("web".parse().unwrap(), "db".parse().unwrap());
    // The name of a sandbox is anybody's, an app's and a word of the template among them.
    for sandbox in ["web", "db", "sandbox", "s-1"] {
        let sandbox: SandboxId = sandbox.parse().unwrap();
        let id = |app, ending| {
            parsed.id(&trust_domain(), (app, ending), &sandbox).expect("it makes ids")
        };
        let ids = [id(&web, None), id(&web, ending.as_ref())];
        for other in [id(&db, None), id(&db, ending.as_ref())] {
            assert!(!ids.contains(&other), "{other}");
        }
        assert_ne!(ids[0].segments().next(), Some("moneyer"));
    }
});
