//! What the fields of a profile say of one another.

use std::collections::{BTreeMap, BTreeSet};

use moneyer_identity::ProviderName;
use serde_json::Value;

use super::credential::NOT_OF_A_SUBJECT;
use super::fields::Reading;
use crate::profiles::expansion::bound;
use crate::profiles::profile::{Credential, Endpoint};

pub(super) fn check(
    reading: &Reading,
    credentials: &[Option<Credential>],
    endpoints: &[Option<Endpoint>],
) {
    check_names(reading, credentials);
    check_headers(reading, credentials);
    check_inspection(reading, credentials, endpoints);
    for (number, credential) in present(credentials) {
        check_overrides(reading, (number, credential), endpoints);
    }
}

fn present<T>(items: &[Option<T>]) -> impl Iterator<Item = (usize, &T)> {
    items.iter().enumerate().filter_map(|(number, item)| Some((number, item.as_ref()?)))
}

fn check_names(reading: &Reading, credentials: &[Option<Credential>]) {
    let mut names = BTreeSet::new();
    for (number, credential) in present(credentials) {
        if !names.insert(&credential.name) {
            reading.error(format!("credentials[{number}].name"), "names two credentials");
        }
    }
    let complete = credentials.iter().all(Option::is_some);
    for (number, credential) in present(credentials) {
        let subject = credential.grant.as_ref().and_then(|grant| grant.subject.as_ref());
        if let Some(subject) = subject.filter(|subject| !names.contains(&subject.credential))
            && complete
        {
            reading.error(
                format!("credentials[{number}].token_grant.subject_token.credential"),
                format!("names no credential of this profile: {}", subject.credential),
            );
        }
    }
}

/// All tokens of a profile are for all of its endpoints, so that each needs a header of its own.
fn check_headers(reading: &Reading, credentials: &[Option<Credential>]) {
    let header = |(number, credential): (usize, &Credential)| {
        Some((number, credential.grant.as_ref()?.placement.header().alike()))
    };
    let mut headers = BTreeMap::new();
    for (number, header) in present(credentials).filter_map(header) {
        if let Some(first) = headers.get(&header) {
            reading.error(
                format!("credentials[{number}].header_name"),
                format!("is that of credentials[{first}]: each token needs a header of its own"),
            );
        } else {
            headers.insert(header, number);
        }
    }
}

/// A user's token is for the coordinator alone: nothing says how it would be shown to anyone else.
pub(super) fn check_subjects(
    reading: &Reading,
    documents: Option<&Value>,
    credentials: &[Option<Credential>],
) {
    let grants = credentials.iter().flatten().filter_map(|credential| credential.grant.as_ref());
    let subjects: BTreeSet<_> =
        grants.filter_map(|grant| Some(grant.subject.as_ref()?.credential.as_str())).collect();
    let documents = documents.and_then(Value::as_array).into_iter().flatten();
    for (number, document) in documents.enumerate() {
        let name = document.get("name").and_then(Value::as_str).unwrap_or_default();
        if !subjects.contains(name) {
            continue;
        }
        for field in NOT_OF_A_SUBJECT {
            let is_there = match document.get(field) {
                None | Some(Value::Null) => false,
                Some(Value::String(text)) => !text.is_empty(),
                Some(Value::Array(items)) => !items.is_empty(),
                Some(_) => true,
            };
            if !is_there {
                continue;
            }
            reading.error(
                format!("credentials[{number}].{field}"),
                "does not go with a credential that is a subject token: it never leaves the coordinator",
            );
        }
    }
}

/// Where there is any credential every endpoint is looked at, or says itself that it is not.
fn check_inspection(
    reading: &Reading,
    credentials: &[Option<Credential>],
    endpoints: &[Option<Endpoint>],
) {
    if credentials.is_empty() {
        return;
    }
    for (number, endpoint) in present(endpoints) {
        if !endpoint.rule.is_inspected() && !endpoint.rule.allow_uninspected {
            reading.error(
                format!("endpoints[{number}].protocol"),
                "must be one whose requests are looked at, and tls not skip, since the profile has credentials; \
                 or set allow_uninspected_credentials: true",
            );
        }
    }
}

/// Between two overrides that are about the same requests something has to decide.
fn check_overrides(
    reading: &Reading,
    (number, credential): (usize, &Credential),
    endpoints: &[Option<Endpoint>],
) {
    let (Some(grant), Ok(provider)) = (&credential.grant, ProviderName::parse("profile")) else {
        return;
    };
    let mut told = BTreeSet::new();
    for (_, endpoint) in present(endpoints) {
        for port in &endpoint.ports {
            let mut rule = endpoint.rule.clone();
            rule.port = *port;
            let bound = bound(&rule, (&provider, credential), grant);
            let by_overrides: Vec<_> =
                bound.iter().filter_map(|(by, binding)| Some(((*by)?, binding))).collect();
            for (at, (one, binding)) in by_overrides.iter().enumerate() {
                for (other, another) in by_overrides.iter().skip(at + 1) {
                    if binding.is_ambiguous_with(another) && told.insert((*one, *other)) {
                        let path = format!("credentials[{number}].token_grant.audience_overrides");
                        reading.error(
                            format!("{path}[{other}]"),
                            format!(
                                "is about the same requests as {path}[{one}] and says no more: give one a longer \
                                 path or a more exact host"
                            ),
                        );
                    }
                }
            }
        }
    }
}
