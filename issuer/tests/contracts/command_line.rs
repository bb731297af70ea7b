//! docs/reference/cli.md: every help text.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};
use moneyer::cli::Arguments;

use crate::pages::is_up_to_date;

/// As wide as a page of documentation.
const WIDTH: usize = 100;

#[test]
fn the_page_holds_every_help_text() {
    let mut page = String::from(
        "# The command line of `moneyer`\n\n\
         Generated from the help texts; a test compares them. Exit codes: 0 done, 1 failed, 2 usage, \
         65 store\nrefused, 78 bad configuration.\n",
    );
    let mut command = Arguments::command().term_width(WIDTH);
    command.build();
    describe(&mut page, &command, "moneyer");
    is_up_to_date("docs/reference/cli.md", &page);
}

fn describe(page: &mut String, command: &Command, name: &str) {
    let help = command.clone().term_width(WIDTH).render_long_help().to_string();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end()).unwrap();
    for command in command.get_subcommands() {
        describe(page, command, &format!("{name} {}", command.get_name()));
    }
}
