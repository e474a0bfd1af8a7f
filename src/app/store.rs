//! The file system: reading what the user names, writing whole files or none.

use super::error::AppError;
use crate::sources::Files;
use std::fs;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// A folder as [`Files`]: links are not followed, so nothing outside it can be read.
#[derive(Debug)]
pub struct Folder(PathBuf, std::sync::atomic::AtomicU64);

impl Folder {
    /// A folder that is there.
    ///
    /// # Errors
    /// If it is no folder.
    pub fn open(path: &Path) -> Result<Folder, AppError> {
        if path.is_dir() {
            return Ok(Folder(path.to_owned(), 0.into()));
        }
        let shown = path.display();
        Err(AppError::usage(format!("`{shown}` is no folder")).help("give a folder of JSON files"))
    }

    /// A path in the folder. Links inside it may not lead out: what lies there is not what somebody asked about.
    fn inside(&self, path: &str) -> std::io::Result<std::path::PathBuf> {
        let full = self.0.join(path);
        if !path.starts_with("..") && !full.canonicalize()?.starts_with(self.0.canonicalize()?) {
            let why = format!("`{path}` is a link that leads out of `{}`", self.0.display());
            return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why));
        }
        Ok(full)
    }

    fn walk(&self, under: &str, found: &mut Vec<String>) -> std::io::Result<()> {
        for entry in fs::read_dir(self.0.join(under))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if under.is_empty() { name } else { format!("{under}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.walk(&path, found)?;
            } else if kind.is_file() {
                found.push(path);
            } else if kind.is_symlink() {
                self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

impl Files for Folder {
    fn list(&self) -> std::io::Result<Vec<String>> {
        self.1.store(0, std::sync::atomic::Ordering::Relaxed);
        let mut found = Vec::new();
        self.walk("", &mut found)?;
        found.sort_unstable();
        Ok(found)
    }

    fn list_in(&self, folder: &str) -> std::io::Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.inside(folder)?)? {
            let entry = entry?;
            // Links to files inside the folder are files, as Terraform has it.
            let kind = entry.file_type()?;
            let linked = || {
                let (to, root) = (entry.path().canonicalize(), self.0.canonicalize());
                matches!((to, root), (Ok(ref to), Ok(ref root)) if to.starts_with(root) && to.is_file())
            };
            if kind.is_file() || kind.is_symlink() && linked() {
                let name = entry.file_name().to_string_lossy().into_owned();
                found.push(if folder.is_empty() { name } else { format!("{folder}/{name}") });
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn links(&self) -> u64 {
        self.1.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn size(&self, path: &str) -> Option<u64> {
        Some(fs::metadata(self.inside(path).ok()?).ok()?.len())
    }

    fn open(&self, path: &str) -> std::io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(fs::File::open(self.inside(path)?)?))
    }
}

/// The bytes of a file that the user named.
///
/// # Errors
/// If it cannot be read.
pub fn read_file(path: &Path) -> Result<Vec<u8>, AppError> {
    fs::read(path).map_err(|e| AppError::usage(format!("cannot read `{}`: {e}", path.display())))
}

/// The file that a path means: what a link leads to. A device, a pipe or a folder is none that one may be put in the place of.
fn target(path: &Path) -> Result<PathBuf, AppError> {
    let Ok(known) = fs::symlink_metadata(path) else { return Ok(path.to_owned()) };
    let failed = |e: std::io::Error| AppError::usage(format!("cannot write `{}`: {e}", path.display()));
    let real = if known.is_symlink() { path.canonicalize().map_err(failed)? } else { path.to_owned() };
    if fs::metadata(&real).map_err(failed)?.is_file() {
        return Ok(real);
    }
    Err(AppError::usage(format!("`{}` is no file that can be written anew", path.display()))
        .help("name a file; what goes to standard output does so without -o"))
}

/// Makes a folder, and those above it, where they are not there.
///
/// # Errors
/// If it cannot be made.
pub fn make_folder(path: &Path) -> Result<(), AppError> {
    fs::create_dir_all(path)
        .map_err(|e| AppError::usage(format!("cannot make the folder `{}`: {e}", path.display())))
}

/// Writes a file whole: beside it first, then in its place, so that a killed run leaves no half report.
///
/// # Errors
/// If it cannot be written, or `fill` fails.
pub fn write_atomically(
    path: &Path,
    private: bool,
    fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), AppError> {
    let failed = |e: std::io::Error| AppError::usage(format!("cannot write `{}`: {e}", path.display()));
    let path = &target(path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let beside = path.with_file_name(name);
    // What lies there is of a run that was killed, or is not ours to write through.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let _ = private;
    let mut file = BufWriter::with_capacity(1 << 20, options.open(&beside).map_err(failed)?);
    // What took an hour to read is on disk before it takes its name; reports can be made again.
    let sync = |file: &BufWriter<fs::File>| if private { file.get_ref().sync_all() } else { Ok(()) };
    let written = fill(&mut file).and_then(|()| file.flush()).and_then(|()| sync(&file));
    drop(file);
    match written.and_then(|()| fs::rename(&beside, path)) {
        Ok(()) => Ok(()),
        Err(error) => {
            // The half file is worth nothing to anyone; that it stays is not worth hiding the real error.
            let _gone = fs::remove_file(&beside);
            Err(failed(error))
        }
    }
}
