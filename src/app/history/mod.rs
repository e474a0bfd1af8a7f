//! `history.db`: findings of many runs, grants of many snapshots and decisions of ledgers as one SQLite database, for SQL of one's own.
//!
//! A cache: it is made anew from files, which remain the truth, and the same files give the same answers. Not here: its tables and
//! views, which `schema.sql` describes.

mod fill;

use super::error::AppError;
use super::store::read_file;
use crate::app::Progress;
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};

/// Tables and views, with what they mean.
pub const SCHEMA: &str = include_str!("schema.sql");

/// What was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Made {
    /// Files of findings.
    pub runs: usize,
    /// Snapshots.
    pub snapshots: usize,
    /// Ledgers.
    pub ledgers: usize,
}

/// Makes a database of findings, snapshots, ledgers, and bundles of evidence that have all three.
///
/// # Errors
/// If something cannot be read, is none of these, or the database cannot be written.
pub fn make(inputs: &[PathBuf], out: &Path, progress: &dyn Progress) -> Result<Made, AppError> {
    let files = files(inputs)?;
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let beside = out.with_file_name(name);
    let shown = out.display();
    let failed = |e: rusqlite::Error| AppError::usage(format!("cannot write `{shown}`: {e}"));
    let unplaced = |e: std::io::Error| AppError::usage(format!("cannot write `{shown}`: {e}"));
    match fs::remove_file(&beside) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(unplaced(e)),
        _ => {}
    }
    let mut made = Made::default();
    let filled = (|| {
        // Nobody reads it before it has its name: no journal is needed.
        let mut database = Connection::open(&beside).map_err(failed)?;
        database
            .execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            .and_then(|()| database.execute_batch(SCHEMA))
            .map_err(failed)?;
        for file in &files {
            progress.step(&format!("reading {}", file.display()));
            let bytes = read_file(file)?;
            match fill::one(&mut database, file, &bytes)? {
                fill::Kind::Findings => made.runs += 1,
                fill::Kind::Snapshot => made.snapshots += 1,
                fill::Kind::Ledger => made.ledgers += 1,
            }
        }
        database.close().map_err(|(_, e)| failed(e))
    })();
    match filled.and_then(|()| fs::rename(&beside, out).map_err(unplaced)) {
        Ok(()) => Ok(made),
        Err(error) => {
            // The half database is worth nothing; that it stays is not worth hiding the real error.
            let _gone = fs::remove_file(&beside);
            Err(error)
        }
    }
}

/// The files that are read: of a folder, those of a bundle of evidence.
fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, AppError> {
    let mut files = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            files.push(input.clone());
            continue;
        }
        let parts = ["findings.json", "snapshot.lwsnap", "ledger.jsonl"].map(|name| input.join(name));
        let there: Vec<PathBuf> = parts.into_iter().filter(|p| p.is_file()).collect();
        if there.is_empty() {
            return Err(AppError::usage(format!("`{}` is no bundle of evidence", input.display()))
                .help("give findings.json, snapshots, ledgers, or bundles that `evidence build` made"));
        }
        files.extend(there);
    }
    Ok(files)
}
