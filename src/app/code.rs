//! Infrastructure code on disk: what there is, what of it belongs together, and reading it into one estate.
//!
//! Not here: templates and their parameters (`templates`), what files mean (`sources::iac`), and judging (`check`).

use super::Progress;
use super::check::Request;
use super::code_files::CodeFiles;
use super::error::AppError;
use super::store::Folder;
use crate::model::{Gap, Location, Reason, Source};
use crate::rbac::Catalog;
use crate::sources::iac::{Kind, Reading, SourceTree, is_source, terraform_roots};
use crate::sources::{Files as _, decode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// In bytes: no plan that people make is larger.
const LARGEST: u64 = 1 << 30;
/// Folders that hold no code of the repository.
const NOT_OURS: [&str; 2] = [".git", ".terraform"];

/// The code that a check is about.
pub(super) struct Code {
    found: Vec<(PathBuf, Kind)>,
    here: Option<PathBuf>,
    /// Files of values of Terraform's variables.
    values: Vec<PathBuf>,
    /// What git neither tracks nor wants to.
    ignored: std::collections::HashSet<PathBuf>,
    /// The text of the last file that was looked at, which is read next if it is the only one.
    kept: Option<(PathBuf, String)>,
    /// The folders that were named.
    named: Vec<PathBuf>,
    /// The folders that paths are shown from.
    bases: std::cell::RefCell<BTreeSet<PathBuf>>,
    /// What was read, by kind.
    pub(super) read: BTreeMap<Kind, usize>,
    /// What was not.
    pub(super) gaps: Vec<Gap>,
    /// Why there was nothing to read in a folder of source.
    pub(super) broken: Option<String>,
    /// How many of them there were before anything was read.
    found_gaps: usize,
}

impl Code {
    /// Finds it.
    pub(super) fn find(request: &Request, progress: &dyn Progress) -> Result<Code, AppError> {
        let here = request.here.as_ref().and_then(|h| h.canonicalize().ok());
        let named =
            request.paths.iter().filter_map(|p| p.canonicalize().ok()).filter(|p| p.is_dir()).collect();
        let mut code = Code {
            found: Vec::new(),
            broken: None,
            here,
            named,
            kept: None,
            values: Vec::new(),
            ignored: std::collections::HashSet::new(),
            bases: std::cell::RefCell::default(),
            read: BTreeMap::new(),
            gaps: Vec::new(),
            found_gaps: 0,
        };
        for path in &request.paths {
            progress.step(&format!("looking through {}", path.display()));
            if path.is_dir() {
                code.ignored = super::git::ignored(path);
            }
            code.recognise(path, path)?;
        }
        code.found_gaps = code.gaps.len();
        Ok(code)
    }

    /// What was read, by the paths that it is shown with.
    pub(super) fn files(self) -> CodeFiles {
        CodeFiles::new(self.bases.into_inner())
    }

    /// Forgets what was read, so that it can be read once more.
    pub(super) fn again(&mut self) {
        self.read.clear();
        self.gaps.truncate(self.found_gaps);
    }

    /// Whether anything of it takes values from the command line.
    pub(super) fn takes_values(&self) -> bool {
        self.read.keys().any(|k| matches!(k, Kind::Terraform | Kind::ArmTemplate | Kind::Bicep))
    }

    pub(super) fn gap(&mut self, path: &Path, reason: Reason, detail: String) {
        let shown = self.shown(path);
        let location = Location { path: shown, line: 1, column: 1 };
        self.gaps.push(Gap::new(Source::Files, "", reason, detail).at(location));
    }

    /// A file that was named, or everything below a folder.
    fn recognise(&mut self, path: &Path, named: &Path) -> Result<(), AppError> {
        let failed = |e: std::io::Error| AppError::usage(format!("cannot read `{}`: {e}", path.display()));
        let about = std::fs::symlink_metadata(path).map_err(failed)?;
        // Links are followed where they were named, never further: what they lead to is not this repository's.
        if about.is_symlink() && path != named {
            let whole = named.canonicalize().map_err(failed)?;
            let leads = path.canonicalize();
            // What lies under what was named is read where it lies.
            let inside = leads.as_ref().is_ok_and(|to| to.starts_with(&whole));
            let ends = |e: &str| path.to_string_lossy().to_ascii_lowercase().ends_with(e);
            let code = [".tf", ".tofu", ".json", ".jsonc", ".bicep", ".bicepparam"].into_iter().any(ends);
            // As Terraform does: a file may be linked to, and lies under the name of the link.
            if inside && code && std::fs::metadata(path).is_ok_and(|m| m.is_file()) {
                return self.file(path, named);
            }
            if !inside && (code || leads.is_ok_and(|to| to.is_dir())) {
                let detail = format!("`{}` is a link that leads elsewhere, and not followed", path.display());
                self.gap(path, Reason::Unsupported, detail);
            }
            return Ok(());
        }
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            let inside = match std::fs::read_dir(path) {
                Ok(inside) => inside,
                Err(error) if path != named => {
                    self.gap(path, Reason::Failed, format!("`{}` cannot be read: {error}", path.display()));
                    return Ok(());
                }
                Err(error) => return Err(failed(error)),
            };
            let mut inside: Vec<PathBuf> = inside.filter_map(|e| Some(e.ok()?.path())).collect();
            inside.sort();
            for next in inside {
                let name = next.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if !NOT_OURS.contains(&name.as_str()) && !self.ignored.contains(&next) {
                    self.recognise(&next, named)?;
                }
            }
            return Ok(());
        }
        self.file(path, named)
    }

    /// A file, if it is code.
    fn file(&mut self, path: &Path, named: &Path) -> Result<(), AppError> {
        let failed = |e: std::io::Error| AppError::usage(format!("cannot read `{}`: {e}", path.display()));
        let shown = path.to_string_lossy().into_owned();
        let mut head = String::new();
        let lower = shown.to_ascii_lowercase();
        if lower.ends_with(".json") || lower.ends_with(".jsonc") {
            match std::fs::metadata(path).map_err(failed)?.len() {
                length if length > LARGEST => {
                    let detail = format!("`{shown}` is larger than any plan that is read");
                    self.gap(path, Reason::Unsupported, detail);
                    return Ok(());
                }
                _ => {}
            }
            match std::fs::read(path).map(decode) {
                Ok(Some(text)) => head = text,
                Ok(None) => {
                    self.gap(path, Reason::Unparsed, format!("`{shown}` is no text in UTF-8 or UTF-16"))
                }
                Err(error) if path != named => {
                    self.gap(path, Reason::Failed, format!("`{shown}` cannot be read: {error}"));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        if lower.trim_end_matches(".json").ends_with(".tfvars") {
            self.values.push(path.to_owned());
            return Ok(());
        }
        match Kind::of(&shown, head.as_bytes()) {
            Some(kind) => {
                self.kept = Some((path.to_owned(), head));
                self.found.push((path.to_owned(), kind));
            }
            None if path == named => {
                return Err(AppError::usage(format!("`{shown}` is no infrastructure code that is known")).help(
                    "expected the JSON of a plan (`terraform show -json PLAN`), .tf, .bicep, or an ARM template with its `$schema`",
                ));
            }
            None => {}
        }
        Ok(())
    }

    /// Reads all of it.
    pub(super) fn read(
        &mut self,
        request: &Request,
        catalog: &'static Catalog,
        reading: &mut Reading,
        progress: &dyn Progress,
    ) -> Result<(), AppError> {
        let found = self.found.clone();
        // Folders of Terraform source, by the root of their repository; and those that a plan speaks for.
        let mut folders: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
        let mut planned: BTreeSet<(PathBuf, String)> = BTreeSet::new();
        let mut bicep: BTreeMap<PathBuf, Vec<(String, PathBuf)>> = BTreeMap::new();
        let mut templates = Vec::new();
        for (path, kind) in &found {
            progress.step(&format!("reading {}", path.display()));
            let taken = match kind {
                // Nobody said that it is the plan of this source: it may be an old one.
                Kind::TerraformPlan if !request.paths.contains(path) && has_source(path, &found) => {
                    let detail = format!(
                        "`{}` is a plan that was found and not named, beside source that it may be older than: the source is checked; name the plan to check that",
                        path.display()
                    );
                    self.gap(path, Reason::Unresolved, detail);
                    continue;
                }
                Kind::TerraformPlan => {
                    let source = request.source.clone().unwrap_or_else(|| root_of(path));
                    let source = source.as_path();
                    // Two plans of one root module are two estates: their addresses would be taken for one another's.
                    if self.in_repository(source).is_some_and(|root| !planned.insert(root)) {
                        let detail = format!(
                            "`{}` is a second plan of one root module: check each by itself, or keep each beside its source",
                            path.display()
                        );
                        self.gap(path, Reason::Unsupported, detail);
                        continue;
                    }
                    self.plan(path, (source, request.source.is_some()), catalog, reading)
                }
                Kind::ArmTemplate => {
                    templates.push(path);
                    continue;
                }
                Kind::ArmParameters => continue,
                Kind::Terraform => {
                    if let Some((repository, inside)) = self.in_repository(folder_of(path)) {
                        folders.entry(repository).or_default().insert(inside);
                    }
                    continue;
                }
                Kind::Bicep | Kind::BicepParameters => {
                    if let Some((repository, inside)) = self.in_repository(folder_of(path)) {
                        let name = path.file_name().unwrap_or_default().to_string_lossy();
                        let inside =
                            if inside.is_empty() { name.into_owned() } else { format!("{inside}/{name}") };
                        bicep.entry(repository).or_default().push((inside, path.clone()));
                    }
                    continue;
                }
            };
            self.taken(*kind, taken, found.len() > 1)?;
        }
        self.unused_parameters(&found);
        let mut values = Vec::new();
        for path in &request.var_files {
            let bytes = super::read_file(path)?;
            let text = decode(bytes);
            values.push(text.ok_or_else(|| AppError::usage(format!("`{}` is no text", path.display())))?);
        }
        if request.var_files.is_empty() && !folders.is_empty() {
            // Beside source, whoever reads that says so.
            for path in self.values.clone() {
                let beside = self.in_repository(folder_of(&path));
                if !beside
                    .is_some_and(|(base, inside)| folders.get(&base).is_some_and(|f| f.contains(&inside)))
                {
                    let detail = format!(
                        "the values in `{}` are not used: name the file with --var-file",
                        path.display()
                    );
                    self.gap(&path, Reason::Unresolved, detail);
                }
            }
        }
        for (repository, folders) in folders {
            let files = Folder::open(&repository)?;
            let (roots, applied) = terraform_roots(&files, &folders);
            reading.entered.clear();
            // Modules that call each other in circles leave no root: each is one, then.
            let roots = if roots.is_empty() { folders.into_iter().collect() } else { roots };
            for root in roots.into_iter().chain(applied) {
                // A plan says all that its own source does, and more; and what was a module of a root is no root.
                if planned.contains(&(repository.clone(), root.clone())) || reading.entered.contains(&root) {
                    continue;
                }
                progress.step(&format!("reading {root}"));
                let tree = SourceTree { files: &files, root: &root };
                match reading.terraform(tree, &request.parameters, &values, catalog) {
                    None => *self.read.entry(Kind::Terraform).or_default() += 1,
                    why => self.broken = self.broken.take().or(why),
                }
            }
        }
        let mut deployed = BTreeSet::new();
        for (repository, files) in bicep {
            deployed.extend(self.bicep(&repository, files, &found, request, catalog, reading)?);
        }
        // What Bicep deploys is judged there, with the parameters that it gives.
        for path in templates.into_iter().filter(|p| !p.canonicalize().is_ok_and(|p| deployed.contains(&p))) {
            let taken = self.template(path, &found, request, catalog, reading);
            self.taken(Kind::ArmTemplate, taken, found.len() > 1)?;
        }
        Ok(())
    }

    /// Counts what was read; what was not is a gap if it is one of several, else an error.
    fn taken(&mut self, kind: Kind, taken: Result<(), Box<Unread>>, several: bool) -> Result<(), AppError> {
        match taken {
            Ok(()) => *self.read.entry(kind).or_default() += 1,
            Err(unread) if several => self.gaps.push(unread.gap),
            Err(unread) => return Err(unread.error),
        }
        Ok(())
    }

    /// The root that paths are shown from, and a folder's path in it: the repository, where those who annotate changes
    /// look for files, else the folder that the user is in, or has named.
    fn in_repository(&self, folder: &Path) -> Option<(PathBuf, String)> {
        let full = folder.canonicalize().ok()?;
        let repository = full.ancestors().find(|p| p.join(".git").exists());
        let here = self.here.as_deref().filter(|h| full.starts_with(h));
        let named = self.named.iter().find(|n| full.starts_with(n)).map(PathBuf::as_path);
        let base = repository.or(here).or(named).unwrap_or(&full).to_owned();
        self.bases.borrow_mut().insert(base.clone());
        let inside = full.strip_prefix(&base).unwrap_or(Path::new(""));
        let inside = inside.to_string_lossy().replace('\\', "/");
        Some((base, inside))
    }

    /// A file as it is shown.
    pub(super) fn shown(&self, path: &Path) -> String {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self.in_repository(folder_of(path)) {
            Some((_, inside)) if !inside.is_empty() => format!("{inside}/{name}"),
            _ => name,
        }
    }

    pub(super) fn text(&self, path: &Path) -> Result<std::borrow::Cow<'_, str>, Box<Unread>> {
        if let Some((_, text)) = self.kept.as_ref().filter(|(kept, text)| kept == path && !text.is_empty()) {
            return Ok(text.as_str().into());
        }
        let bytes = super::read_file(path).map_err(Unread::failed)?;
        let not_text =
            || Unread::new(&self.shown(path), None, "it is no text in UTF-8 or UTF-16", Reason::Unparsed);
        decode(bytes).map(Into::into).ok_or_else(not_text)
    }

    fn plan(
        &self,
        path: &Path,
        (root, named): (&Path, bool),
        catalog: &'static Catalog,
        reading: &mut Reading,
    ) -> Result<(), Box<Unread>> {
        let text = self.text(path)?;
        let (base, inside) = self.in_repository(root).ok_or_else(|| {
            let error = AppError::usage(format!("cannot read `{}`", root.display()));
            Unread::failed(error.help("give the folder of the root module with --source"))
        })?;
        let files = Folder::open(&base).map_err(Unread::failed)?;
        let has_source = files.list_in(&inside).is_ok_and(|all| all.iter().any(|f| is_source(f)));
        if named && !has_source {
            let error = AppError::usage(format!("`{}` holds no Terraform source", root.display()));
            return Err(Unread::failed(
                error.help("give the folder of the plan's root module with --source"),
            ));
        }
        let tree = has_source.then_some(SourceTree { files: &files, root: &inside });
        let read = reading.plan(&text, &inside, tree, catalog);
        read.map_err(|e| Unread::new(&self.shown(path), None, &e.to_string(), Reason::Unparsed))
    }
}

/// The folder of a plan's root module, where nobody says: its own if that holds source, else the repository's root if that
/// does.
fn root_of(plan: &Path) -> PathBuf {
    let own = folder_of(plan);
    let holds = |folder: &Path| {
        let inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
        inside.into_iter().any(|entry| is_source(&entry.file_name().to_string_lossy()))
    };
    let full = own.canonicalize().ok();
    let repository = full.as_deref().and_then(|f| f.ancestors().find(|p| p.join(".git").exists()));
    match repository.filter(|root| !holds(own) && holds(root)) {
        Some(root) => root.to_owned(),
        None => own.to_owned(),
    }
}

/// Whether a plan lies beside source.
fn has_source(plan: &Path, found: &[(PathBuf, Kind)]) -> bool {
    let beside = |p: &Path| folder_of(p) == folder_of(plan);
    found.iter().any(|(path, kind)| *kind == Kind::Terraform && beside(path))
}

pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that was not read: what to say if it was all, and what if it was one of many.
pub(super) struct Unread {
    pub(super) error: AppError,
    pub(super) gap: Gap,
}

impl Unread {
    fn failed(error: AppError) -> Box<Unread> {
        let gap = Gap::new(Source::Files, "", Reason::Failed, error.to_string());
        Box::new(Unread { error, gap })
    }

    pub(super) fn new(path: &str, place: Option<(u64, u64)>, why: &str, reason: Reason) -> Box<Unread> {
        let shown = place.map_or(path.to_owned(), |(line, column)| format!("{path}:{line}:{column}"));
        let (line, column) = place.unwrap_or((1, 1));
        let location = Location { path: path.to_owned(), line, column };
        Box::new(Unread {
            error: AppError::usage(format!("`{shown}`: {why}")),
            gap: Gap::new(Source::Files, "", reason, why).at(location),
        })
    }
}
