//! How the SPIFFE IDs of sandboxes are written: one template for a cluster, and an app's own ending.
//!
//! ```text
//! /app/{app}/sandbox/{sandbox}      every sandbox has an id of its own
//! /app/{app}                        all sandboxes of an app share one
//! ```
//!
//! Placeholders are whole segments, and a component is always a legal segment, so no id needs an escape
//! (requirement ID-10). Two apps never share an id: what stands before `{app}` is the cluster's, and an app
//! may choose only what comes after it. Ids that begin with `moneyer` are those of the cluster's members; no
//! template can make one.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::id::{SpiffeId, SpiffeIdError, is_segment};
use super::trust_domain::TrustDomain;
use crate::component::{AppName, SandboxId};

/// Longest template in bytes, its ending included: with two components and a usual trust domain ids stay
/// within the 255 bytes that OIDC has for a subject.
const MAXIMUM_TEMPLATE_BYTES: usize = 96;

/// The first segment of members' ids.
const RESERVED: &str = "moneyer";

const APP: &str = "{app}";
const SANDBOX: &str = "{sandbox}";

/// Why a text is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeIdTemplateError {
    /// Longer than 96 bytes.
    #[error("is longer than {MAXIMUM_TEMPLATE_BYTES} bytes")]
    TooLong,
    /// Not a path of legal segments.
    #[error(
        "is no path of segments that are {{app}}, {{sandbox}}, or letters, digits, '.', '-' and '_', such as \
         /app/{{app}}/sandbox/{{sandbox}}"
    )]
    Segment,
    /// Without `{app}`, or with more than one.
    #[error("must name {{app}} once: two apps would share an id")]
    App,
    /// `{sandbox}` before `{app}`, or more than one.
    #[error("may name {{sandbox}} once, after {{app}}")]
    Sandbox,
    /// The first segment is a placeholder or `moneyer`.
    #[error(
        "must begin with a word, and not with moneyer, which begins the ids of the cluster's members"
    )]
    Reserved,
}

/// How the SPIFFE IDs of a cluster's sandboxes are written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeIdTemplate {
    /// Before `{app}`.
    words: Vec<String>,
    ending: SpiffeIdEnding,
}

/// What comes after the app in the SPIFFE IDs of its sandboxes: empty, or segments that may name `{sandbox}`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeIdEnding(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Word(String),
    Sandbox,
}

impl SpiffeIdTemplate {
    /// Parses the text.
    pub fn parse(text: &str) -> Result<Self, SpiffeIdTemplateError> {
        if text.len() > MAXIMUM_TEMPLATE_BYTES {
            return Err(SpiffeIdTemplateError::TooLong);
        }
        let path = text.strip_prefix('/').ok_or(SpiffeIdTemplateError::Segment)?;
        let segments: Vec<&str> = path.split('/').collect();
        let app = segments.iter().position(|segment| *segment == APP);
        let (before, after) = segments.split_at(app.ok_or(SpiffeIdTemplateError::App)?);
        let words = before.iter().map(|text| word(text)).collect::<Result<Vec<_>, _>>()?;
        if words.first().is_none_or(|first| first == RESERVED) {
            return Err(SpiffeIdTemplateError::Reserved);
        }
        let ending = SpiffeIdEnding::of(after.iter().skip(1).copied())?;
        Ok(Self { words, ending })
    }

    /// The id of a sandbox, with the app's own ending or else the cluster's.
    pub fn id(
        &self,
        trust_domain: &TrustDomain,
        (app, own): (&AppName, Option<&SpiffeIdEnding>),
        sandbox: &SandboxId,
    ) -> Result<SpiffeId, SpiffeIdError> {
        let mut segments: Vec<&str> = self.words.iter().map(String::as_str).collect();
        segments.push(app.as_str());
        segments.extend(own.unwrap_or(&self.ending).0.iter().map(|segment| match segment {
            Segment::Word(word) => word,
            Segment::Sandbox => sandbox.as_str(),
        }));
        SpiffeId::of(trust_domain, &segments)
    }
}

impl SpiffeIdEnding {
    /// Parses the text: empty, or beginning with a slash.
    pub fn parse(text: &str) -> Result<Self, SpiffeIdTemplateError> {
        if text.len() > MAXIMUM_TEMPLATE_BYTES {
            return Err(SpiffeIdTemplateError::TooLong);
        }
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        Self::of(text.strip_prefix('/').ok_or(SpiffeIdTemplateError::Segment)?.split('/'))
    }

    fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, SpiffeIdTemplateError> {
        let segment = |text: &str| match text {
            SANDBOX => Ok(Segment::Sandbox),
            APP => Err(SpiffeIdTemplateError::App),
            text => word(text).map(Segment::Word),
        };
        let segments = texts.map(segment).collect::<Result<Vec<_>, _>>()?;
        if segments.iter().filter(|segment| **segment == Segment::Sandbox).count() > 1 {
            return Err(SpiffeIdTemplateError::Sandbox);
        }
        Ok(Self(segments))
    }
}

fn word(text: &str) -> Result<String, SpiffeIdTemplateError> {
    match text {
        SANDBOX => Err(SpiffeIdTemplateError::Sandbox),
        text if is_segment(text) => Ok(text.to_owned()),
        _ => Err(SpiffeIdTemplateError::Segment),
    }
}

/// `/app/{app}/sandbox/{sandbox}`.
impl Default for SpiffeIdTemplate {
    fn default() -> Self {
        let ending = SpiffeIdEnding(vec![Segment::Word("sandbox".to_owned()), Segment::Sandbox]);
        Self { words: vec!["app".to_owned()], ending }
    }
}

impl fmt::Display for SpiffeIdTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words.iter().try_for_each(|word| write!(f, "/{word}"))?;
        write!(f, "/{APP}{}", self.ending)
    }
}

impl fmt::Display for SpiffeIdEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Word(word) => write!(f, "/{word}"),
            Segment::Sandbox => write!(f, "/{SANDBOX}"),
        })
    }
}

impl FromStr for SpiffeIdTemplate {
    type Err = SpiffeIdTemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl FromStr for SpiffeIdEnding {
    type Err = SpiffeIdTemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for SpiffeIdTemplate {
    type Error = SpiffeIdTemplateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl TryFrom<String> for SpiffeIdEnding {
    type Error = SpiffeIdTemplateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<SpiffeIdTemplate> for String {
    fn from(template: SpiffeIdTemplate) -> Self {
        template.to_string()
    }
}

impl From<SpiffeIdEnding> for String {
    fn from(ending: SpiffeIdEnding) -> Self {
        ending.to_string()
    }
}

impl JsonSchema for SpiffeIdTemplate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SpiffeIdTemplate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": MAXIMUM_TEMPLATE_BYTES,
            "pattern": r"^(/[A-Za-z0-9._-]+)+/\{app\}(/([A-Za-z0-9._-]+|\{sandbox\}))*$"
        })
    }
}

impl JsonSchema for SpiffeIdEnding {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SpiffeIdEnding".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": MAXIMUM_TEMPLATE_BYTES,
            "pattern": r"^(/([A-Za-z0-9._-]+|\{sandbox\}))*$"
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> SpiffeIdTemplate {
        SpiffeIdTemplate::parse(text).unwrap()
    }

    fn ending(text: &str) -> SpiffeIdEnding {
        SpiffeIdEnding::parse(text).unwrap()
    }

    fn id(template: &SpiffeIdTemplate, app: &str, own: Option<&str>, sandbox: &str) -> SpiffeId {
        let trust_domain = TrustDomain::parse("id.example.com").unwrap();
        let (app, own) = (AppName::parse(app).unwrap(), own.map(ending));
        let sandbox = SandboxId::parse(sandbox).unwrap();
        template.id(&trust_domain, (&app, own.as_ref()), &sandbox).unwrap()
    }

    #[test]
    fn ids_are_written_as_the_template_says() {
        for (text, own, expected) in [
            ("/app/{app}/sandbox/{sandbox}", None, "spiffe://id.example.com/app/web/sandbox/web-1"),
            ("/app/{app}", None, "spiffe://id.example.com/app/web"),
            ("/prod/eu.1/{app}/{sandbox}/x", None, "spiffe://id.example.com/prod/eu.1/web/web-1/x"),
            ("/app/{app}/sandbox/{sandbox}", Some(""), "spiffe://id.example.com/app/web"),
            ("/app/{app}", Some("/at/{sandbox}"), "spiffe://id.example.com/app/web/at/web-1"),
        ] {
            let template = template(text);
            assert_eq!(template.to_string(), text);
            assert_eq!(id(&template, "web", own, "web-1").as_str(), expected);
        }
        assert_eq!(SpiffeIdTemplate::default(), template("/app/{app}/sandbox/{sandbox}"));
    }

    #[test]
    fn what_could_make_two_apps_one_is_refused() {
        use SpiffeIdTemplateError::{App, Reserved, Sandbox, Segment, TooLong};
        for (text, expected) in [
            ("", Segment),
            ("app/{app}", Segment),
            ("/app//{app}", Segment),
            ("/app/{app}/", Segment),
            ("/app/{app}/../x", Segment),
            ("/app/x{app}", App),
            ("/app/{runner}/{app}", Segment),
            ("/app/%61/{app}", Segment),
            ("/sandbox/{sandbox}", App),
            ("/app/{app}/{app}", App),
            ("/x/{sandbox}/{app}", Sandbox),
            ("/app/{app}/{sandbox}/{sandbox}", Sandbox),
            ("/{app}", Reserved),
            ("/moneyer/runner/{app}", Reserved),
            (&format!("/{}/{{app}}", "x".repeat(96)), TooLong),
        ] {
            assert_eq!(SpiffeIdTemplate::parse(text), Err(expected), "{text}");
        }
        for (text, expected) in [
            ("x", Segment),
            ("/", Segment),
            ("/x/", Segment),
            ("/x/..", Segment),
            ("/{app}", App),
            ("/{sandbox}/{sandbox}", Sandbox),
        ] {
            assert_eq!(SpiffeIdEnding::parse(text), Err(expected), "{text}");
        }
    }

    /// Few and short, so that what could be mistaken for one another often stands beside one another.
    fn any_ending() -> impl Strategy<Value = String> {
        let segment = prop_oneof![Just("{sandbox}"), Just("a"), Just("b")];
        proptest::collection::vec(segment, 0..3).prop_filter_map("no ending", |segments| {
            let text: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
            SpiffeIdEnding::parse(&text).is_ok().then_some(text)
        })
    }

    proptest! {
        #[test]
        fn id10_two_apps_never_share_an_id(
            stem in "(/[ab]){1,2}",
            endings in (any_ending(), any_ending()),
            apps in ("[ab]{1,2}", "[ab]{1,2}"),
            sandboxes in ("[ab]{1,2}", "[ab]{1,2}"),
        ) {
            let cluster = template(&format!("{stem}/{{app}}"));
            let first = id(&cluster, &apps.0, Some(&endings.0), &sandboxes.0);
            let second = id(&cluster, &apps.1, Some(&endings.1), &sandboxes.1);
            if first == second {
                prop_assert_eq!(&apps.0, &apps.1);
            }
        }

        #[test]
        fn a_template_is_written_as_it_was_read(stem in "(/[a-z]{1,3}){1,2}", end in any_ending()) {
            let text = format!("{stem}/{{app}}{end}");
            prop_assert_eq!(template(&text).to_string(), text);
            prop_assert_eq!(ending(&end).to_string(), end);
        }
    }
}
