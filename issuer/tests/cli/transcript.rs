//! A transcript as it stands in its file, and whether something else was printed.

use std::path::{Path, PathBuf};

/// One command and what it prints.
pub(crate) struct Step {
    /// The command's lines as they stand in the file.
    pub(crate) text: String,
    /// The command.
    pub(crate) command: String,
    /// The lines of `write`.
    pub(crate) input: String,
    /// What it prints.
    pub(crate) printed: String,
}

/// A session.
pub(crate) struct Transcript {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

impl Transcript {
    /// Every transcript, by name.
    pub(crate) fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    fn read(file: &Path) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        for line in std::fs::read_to_string(file).unwrap().lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                let command = command.to_owned();
                let text = format!("{line}\n");
                steps.push(Step { text, command, input: String::new(), printed: String::new() });
                continue;
            }
            let Some(step) = steps.last_mut() else { continue };
            let input = line.strip_prefix('>').filter(|_| step.command.starts_with("write "));
            let part = if let Some(input) = input {
                step.text.push_str(line);
                step.text.push('\n');
                step.input.push_str(input.strip_prefix(' ').unwrap_or(input));
                &mut step.input
            } else {
                step.printed.push_str(line);
                &mut step.printed
            };
            part.push('\n');
        }
        // Steps stand apart by one empty line, which nobody printed.
        for step in &mut steps {
            let printed = step.printed.trim_end_matches('\n');
            step.printed = if printed.is_empty() { String::new() } else { format!("{printed}\n") };
        }
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        Self { name, steps }
    }

    /// Writes what was really printed, for whoever mends the transcript.
    pub(crate) fn keep(&self, replayed: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(&self.name), replayed).unwrap();
    }
}

/// Whether this was printed, line by line, with `@N@` and `@WORD@` for what differs each time.
pub(crate) fn same(expected: &str, printed: &str) -> bool {
    let printed = printed.trim_end_matches('\n');
    let expected = expected.trim_end_matches('\n');
    expected.lines().count() == printed.lines().count()
        && expected.lines().zip(printed.lines()).all(|(expected, line)| fits(expected, line))
}

fn fits(expected: &str, line: &str) -> bool {
    let marks = [("@N@", char::is_ascii_digit as fn(&char) -> bool), ("@WORD@", |c| *c != ' ')];
    let first =
        marks.iter().filter_map(|mark| Some((expected.find(mark.0)?, mark))).min_by_key(|m| m.0);
    let Some((at, (mark, stands_for))) = first else { return expected == line };
    let (before, after) = expected.split_at(at);
    let Some(rest) = line.strip_prefix(before) else { return false };
    let word = rest.find(|c: char| !stands_for(&c)).unwrap_or(rest.len());
    let after = after.strip_prefix(mark).unwrap();
    // The mark takes as much as it can and gives back what the rest of the line needs.
    (1..=word).rev().filter_map(|end| rest.get(end..)).any(|rest| fits(after, rest))
}

#[test]
fn marks_stand_for_what_differs() {
    assert!(same("pid @N@; @WORD@.toml\n", "pid 17; /tmp/a.toml\n"));
    assert!(same("@WORD@", "x"));
    for other in ["pid x; a.toml", "pid ; a.toml", "pid 1; a b.toml", "pid 1; a.toml2", ""] {
        assert!(!same("pid @N@; @WORD@.toml", other), "{other}");
    }
}
