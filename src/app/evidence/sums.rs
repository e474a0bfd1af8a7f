//! The list of a bundle's files with their digests, as `sha256sum` writes and checks it.

use super::{SIGNATURE, SUMS};
use crate::app::error::AppError;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The digest and size of each file, by its path in the bundle.
pub(super) type Sums = BTreeMap<String, (String, u64)>;

/// What lies at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum There {
    /// A file, of so many bytes.
    File(u64),
    /// Something that is none, in words.
    Other(&'static str),
}

/// Everything below a folder, but the list itself and its signature. Nothing is opened.
pub(super) fn of_folder(root: &Path) -> std::io::Result<BTreeMap<String, There>> {
    let mut all = BTreeMap::new();
    walk(root, "", &mut all)?;
    Ok(all)
}

fn walk(root: &Path, inside: &str, all: &mut BTreeMap<String, There>) -> std::io::Result<()> {
    let mut any = false;
    for entry in fs::read_dir(root.join(inside))? {
        any = true;
        let entry = entry?;
        // A name that is no text is none that a list has.
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        let kind = entry.file_type()?;
        let what = match () {
            () if kind.is_dir() => {
                if walk(root, &path, all).is_err() {
                    all.insert(path, There::Other("a folder that cannot be read"));
                }
                continue;
            }
            () if path == SUMS || path == SIGNATURE => continue,
            // A link could lie anywhere: what it points to is not in the bundle.
            () if kind.is_symlink() => There::Other("a link"),
            () if kind.is_file() => There::File(entry.metadata()?.len()),
            () => There::Other("no file"),
        };
        all.insert(path, what);
    }
    if !any && !inside.is_empty() {
        all.insert(inside.to_owned(), There::Other("an empty folder"));
    }
    Ok(())
}

/// The digest of a file, read piece by piece.
pub(super) fn digest(path: &Path) -> std::io::Result<String> {
    use sha2::Digest as _;
    let mut hash = sha2::Sha256::new();
    std::io::copy(&mut fs::File::open(path)?, &mut HashWriter(&mut hash))?;
    Ok(crate::model::hex(&hash.finalize()))
}

struct HashWriter<'h>(&'h mut sha2::Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        sha2::Digest::update(self.0, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Digests of every file below a folder that was just written.
pub(super) fn digests(root: &Path) -> Result<Sums, AppError> {
    let failed = |e: std::io::Error| AppError::usage(format!("cannot read `{}`: {e}", root.display()));
    let mut all = Sums::new();
    for (path, there) in of_folder(root).map_err(failed)? {
        if let There::File(bytes) = there {
            let digest = digest(&root.join(&path)).map_err(failed)?;
            all.insert(path, (digest, bytes));
        }
    }
    Ok(all)
}

/// The list as text.
pub(super) fn text(sums: &Sums) -> String {
    sums.iter().map(|(path, (digest, _))| format!("{digest}  {path}\n")).collect()
}

/// Reads a list. None where a line is not as it is written here.
pub(super) fn parse(text: &str) -> Option<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for line in text.strip_suffix('\n')?.split('\n') {
        let (digest, path) = line.split_once("  ")?;
        let hex = digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex
            || path.is_empty()
            || path.contains(char::is_control)
            || all.insert(path.to_owned(), digest.to_owned()).is_some()
        {
            return None;
        }
    }
    let again: String = all.iter().map(|(path, digest)| format!("{digest}  {path}\n")).collect();
    (again == text).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_way_to_write_a_list_is_read() {
        let (a, b) = ("0".repeat(64), "a".repeat(64));
        let good = format!("{a}  one\n{b}  two/three\n");
        assert_eq!(parse(&good).unwrap().len(), 2);
        for bad in [
            String::new(),
            good.trim_end().to_owned(),
            good.replace('\n', "\r\n"),
            good.replace('a', "A"),
            good.replace("  one", " *one"),
            format!("{b}  two/three\n{a}  one\n"),
            format!("{good}{a}  one\n"),
            format!("{good}\n"),
        ] {
            assert_eq!(parse(&bad), None, "{bad:?}");
        }
    }
}
