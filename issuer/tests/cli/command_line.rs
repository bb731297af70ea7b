//! A command as it stands in a transcript, taken apart as a shell would.

/// What is to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandLine {
    /// Variables that stand before it.
    pub(crate) variables: Vec<(String, String)>,
    /// Program and arguments.
    pub(crate) words: Vec<String>,
    /// The file after `<`.
    pub(crate) input: Option<String>,
    /// How many lines of standard output are looked at.
    pub(crate) head: Option<usize>,
}

impl CommandLine {
    pub(crate) fn parse(text: &str) -> Self {
        let mut line = Self::default();
        let mut words = words(text).into_iter();
        while let Some(word) = words.next() {
            match (word.as_str(), word.split_once('=')) {
                ("<", _) => line.input = words.next(),
                ("|", _) => {
                    assert_eq!(words.next().as_deref(), Some("head"), "only `| head N`: {text}");
                    line.head = words.next().map(|lines| lines.parse().unwrap());
                }
                (_, Some((name, value))) if line.words.is_empty() => {
                    line.variables.push((name.to_owned(), value.to_owned()));
                }
                _ => line.words.push(word),
            }
        }
        line
    }
}

/// Words apart by blanks; single quotes keep blanks.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for character in text.chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[test]
fn a_line_is_taken_apart_as_by_a_shell() {
    let line = CommandLine::parse("A=1 moneyer token inspect 'a b' '' --x=y < file | head 3");
    let expected = CommandLine {
        variables: vec![("A".to_owned(), "1".to_owned())],
        words: ["moneyer", "token", "inspect", "a b", "", "--x=y"].map(str::to_owned).to_vec(),
        input: Some("file".to_owned()),
        head: Some(3),
    };
    assert_eq!(line, expected);
}
