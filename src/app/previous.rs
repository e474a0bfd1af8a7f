//! An earlier `findings.json`: since when each finding is known.

use super::error::AppError;
use super::git::Ref;
use crate::finding::{Disposition, Finding};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::Path;

#[derive(Deserialize)]
struct File {
    schema: String,
    source: Source,
    findings: Vec<Row>,
}

#[derive(Deserialize)]
struct Source {
    judged_at: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    fingerprint: String,
    first_seen: Option<String>,
}

/// Fills in since when findings are known; returns how many are new.
///
/// # Errors
/// If the file is none of ours.
pub(super) fn apply(path: &Path, findings: &mut [Finding], now: &str) -> Result<usize, AppError> {
    let file = read(path)?;
    let earlier = file.source.judged_at;
    let known: HashMap<String, Option<String>> =
        file.findings.into_iter().map(|r| (r.fingerprint, r.first_seen)).collect();
    let mut new = 0;
    for finding in findings {
        finding.first_seen = match known.get(&finding.fingerprint) {
            Some(first) => first.clone().or_else(|| earlier.clone()),
            None => {
                new += 1;
                Some(now.to_owned())
            }
        };
    }
    Ok(new)
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
