//! Earlier `findings.json`: since when each finding is known, and how it went from run to run.

use super::error::AppError;
use super::git::Ref;
use crate::finding::{Disposition, Finding, Severity};
use crate::model::Instant;
use crate::report::{TrendPoint, TrendRow, TrendRule};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct File {
    schema: String,
    source: Source,
    #[serde(default)]
    usage: Option<Usage>,
    findings: Vec<Row>,
}

#[derive(Deserialize)]
struct Usage {
    used_percent: u64,
    identities: Vec<Used>,
}

#[derive(Deserialize)]
struct Used {
    principal_id: String,
    used_percent: u64,
}

#[derive(Deserialize)]
struct Source {
    judged_at: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    fingerprint: String,
    first_seen: Option<String>,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    disposition: String,
}

/// What came of earlier runs.
pub(super) struct Earlier {
    /// Findings that the last of them did not have, by fingerprint.
    pub(super) new: HashSet<String>,
    /// How it went from run to run.
    pub(super) trend: TrendRow,
    /// How much identities used of what they held, by object id, in the last run that knew.
    pub(super) used: HashMap<String, u64>,
}

/// A run, for what comes of several.
struct Run {
    at: String,
    open: [usize; 5],
    usage: Option<Usage>,
    /// By fingerprint: the rule, and since when it is known.
    known: HashMap<String, (String, Option<String>)>,
}

impl Run {
    fn new(file: File) -> Run {
        let mut run = Run {
            at: file.source.judged_at.unwrap_or_default(),
            open: [0; 5],
            usage: file.usage,
            known: HashMap::with_capacity(file.findings.len()),
        };
        for row in file.findings {
            if row.disposition == "open" {
                count(&mut run.open, &row.severity);
            }
            run.known.insert(row.fingerprint, (row.rule, row.first_seen));
        }
        run
    }
}

fn count(open: &mut [usize; 5], severity: &str) {
    let at = Severity::ALL.iter().position(|s| s.name() == severity);
    if let Some(slot) = at.and_then(|at| open.get_mut(at)) {
        *slot += 1;
    }
}

/// Fills in since when findings are known, and tells how it went from run to run.
///
/// # Errors
/// If a file is none of ours.
pub(super) fn apply(paths: &[PathBuf], findings: &mut [Finding], now: &str) -> Result<Earlier, AppError> {
    let mut runs = paths.iter().map(|p| read(p).map(Run::new)).collect::<Result<Vec<_>, _>>()?;
    runs.sort_by_key(|r| Instant::parse(&r.at));
    // Since when, where the file does not say: the first of the runs that had it without a break.
    let since = |fingerprint: &str| -> Option<String> {
        let mut first = None;
        for run in runs.iter().rev() {
            match run.known.get(fingerprint) {
                Some((_, Some(told))) => return Some(told.clone()),
                Some((_, None)) => first = Some(run.at.clone()),
                None => break,
            }
        }
        first
    };
    let mut new = HashSet::new();
    let mut open = [0; 5];
    for finding in findings.iter_mut() {
        finding.first_seen = since(&finding.fingerprint).or_else(|| {
            new.insert(finding.fingerprint.clone());
            Some(now.to_owned())
        });
        if finding.disposition == Disposition::Open {
            count(&mut open, finding.severity.name());
        }
    }
    let here: HashSet<&str> = findings.iter().map(|f| f.fingerprint.as_str()).collect();
    let mut fixed: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for (at, run) in runs.iter().enumerate() {
        for (fingerprint, (rule, told)) in sorted(&run.known) {
            let first = told.as_deref().or_else(|| seen.get(fingerprint).copied()).unwrap_or(&run.at);
            seen.insert(fingerprint, first);
            let (there, when) = match runs.get(at + 1) {
                Some(next) => (next.known.contains_key(fingerprint), next.at.as_str()),
                None => (here.contains(fingerprint), now),
            };
            if !there {
                let days =
                    Instant::parse(when).zip(Instant::parse(first)).map_or(0, |(w, f)| w.days_since(f));
                fixed.entry(rule.clone()).or_default().push(days);
                seen.remove(fingerprint);
            }
        }
    }
    let mut points: Vec<TrendPoint> = runs
        .iter()
        .map(|r| TrendPoint {
            at: r.at.clone(),
            open: r.open,
            used_percent: r.usage.as_ref().map(|u| u.used_percent),
        })
        .collect();
    points.push(TrendPoint { at: now.to_owned(), open, used_percent: None });
    let rules = fixed.into_iter().map(|(rule, mut days)| {
        days.sort_unstable();
        TrendRule { rule, fixed: days.len(), median_days: days.get(days.len() / 2).copied().unwrap_or(0) }
    });
    let trend = TrendRow { points, rules: rules.collect() };
    let last = runs.into_iter().rev().find_map(|r| r.usage);
    let used = last.map(|u| u.identities).unwrap_or_default();
    let used = used.into_iter().map(|i| (i.principal_id, i.used_percent)).collect();
    Ok(Earlier { new, trend, used })
}

fn sorted(known: &HashMap<String, (String, Option<String>)>) -> Vec<(&str, &(String, Option<String>))> {
    let mut all: Vec<_> = known.iter().map(|(f, row)| (f.as_str(), row)).collect();
    all.sort_unstable();
    all
}

/// Marks open findings that an earlier run had: they were there before. Where the policy comes from a ref, the file as that
/// has it counts; gives what is more in the one on disk, in words.
///
/// # Errors
/// If the file is none of ours.
pub(super) fn baseline(
    path: &Path,
    from: Option<&Ref>,
    findings: &mut [Finding],
) -> Result<Vec<String>, AppError> {
    let mut proposed = Vec::new();
    let known = match from {
        None => fingerprints(read(path)?),
        Some(from) => {
            let before = from.read(path)?;
            let before = before.map_or_else(|| Ok(HashSet::new()), |b| parse(path, &b).map(fingerprints))?;
            let own = super::read_file(path).ok().and_then(|b| parse(path, &b).ok()).map(fingerprints);
            let more = own.unwrap_or_default().difference(&before).count();
            if more > 0 {
                proposed
                    .push(format!("the baseline has {more} finding(s) more than that of `{}`", from.name()));
            }
            before
        }
    };
    let open = findings.iter_mut().filter(|f| f.disposition == Disposition::Open);
    open.filter(|f| known.contains(&f.fingerprint)).for_each(|f| f.disposition = Disposition::Baseline);
    Ok(proposed)
}

fn fingerprints(file: File) -> HashSet<String> {
    file.findings.into_iter().map(|r| r.fingerprint).collect()
}

fn read(path: &Path) -> Result<File, AppError> {
    parse(path, &super::read_file(path)?)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<File, AppError> {
    let bad = |what: String| AppError::usage(format!("`{}` is no findings.json: {what}", path.display()));
    let file: File = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
    if file.schema != "leastwise.findings/1" {
        return Err(bad(format!("expected schema leastwise.findings/1, found `{}`", file.schema)));
    }
    Ok(file)
}
