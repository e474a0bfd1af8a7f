//! The check of a change: infrastructure code becomes an estate, and the same rules judge it.

use super::Progress;
use super::audit::{Outcome, Output, judge};
use super::error::AppError;
use super::estate::{Loaded, Times};
use super::policy::Policy;
use super::store::Folder;
use crate::model::{Estate, Gap, Reason, Source};
use crate::rbac::Catalog;
use crate::report::Provenance;
use crate::sources::Files as _;
use crate::sources::iac::{Kind, PlanRead, SourceTree, read_plan};
use std::collections::BTreeMap;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Where the source of plans lies.
    pub source: Option<PathBuf>,
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
    let mut estate: Option<Estate> = None;
    let mut unread: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut gaps = Vec::new();
    let mut plans = 0;
    for (path, kind) in &found {
        if *kind != Kind::TerraformPlan {
            *unread.entry(*kind).or_default() += 1;
            continue;
        }
        if plans > 0 {
            // Two roots are two estates: their addresses would be taken for one another's.
            let detail = format!("`{}` is a second plan: check each by itself", path.display());
            gaps.push(Gap::new(Source::Files, "", Reason::Unsupported, detail));
            continue;
        }
        progress.step(&format!("reading {}", path.display()));
        match plan(path, request.source.as_deref(), catalog) {
            Ok(read) => {
                plans += 1;
                estate = Some(read.estate);
            }
            Err(why) if found.len() == 1 => return Err(why),
            Err(why) => gaps.push(Gap::new(Source::Files, "", Reason::Unparsed, why.to_string())),
        }
    }
    for (kind, count) in unread {
        let detail = format!(
            "{count} file(s) of {} are not read by this version: give a plan (`terraform show -json PLAN`)",
            kind.title()
        );
        gaps.push(Gap::new(Source::Files, "", Reason::Unsupported, detail));
    }
    let Some(mut estate) = estate else {
        let why =
            gaps.first().map_or("nothing there is infrastructure code".to_owned(), |g| g.detail.clone());
        return Err(AppError::usage(format!("nothing could be read: {why}")).help(
            "give the JSON of a plan: terraform plan -out PLAN && terraform show -json PLAN > plan.json",
        ));
    };
    estate.gaps.extend(gaps);
    let name = request.paths.first().map(|p| p.display().to_string()).unwrap_or_default();
    let now = request.times.as_of.unwrap_or(request.times.now);
    let provenance = Provenance {
        kind: "terraform-plan".to_owned(),
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

fn plan(path: &Path, source: Option<&Path>, catalog: &'static Catalog) -> Result<PlanRead, AppError> {
    let bytes = super::read_file(path)?;
    let shown = path.display();
    let beside = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let root = source.unwrap_or(beside);
    let full = root.canonicalize().map_err(|e| {
        AppError::usage(format!("cannot read `{}`: {e}", root.display()))
            .help("give the folder of the root module with --source")
    })?;
    // Paths are shown from the repository's root, where those who annotate changes look for them.
    let repository = full.ancestors().find(|p| p.join(".git").exists()).unwrap_or(&full).to_owned();
    let inside = full.strip_prefix(&repository).unwrap_or(Path::new(""));
    let inside = inside.to_string_lossy().replace('\\', "/");
    let files = Folder::open(&repository)?;
    let has_source = files.list_in(&inside).is_ok_and(|all| all.iter().any(|f| f.ends_with(".tf")));
    let tree = has_source.then_some(SourceTree { files: &files, root: &inside, shown: "" });
    read_plan(&bytes, tree, catalog).map_err(|e| AppError::usage(format!("`{shown}`: {e}")))
}
