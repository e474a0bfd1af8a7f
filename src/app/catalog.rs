//! The catalogue of roles and operations: what is in it, and making it anew.

use super::collect::{Live, connect};
use super::error::AppError;
use super::store::{read_file, write_atomically};
use crate::model::Plane;
use crate::rbac::catalog::{Catalog, Draft, verify, write};
use crate::sources::azure::catalogue;
use crate::sources::catalog::read;
use std::path::{Path, PathBuf};

/// The catalogue in numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Info {
    /// The day of its newest fact.
    pub date: String,
    /// SHA-256 of its lists.
    pub digest: String,
    /// Built-in roles.
    pub roles: usize,
    /// Control-plane operations.
    pub control: usize,
    /// Data-plane operations.
    pub data: usize,
}

/// Looks at a catalogue.
pub fn info(catalog: &Catalog) -> Info {
    let operations = catalog.operations();
    Info {
        date: catalog.date().to_owned(),
        digest: catalog.digest().to_owned(),
        roles: catalog.role_count(),
        control: operations.len(Plane::Control),
        data: operations.len(Plane::Data),
    }
}

/// Reads a catalogue that the user made, checking its digest.
///
/// # Errors
/// If it cannot be read or is not what `update` wrote.
pub fn open(path: &Path) -> Result<Catalog, AppError> {
    let shown = path.display();
    let text = String::from_utf8(read_file(path)?)
        .map_err(|_| AppError::usage(format!("`{shown}` is no catalogue: expected UTF-8")))?;
    let bad = |e| AppError::usage(format!("`{shown}`: {e}"));
    verify(&text).map_err(bad)?;
    Catalog::parse(text.into()).map_err(bad)
}

/// What an update did with one file or answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRead {
    /// The file, or where an answer came from.
    pub name: String,
    /// What was in it.
    pub read: crate::sources::catalog::Read,
}

/// Makes a catalogue from files, newest first.
///
/// # Errors
/// If a file cannot be read or holds nothing of the kind.
pub fn update(files: &[PathBuf], date: &str, to: &Path) -> Result<(Vec<FileRead>, Info), AppError> {
    let read = |path: &PathBuf| Ok((path.display().to_string(), read_file(path)?));
    make(files.iter().map(read), date, to)
}

/// Makes a catalogue from what the live tenant answers.
///
/// # Errors
/// If Azure cannot be asked, or answers nothing of the kind.
pub fn update_live(live: &Live, date: &str, to: &Path) -> Result<(Vec<FileRead>, Info), AppError> {
    let (client, runtime, clock) = connect(live)?;
    let answers = runtime.block_on(catalogue(client, clock)).map_err(super::collect::told)?;
    let named = |(n, bytes)| Ok((format!("answer {}", n + 1), bytes));
    make(answers.into_iter().enumerate().map(named), date, to)
}

fn make(
    inputs: impl Iterator<Item = Result<(String, Vec<u8>), AppError>>,
    date: &str,
    to: &Path,
) -> Result<(Vec<FileRead>, Info), AppError> {
    if crate::model::Instant::parse(date).is_none() || date.len() != 10 {
        return Err(AppError::usage(format!("`{date}` is no date")).help("expected a day such as 2026-08-22"));
    }
    let mut draft = Draft { date: date.to_owned(), ..Draft::default() };
    let mut done = Vec::new();
    for input in inputs {
        let (name, bytes) = input?;
        let read = read(&mut draft, &bytes).map_err(|e| {
            AppError::usage(format!("`{name}`: {e}"))
                .help("see `leastwise catalog update --help` for the files that it takes")
        })?;
        done.push(FileRead { name, read });
    }
    let text = write(&draft);
    write_atomically(to, false, |file| file.write_all(text.as_bytes()))?;
    let catalog = Catalog::parse(text.into()).map_err(|e| AppError::internal(e.to_string()))?;
    Ok((done, info(&catalog)))
}
