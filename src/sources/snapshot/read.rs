//! From lines to an estate. A damaged file is refused whole: half an estate would pass for the truth.

use super::{MAX_BYTES, MAX_RATIO, SCHEMA};
use crate::model::{
    Association, Coverage, Estate, Extent, Gap, Instant, LocalGrant, LocalSystem, Location, Reading, Reason,
    SignIn, SignInWindow, Source,
};
use crate::sources::Position;
use crate::sources::arm::Lowering;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

/// Why a file is no snapshot that can be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Not ours.
    #[error("expected a snapshot (a zstd frame of JSON lines): {0}")]
    Format(String),
    /// From a newer version.
    #[error("the snapshot has schema `{0}`, this version reads leastwise.snapshot/1: use a newer leastwise")]
    Newer(String),
    /// Cut short or changed.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
    /// Too large for its file, or at all.
    #[error("the snapshot is larger than is read: {0}")]
    TooLarge(String),
}

#[derive(Deserialize)]
struct Header {
    schema: String,
    collected_at: Option<String>,
    cloud: Option<String>,
    tenant: Option<String>,
    part: Option<String>,
    #[serde(default)]
    simulated: bool,
    sign_in_window: Option<[String; 2]>,
    coverage: BTreeMap<String, String>,
    #[serde(default)]
    reads: BTreeMap<String, Listed>,
}

/// How one kind of data was read.
#[derive(Deserialize)]
struct Listed {
    lists: usize,
    failed: usize,
    pages: usize,
    items: usize,
    began: Option<String>,
    ended: Option<String>,
}

#[derive(Deserialize)]
struct Section {
    section: String,
    count: u64,
}

#[derive(Deserialize)]
struct Footer {
    footer: FooterBody,
}

#[derive(Deserialize)]
struct FooterBody {
    records: u64,
    sha256: String,
}

#[derive(Deserialize)]
struct AssociationLine {
    identity: String,
    #[serde(default)]
    resources: Vec<String>,
}

#[derive(Deserialize)]
struct SignInLine {
    principal: String,
    last: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LocalLine {
    grant: String,
    system: String,
    principal: String,
    role: String,
    role_name: Option<String>,
    scope: String,
    tenant: Option<String>,
}

#[derive(Deserialize)]
struct GapLine {
    source: String,
    #[serde(default)]
    scope: String,
    reason: String,
    detail: String,
    location: Option<LocationLine>,
    grant: Option<String>,
    count: u64,
}

#[derive(Deserialize)]
struct LocationLine {
    path: String,
    line: u64,
    column: u64,
}

/// Counts what goes through, so that a small file cannot become an endless one.
struct Counted<R> {
    input: R,
    bytes: std::rc::Rc<std::cell::Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let n = self.input.read(to)?;
        self.bytes.set(self.bytes.get() + n as u64);
        Ok(n)
    }
}

struct Lines<R: BufRead> {
    input: R,
    line: Vec<u8>,
    number: u64,
    total: u64,
    hasher: Sha256,
    compressed: std::rc::Rc<std::cell::Cell<u64>>,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; the one before it goes into the digest, which so never covers the footer.
    fn next(&mut self) -> Result<bool, SnapshotError> {
        self.hasher.update(&self.line);
        self.line.clear();
        let damaged = |e: std::io::Error| SnapshotError::Damaged(e.to_string());
        let read = self.input.by_ref().take(128 << 20).read_until(b'\n', &mut self.line);
        let n = read
            .map_err(|e| if self.number == 0 { SnapshotError::Format(e.to_string()) } else { damaged(e) })?;
        self.total += n as u64;
        self.number += 1;
        if self.total > MAX_BYTES
            || (self.total > 64 << 20 && self.total / self.compressed.get().max(1) > MAX_RATIO)
        {
            return Err(SnapshotError::TooLarge(format!(
                "{} bytes from {}",
                self.total,
                self.compressed.get()
            )));
        }
        Ok(n > 0)
    }

    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, SnapshotError> {
        serde_json::from_slice(&self.line)
            .map_err(|e| SnapshotError::Damaged(format!("line {}: {e}", self.number)))
    }
}

/// Reads a snapshot.
///
/// # Errors
/// If it is none, is newer than this version, or is damaged.
pub fn read(input: impl Read) -> Result<Estate, SnapshotError> {
    let compressed = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = Counted { input, bytes: std::rc::Rc::clone(&compressed) };
    let decoder = zstd::Decoder::new(counted).map_err(|e| SnapshotError::Format(e.to_string()))?;
    let input = BufReader::with_capacity(1 << 18, decoder);
    let mut lines = Lines { input, line: Vec::new(), number: 0, total: 0, hasher: Sha256::new(), compressed };
    if !lines.next()? {
        return Err(SnapshotError::Format("it is empty".to_owned()));
    }
    let header: Header =
        serde_json::from_slice(&lines.line).map_err(|e| SnapshotError::Format(e.to_string()))?;
    if header.schema != SCHEMA {
        let ours = header.schema.starts_with("leastwise.snapshot/");
        return Err(if ours {
            SnapshotError::Newer(header.schema)
        } else {
            SnapshotError::Format(format!("schema `{}`", header.schema))
        });
    }
    let mut lowering = Lowering::default();
    let mut records = 0;
    let mut gaps = Vec::new();
    loop {
        if !lines.next()? {
            return Err(SnapshotError::Damaged("it ends without its footer".to_owned()));
        }
        let Ok(section) = serde_json::from_slice::<Section>(&lines.line) else { break };
        for _ in 0..section.count {
            if !lines.next()? {
                return Err(SnapshotError::Damaged(format!("the section {} is cut short", section.section)));
            }
            records += 1;
            record(&section.section, &lines, &mut lowering, &mut gaps)?;
        }
    }
    let footer: Footer = lines.parse()?;
    let digest = crate::model::hex(&lines.hasher.clone().finalize());
    if footer.footer.records != records || footer.footer.sha256 != digest {
        return Err(SnapshotError::Damaged("its digest does not fit its lines".to_owned()));
    }
    if lines.next()? {
        return Err(SnapshotError::Damaged("something stands behind its footer".to_owned()));
    }
    let mut estate = finish(lowering, header, gaps)?;
    estate.digest = Some(digest);
    Ok(estate)
}

fn record<R: BufRead>(
    section: &str,
    lines: &Lines<R>,
    lowering: &mut Lowering,
    gaps: &mut Vec<Gap>,
) -> Result<(), SnapshotError> {
    let bad = |what: &str| SnapshotError::Damaged(format!("line {}: expected {what}", lines.number));
    match section {
        "associated-resources" => {
            let row: AssociationLine = lines.parse()?;
            let identity = lowering.estate.strings.intern(&row.identity);
            let resources = row.resources.iter().map(|r| lowering.estate.strings.intern(r)).collect();
            lowering.estate.associations.push(Association { identity, resources });
        }
        "sign-ins" => sign_in(lowering, &lines.line).map_err(|e| bad(&e))?,
        "local-grants" => {
            let row: LocalLine = lines.parse()?;
            let named = LocalSystem::ALL.into_iter().find(|s| s.name() == row.system);
            let strings = &mut lowering.estate.strings;
            let made = LocalGrant {
                id: strings.intern_id(&row.grant),
                system: named.ok_or_else(|| bad("a system of authorization"))?,
                principal: strings.intern(&row.principal),
                role: strings.intern(&row.role),
                role_name: row.role_name.map(|n| strings.intern(&n)),
                scope: strings.intern(&row.scope),
                tenant: row.tenant.map(|t| strings.intern(&t)),
            };
            lowering.estate.local_grants.push(made);
        }
        "gaps" => {
            let row: GapLine = lines.parse()?;
            gaps.push(Gap {
                source: Source::named(&row.source).ok_or_else(|| bad("a source"))?,
                scope: row.scope,
                reason: Reason::ALL
                    .into_iter()
                    .find(|r| r.name() == row.reason)
                    .ok_or_else(|| bad("a reason"))?,
                detail: row.detail,
                location: row.location.map(|l| Location { path: l.path, line: l.line, column: l.column }),
                grant: row.grant,
                count: row.count,
            });
        }
        "schedules" => lowering.schedule_line(&lines.line).map_err(|e| bad(&e))?,
        "vaults" => lowering.vault_line(&lines.line).map_err(|e| bad(&e))?,
        _ => {
            lowering.record(&lines.line, Position { line: lines.number, column: 1 });
        }
    }
    Ok(())
}

/// A sign-in's line.
pub(super) fn sign_in(lowering: &mut Lowering, line: &[u8]) -> Result<(), String> {
    let row: SignInLine = serde_json::from_slice(line).map_err(|e| e.to_string())?;
    let principal = lowering.estate.strings.intern(&row.principal);
    let last = Instant::parse(&row.last).ok_or("a time")?;
    lowering.estate.sign_ins.push(SignIn { principal, last });
    Ok(())
}

fn finish(lowering: Lowering, header: Header, gaps: Vec<Gap>) -> Result<Estate, SnapshotError> {
    let bad = |what: &str| SnapshotError::Damaged(format!("the header: expected {what}"));
    // What the writer wrote, this reader reads; a record that it cannot is damage, not a gap of the tenant.
    if let Some(gap) = lowering.estate.gaps.first() {
        let line = gap.location.as_ref().map_or(0, |l| l.line);
        return Err(SnapshotError::Damaged(format!("line {line}: {}", gap.detail)));
    }
    let mut estate = lowering.finish();
    estate.tenant = header.tenant.map(|t| estate.strings.intern(&t));
    estate.part = header.part.map(|p| estate.strings.intern(&p));
    estate.simulated = header.simulated;
    estate.cloud = header.cloud.map(|c| estate.strings.intern(&c));
    estate.collected_at = match header.collected_at {
        Some(t) => Some(Instant::parse(&t).ok_or_else(|| bad("a time in collected_at"))?),
        None => None,
    };
    if let Some([from, until]) = header.sign_in_window {
        let at = |t: &str| Instant::parse(t).ok_or_else(|| bad("times in sign_in_window"));
        estate.sign_in_window = Some(SignInWindow { from: at(&from)?, until: at(&until)? });
    }
    let mut coverage = Coverage::default();
    for (name, word) in &header.coverage {
        let source = Source::named(name).ok_or_else(|| bad("sources in coverage"))?;
        let extent = match word.as_str() {
            "complete" => Extent::Complete,
            "partial" => Extent::Partial,
            "absent" => Extent::Absent,
            _ => return Err(bad("complete, partial or absent in coverage")),
        };
        coverage.note(source, extent);
    }
    for (name, read) in header.reads {
        let source = Source::named(&name).ok_or_else(|| bad("sources in reads"))?;
        let at = |t: Option<String>| match t {
            Some(t) => Instant::parse(&t).map(Some).ok_or_else(|| bad("times in reads")),
            None => Ok(None),
        };
        let Listed { lists, failed, pages, items, began, ended } = read;
        let reading = Reading { lists, failed, pages, items, began: at(began)?, ended: at(ended)? };
        coverage.note_readings([(source, reading)]);
    }
    // A kind of data that an older version did not know was not read.
    estate.coverage = coverage;
    estate.gaps = gaps;
    estate.settle();
    Ok(estate)
}
