//! The check of a change: infrastructure code becomes an estate, and the same rules judge it.

use super::Progress;
use super::audit::{Outcome, Output, judge};
use super::error::AppError;
use super::estate::{Loaded, Times};
use super::policy::Policy;
use super::store::Folder;
use crate::model::{Gap, Location, Reason, Source};
use crate::rbac::Catalog;
use crate::report::Provenance;
use crate::sources::Files as _;
use crate::sources::iac::{Kind, Reading, SourceTree, Template, terraform_roots};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Where the source of plans lies.
    pub source: Option<PathBuf>,
    /// Values of parameters.
    pub parameters: HashMap<String, serde_json::Value>,
    /// The instants.
    pub times: Times,
    /// What comes out.
    pub output: Output,
}

/// In bytes: no plan that people make is larger.
const LARGEST: u64 = 1 << 30;
/// Folders that hold no code of the repository.
const NOT_OURS: [&str; 4] = [".git", ".terraform", "node_modules", "target"];

/// Checks infrastructure code.
///
/// # Errors
/// If nothing of it can be read, or a report cannot be written.
pub fn check(
    request: &Request,
    policy: &Policy,
    catalog: &'static Catalog,
    to: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<Outcome, AppError> {
    let mut found: Vec<(PathBuf, Kind)> = Vec::new();
    for path in &request.paths {
        progress.step(&format!("looking through {}", path.display()));
        recognise(path, path, &mut found)?;
    }
    let mut reading = Reading::default();
    let mut unread: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut gaps = Vec::new();
    let mut read: BTreeMap<Kind, usize> = BTreeMap::new();
    // Folders of Terraform source, by repository.
    let mut folders: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (path, kind) in &found {
        progress.step(&format!("reading {}", path.display()));
        let taken = match kind {
            // Two plans are two estates: their addresses would be taken for one another's.
            Kind::TerraformPlan if read.contains_key(kind) => {
                let detail = format!("`{}` is a second plan: check each by itself", path.display());
                gaps.push(Gap::new(Source::Files, "", Reason::Unsupported, detail));
                continue;
            }
            Kind::TerraformPlan => plan(path, request.source.as_deref(), catalog, &mut reading),
            Kind::ArmTemplate => template(path, &request.parameters, &mut reading),
            Kind::Terraform => {
                if let Ok((repository, inside)) = in_repository(folder_of(path)) {
                    folders.entry(repository).or_default().insert(inside);
                }
                continue;
            }
            Kind::Bicep => {
                *unread.entry(*kind).or_default() += 1;
                continue;
            }
        };
        match taken {
            Ok(()) => *read.entry(*kind).or_default() += 1,
            Err(unread) if found.len() > 1 => gaps.push(unread.gap),
            Err(unread) => return Err(unread.error),
        }
    }
    // A plan says all that its source does, and more.
    if read.contains_key(&Kind::TerraformPlan) {
        folders.clear();
    }
    for (repository, folders) in folders {
        let files = Folder::open(&repository)?;
        let roots = terraform_roots(&files, &folders);
        // Modules that call each other in circles leave no root: each is one, then.
        let roots = if roots.is_empty() { folders.into_iter().collect() } else { roots };
        for root in roots {
            progress.step(&format!("reading {root}"));
            let tree = SourceTree { files: &files, root: &root, shown: "" };
            reading.terraform(tree, &request.parameters, catalog);
            *read.entry(Kind::Terraform).or_default() += 1;
        }
    }
    for (kind, count) in unread {
        let detail = format!(
            "{count} file(s) of {} are not read by this version: build it: bicep build FILE",
            kind.title()
        );
        gaps.push(Gap::new(Source::Files, "", Reason::Unsupported, detail));
    }
    if read.is_empty() {
        let why =
            gaps.first().map_or("nothing there is infrastructure code".to_owned(), |g| g.detail.clone());
        return Err(AppError::usage(format!("nothing could be read: {why}")).help(
            "give the JSON of a plan (terraform plan -out PLAN && terraform show -json PLAN > plan.json) or an ARM template",
        ));
    }
    let mut estate = reading.finish();
    estate.gaps.extend(gaps);
    let kind = match read.keys().collect::<Vec<_>>().as_slice() {
        [Kind::TerraformPlan] => "terraform-plan",
        [Kind::ArmTemplate] => "arm-template",
        [Kind::Terraform] => "terraform",
        _ => "mixed",
    };
    let name = request.paths.first().map(|p| p.display().to_string()).unwrap_or_default();
    let now = request.times.as_of.unwrap_or(request.times.now);
    let provenance = Provenance {
        kind: kind.to_owned(),
        name: Path::new(&name).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or(name),
        collected_at: None,
        judged_at: Some(now),
        decided_at: Some(now),
    };
    let loaded = Loaded { estate, provenance };
    judge(loaded, "check", request.times, &request.output, policy, catalog, to, progress)
}

/// Finds infrastructure code: a file that was named, or everything below a folder.
fn recognise(path: &Path, named: &Path, found: &mut Vec<(PathBuf, Kind)>) -> Result<(), AppError> {
    let failed = |e: std::io::Error| AppError::usage(format!("cannot read `{}`: {e}", path.display()));
    let about = std::fs::symlink_metadata(path).map_err(failed)?;
    // Links are followed where they were named, never further.
    if about.is_symlink() && path != named {
        return Ok(());
    }
    if std::fs::metadata(path).map_err(failed)?.is_dir() {
        let mut inside: Vec<PathBuf> =
            std::fs::read_dir(path).map_err(failed)?.filter_map(|e| Some(e.ok()?.path())).collect();
        inside.sort();
        for next in inside {
            let name = next.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !NOT_OURS.contains(&name.as_str()) {
                recognise(&next, named, found)?;
            }
        }
        return Ok(());
    }
    let mut head = Vec::new();
    let shown = path.to_string_lossy();
    if shown.ends_with(".json") {
        // Members of JSON come in any order: what a file is may stand at its end.
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(LARGEST).read_to_end(&mut head).map_err(failed)?;
    }
    match Kind::of(&shown, &head) {
        Some(kind) => found.push((path.to_owned(), kind)),
        None if path == named => {
            return Err(AppError::usage(format!("`{shown}` is no infrastructure code that is known")).help(
                "expected the JSON of a plan (`terraform show -json PLAN`), .tf, .bicep or an ARM template",
            ));
        }
        None => {}
    }
    Ok(())
}

/// A file that was not read: what to say if it was all, and what if it was one of many.
struct Unread {
    error: AppError,
    gap: Gap,
}

impl Unread {
    fn failed(error: AppError) -> Box<Unread> {
        let gap = Gap::new(Source::Files, "", Reason::Failed, error.to_string());
        Box::new(Unread { error, gap })
    }

    fn new(path: &str, place: Option<(u64, u64)>, why: &str, reason: Reason) -> Box<Unread> {
        let shown = place.map_or(path.to_owned(), |(line, column)| format!("{path}:{line}:{column}"));
        let (line, column) = place.unwrap_or((1, 1));
        let location = Location { path: path.to_owned(), line, column };
        Box::new(Unread {
            error: AppError::usage(format!("`{shown}`: {why}")),
            gap: Gap::new(Source::Files, "", reason, why).at(location),
        })
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, Box<Unread>> {
    super::read_file(path).map_err(Unread::failed)
}

/// A folder from the root of its repository, where those who annotate changes look for it; and that root.
fn in_repository(folder: &Path) -> std::io::Result<(PathBuf, String)> {
    let full = folder.canonicalize()?;
    let repository = full.ancestors().find(|p| p.join(".git").exists()).unwrap_or(&full).to_owned();
    let inside = full.strip_prefix(&repository).unwrap_or(Path::new(""));
    let inside = inside.to_string_lossy().replace('\\', "/");
    Ok((repository, inside))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn plan(
    path: &Path,
    source: Option<&Path>,
    catalog: &'static Catalog,
    reading: &mut Reading,
) -> Result<(), Box<Unread>> {
    let bytes = bytes_of(path)?;
    let root = source.unwrap_or_else(|| folder_of(path));
    let shown = path.display().to_string();
    let (repository, inside) = in_repository(root).map_err(|e| {
        let error = AppError::usage(format!("cannot read `{}`: {e}", root.display()))
            .help("give the folder of the root module with --source");
        Unread::failed(error)
    })?;
    let files = Folder::open(&repository).map_err(Unread::failed)?;
    let has_source = files.list_in(&inside).is_ok_and(|all| all.iter().any(|f| f.ends_with(".tf")));
    let tree = has_source.then_some(SourceTree { files: &files, root: &inside, shown: "" });
    reading
        .plan(&bytes, tree, catalog)
        .map_err(|e| Unread::new(&shown, None, &e.to_string(), Reason::Unparsed))
}

fn template(
    path: &Path,
    parameters: &HashMap<String, serde_json::Value>,
    reading: &mut Reading,
) -> Result<(), Box<Unread>> {
    let bytes = bytes_of(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let shown = match in_repository(folder_of(path)) {
        Ok((_, inside)) if !inside.is_empty() => format!("{inside}/{name}"),
        _ => name,
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| Unread::new(&shown, None, "it is not UTF-8", Reason::Unparsed))?;
    reading.template(Template { text: &text, path: &shown, parameters }).map_err(
        |(line, column, expected)| {
            let why = format!("not valid JSON: expected {expected}");
            Unread::new(&shown, Some((line, column)), &why, Reason::Unparsed)
        },
    )
}
