//! docs/relying-parties: from start to a call that works, and what a refusal means.
//!
//! Every relying party has a page of the same steps. Its commands parse, what it shows of their output is in
//! the transcript that the command line's tests replay, and every finding, variable and link is one.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use moneyer::cli::Arguments;
use moneyer::doctor::Check;
use moneyer_identity::RelyingParty;

use crate::pages::{below, every_command_parses, read};
use crate::readme::{anchors, links_lead_somewhere};

const FOLDER: &str = "docs/relying-parties";
const TRANSCRIPT: &str = "issuer/tests/cli/parties.txt";
const STEPS: [&str; 6] = [
    "\n## Before you start\n",
    "\n## 1. Tell Moneyer\n",
    "\n## 2. Tell ",
    "\n## 3. In the sandbox\n",
    "\n## 4. When it is refused\n",
    "\n## 5. Rotation and revocation\n",
];

/// What a page says of a sandbox's environment that whoever runs the sandbox sets.
const OF_THE_READER: [&str; 2] = ["AWS_REGION", "GOOGLE_CLOUD_PROJECT"];

fn page_of(party: RelyingParty) -> String {
    read(&format!("{FOLDER}/{}.md", party.as_str()))
}

#[test]
fn every_party_has_a_page_and_every_page_its_steps() {
    for party in RelyingParty::ALL {
        let (page, name) = (page_of(party), party.as_str());
        for command in [
            format!("moneyer audience put {name} --preset {name}"),
            format!("moneyer trust {name} --app web\n"),
        ] {
            assert!(page.contains(&command), "{name}: {command}");
        }
    }
    // Beside them there is that of one's own services.
    let pages = below(FOLDER);
    assert_eq!(pages.len(), RelyingParty::ALL.len() + 1, "{pages:?}");
    for page in pages {
        let text = read(&page);
        let places = STEPS.map(|step| text.find(step).unwrap_or_else(|| panic!("{page}:{step}")));
        assert!(places.is_sorted(), "{page}: its steps are in another order");
        let overview = read("docs/clouds.md");
        assert!(overview.contains(page.trim_start_matches("docs/")), "{page} is linked nowhere");
    }
}

#[test]
fn every_command_of_a_party_parses() {
    let tried = every_command_parses(&Arguments::command(), &below(FOLDER));
    assert!(tried > 60, "only {tried} commands were found");
}

/// A line of dots stands for what is left out.
#[test]
fn what_is_printed_is_what_the_commands_print() {
    let transcript = read(TRANSCRIPT);
    let mut blocks = 0;
    for page in below(FOLDER) {
        for block in read(&page).split("```text\n").skip(1) {
            let mut printed = transcript.lines();
            for line in block.lines().take_while(|line| *line != "```").filter(|line| *line != "…")
            {
                assert!(printed.any(|one| one == line), "{page}: {line} is not in {TRANSCRIPT}");
            }
            blocks += 1;
        }
    }
    assert!(blocks > 9, "only {blocks} were found");
}

#[test]
fn every_finding_of_the_doctor_is_one() {
    let doctor = read("docs/doctor.md");
    let sections: Vec<_> = doctor.split("\n#").collect();
    for page in below(FOLDER) {
        let mut found = 0;
        for link in read(&page).split("[`").skip(1) {
            let Some((id, rest)) = link.split_once("`](../doctor.md#") else { continue };
            assert!(Check::ALL.iter().any(|check| check.as_str() == id), "{page}: {id}");
            let heading = rest.split(')').next().unwrap();
            let section = sections.iter().find(|text| {
                let title = format!("#{}", text.lines().next().unwrap());
                anchors(&title).contains(heading)
            });
            let row = format!("| `{id}` |");
            assert!(section.is_some_and(|text| text.contains(&row)), "{page}: {id} {heading}");
            found += 1;
        }
        assert!(found > 2, "{page} names only {found} findings");
    }
}

/// The variables that the runner proxy gives a sandbox, as its sources write them.
fn variables() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for name in ["environment", "sdk"] {
        let text = read(&format!("runner-proxy/src/sandbox/{name}.rs"));
        let code = text.split("#[cfg(test)]").next().unwrap();
        all.extend(code.split('"').filter(|word| is_variable(word)).map(str::to_owned));
    }
    assert!(all.len() > 14, "the sources were not found");
    all
}

fn is_variable(word: &str) -> bool {
    let begins = ["ACTIONS_", "AWS_", "AZURE_", "GOOGLE_", "MONEYER_"];
    begins.iter().any(|begin| word.starts_with(begin)) && word.chars().all(is_of_a_variable)
}

fn is_of_a_variable(letter: char) -> bool {
    letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_'
}

#[test]
fn every_variable_is_one_that_a_sandbox_gets() {
    let made = variables();
    for page in below(FOLDER) {
        let text = read(&page);
        let named = text.split(|letter| !is_of_a_variable(letter)).filter(|word| is_variable(word));
        let named: BTreeSet<_> = named.filter(|name| !OF_THE_READER.contains(name)).collect();
        assert!(!named.is_empty(), "{page} names none");
        for name in named {
            assert!(made.contains(name), "{page}: {name}");
        }
    }
    for (party, begin) in [
        (RelyingParty::Aws, "AWS_"),
        (RelyingParty::Gcp, "GOOGLE_"),
        (RelyingParty::Azure, "AZURE_"),
    ] {
        for name in made.iter().filter(|name| name.starts_with(begin)) {
            assert!(page_of(party).contains(&format!("`{name}`")), "{name} is not on its page");
        }
    }
}

#[test]
fn every_link_of_a_party_leads_somewhere() {
    links_lead_somewhere(&below(FOLDER));
}
