//! What to do about each thing that can be wrong.
//!
//! For somebody who was asleep a minute ago: the first step, the commands for it, and where more is written.
//! Tests read that every command is one and every section is there.

use serde::Serialize;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Advice {
    /// In words.
    pub(super) todo: &'static str,
    /// Commands for that, on the coordinator's machine.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) commands: &'static [&'static str],
    /// The section of docs/operations.md that has more.
    pub(super) section: &'static str,
}

pub(super) const STORE: Advice = Advice {
    todo: "If its disk is full or failing, make space or repair it: it goes on by itself.",
    commands: &["df -h"],
    section: "The disk is full",
};

pub(super) const OLDER_STORE: Advice = Advice {
    todo: "Restore the newest backup. If there is none that is newer, start once with the generation that the log \
           names, and rotate every key.",
    commands: &["moneyer store check"],
    section: "It does not start, and exits with 65",
};

pub(super) const AUDIT: Advice = Advice {
    todo: "Make space on its disk, or repair it. It goes on by itself, and no restart is needed.",
    commands: &["df -h"],
    section: "The disk is full",
};

pub(super) const SIGNING_KEY: Advice = Advice {
    todo: "See what the next key waits for, and give it that. If that takes too long, withdraw the active \
           key: a new one signs at once, and relying parties that cache the key set refuse its tokens until \
           they fetch it again.",
    commands: &["moneyer key list", "moneyer publish now", "moneyer key rotate --emergency"],
    section: "A key is out of my hands",
};

pub(super) const CLOCK: Advice = Advice {
    todo: "Set it right; it goes on by itself. Only where it is right already, confirm it.",
    commands: &["moneyer clock show"],
    section: "The clock is wrong",
};

pub(super) const SIGNER: Advice = Advice {
    todo: "Mend what the cause names: it goes on by itself, and no restart is needed. If that takes too long, let \
           the coordinator make keys itself (`signer.backend = \"local\"`, a restart, and an emergency).",
    commands: &["moneyer key list"],
    section: "The signer is away",
};

pub(super) const UNREADABLE: Advice = Advice {
    todo: "Give all coordinators the same version and the same seal keys. If it is damage, put the record anew at a coordinator \
           that reads it, or remove it there.",
    commands: &["moneyer store check"],
    section: "Several coordinators",
};

pub(super) const FOLLOWING: Advice = Advice {
    todo: "Bring the database back, or the way to it: it follows again by itself. While one coordinator alone is cut \
           off, the others mint.",
    commands: &["moneyer store check"],
    section: "Several coordinators",
};

pub(super) const PUBLIC_CERTIFICATE: Advice = Advice {
    todo: "Put a good pair into the files of `listen.public_tls`: they are read again within a second. With \
           `listen.acme`, mend what the warnings below name, then restart. Relying parties that have the key \
           set go on with it.",
    commands: &["moneyer doctor"],
    section: "Serve the public documents over https",
};

pub(super) const KUBERNETES: Advice = Advice {
    todo: "The cause says whether it cannot be reached, is too slow or does not let us ask. It is asked again every \
           few seconds, and goes on by itself.",
    commands: &[],
    section: "An API server does not answer",
};

pub(super) const BUNDLE_ENDPOINT: Advice = Advice {
    todo: "See whether an authority of X.509-SVIDs signs, and what the next one waits for. It is tried again by \
           itself.",
    commands: &["moneyer key list"],
    section: "Rotate keys",
};

pub(super) const LIFECYCLE: Advice = Advice {
    todo: "If nothing starts it again, start it.",
    commands: &["moneyer serve"],
    section: "Start a cluster",
};

const COPIES: &str = "Serve the documents from a bucket or another web server";

pub(super) const NOT_SERVED: Advice = Advice {
    todo: "Bring the present documents to where relying parties read. Once they are seen there, it goes on by \
           itself.",
    commands: &["moneyer publish now", "moneyer publish status"],
    section: COPIES,
};

pub(super) const NOT_READABLE: Advice = Advice {
    todo: "See whether relying parties can read it: look from outside. If only this machine cannot, mend its \
           way there.",
    commands: &["moneyer publish status", "moneyer doctor"],
    section: COPIES,
};

pub(super) const NOT_WRITTEN: Advice = Advice {
    todo: "Mend what the cause names. Writing is tried again every minute.",
    commands: &["moneyer publish now"],
    section: COPIES,
};

pub(super) const CERTIFICATE: Advice = Advice {
    todo: "A certificate is renewed as soon as its runner reaches the coordinator: see to the runner and its \
           network. Once it has ended, only another join token helps. Remove a host that is gone.",
    commands: &["moneyer runner list", "moneyer runner invite NAME", "moneyer runner remove NAME"],
    section: "A runner's certificate ends",
};

pub(super) const CONNECTION: Advice = Advice {
    todo: "Its sandboxes go on with the tokens in hand until those end. See to the runner and its network.",
    commands: &["moneyer runner list"],
    section: "You are called at night",
};

pub(super) const FEDERATION: Advice = Advice {
    todo: "Mend what the cause names, here or on the other side. Fetching is tried again by itself.",
    commands: &["moneyer federation list"],
    section: "A federated bundle is not fetched",
};

pub(super) const FAULT: Advice = Advice {
    todo: "The last warnings below say why, and the log has every one.",
    commands: &["moneyer audit query --since 1h"],
    section: "You are called at night",
};

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Arguments;

    const ALL: [Advice; 19] = [
        STORE,
        OLDER_STORE,
        AUDIT,
        SIGNING_KEY,
        CLOCK,
        SIGNER,
        FOLLOWING,
        UNREADABLE,
        KUBERNETES,
        PUBLIC_CERTIFICATE,
        BUNDLE_ENDPOINT,
        LIFECYCLE,
        NOT_SERVED,
        NOT_READABLE,
        NOT_WRITTEN,
        CERTIFICATE,
        CONNECTION,
        FEDERATION,
        FAULT,
    ];

    #[test]
    fn every_command_is_one_and_every_section_is_there() {
        let source = include_str!("advice.rs");
        assert_eq!(
            source.matches(": Advice = Advice {").count() - 1,
            ALL.len(),
            "one is not tried"
        );
        let page = include_str!("../../../../../docs/operations.md");
        for advice in ALL {
            let section = advice.section;
            assert!(page.contains(&format!("\n## {section}\n")), "{section}");
            for command in advice.commands.iter().filter(|line| line.starts_with("moneyer ")) {
                let words = command.replace("NAME", "host-1");
                let parsed = Arguments::command().try_get_matches_from(words.split(' '));
                assert!(parsed.is_ok(), "{command}: {parsed:?}");
            }
        }
    }
}
