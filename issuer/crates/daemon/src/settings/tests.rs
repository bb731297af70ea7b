//! Mistakes of every kind, alone and together.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::*;
use crate::listener::ListenAddress;

#[derive(Debug, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sample {
    issuer: Issuer,
    #[serde(default)]
    tokens: Tokens,
    listen: Option<Listen>,
    #[serde(default)]
    audience: Vec<Audience>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Issuer {
    url: String,
    organization_id: String,
    cluster_id: String,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Tokens {
    default_lifetime: Span,
    maximum: u32,
    algorithm: Algorithm,
}

impl Default for Tokens {
    fn default() -> Self {
        let default_lifetime = Span::from_secs(3600);
        Self { default_lifetime, maximum: 10, algorithm: Algorithm::Rs256 }
    }
}

#[derive(Debug, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Listen {
    public: ListenAddress,
}

#[derive(Debug, PartialEq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Audience {
    name: String,
    #[serde(default)]
    ports: Vec<u16>,
}

const ISSUER: &str = "[issuer]\nurl = \"u\"\norganization_id = \"o\"\ncluster_id = \"c\"\n";

fn source(text: &str, variables: &[(&str, &str)]) -> Source {
    Source::from_parts("m.toml", text, "MONEYER", variables)
}

fn errors(text: &str, variables: &[(&str, &str)]) -> String {
    load::<Sample>(&source(text, variables)).unwrap_err().to_string()
}

#[test]
fn a_good_file_is_read_with_its_defaults() {
    let text = format!("{ISSUER}[tokens]\ndefault_lifetime = \"1h30m\"\n");
    let settings: Sample = load(&source(&text, &[])).unwrap();
    assert_eq!(settings.tokens.default_lifetime, Span::from_secs(5400));
    assert_eq!(settings.tokens.maximum, 10);
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let text = "\
[issuer]
url = 1
[tokens]
default_lifetme = \"1h\"
default_lifetime = 60
maximum = \"x\"
algorithm = \"RS265\"
[listen]
public = \"localhost:80\"
[[audience]]
ports = [1, \"two\", 70000]
[[audience]]
name = \"b\"
colour = \"red\"
[nonsense]
";
    let expected = "\
m.toml:1:2: issuer.cluster_id: required, but missing
m.toml:1:2: issuer.organization_id: required, but missing
m.toml:2:7: issuer.url: wrong type: found integer `1`, expected a string
m.toml:4:1: tokens.default_lifetme: unknown key; did you mean default_lifetime?
m.toml:5:20: tokens.default_lifetime: `60` has no unit; write \"60s\" for seconds, or use m, h or d
m.toml:6:11: tokens.maximum: wrong type: found string \"x\", expected a whole number
m.toml:7:13: tokens.algorithm: unknown value; did you mean RS256?
m.toml:9:10: listen.public: `localhost:80` is not an address to listen on; write 127.0.0.1:8480, [::1]:8480 or unix:/path
m.toml:10:1: audience[0].name: required, but missing
m.toml:11:13: audience[0].ports[1]: wrong type: found string \"two\", expected a whole number
m.toml:11:20: audience[0].ports[2]: not allowed: found integer `70000`, expected a whole number
m.toml:14:1: audience[1].colour: unknown key; known are name, ports
m.toml:15:2: nonsense: unknown key; known are issuer, tokens, listen, audience, labels";
    assert_eq!(errors(text, &[]), expected);
}

#[test]
fn an_empty_file_lacks_what_is_required() {
    assert_eq!(errors("", &[]), "m.toml: issuer: required, but missing");
}

#[test]
fn syntax_errors_and_duplicate_keys_have_a_line() {
    let found = errors("[issuer]\nurl = \"a\"\nurl = \"b\"\nx = = 1\ny = \"open\n", &[]);
    let lines: Vec<_> = found.lines().collect();
    assert!(lines[0].starts_with("m.toml:3:1: duplicate key"), "{found}");
    assert!(lines[1].starts_with("m.toml:4:5: "), "{found}");
    assert!(lines[2].starts_with("m.toml:5:"), "{found}");
}

#[test]
fn variables_override_at_every_depth() {
    let text = format!("{ISSUER}[[audience]]\nname = \"a\"\n");
    let variables = [
        ("MONEYER__ISSUER__URL", "https://other"),
        ("MONEYER__ISSUER__CLUSTER_ID", "2024"),
        ("MONEYER__issuer__Organization_ID", "true"),
        ("MONEYER__TOKENS__DEFAULT_LIFETIME", "5m"),
        ("MONEYER__TOKENS__MAXIMUM", "7"),
        ("MONEYER__LISTEN", "{ public = '[::1]:0' }"),
        ("MONEYER__AUDIENCE__0__PORTS", "[1, 2]"),
        ("MONEYER__AUDIENCE__1__NAME", "b"),
        ("MONEYER__LABELS__TEAM", ""),
    ];
    let settings: Sample = load(&source(&text, &variables)).unwrap();
    assert_eq!(settings.issuer.url, "https://other");
    assert_eq!(settings.issuer.cluster_id, "2024");
    assert_eq!(settings.issuer.organization_id, "true");
    assert_eq!(settings.tokens.default_lifetime, Span::from_secs(300));
    assert_eq!(settings.tokens.maximum, 7);
    assert_eq!(settings.listen.unwrap().public, "[::1]:0".parse().unwrap());
    assert_eq!(settings.audience[0].ports, [1, 2]);
    assert_eq!(settings.audience[1].name, "b");
    assert_eq!(settings.labels["team"], "");
}

#[test]
fn mistakes_in_variables_name_the_variable() {
    let variables = [
        ("MONEYER__", "x"),
        ("MONEYER__TOKENS____MAXIMUM", "7"),
        ("MONEYER__TOKENS__MAXIMUM", "many"),
        ("MONEYER__TOKENS__MAXIMUN", "7"),
        ("MONEYER__ISSUER__URL__X", "7"),
        ("MONEYER__AUDIENCE__9__NAME", "a"),
    ];
    let text = format!("{ISSUER}[[audience]]\nname = \"a\"\n");
    let expected = "\
MONEYER__: the name leads to no setting; write MONEYER__SECTION__KEY
MONEYER__AUDIENCE__9__NAME: `audience` is a list; write a number from 0 to 1 after it
MONEYER__ISSUER__URL__X: `issuer.url` is a value and not a table; it has no `x`
MONEYER__TOKENS__MAXIMUM: tokens.maximum: wrong type: found string \"many\", expected a whole number
MONEYER__TOKENS__MAXIMUN: tokens.maximun: unknown key; did you mean maximum?
MONEYER__TOKENS____MAXIMUM: the name leads to no setting; write MONEYER__SECTION__KEY";
    assert_eq!(errors(&text, &variables), expected);
}

#[test]
fn callers_add_mistakes_at_a_position() {
    let text = format!("{ISSUER}[[audience]]\nname = \"a\"\n[tokens]\nmaximum = 1\n");
    let source = source(&text, &[("MONEYER__ISSUER__URL", "v")]);
    let mut errors = SettingsErrors::new();
    for key in ["tokens.maximum", "tokens.algorithm", "audience[0].name", "issuer.url", "store"] {
        errors.push(source.position(key), "odd");
        errors.push(source.position(key), "odd");
    }
    let expected = "\
m.toml: store: odd
m.toml:6:1: audience[0].name: odd
m.toml:7:2: tokens.algorithm: odd
m.toml:8:1: tokens.maximum: odd
MONEYER__ISSUER__URL: issuer.url: odd";
    assert_eq!(errors.to_string(), expected);
    assert_eq!(SettingsErrors::new().into_result(7), Ok(7));
}

#[test]
fn odd_files_are_refused_with_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.toml");
    let refusal = |path: &Path| Source::read(path, "MONEYER_TEST").unwrap_err().to_string();
    let shown = path.display();
    assert_eq!(refusal(&path), format!("{shown}: there is no such file"));
    let is_directory = "this is a directory; name the file in it";
    let directory_shown = directory.path().display();
    assert_eq!(refusal(directory.path()), format!("{directory_shown}: {is_directory}"));

    fs::write(&path, b"a = 1\nb = \"\xff\"\n").unwrap();
    assert!(refusal(&path).ends_with("line 2 is not UTF-8; save the file as UTF-8"));
    fs::write(&path, b"\xef\xbb\xbfa = 1").unwrap();
    assert!(refusal(&path).ends_with("save it without one"));
    fs::write(&path, vec![b'#'; 1024 * 1024]).unwrap();
    Source::read(&path, "MONEYER_TEST").unwrap();
    fs::write(&path, vec![b'#'; 1024 * 1024 + 1]).unwrap();
    assert!(refusal(&path).contains("larger than 1048576 bytes"));

    let pipe = directory.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(refusal(&pipe).ends_with("this is not a regular file"));
}

#[test]
fn what_is_shown_can_be_read_again() {
    let settings: Sample = load(&source(ISSUER, &[])).unwrap();
    let shown = show(&settings).unwrap();
    assert_eq!(load::<Sample>(&source(&shown, &[])).unwrap(), settings);
    assert!(schema::<Sample>().contains("\"default_lifetime\""));
}
