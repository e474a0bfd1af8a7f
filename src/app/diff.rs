//! What changed between two snapshots.

use super::Progress;
use super::error::AppError;
use super::estate::{Input, Times, load};
use super::policy::Policy;
use super::store::{make_folder, write_atomically};
use crate::finding::Disposition;
use crate::graph::AccessGraph;
use crate::rbac::Catalog;
use crate::render::{CsvOptions, Difference, RenderError, Side};
use crate::report::{Overlay, Provenance};
use crate::review::{diff, sort_findings};
use crate::rules::run;
use std::path::{Path, PathBuf};

/// A format of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For a terminal.
    Text,
    /// `diff.json`.
    Json,
    /// `changes.csv`.
    Csv,
    /// `diff.html`.
    Html,
}

impl Form {
    /// Its file in a folder.
    pub const fn file(self) -> &'static str {
        match self {
            Form::Text => "diff.txt",
            Form::Json => "diff.json",
            Form::Csv => "changes.csv",
            Form::Html => "diff.html",
        }
    }
}

/// Compares two snapshots.
///
/// # Errors
/// If one of them cannot be read.
pub fn compare(
    (old, new): (&Path, &Path),
    times: Times,
    policy: &Policy,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<Difference, AppError> {
    let read = |path: &Path| load(&Input::Snapshot(path.to_owned()), &[], times, progress);
    let (before, after) = (read(old)?, read(new)?);
    // Ages are judged at one instant: that time passed is no change.
    let judged_at = after.provenance.judged_at.unwrap_or(times.now);
    let judging = policy.judging("snapshot", &after.provenance, times.now, crate::finding::Severity::High);
    progress.step("comparing");
    let side = |p: &Provenance| Side {
        name: p.name.clone(),
        collected_at: p.collected_at.map(|t| t.to_string()).unwrap_or_default(),
    };
    let (older, newer) = (side(&before.provenance), side(&after.provenance));
    let graph = |estate| AccessGraph::build(estate, catalog, Some(judged_at));
    let (before, after) = (graph(before.estate), graph(after.estate));
    let (was, is) = (run(&before, &judging), run(&after, &judging));
    let newly = super::audit::newly_unsure(&was, &is);
    let mut came = is.findings;
    let unsure = |slug: &str| newly.contains(slug);
    let sorted = sort_findings((&before, was.findings), (&after, &mut came), &unsure, false);
    came.retain(|f| f.disposition == Disposition::Open);
    let missing = [(&older, &before), (&newer, &after)];
    let missing = missing.iter().flat_map(|(side, graph)| {
        super::query::missing(graph).into_iter().map(|m| format!("{}: {m}", side.name)).collect::<Vec<_>>()
    });
    let mut missing: Vec<String> = missing.collect();
    let tenant = |graph: &AccessGraph| graph.estate().tenant.map(|t| graph.text(t).to_ascii_lowercase());
    if let (Some(a), Some(b)) = (tenant(&before), tenant(&after))
        && a != b
    {
        missing.insert(0, format!("two tenants are compared: `{a}` and `{b}`"));
    }
    let overlay = Overlay { diff: diff(&before, &after), sorted };
    Ok(Difference { old: older, new: newer, overlay, came, missing })
}

/// One format as bytes.
///
/// # Errors
/// If the page's template is broken.
pub fn rendered(found: &Difference, form: Form, csv: &CsvOptions) -> Result<Vec<u8>, AppError> {
    let wrong = |e: RenderError| AppError::internal(e.to_string());
    Ok(match form {
        Form::Text => found.text().into_bytes(),
        Form::Json => found.json().into_bytes(),
        Form::Csv => found.csv(csv).map_err(wrong)?,
        Form::Html => found.html().map_err(wrong)?.into_bytes(),
    })
}

/// Writes formats into a folder, each to its name.
///
/// # Errors
/// If a file cannot be written.
pub fn write(
    found: &Difference,
    forms: &[Form],
    csv: &CsvOptions,
    to: &Path,
) -> Result<Vec<PathBuf>, AppError> {
    make_folder(to)?;
    let mut files = Vec::new();
    for form in forms {
        let path = to.join(form.file());
        let bytes = rendered(found, *form, csv)?;
        write_atomically(&path, false, |file| std::io::Write::write_all(file, &bytes))?;
        files.push(path);
    }
    Ok(files)
}
