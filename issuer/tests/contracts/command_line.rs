//! docs/reference/cli.md: every help text.

use clap::CommandFactory as _;
use moneyer::cli::Arguments;

use crate::pages::is_up_to_date;
use crate::reference::command_line;

const PREFACE: &str = "\
# The command line of `moneyer`

Generated from the help texts; a test compares them. Exit codes: 0 done, 1 failed, 2 usage, 65 store
refused, 76 an issuer that relying parties refuse, 78 bad configuration.
";

#[test]
fn the_page_holds_every_help_text() {
    is_up_to_date("docs/reference/cli.md", &command_line(PREFACE, Arguments::command()));
}
