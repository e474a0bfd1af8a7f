//! The list of a bundle's files with their digests, as `sha256sum` writes and checks it.

use super::{SIGNATURE, SUMS, sha256};
use crate::app::error::AppError;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The digest and size of each file, by its path in the bundle.
pub(super) type Sums = BTreeMap<String, (String, u64)>;

/// Digests of every file below a folder, but the list itself and its signature.
pub(super) fn of_folder(root: &Path) -> Result<Sums, AppError> {
    let mut all = Sums::new();
    walk(root, "", &mut all)?;
    Ok(all)
}

fn walk(root: &Path, inside: &str, all: &mut Sums) -> Result<(), AppError> {
    let folder = root.join(inside);
    let failed = |e: std::io::Error| AppError::usage(format!("cannot read `{}`: {e}", folder.display()));
    let mut any = false;
    for entry in fs::read_dir(&folder).map_err(failed)? {
        any = true;
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(AppError::usage(format!(
                "`{}` holds a file whose name is no text",
                folder.display()
            )));
        };
        let path = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        // A link could lie anywhere: what it points to is not in the bundle.
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_symlink() {
            all.insert(path, ("a link".to_owned(), 0));
        } else if kind.is_dir() {
            walk(root, &path, all)?;
        } else if path != SUMS && path != SIGNATURE {
            let bytes = crate::app::store::read_file(&entry.path())?;
            all.insert(path, (sha256(&bytes), bytes.len() as u64));
        }
    }
    if !any && !inside.is_empty() {
        all.insert(inside.to_owned(), ("an empty folder".to_owned(), 0));
    }
    Ok(())
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
