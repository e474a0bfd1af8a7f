//! Waivers in comments of code: `leastwise: allow SLUG until 2027-01-31 because …`, on the line of a block or above it.
//!
//! They hold where the configuration says so, for what it says, and never for what is critical. Not here: waivers in their
//! own file (`policy`).

use super::code_files::CodeFiles;
use super::error::AppError;
use super::git::Ref;
use crate::finding::{Disposition, Finding, Severity};
use crate::model::{Instant, Location};
use crate::policy::Inline;
use crate::rules::RuleSet;

/// Lines above a block that are looked at.
const ABOVE: usize = 10;
const SHORTEST_REASON: usize = 15;
/// Lines that a block has at most.
const LONGEST: usize = 500;

/// What decides whether a waiver in a comment holds.
pub(super) struct Terms<'a> {
    /// What the configuration allows.
    pub allowed: Option<&'a Inline>,
    /// The time that ends are judged at.
    pub now: Instant,
    /// The rules that there are.
    pub rules: &'a RuleSet,
}

/// A waiver in a comment.
struct Found {
    line: usize,
    rules: Vec<String>,
    until: Option<Instant>,
    reason: String,
}

/// Applies them to open findings; gives those that the change itself brings, which do not count, and whether one is over.
///
/// # Errors
/// If git cannot be asked what was there before.
pub(super) fn apply(
    findings: &mut [Finding],
    files: &CodeFiles,
    terms: &Terms<'_>,
    before: Option<&Ref>,
) -> Result<(Vec<String>, bool), AppError> {
    let (mut proposed, mut ended) = (Vec::new(), false);
    for finding in findings.iter_mut().filter(|f| f.disposition == Disposition::Open) {
        let Some(at) = finding.location.clone() else { continue };
        let waivers = beside(files, &at.path, at.line);
        let Some(waiver) = waivers.iter().find(|w| w.rules.contains(&finding.rule.slug)) else {
            misspelt(finding, &waivers, terms.rules, &at.path);
            continue;
        };
        let place = format!("{}:{}", at.path, waiver.line);
        let why_not = refusal(waiver, finding.severity, terms.allowed, terms.now);
        let why_not = match (why_not, before) {
            (None, Some(before)) if is_new(before, files, &at, waiver)? => {
                let shown = format!("{place}: {} until {}", finding.rule.slug, date(waiver));
                proposed.push(format!("{shown}, because {}", waiver.reason));
                Some(format!(
                    "the change brings it, or changes what it is for: `{}` does not have it so",
                    before.name()
                ))
            }
            (why_not, _) => why_not,
        };
        match why_not {
            Some(why) => {
                ended |= terms.allowed.is_some() && waiver.until.is_some_and(|until| until <= terms.now);
                finding
                    .message
                    .push_str(&format!(" (the waiver in the comment at {place} does not hold: {why})"));
            }
            None => {
                finding.disposition = Disposition::Waived;
                finding.waiver = Some(format!("inline {place}"));
            }
        }
    }
    proposed.sort();
    proposed.dedup();
    Ok((proposed, ended))
}

/// Says of comments that waive what is no rule that they do nothing.
fn misspelt(finding: &mut Finding, waivers: &[Found], rules: &RuleSet, path: &str) {
    for waiver in waivers {
        for unknown in waiver.rules.iter().filter(|r| rules.get(r).is_none()) {
            let line = waiver.line;
            let said = format!(" (the comment at {path}:{line} waives `{unknown}`, which is no rule)");
            finding.message.push_str(&said);
        }
    }
}

fn date(waiver: &Found) -> String {
    waiver.until.map_or_else(|| "no date".to_owned(), |u| u.date())
}

/// Why a waiver does not hold, if it does not.
fn refusal(waiver: &Found, severity: Severity, allowed: Option<&Inline>, now: Instant) -> Option<String> {
    let Some(allowed) = allowed else {
        return Some("`[waivers] inline` is not configured".to_owned());
    };
    let Some(until) = waiver.until else {
        return Some("expected `until YYYY-MM-DD because REASON`".to_owned());
    };
    if severity == Severity::Critical || severity > allowed.max_severity {
        return Some(format!("comments waive findings up to {}", allowed.max_severity.name()));
    }
    if until <= now {
        return Some(format!("it ended on {}", until.date()));
    }
    if until > now.plus_days(allowed.max_days) {
        return Some(format!("comments waive for {} days at most", allowed.max_days));
    }
    (waiver.reason.chars().count() < SHORTEST_REASON).then(|| "its reason says too little".to_owned())
}

/// Whether the file did not have the comment before, or had it beside something else: what a waiver was given for is all of
/// its block.
fn is_new(before: &Ref, files: &CodeFiles, at: &Location, waiver: &Found) -> Result<bool, AppError> {
    let (Some(place), Some(lines)) = (files.place(&at.path), files.lines(&at.path)) else { return Ok(true) };
    let text = before.read(&place)?.unwrap_or_default();
    let trimmed = |lines: &mut dyn Iterator<Item = &str>| -> String {
        lines.map(|l| format!("{}\n", l.trim())).collect()
    };
    let was = trimmed(&mut String::from_utf8_lossy(&text).lines());
    let first = usize::try_from(at.line).unwrap_or(1).saturating_sub(1);
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = lines.get(first).map_or(0, |l| indent(l));
    // A block ends where a bracket stands as far out as it began.
    let ends = |line: &&String| line.trim_start().starts_with(['}', ']']) && indent(line) <= own;
    let length = lines.iter().skip(first).take(LONGEST).position(|line| ends(&line)).unwrap_or(0);
    let begin = waiver.line.saturating_sub(1).min(first);
    let block = lines.get(begin..=(first + length).min(lines.len().saturating_sub(1))).unwrap_or_default();
    Ok(!was.contains(&trimmed(&mut block.iter().map(String::as_str))))
}

/// The waivers on the line of a block, and in comments right above it.
fn beside(files: &CodeFiles, path: &str, line: u64) -> Vec<Found> {
    let (Some(lines), Ok(line)) = (files.lines(path), usize::try_from(line)) else { return Vec::new() };
    let Some(own) = line.checked_sub(1).and_then(|at| lines.get(at)) else { return Vec::new() };
    let above = (1..line).rev().take(ABOVE).filter_map(|n| Some((n, lines.get(n - 1)?)));
    let above = above.take_while(|(_, text)| {
        let text = text.trim_start();
        // Decorators stand between a comment and what it is about.
        ["#", "//", "/*", "*", "@"].iter().any(|begin| text.starts_with(begin))
    });
    std::iter::once((line, own)).chain(above).filter_map(|(n, text)| read(n, text)).collect()
}

fn read(line: usize, text: &str) -> Option<Found> {
    let (before, rest) = text.split_once("leastwise: allow ")?;
    let is_comment = ["#", "//", "/*"].iter().any(|mark| before.contains(mark)) || before.trim() == "*";
    if !is_comment {
        return None;
    }
    let rest = rest.trim_end().trim_end_matches("*/").trim_end();
    let (rules, rest) = rest.split_once(" until ").unwrap_or((rest, ""));
    let (until, reason) = rest.split_once(" because ").unwrap_or((rest, ""));
    Some(Found {
        line,
        rules: rules.split([',', ' ']).filter(|r| !r.is_empty()).map(str::to_owned).collect(),
        until: Instant::parse(until.trim()),
        reason: reason.trim().to_owned(),
    })
}
