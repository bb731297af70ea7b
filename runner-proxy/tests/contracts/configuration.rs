//! docs/reference/runner-proxy-config.schema.json and docs/reference/runner-proxy-configuration.md, from the types.

use moneyer_daemon::settings::{Source, schema};
use moneyer_runner_proxy::config::Config;

use crate::pages::{is_up_to_date, read};
use crate::reference;

const PREFACE: &str = "\
# The runner proxy's configuration

Generated from the types that read it; a test compares them. One TOML file, by default
`/etc/moneyer/runner-proxy.toml`; `moneyer-runner-proxy config check` reports every mistake in it with its line,
and `moneyer-runner-proxy config show` prints what is in force. Unknown keys are mistakes. There is no secret in
it. How it is used: [runner.md](../runner.md).

Any key can be set by a variable: `MONEYER__COORDINATOR__ADDRESS=10.0.0.1:8482` sets `coordinator.address`.
Lengths of time are written as `1h30m`, `60s`.
";

#[test]
fn the_schema_is_that_of_the_types() {
    is_up_to_date("docs/reference/runner-proxy-config.schema.json", &schema::<Config>());
}

#[test]
fn the_page_describes_every_key() {
    let page = reference::configuration(PREFACE, &schema::<Config>());
    is_up_to_date("docs/reference/runner-proxy-configuration.md", &page);
}

#[test]
fn every_key_says_its_default() {
    let compared = reference::every_key_says_its_default(&schema::<Config>());
    assert!(compared > 10, "only {compared} defaults were found");
}

/// The file that somebody copies from a page is one.
#[test]
fn every_configuration_on_a_page_is_read() {
    for (page, indent) in [("README.md", "   "), ("docs/runner.md", "")] {
        let text = read(page);
        let block = text.split("```toml\n").nth(1).unwrap_or_else(|| panic!("{page} shows none"));
        let block = block.split("```").next().unwrap();
        let lines: Vec<_> =
            block.lines().map(|line| line.strip_prefix(indent).unwrap_or(line)).collect();
        let source = Source::from_parts(page, &lines.join("\n"), "MONEYER", &[]);
        let config = Config::load(&source).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.coordinator.trust_domain.as_str(), "id.example.com", "{page}");
    }
}
