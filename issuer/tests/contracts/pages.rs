//! The pages of the repository: where they are, how they are read, and the commands in them.

use std::path::{Path, PathBuf};

use clap::Command;
use clap::error::ErrorKind::{
    DisplayHelpOnMissingArgumentOrSubcommand as HelpOnMissing, MissingRequiredArgument,
};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every page of a folder, by name.
pub(crate) fn below(folder: &str) -> Vec<String> {
    let files = std::fs::read_dir(root().join(folder)).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<_> = names.map(|name| format!("{folder}/{name}")).collect();
    pages.sort();
    pages
}

/// Compares a generated page with the one that is committed.
pub(crate) fn is_up_to_date(path: &str, text: &str) {
    let committed = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    if committed == text {
        return;
    }
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Path::new(path).file_name().unwrap());
    std::fs::write(&fresh, text).unwrap();
    panic!("{path} is out of date; look at it and run: cp {} {path}", fresh.display());
}

/// Tries every command of this program that the pages name, and says how many there are.
pub(crate) fn every_command_parses(program: &Command, pages: &[impl AsRef<str>]) -> usize {
    let mut tried = 0;
    for page in pages {
        let page = page.as_ref();
        for line in commands(program.get_name(), &read(page)) {
            // A verb that is mentioned, such as `moneyer init`, may lack what it needs.
            let parsed = program.clone().try_get_matches_from(line.split_whitespace());
            let mentioned = line.split_whitespace().count() <= 3;
            match parsed.err().map(|error| error.kind()) {
                None => {}
                Some(MissingRequiredArgument | HelpOnMissing) if mentioned => {}
                Some(kind) => panic!("{page}: {line}: {kind}"),
            }
            tried += 1;
        }
    }
    tried
}

/// Everything between backticks that is a command with arguments, and the lines of shell blocks.
fn commands(program: &str, page: &str) -> Vec<String> {
    let spans = page.split('`').skip(1).step_by(2).map(str::to_owned);
    let lines = page.lines().map(|line| line.trim().to_owned());
    let begin = format!("{program} ");
    let all = spans.chain(lines).filter_map(|text| {
        // What the shell does before and with the output is not ours.
        let text = text.strip_prefix("(umask 077; ").unwrap_or(&text);
        let own = text.split(['>', '#', '|']).next()?;
        own.starts_with(&begin).then(|| own.trim().to_owned())
    });
    all.collect()
}
