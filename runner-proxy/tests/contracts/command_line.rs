//! docs/reference/runner-proxy-cli.md: every help text. And the commands that pages name.

use clap::CommandFactory as _;
use moneyer_runner_proxy::cli::Arguments;

use crate::pages::{below, every_command_parses, is_up_to_date};
use crate::reference::command_line;

const PREFACE: &str = "\
# The command line of `moneyer-runner-proxy`

Generated from the help texts; a test compares them. Exit codes: 0 done, 1 failed, 2 usage, 78 bad
configuration; `sandbox run` ends as its program does.
";

#[test]
fn the_page_holds_every_help_text() {
    let page = command_line(PREFACE, Arguments::command());
    is_up_to_date("docs/reference/runner-proxy-cli.md", &page);
}

#[test]
fn every_command_on_a_page_parses() {
    let pages = [
        "README.md",
        "docs/architecture.md",
        "docs/forward.md",
        "docs/isolation.md",
        "docs/limits.md",
        "docs/operations.md",
        "docs/runner.md",
        "docs/security.md",
    ];
    let tried = every_command_parses(&Arguments::command(), &pages);
    assert!(tried > 5, "only {tried} commands were found");
    let parties = below("docs/relying-parties");
    let tried = every_command_parses(&Arguments::command(), &parties);
    assert!(tried > 2, "only {tried} commands were found");
}
