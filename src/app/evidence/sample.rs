//! A sample of grants for an auditor to test by hand, which nobody picked: those whose digests with the seed come first.

use crate::model::sha256;
use crate::render::{CsvOptions, RenderError, csv_text};
use crate::sources::table::Table;

/// How many grants.
pub(super) const SIZE: usize = 25;

/// How they are picked, in words.
pub(super) const METHOD: &str = "the rows of assignments.csv, one for each identity and grant, whose SHA-256 of seed, `|` and assignment_id come first in order";

/// Columns that an auditor compares.
const COLUMNS: [&str; 8] =
    ["assignment_id", "identity", "principal_id", "role", "role_id", "scope", "condition", "state"];

/// The sample as a table, and how many grants there were to pick from.
pub(super) fn sample(table: &Table, seed: &str) -> Result<(Vec<u8>, usize), RenderError> {
    let get = |row, column| table.get(row, column).unwrap_or_default().to_owned();
    let mut rows: Vec<(String, Vec<String>)> = table
        .rows
        .iter()
        .map(|row| {
            let id = get(row, "assignment_id");
            (sha256(format!("{seed}|{id}").as_bytes()), COLUMNS.map(|c| get(row, c)).to_vec())
        })
        .collect();
    rows.sort();
    rows.dedup();
    let population = rows.len();
    let picked: Vec<Vec<String>> = rows.into_iter().take(SIZE).map(|(_, row)| row).collect();
    Ok((csv_text(&COLUMNS.join(","), &picked, &CsvOptions::default())?, population))
}
