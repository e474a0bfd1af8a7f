//! A ledger as a file: read whole, written whole beside it and put in its place, so that a cut of power leaves it as it was or as it
//! is to be. One run writes at a time; the lock ends with the run, however that ends.

use super::error::AppError;
use crate::model::Instant;
use crate::review::{Body, Chain, Ledger};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A ledger on disk.
#[derive(Debug)]
pub struct LedgerFile {
    path: PathBuf,
    /// What this run read last: nothing may have come after it when it writes.
    head: Option<String>,
}

impl LedgerFile {
    /// The ledger at a path, whether or not there is one yet.
    pub fn at(path: &Path) -> LedgerFile {
        // A link stays one: what it points to is the ledger.
        LedgerFile { path: fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()), head: None }
    }

    fn bytes(&self) -> Result<Vec<u8>, AppError> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(AppError::usage(format!("cannot read `{}`: {e}", self.path.display()))),
        }
    }

    fn parsed(&self, bytes: &[u8]) -> Result<Chain, AppError> {
        Chain::read(bytes).map_err(|e| {
            AppError::usage(format!("`{}`: {e}", self.path.display()))
                .help("a ledger is only ever appended to: take the last good version, from git for example")
        })
    }

    /// All entries, and remembers where they end.
    ///
    /// # Errors
    /// If they cannot be read, or do not hold together.
    pub fn read(&mut self) -> Result<Chain, AppError> {
        let chain = self.parsed(&self.bytes()?)?;
        self.head = Some(chain.head().to_owned());
        Ok(chain)
    }

    fn beside(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        self.path.with_file_name(name)
    }

    /// The file beside, locked for this run alone.
    fn lock(&self) -> Result<File, AppError> {
        let failed =
            |e: std::io::Error| AppError::usage(format!("cannot write `{}`: {e}", self.path.display()));
        let beside = self.beside();
        if let Some(folder) = self.path.parent().filter(|f| !f.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        loop {
            let file = OpenOptions::new()
                .create(true)
                .read(true)
                .write(true)
                .truncate(false)
                .open(&beside)
                .map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let message = format!("another run is writing `{}`", self.path.display());
                    return Err(AppError::usage(message).help("try again when it has ended"));
                }
                Err(TryLockError::Error(e)) => return Err(failed(e)),
            }
            // The run before may have put this very file in the ledger's place meanwhile.
            if same_file(&file, &beside).map_err(failed)? {
                return Ok(file);
            }
        }
    }
}

/// Whether an open file is the one that lies at a path.
#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let own = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((own.dev(), own.ino()) == (there.dev(), there.ino())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Elsewhere an open file cannot be put in another's place.
#[cfg(not(unix))]
fn same_file(_: &File, _: &Path) -> std::io::Result<bool> {
    Ok(true)
}

impl Ledger for LedgerFile {
    type Error = AppError;

    fn chain(&self) -> Result<Chain, AppError> {
        self.parsed(&self.bytes()?)
    }

    fn append(&mut self, at: Instant, bodies: Vec<Body>) -> Result<Chain, AppError> {
        let mut file = self.lock()?;
        let old = self.bytes()?;
        let mut chain = self.parsed(&old)?;
        if self.head.as_deref().is_some_and(|head| head != chain.head()) {
            let message = format!("`{}` was written by another run meanwhile", self.path.display());
            return Err(
                AppError::usage(message).help("run the command again: it starts from what is there now")
            );
        }
        goes_on(&self.path, &chain, at)?;
        let new = chain.lines(at, bodies).map_err(|e| AppError::internal(e.to_string()))?;
        let beside = self.beside();
        // Who may read it, and whether anybody may write it, stays as it was.
        if let Ok(known) = fs::metadata(&self.path) {
            if known.permissions().readonly() {
                return Err(AppError::usage(format!("`{}` may not be written", self.path.display())));
            }
            let _kept = file.set_permissions(known.permissions());
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.write_all(&old))
            .and_then(|()| file.write_all(&new))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&beside, &self.path));
        if let Err(error) = written {
            // The half file is worth nothing; that it stays is not worth hiding the real error.
            let _gone = fs::remove_file(&beside);
            return Err(AppError::usage(format!("cannot write `{}`: {error}", self.path.display())));
        }
        // The new name, too, must outlive a cut of power, where folders can be told so.
        if let Some(folder) = self.path.parent() {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            let _synced = File::open(folder).and_then(|f| f.sync_all());
        }
        self.head = Some(chain.head().to_owned());
        Ok(chain)
    }
}

/// Whether an entry of this moment may come next.
///
/// # Errors
/// If the last entry is a later one.
pub fn goes_on(path: &Path, chain: &Chain, at: Instant) -> Result<(), AppError> {
    let Some(last) = chain.last().filter(|last| at < *last) else { return Ok(()) };
    let message = format!("the last entry of `{}` is of {last}, and this would be of {at}", path.display());
    Err(AppError::usage(message)
        .help("a ledger does not go back in time: leave --as-of out, or give a later one"))
}
