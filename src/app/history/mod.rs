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
    /// Files that were given more than once.
    pub twice: usize,
}

/// Makes a database of findings, snapshots, ledgers, and bundles of evidence that have all three.
///
/// # Errors
/// If something cannot be read, is none of these, or the database cannot be written.
pub fn make(inputs: &[PathBuf], out: &Path, progress: &dyn Progress) -> Result<Made, AppError> {
    let files = files(inputs)?;
    ours(out, &files)?;
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
        let mut fill = fill::Fill::default();
        for file in &files {
            progress.step(&format!("reading {}", file.path.display()));
            let bytes = read_file(&file.path)?;
            match fill.one(&mut database, &file.path, file.judged_at.as_deref(), &bytes)? {
                Some(fill::Kind::Findings) => made.runs += 1,
                Some(fill::Kind::Snapshot) => made.snapshots += 1,
                Some(fill::Kind::Ledger) => {}
                None => made.twice += 1,
            }
        }
        made.ledgers = fill.ledgers(&mut database)?;
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

/// Refuses to write over what is not ours, or is in use.
fn ours(out: &Path, files: &[Given]) -> Result<(), AppError> {
    let shown = out.display();
    for end in ["-journal", "-wal", "-shm"] {
        let mut beside = out.file_name().unwrap_or_default().to_owned();
        beside.push(end);
        let beside = out.with_file_name(beside);
        if fs::symlink_metadata(&beside).is_ok() {
            return Err(AppError::usage(format!(
                "`{}` is there: a program uses `{shown}`, or was killed",
                beside.display()
            ))
            .help("close it, or delete both files: the database is made anew"));
        }
    }
    let real = fs::canonicalize(out).ok();
    if real.is_some() && files.iter().any(|f| fs::canonicalize(&f.path).ok() == real) {
        return Err(AppError::usage(format!("`{shown}` is to be read and to be written")));
    }
    match fs::File::open(out) {
        Err(_) => Ok(()),
        Ok(mut file) => {
            let mut head = [0; 72];
            let whole = std::io::Read::read_exact(&mut file, &mut head).is_ok();
            // The application's id stands at byte 68 of SQLite's header.
            if whole && head.starts_with(b"SQLite format 3\0") && head.ends_with(b"LWHI") {
                return Ok(());
            }
            Err(AppError::usage(format!("`{shown}` is there, and no database that this command made"))
                .help("name another file with -o"))
        }
    }
}

/// A file that is read.
struct Given {
    path: PathBuf,
    /// When the bundle that it lies in was judged: a snapshot need not say when it was read.
    judged_at: Option<String>,
}

/// The files that are read: of a folder, those of a bundle of evidence.
fn files(inputs: &[PathBuf]) -> Result<Vec<Given>, AppError> {
    let mut files = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            files.push(Given { path: input.clone(), judged_at: None });
            continue;
        }
        let parts = ["findings.json", "snapshot.lwsnap", "ledger.jsonl"].map(|name| input.join(name));
        let there: Vec<PathBuf> = parts.into_iter().filter(|p| p.is_file()).collect();
        if there.is_empty() {
            return Err(AppError::usage(format!("`{}` is no bundle of evidence", input.display()))
                .help("give findings.json, snapshots, ledgers, or bundles that `evidence build` made"));
        }
        let judged_at = fs::read(input.join("manifest.json")).ok().and_then(|bytes| fill::judged_at(&bytes));
        files.extend(there.into_iter().map(|path| Given { path, judged_at: judged_at.clone() }));
    }
    Ok(files)
}
