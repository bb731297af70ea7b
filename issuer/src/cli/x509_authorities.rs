//! The authorities of X.509-SVIDs in `moneyer key`: their table, their certificates, and an emergency.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::key::{Signs, next, withdrawn};
use crate::cli::output::{Column, Output, json, optional_time, print, time};
use crate::http::management::{KeyStepsView, X509AuthorityView};

/// Where they are asked for and commanded.
pub(super) const PATH: &str = "/api/v1/keys/x509";

/// Characters of base64 in a line of PEM (RFC 7468 section 2).
const PEM_LINE: usize = 64;

const COLUMNS: &[Column<X509AuthorityView>] = &[
    ("X.509 AUTHORITY", |one| one.key_id.as_str().to_owned()),
    ("STATE", |one| one.state.as_str().to_owned()),
    ("PUBLISHED", |one| optional_time(one.published_at)),
    ("SIGNS SINCE", |one| optional_time(one.activated_at)),
    ("SIGNS UNTIL", |one| optional_time(one.sign_until)),
    ("CERTIFICATE ENDS", |one| time(one.not_after)),
    ("NEXT", |one| {
        one.next.as_ref().map_or_else(|| "-".to_owned(), |step| next(step, Signs::X509Svids))
    }),
];

pub(super) async fn list(client: &Client, output: Output) -> Result<(), Failure> {
    let authorities: Vec<X509AuthorityView> = client.get(PATH).await?;
    output.records(&authorities, COLUMNS)
}

/// The certificates that the trust bundle lists, each behind a line with its key.
pub(super) async fn export(client: &Client) -> Result<(), Failure> {
    let mut authorities: Vec<X509AuthorityView> = client.get(PATH).await?;
    authorities.retain(|one| one.state.is_published());
    for one in authorities {
        let der = one.certificate.to_der();
        let der = der.map_err(|error| Failure::of("a certificate cannot be written", &error))?;
        print(&format!("# {} {}\n{}", one.key_id, one.state.as_str(), pem(&der)))?;
    }
    Ok(())
}

fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (place, character) in STANDARD.encode(der).chars().enumerate() {
        if place > 0 && place % PEM_LINE == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + "\n-----END CERTIFICATE-----\n"
}

/// What was withdrawn, and what becomes of its SVIDs.
pub(super) fn report_emergency(answer: &KeyStepsView, output: Output) -> Result<(), Failure> {
    if output.is_json() {
        return json(answer);
    }
    let mut text = withdrawn(answer, Signs::X509Svids);
    text += "runners get new SVIDs at once; peers of other trust domains take the old ones until they \
             fetch the trust bundle again\n";
    for key_id in answer.steps.iter().flat_map(|step| &step.key_ids) {
        // Writing to a String cannot fail.
        writeln!(text, "its SVIDs: moneyer audit query --event x509_svid_signed --kid {key_id}")
            .ok();
    }
    print(&text)
}
