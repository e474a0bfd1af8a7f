//! Files as a git ref has them: what somebody proposes must not decide how it is judged.
//!
//! Not here: what the files say (`policy`).

use super::error::AppError;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A commit of the repository that somebody is in.
#[derive(Clone, Debug)]
pub struct Ref {
    root: PathBuf,
    commit: String,
    name: String,
}

impl Ref {
    /// Finds what a name means in the repository around a folder.
    ///
    /// # Errors
    /// If git, the repository or the ref is not there.
    pub fn open(folder: &Path, name: &str) -> Result<Ref, AppError> {
        let refused = |why: String, help: &str| AppError::usage(why).help(help.to_owned());
        let root = git(folder, &["rev-parse", "--show-toplevel"])?;
        if !root.status.success() {
            let why = format!("--policy-from {name}: `{}` lies in no git repository", folder.display());
            return Err(refused(why, "run it in the checkout of the change, or leave --policy-from out"));
        }
        let root = PathBuf::from(String::from_utf8_lossy(&root.stdout).trim_end());
        let wanted = format!("{name}^{{commit}}");
        let commit = git(&root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted])?;
        if !commit.status.success() {
            let why = format!("--policy-from: git knows no `{name}` here");
            return Err(refused(
                why,
                "fetch it first (git fetch origin BRANCH), and name it as origin/BRANCH",
            ));
        }
        let commit = String::from_utf8_lossy(&commit.stdout).trim().to_owned();
        Ok(Ref { root: root.canonicalize().unwrap_or(root), commit, name: name.to_owned() })
    }

    /// As the user called it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A file as it is there, if it is.
    ///
    /// # Errors
    /// If git cannot be asked.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, AppError> {
        let Some(inside) = self.inside(path) else { return Ok(None) };
        let shown = git(&self.root, &["show", &format!("{}:{inside}", self.commit)])?;
        Ok(shown.status.success().then_some(shown.stdout))
    }

    /// The files of a folder as they are there, by their names.
    ///
    /// # Errors
    /// If git cannot be asked.
    pub fn list(&self, folder: &Path) -> Result<Vec<PathBuf>, AppError> {
        let Some(inside) = self.inside(&folder.join("x")) else { return Ok(Vec::new()) };
        let inside = inside.strip_suffix("/x").unwrap_or_default();
        let listed =
            git(&self.root, &["ls-tree", "-z", "--name-only", &format!("{}:{inside}", self.commit)])?;
        let names = listed.stdout.split(|b| *b == 0).filter(|n| !n.is_empty());
        Ok(names.map(|n| folder.join(String::from_utf8_lossy(n).as_ref())).collect())
    }

    /// A path from the root of the repository; the file need not be there any more.
    fn inside(&self, path: &Path) -> Option<String> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let full = folder.canonicalize().ok()?.join(path.file_name()?);
        let inside = full.strip_prefix(&self.root).ok()?;
        Some(inside.to_string_lossy().replace('\\', "/"))
    }
}

/// What lies in a folder that git neither tracks nor wants to: `.gitignore` says so. Nothing, where git cannot be asked: then
/// more is read, never less.
pub(super) fn ignored(folder: &Path) -> HashSet<PathBuf> {
    let arguments = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z", "."];
    let Ok(listed) = git(folder, &arguments) else { return HashSet::new() };
    if !listed.status.success() {
        return HashSet::new();
    }
    let names = listed.stdout.split(|b| *b == 0).filter(|name| !name.is_empty());
    names.map(|name| folder.join(String::from_utf8_lossy(name).trim_end_matches('/'))).collect()
}

/// Runs git, without what a folder of the repository could make it run.
fn git(folder: &Path, arguments: &[&str]) -> Result<Output, AppError> {
    let safe = ["-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false"];
    Command::new("git").arg("-C").arg(folder).args(safe).args(arguments).output().map_err(|e| {
        AppError::usage(format!("--policy-from needs git, which cannot be run: {e}"))
            .help("install git, or leave --policy-from out")
    })
}
