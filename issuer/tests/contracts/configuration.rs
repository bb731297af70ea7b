//! docs/reference/config.schema.json and docs/reference/configuration.md, from the types.

use moneyer::config::Config;
use moneyer_daemon::settings::schema;

use crate::pages::is_up_to_date;
use crate::reference;

const PREFACE: &str = "\
# The coordinator's configuration

Generated from the types that read it; a test compares them. One TOML file, by default
`/etc/moneyer/moneyer.toml`; `moneyer init` writes a commented one, `moneyer config check` reports every
mistake in it with its line, and `moneyer config show` prints what is in force. Unknown keys are mistakes.

Any key can be set by a variable: `MONEYER__TOKENS__DEFAULT_LIFETIME=30m` sets `tokens.default_lifetime`,
`MONEYER__AUDIENCE__0__NAME=aws` the name of the first audience profile. Lengths of time are written as
`30d`, `24h`, `1h30m`, `60s`.
";

#[test]
fn the_schema_is_that_of_the_types() {
    is_up_to_date("docs/reference/config.schema.json", &schema::<Config>());
}

#[test]
fn the_page_describes_every_key() {
    let page = reference::configuration(PREFACE, &schema::<Config>());
    is_up_to_date("docs/reference/configuration.md", &page);
}

#[test]
fn every_key_says_its_default() {
    let compared = reference::every_key_says_its_default(&schema::<Config>());
    assert!(compared > 15, "only {compared} defaults were found");
}
