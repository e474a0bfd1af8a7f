//! Where an estate comes from: the demo, a snapshot, or an export of Azure's answers.

use super::Progress;
use super::collect::Live;
use super::error::AppError;
use super::store::Folder;
use crate::model::{Estate, Instant};
use crate::report::Provenance;
use crate::sources::{arm, demo, read_activity, snapshot};
use std::fs::File;
use std::path::PathBuf;

/// What the user asked to look at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// The embedded tenant.
    Demo,
    /// A snapshot file.
    Snapshot(PathBuf),
    /// A folder of Azure's answers.
    ArmExport(PathBuf),
    /// The live tenant.
    Live(Box<Live>),
}

impl Input {
    /// What rules that are not meaningful everywhere know it as.
    pub fn source(&self) -> &'static str {
        match self {
            Input::Live(_) => "live",
            Input::Demo | Input::Snapshot(_) | Input::ArmExport(_) => "snapshot",
        }
    }
}

/// The instants of a run, as far as the user set them.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Sets both.
    pub as_of: Option<Instant>,
    /// The clock.
    pub now: Instant,
}

/// An estate with where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The estate.
    pub estate: Estate,
    /// Where it came from, with the instants that it is judged at.
    pub provenance: Provenance,
    /// The tenant as it is without the change that was laid over it.
    pub before: Option<Estate>,
    /// The code that it was read from.
    pub(super) code: Option<super::code_files::CodeFiles>,
}

/// Reads an estate, and sign-in logs into it.
///
/// # Errors
/// If the input is not there or holds nothing that can be read.
pub fn load(
    input: &Input,
    activity: &[PathBuf],
    times: Times,
    progress: &dyn Progress,
) -> Result<Loaded, AppError> {
    let (mut estate, kind, name) = match input {
        Input::Demo => (demo::estate(), "demo", "Contoso (demo)".to_owned()),
        Input::Snapshot(path) => {
            progress.step("reading the snapshot");
            let shown = path.display();
            let file =
                File::open(path).map_err(|e| AppError::usage(format!("cannot read `{shown}`: {e}")))?;
            let estate = snapshot::read(file).map_err(|e| {
                AppError::usage(format!("`{shown}`: {e}"))
                    .help("a snapshot is a *.lwsnap file; read a folder of Azure's answers with --arm-export")
            })?;
            let kind = if estate.simulated { "simulated" } else { "snapshot" };
            (estate, kind, file_name(path))
        }
        Input::ArmExport(path) => {
            let folder = Folder::open(path)?;
            let step = |file: &str| progress.step(&format!("reading {file}"));
            let failed =
                |e: std::io::Error| AppError::usage(format!("cannot list `{}`: {e}", path.display()));
            let estate = arm::read(&folder, step).map_err(failed)?;
            if !estate.coverage.iter().any(|(_, extent)| extent != crate::model::Extent::Absent) {
                let message = format!("`{}` holds nothing that can be read", path.display());
                return Err(AppError::usage(message)
                    .help("give a folder with Azure's answers as *.json, see docs/usage.md"));
            }
            (estate, "arm-export", file_name(path))
        }
        Input::Live(live) => {
            let estate = super::collect::read(live, times.now, progress)?;
            let name = estate.tenant.map_or("Azure", |t| estate.strings.text(t)).to_owned();
            (estate, "azure", name)
        }
    };
    for path in activity {
        progress.step("reading sign-in logs");
        let shown = path.display().to_string();
        let file = File::open(path).map_err(|e| AppError::usage(format!("cannot read `{shown}`: {e}")))?;
        let held = read_activity(&mut estate, &shown, file).map_err(|e| AppError::usage(e.to_string()))?;
        // That logs were not collected is true no longer; of an empty file it is.
        estate.gaps.retain(|g| {
            g.source != crate::model::Source::SignIns
                || g.reason != crate::model::Reason::NotCollected
                || (!held || g.location.is_some())
        });
    }
    if !activity.is_empty() {
        estate.settle();
    }
    let name = match estate.part {
        Some(part) => format!("{name} ({})", estate.strings.text(part)),
        None => name,
    };
    let demo = (*input == Input::Demo).then(demo::moment);
    let provenance = Provenance {
        kind: kind.to_owned(),
        name,
        collected_at: estate.collected_at,
        judged_at: Some(times.as_of.or(demo).or(estate.collected_at).unwrap_or(times.now)),
        decided_at: Some(times.as_of.or(demo).unwrap_or(times.now)),
    };
    Ok(Loaded { estate, provenance, before: None, code: None })
}

/// The last part of a path: where on somebody's machine it lies belongs in no report.
fn file_name(path: &std::path::Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}
