//! Reads a profile's document, and says all that is wrong with it.

mod credential;
mod endpoint;
mod fields;
mod grant;
mod rules;

use serde_json::Value;

use super::finding::Findings;
use super::profile::{Credential, Endpoint, MAXIMUM_CREDENTIALS, MAXIMUM_ENDPOINTS, Profile};
use super::profile_id::ProfileId;
use fields::{Fields, Reading};

const KNOWN: [&str; 10] = [
    "id",
    "display_name",
    "description",
    "category",
    "credentials",
    "endpoints",
    "binaries",
    "discovery",
    "inference_capable",
    "allow_uninspected_credentials",
];

impl Profile {
    /// Reads a document. Beside the profile stands what of it does nothing here; in its place, all that is wrong.
    pub fn read(document: &Value) -> Result<(Self, Findings), Findings> {
        let reading = Reading::default();
        let fields = Fields::of(&reading, document, String::new(), &KNOWN);
        let id = fields.required::<ProfileId>("id");
        let display_name = fields.text("display_name").unwrap_or_default().to_owned();
        for name in ["description", "category"] {
            fields.text(name);
        }
        fields
            .remark("binaries", "is not looked at: Moneyer knows sandboxes, not their executables");
        fields.remark("discovery", "is not acted upon");
        fields.remark("inference_capable", "is not acted upon");
        let credentials = read_credentials(&fields);
        let uninspected = fields.flag("allow_uninspected_credentials");
        let endpoints = read_endpoints(&fields, uninspected);
        rules::check(&reading, &credentials, &endpoints);
        rules::check_subjects(&reading, fields.value("credentials"), &credentials);
        let findings = reading.into_findings();
        match id {
            Some(id) if findings.is_sound() => {
                let credentials = credentials.into_iter().flatten().collect();
                let endpoints = endpoints.into_iter().flatten().collect();
                let document = document.clone();
                Ok((Self { id, display_name, credentials, endpoints, document }, findings))
            }
            _ => Err(findings),
        }
    }
}

/// Each in its place; none where it is no credential.
fn read_credentials(fields: &Fields<'_>) -> Vec<Option<Credential>> {
    let items = fields.items("credentials", MAXIMUM_CREDENTIALS);
    items.into_iter().map(|(path, value)| credential::read(fields.reading(), value, path)).collect()
}

fn read_endpoints(fields: &Fields<'_>, uninspected: bool) -> Vec<Option<Endpoint>> {
    let items = fields.items("endpoints", MAXIMUM_ENDPOINTS);
    let read = |(path, value)| endpoint::read(fields.reading(), value, path, uninspected);
    items.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests;
