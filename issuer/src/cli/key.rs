//! `moneyer key`.

use clap::Subcommand;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output, optional_time, time};
use crate::http::management::KeyView;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List the signing keys in published order: the active one first.
    List,
}

const COLUMNS: &[Column<KeyView>] = &[
    ("KEY", |key| key.key_id.as_str().to_owned()),
    ("STATE", |key| key.state.as_str().to_owned()),
    ("ALGORITHM", |key| key.algorithm.map_or("-", |algorithm| algorithm.as_str()).to_owned()),
    ("PUBLISHED", |key| time(key.published_at)),
    ("SIGNS SINCE", |key| optional_time(key.activated_at)),
    ("SIGNS UNTIL", |key| optional_time(key.sign_until)),
];

pub(super) async fn run(
    command: &KeyCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    match command {
        KeyCommand::List => {
            let keys: Vec<KeyView> = client.get("/api/v1/keys").await?;
            output.records(&keys, COLUMNS)
        }
    }
}
