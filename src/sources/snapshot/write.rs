//! From an estate to lines.

use super::SCHEMA;
use super::grant::{grant_line, schedule_line};
use super::row::{Rows, object};
use crate::model::{Estate, Instant, Source, Sym, Vault};
use crate::sources::mask::Mask;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::io::Write;

struct Sections<'m, W: Write> {
    out: W,
    hasher: Sha256,
    records: u64,
    mask: Option<&'m mut Mask>,
    elsewhere: Option<&'m dyn Lines>,
    buffer: Vec<u8>,
}

impl<W: Write> Sections<'_, W> {
    fn line(&mut self, value: &impl Serialize) -> std::io::Result<()> {
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.clear();
        serde_json::to_writer(&mut bytes, value)?;
        bytes.push(b'\n');
        self.hasher.update(&bytes);
        let written = self.out.write_all(&bytes);
        self.buffer = bytes;
        written
    }

    /// A section whose lines may lie elsewhere.
    fn large<R: Serialize>(
        &mut self,
        source: Source,
        rows: impl ExactSizeIterator<Item = R>,
    ) -> std::io::Result<()> {
        let Some(from) = self.elsewhere else { return self.section(source.name(), rows) };
        self.line(&json!({"section": source.name(), "count": from.count(source)}))?;
        from.each(source, &mut |line| {
            self.records += 1;
            for bytes in [line, b"\n"] {
                self.hasher.update(bytes);
                self.out.write_all(bytes)?;
            }
            Ok(())
        })
    }

    fn section<R: Serialize>(
        &mut self,
        name: &str,
        rows: impl ExactSizeIterator<Item = R>,
    ) -> std::io::Result<()> {
        self.line(&json!({"section": name, "count": rows.len()}))?;
        for row in rows {
            self.records += 1;
            match &mut self.mask {
                Some(mask) => {
                    let mut row = serde_json::to_value(&row)?;
                    mask.record(name, &mut row);
                    self.line(&row)?;
                }
                None => self.line(&row)?,
            }
        }
        Ok(())
    }
}

/// Records of the large kinds that lie outside an estate, as the lines of a snapshot.
pub trait Lines: Sync {
    /// How many lines the section of a kind has.
    fn count(&self, source: Source) -> usize;
    /// Hands them out in the order of a snapshot.
    ///
    /// # Errors
    /// If they cannot be read, or what `line` gives.
    fn each(&self, source: Source, line: &mut dyn FnMut(&[u8]) -> std::io::Result<()>)
    -> std::io::Result<()>;
}

/// Writes a settled estate. Returns the digest of the uncompressed lines: the snapshot's identity.
///
/// # Errors
/// If the destination fails.
pub fn write(estate: &Estate, to: &mut dyn Write) -> std::io::Result<String> {
    super::pack::packed(to, |out| lines(estate, None, None, out))
}

/// Writes a settled estate whose records of the large kinds lie elsewhere, all of them.
///
/// # Errors
/// If the destination fails, or where the records lie.
pub fn write_with(estate: &Estate, records: &dyn Lines, to: &mut dyn Write) -> std::io::Result<String> {
    super::pack::packed(to, |out| lines(estate, None, Some(records), out))
}

/// Writes pseudonyms in place of names. Its records lie in the order of what they stood for: read and write it once more.
///
/// # Errors
/// If the destination fails.
pub fn write_masked(estate: &Estate, mask: &mut Mask, to: &mut dyn Write) -> std::io::Result<String> {
    super::pack::packed(to, |out| lines(estate, Some(mask), None, out))
}

fn lines(
    estate: &Estate,
    mask: Option<&mut Mask>,
    elsewhere: Option<&dyn Lines>,
    out: &mut dyn Write,
) -> std::io::Result<String> {
    let mut lines = Sections { out, hasher: Sha256::new(), records: 0, mask, elsewhere, buffer: Vec::new() };
    let mut header = header(Rows(estate));
    if let Some(mask) = &mut lines.mask {
        mask.header(&mut header);
    }
    lines.line(&header)?;
    sections(estate, &mut lines)?;
    let digest = crate::model::hex(&lines.hasher.clone().finalize());
    let (records, sha) = (lines.records, digest.clone());
    lines.line(&json!({"footer": {"records": records, "sha256": sha}}))?;
    Ok(digest)
}

fn sections<W: Write>(e: &Estate, lines: &mut Sections<'_, W>) -> std::io::Result<()> {
    let rows = Rows(e);
    lines.section("management-groups", e.management_groups.iter().map(|g| rows.management_group(g)))?;
    lines.section("subscriptions", e.subscriptions.iter().map(|s| rows.subscription(s)))?;
    lines.large(Source::ResourceGroups, e.resource_groups.iter().map(|g| rows.resource_group(g)))?;
    let class = |sym| e.strings.class(sym);
    let vaults: HashMap<Sym, &Vault> = e.vaults.iter().map(|v| (class(v.id), v)).collect();
    let resources = e.resources.iter();
    lines.large(Source::Resources, resources.map(|r| rows.resource(r, vaults.get(&class(r.id)).copied())))?;
    let known: HashSet<Sym> = e.resources.iter().map(|r| class(r.id)).collect();
    let alone: Vec<&Vault> = e.vaults.iter().filter(|v| !known.contains(&class(v.id))).collect();
    lines.large(Source::Vaults, alone.iter().map(|v| rows.vault_alone(v)))?;
    lines.large(Source::Identities, e.identities.iter().map(|i| rows.identity(i)))?;
    lines.large(Source::FederatedCredentials, e.federated.iter().map(|f| rows.federated(f)))?;
    lines.section("associated-resources", e.associations.iter().map(|a| rows.association(a)))?;
    lines.section("role-definitions", e.roles.iter().map(|r| rows.role(r)))?;
    lines.large(Source::RoleAssignments, e.assignments.iter().map(|a| grant_line(e, a)))?;
    lines.large(Source::Schedules, e.schedules.iter().map(|a| schedule_line(e, a)))?;
    lines.large(Source::DenyAssignments, e.denies.iter().map(|d| rows.deny(d)))?;
    lines.large(Source::PolicyAssignments, e.policy_assignments.iter().map(|p| rows.policy_assignment(p)))?;
    lines.section("policy-definitions", e.policy_definitions.iter().map(|p| rows.policy_definition(p)))?;
    lines.large(Source::Principals, e.principals.iter().map(|p| rows.principal(p)))?;
    lines.section("groups", e.groups.iter().map(|g| rows.group(g)))?;
    lines.large(Source::SignIns, e.sign_ins.iter().map(|s| rows.sign_in(s)))?;
    lines.section("local-grants", e.local_grants.iter().map(|l| rows.local(l)))?;
    lines.section("gaps", e.gaps.iter().map(|g| rows.gap(g)))
}

fn header(rows: Rows<'_>) -> Value {
    let e = rows.0;
    let coverage =
        e.coverage.iter().map(|(source, extent)| (source.name().to_owned(), Value::from(extent.name())));
    let time = |t: Option<Instant>| t.map(|t| t.to_string());
    let reads = e.coverage.iter().filter_map(|(source, _)| {
        let r = e.coverage.reading(source)?;
        let read = json!({"lists": r.lists, "failed": r.failed, "pages": r.pages, "items": r.items,
            "began": time(r.began), "ended": time(r.ended)});
        Some((source.name().to_owned(), read))
    });
    object(vec![
        ("schema", SCHEMA.into()),
        ("tool", json!({"name": "leastwise", "version": env!("CARGO_PKG_VERSION")})),
        ("collected_at", e.collected_at.map_or(Value::Null, |t| t.to_string().into())),
        ("cloud", rows.o(e.cloud)),
        ("tenant", rows.o(e.tenant)),
        ("part", rows.o(e.part)),
        ("simulated", if e.simulated { true.into() } else { Value::Null }),
        (
            "sign_in_window",
            e.sign_in_window.map_or(Value::Null, |w| json!([w.from.to_string(), w.until.to_string()])),
        ),
        ("coverage", Value::Object(coverage.collect())),
        ("reads", Value::Object(reads.collect())),
    ])
}
