//! Runs the real binary with a scrubbed environment, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder under cargo's own, emptied first.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A folder that looks like a checkout, where paths are shown from, with some files.
pub(crate) fn checkout(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let dir = folder(name);
    std::fs::create_dir_all(dir.join(".git")).unwrap();
    files.iter().for_each(|(path, text)| write(&dir.join(path), text));
    dir
}

/// What a run gave.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs leastwise in a folder.
pub(crate) fn run(dir: &Path, args: &[&str]) -> Ran {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_leastwise"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .output()
        .unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Writes a file, and the folders above it.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
