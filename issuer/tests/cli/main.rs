//! What the commands print and how they end, by transcript.
//!
//! Each `*.txt` beside this file is a session at a terminal, in a directory of its own. A line that
//! begins with `$ ` is a command; what it prints follows, standard output first, then standard error,
//! then `[exit N]` where that is not 0. `@DIR@` and `@PORT@` are the session's directory and a port that
//! is taken; in what is printed `@N@` stands for a number and `@WORD@` for anything without a blank.
//!
//! A command may have variables before it, as in a shell, and `| head N` or `< FILE` after it. Beside
//! `moneyer` there are `write FILE` (its lines follow, each after `> `), `fixture NAME FILE`, which puts a
//! private key into a file of its owner's alone, `database FILE`, which puts the URL of a new database there,
//! `coordinator`, which starts one in this process by
//! `moneyer.toml`, `stop`, which ends it, and `join NAME`, which lets an invited runner join.

#[cfg(test)]
mod command_line;
#[cfg(test)]
mod hardening;
#[cfg(test)]
mod session;
#[cfg(test)]
mod transcript;

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::session::Session;
    use crate::transcript::{Transcript, same};

    /// Replays every transcript. What was really printed is kept beside the build.
    #[tokio::test]
    async fn every_transcript_holds() {
        let mut wrong = String::new();
        let transcripts = Transcript::all();
        assert!(transcripts.len() >= 6, "the transcripts are not where they are looked for");
        for transcript in transcripts {
            let mut session = Session::begin();
            let mut replayed = String::new();
            for step in &transcript.steps {
                let printed = session.run(step).await;
                writeln!(replayed, "{}{printed}", step.text).unwrap();
                if !same(&step.printed, &printed) {
                    let (name, text) = (&transcript.name, step.text.trim_end());
                    let expected = &step.printed;
                    writeln!(
                        wrong,
                        "{name}: {text}\n--- expected\n{expected}--- printed\n{printed}"
                    )
                    .unwrap();
                }
            }
            session.end().await;
            transcript.keep(&replayed);
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}
