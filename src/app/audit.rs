//! The main job: an estate, the rules, the reports.

use super::error::AppError;
use super::estate::{Input, Times, load};
use super::policy::Policy;
use super::store::{make_folder, write_atomically};
use super::{Progress, inline, previous};
use crate::finding::{Confidence, Disposition, Severity};
use crate::graph::AccessGraph;
use crate::rbac::Catalog;
use crate::render::{CsvOptions, Format, Options, RenderError};
use crate::report::{Overlay, Report, power_row};
use crate::review::{diff, sort_findings};
use crate::rules::{Judged, Judging, Status, run};
use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::path::PathBuf;

/// More lines than anybody reads on a terminal.
const MOST_EXCERPTS: usize = 5000;

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where the estate comes from.
    pub input: Input,
    /// Sign-in logs.
    pub activity: Vec<PathBuf>,
    /// The instants.
    pub times: Times,
    /// What comes out.
    pub output: Output,
}

/// What comes out of judging an estate, and what counts.
#[derive(Clone, Debug)]
pub struct Output {
    /// The formats.
    pub formats: Vec<Format>,
    /// Where they go; without it the one format goes to the given stream.
    pub out: Option<PathBuf>,
    /// How tables are written.
    pub csv: CsvOptions,
    /// The ledger of reviews.
    pub ledger: Option<PathBuf>,
    /// Earlier findings.json.
    pub previous: Vec<PathBuf>,
    /// An earlier findings.json whose findings do not count.
    pub baseline: Option<PathBuf>,
    /// Where this run's findings go for a later one not to count.
    pub write_baseline: Option<PathBuf>,
    /// The file that results without one of their own are shown at.
    pub anchor: Option<String>,
    /// From which severity on a finding fails the run; `None` never.
    pub fail_on: Option<Severity>,
    /// From which confidence on it does.
    pub min_confidence: Confidence,
    /// Whether what a change leaves as it is counts, too.
    pub all: bool,
}

impl Output {
    fn options(&self) -> Options {
        Options { csv: self.csv, anchor: self.anchor.clone() }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Open findings at or above the severity and confidence that were asked for.
    pub failing: usize,
    /// Whether a gap could hide such a finding.
    pub blocked: bool,
    /// Whether there is any gap.
    pub gaps: bool,
    /// Whether a waiver has ended, or a review is overdue.
    pub overdue: bool,
    /// The verdict in a sentence.
    pub summary: String,
    /// Findings that an earlier run did not have.
    pub new: Option<usize>,
    /// The files that were written.
    pub files: Vec<PathBuf>,
}

/// Runs the audit.
///
/// # Errors
/// If the input cannot be read or a report cannot be written.
pub fn audit(
    request: &Request,
    policy: &Policy,
    catalog: &'static Catalog,
    to: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<Outcome, AppError> {
    let loaded = load(&request.input, &request.activity, request.times, progress)?;
    judge(loaded, request.input.source(), request.times, &request.output, policy, catalog, to, progress)
}

/// Judges an estate and writes what was asked for.
///
/// # Errors
/// If a report cannot be written.
#[expect(clippy::too_many_arguments, reason = "what every command that judges has at hand")]
pub(super) fn judge(
    loaded: super::estate::Loaded,
    source: &str,
    times: Times,
    request: &Output,
    policy: &Policy,
    catalog: &'static Catalog,
    to: &mut dyn Write,
    progress: &dyn Progress,
) -> Result<Outcome, AppError> {
    progress.step("building the graph");
    let provenance = loaded.provenance;
    let judged_at = provenance.judged_at.unwrap_or(times.now);
    let graph = AccessGraph::build(loaded.estate, catalog, Some(judged_at));
    let before = loaded.before.map(|estate| AccessGraph::build(estate, catalog, Some(judged_at)));
    progress.step("running the rules");
    let threshold = request.fail_on.unwrap_or(Severity::High);
    let judging = Judging { all: request.all, ..policy.judging(source, &provenance, times.now, threshold) };
    let mut judged = run(&graph, &judging);
    let change = before.map(|before| {
        progress.step("comparing with the tenant");
        let was = run(&before, &judging);
        let newly = newly_unsure(&was, &judged);
        let unsure = |slug: &str| newly.contains(slug);
        let sorted =
            sort_findings((&before, was.findings), (&graph, &mut judged.findings), &unsure, request.all);
        Overlay { diff: diff(&before, &graph), sorted }
    });
    let earlier = match request.previous.as_slice() {
        [] => None,
        paths => Some(previous::apply(paths, &mut judged.findings, &judged_at.to_string())?),
    };
    let (new, trend, used) = match earlier {
        Some(e) => (Some(e.new), Some(e.trend), e.used),
        None => (None, None, HashMap::new()),
    };
    let mut proposed = policy.proposed.clone();
    if let Some(path) = &request.baseline {
        proposed.extend(previous::baseline(path, policy.from.as_ref(), &mut judged.findings)?);
    }
    let decided_at = judging.decided_at;
    let mut ended = false;
    if let Some(files) = &loaded.code {
        let allowed = policy.config.inline.as_ref();
        let (brought, over) = inline::apply(
            &mut judged.findings,
            files,
            &inline::Terms { allowed, now: decided_at, rules: &policy.rules },
            policy.from.as_ref(),
        )?;
        proposed.extend(brought);
        ended = over;
    }
    let open = judged.findings.iter().filter(|f| f.disposition == Disposition::Open);
    let failing = request.fail_on.map_or(0, |level| {
        open.filter(|f| f.severity >= level && f.confidence >= request.min_confidence).count()
    });
    let mut overdue = ended || judged.findings.iter().any(|f| f.rule.slug == "waiver-expired");
    let mut report = Report::new(&graph, &judged, &policy.rules, provenance, threshold);
    report.change = change.as_ref();
    report.workloads = policy.config.workloads;
    report.trend = trend;
    report.used_before = used;
    let (new, fresh) = (new.as_ref().map(std::collections::HashSet::len), new.unwrap_or_default());
    report.fresh = fresh;
    let used_now = report.use_row().map(|u| u.percent);
    if let Some(last) = report.trend.as_mut().and_then(|t| t.points.last_mut()) {
        last.used_percent = used_now;
    }
    if let Some(path) = &request.ledger {
        progress.step("reading the ledger of reviews");
        let rows = super::review::reviewed(path, &graph, &judged, decided_at)?;
        // Of code alone, nothing shows what was done about decisions.
        let undone = rows.last().filter(|_| source != "check").is_some_and(|r| r.overdue + r.expired > 0);
        overdue |= undone || rows.iter().any(|r| r.is_late(decided_at));
        report.reviews = Some(rows);
    }
    // Of code alone, the findings say all that there is.
    if source != "check" && judged.findings.iter().any(|f| f.rule.slug == "escalation-path") {
        progress.step("looking for the grants that most ways need");
        report.power = power_row(&graph);
    }
    if source != "check" {
        progress.step("looking for smaller roles and scopes");
        report.right_size = super::right_size::rows(&graph, catalog);
    }
    report.proposed = proposed;
    if let Some(files) = &loaded.code {
        report.excerpts = excerpts(&judged.findings, files);
    }
    let mut outcome = Outcome {
        failing,
        blocked: report.blocked(),
        gaps: !report.complete(),
        overdue,
        summary: crate::render::summary(&report),
        new,
        files: Vec::new(),
    };
    progress.step("writing the reports");
    if let Some(path) = &request.write_baseline {
        let options = request.options();
        write_atomically(path, false, |file| {
            Format::Json.write("findings.json", &report, &options, file).map_err(|e| match e {
                RenderError::Io(e) => e,
                RenderError::Template(e) => std::io::Error::other(e),
            })
        })?;
    }
    match &request.out {
        Some(folder) => outcome.files = write_all(&report, request, folder)?,
        None => {
            let format = request.formats.first().copied().unwrap_or(Format::Text);
            let file = format.files().first().copied().unwrap_or("");
            match format.write(file, &report, &request.options(), to) {
                Err(e) if !stopped_reading(&e) => return Err(failed("the report", e)),
                _ => {}
            }
        }
    }
    drop(report);
    // The program is about to end: giving millions of small pieces back one by one would only take time.
    std::mem::forget((judged, graph));
    Ok(outcome)
}

/// The lines that open findings are about.
fn excerpts(
    findings: &[crate::finding::Finding],
    files: &super::code_files::CodeFiles,
) -> std::collections::BTreeMap<(String, u64), String> {
    let open = findings.iter().filter(|f| f.disposition == Disposition::Open);
    let places = open.filter_map(|f| f.location.as_ref()).take(MOST_EXCERPTS);
    let shown = |at: &crate::model::Location| {
        let line = files.line(&at.path, at.line)?;
        // How a block begins, and nothing of what is in it: that may be a secret.
        let begins = usize::try_from(at.column).ok()?.checked_sub(1)?;
        line.get(..begins).filter(|before| before.trim().is_empty())?;
        let end = line.get(begins..)?.find('{').map_or(line.len(), |n| begins + n + 1);
        let head = line.get(..end)?.to_owned();
        (head.trim() != "{").then_some(((at.path.clone(), at.line), head))
    };
    places.filter_map(shown).collect()
}

/// Whoever reads the one report from standard output may stop reading: that is no failure.
fn stopped_reading(error: &RenderError) -> bool {
    matches!(error, RenderError::Io(e) if e.kind() == std::io::ErrorKind::BrokenPipe)
}

fn failed(what: &str, error: RenderError) -> AppError {
    match error {
        RenderError::Io(e) => AppError::usage(format!("cannot write {what}: {e}")),
        RenderError::Template(e) => AppError::internal(e),
    }
}

/// Two at a time: the page costs about as much as everything else.
fn write_all(
    report: &Report<'_>,
    request: &Output,
    folder: &std::path::Path,
) -> Result<Vec<PathBuf>, AppError> {
    make_folder(folder)?;
    let mut jobs: Vec<(Format, &'static str)> =
        request.formats.iter().flat_map(|f| f.files().iter().map(|name| (*f, *name))).collect();
    jobs.dedup();
    let options = request.options();
    let one = |(format, name): (Format, &'static str)| {
        let path = folder.join(name);
        let mut problem = None;
        let written = write_atomically(&path, false, |file| {
            format.write(name, report, &options, file).map_err(|e| match e {
                RenderError::Io(e) => e,
                other => {
                    problem = Some(failed(name, other));
                    std::io::Error::other("the report could not be made")
                }
            })
        });
        match problem {
            Some(error) => Err(error),
            None => written.map(|()| path),
        }
    };
    let (pages, tables): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|(f, _)| *f == Format::Html);
    let all = |jobs: Vec<(Format, &'static str)>| jobs.into_iter().map(one).collect::<Result<Vec<_>, _>>();
    let (pages, tables) = std::thread::scope(|scope| {
        let page = scope.spawn(|| all(pages));
        let tables = all(tables);
        (page.join(), tables)
    });
    let mut files = pages.map_err(|_| AppError::internal("a report's thread ended early"))??;
    files.extend(tables?);
    files.sort();
    Ok(files)
}

/// Rules that could tell before and no longer can: that they find nothing is no end of what they found.
pub(super) fn newly_unsure(was: &Judged, is: &Judged) -> BTreeSet<String> {
    let unsure = |judged: &Judged| {
        let all = judged.rules.iter().filter(|r| r.status == Status::Inconclusive);
        all.map(|r| r.slug.clone()).collect::<BTreeSet<String>>()
    };
    let before = unsure(was);
    unsure(is).into_iter().filter(|slug| !before.contains(slug)).collect()
}
