//! `findings.json`, schema `leastwise.findings/1`, written as it is made. Shapes of their own, so that nothing inside
//! can change what pipelines read.

use super::RenderError;
use super::kept::Kept;
use crate::report::{FindingRow, GapRow, Report};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::Write;
use std::rc::Rc;

/// The schema's name.
pub(crate) const SCHEMA: &str = "leastwise.findings/1";

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    version: &'a str,
    catalog: String,
}

#[derive(Serialize)]
struct Source<'a> {
    kind: &'a str,
    name: &'a str,
    tenant: Option<&'a str>,
    /// Which part of the tenant was asked for, where it was not all of it.
    part: Option<&'a str>,
    collected_at: Option<String>,
    judged_at: Option<String>,
    decided_at: Option<String>,
}

#[derive(Serialize)]
struct Counts {
    subscriptions: usize,
    identities: usize,
    assignments: usize,
    role_definitions: usize,
    resources: usize,
}

#[derive(Serialize)]
struct Location<'a> {
    path: &'a str,
    line: u64,
    column: u64,
}

#[derive(Serialize)]
struct Gap<'a> {
    source: &'a str,
    scope: &'a str,
    reason: &'a str,
    detail: &'a str,
    blocking: bool,
    rules: &'a [String],
    location: Option<Location<'a>>,
    grant: Option<&'a str>,
    count: u64,
}

#[derive(Serialize)]
struct Rule<'a> {
    rule: &'a str,
    status: &'a str,
    subjects: usize,
    findings: usize,
    inconclusive: usize,
    needs: Vec<&'a str>,
}

#[derive(Serialize)]
struct Subject<'a> {
    kind: &'a str,
    id: &'a str,
}

#[derive(Serialize)]
struct Identity<'a> {
    name: &'a str,
    id: Option<&'a str>,
    principal_id: Option<&'a str>,
    kind: Option<&'a str>,
    owner: Option<&'a str>,
    environment: Option<&'a str>,
}

#[derive(Serialize)]
struct Role<'a> {
    name: &'a str,
    id: Option<&'a str>,
}

#[derive(Serialize)]
struct Evidence<'a> {
    kind: &'a str,
    text: &'a str,
    id: Option<&'a str>,
}

#[derive(Serialize)]
struct Fix<'a> {
    text: &'a str,
    commands: &'a [String],
}

#[derive(Serialize)]
struct Control<'a> {
    framework: &'a str,
    id: &'a str,
}

#[derive(Serialize)]
struct Finding<'a> {
    rule: &'a str,
    severity: &'a str,
    confidence: &'a str,
    disposition: &'a str,
    title: &'a str,
    message: &'a str,
    subject: Subject<'a>,
    identity: Option<&'a RawValue>,
    role: Option<&'a RawValue>,
    scope: Option<&'a str>,
    scope_level: Option<&'a str>,
    subscription: Option<&'a str>,
    location: Option<Location<'a>>,
    evidence: Vec<&'a RawValue>,
    fix: Fix<'a>,
    controls: &'a RawValue,
    related: &'a [String],
    waiver: Option<&'a str>,
    first_seen: Option<&'a str>,
    fingerprint: &'a str,
}

fn location(at: Option<(&str, u64, u64)>) -> Option<Location<'_>> {
    at.map(|(path, line, column)| Location { path, line, column })
}

/// Parts that many findings share, each made once.
#[derive(Default)]
struct Parts<'a>(Kept<'a, Rc<RawValue>>);

impl<'a> Parts<'a> {
    fn make<T: Serialize>(
        &mut self,
        texts: &[Option<&'a str>],
        value: impl FnOnce() -> T,
    ) -> Result<Rc<RawValue>, RenderError> {
        let made = self.0.get(texts.iter().copied(), || raw(&value()))?;
        Ok(Rc::clone(made))
    }

    fn write(&mut self, row: &FindingRow<'a>, to: &mut Vec<u8>) -> Result<(), RenderError> {
        let identity = row.identity().map(|name| {
            let (id, principal_id, kind) = (row.identity_id(), row.principal_id(), row.identity_kind());
            let (owner, environment) = (row.owner(), row.environment());
            let texts = [Some(name), id, principal_id, kind, owner, environment];
            self.make(&texts, || Identity { name, id, principal_id, kind, owner, environment })
        });
        let role = row.role().map(|name| {
            let id = row.role_id();
            self.make(&[Some(name), id], || Role { name, id })
        });
        let (identity, role) = (identity.transpose()?, role.transpose()?);
        let controls = self.make(&[Some(row.rule())], || {
            row.controls().iter().map(|(framework, id)| Control { framework, id }).collect::<Vec<_>>()
        })?;
        let evidence = row.evidence().map(|e| {
            let make = || Evidence { kind: e.kind, text: e.text, id: e.id };
            // An assignment is hardly the evidence of two findings; hosts and permissions are of thousands.
            if e.kind == "assignment" {
                return raw(&make());
            }
            self.make(&[Some(e.kind), Some(e.text), e.id], make)
        });
        let evidence = evidence.collect::<Result<Vec<_>, _>>()?;
        let finding = Finding {
            rule: row.rule(),
            severity: row.severity(),
            confidence: row.confidence(),
            disposition: row.disposition(),
            title: row.title(),
            message: row.message(),
            subject: Subject { kind: row.subject_kind(), id: row.subject() },
            identity: identity.as_deref(),
            role: role.as_deref(),
            scope: row.scope(),
            scope_level: row.scope_level(),
            subscription: row.subscription(),
            location: location(row.location()),
            evidence: evidence.iter().map(|e| &**e).collect(),
            fix: Fix { text: row.fix(), commands: row.commands() },
            controls: &controls,
            related: row.related(),
            waiver: row.waiver(),
            first_seen: row.first_seen(),
            fingerprint: row.fingerprint(),
        };
        serde_json::to_writer(to, &finding).map_err(|e| RenderError::Io(e.into()))
    }
}

fn raw(value: &impl Serialize) -> Result<Rc<RawValue>, RenderError> {
    let made = serde_json::value::to_raw_value(value).map_err(|e| RenderError::Io(e.into()))?;
    Ok(made.into())
}

fn gap<'a>(row: &'a GapRow<'a>) -> Gap<'a> {
    Gap {
        source: row.source,
        scope: row.scope,
        reason: row.reason,
        detail: &row.detail,
        blocking: row.blocking,
        rules: row.rules,
        location: location(row.location),
        grant: row.grant,
        count: row.count,
    }
}

fn put<W: Write + ?Sized>(to: &mut W, value: &impl Serialize) -> Result<(), RenderError> {
    serde_json::to_writer(to, value).map_err(|e| RenderError::Io(e.into()))
}

/// An array, an item a line.
fn list<T>(
    to: &mut dyn Write,
    items: impl Iterator<Item = T>,
    mut put: impl FnMut(T, &mut Vec<u8>) -> Result<(), RenderError>,
) -> Result<(), RenderError> {
    to.write_all(b"[")?;
    let mut line = Vec::new();
    for (n, item) in items.enumerate() {
        line.clear();
        line.extend_from_slice(if n == 0 { b"\n" } else { b",\n" });
        put(item, &mut line)?;
        to.write_all(&line)?;
    }
    to.write_all(b"]")?;
    Ok(())
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    let p = &report.provenance;
    let time = |t: Option<crate::model::Instant>| t.map(|t| t.to_string());
    let counts = report.counts();
    write!(to, "{{\"schema\":\"{SCHEMA}\",\n\"tool\":")?;
    put(to, &Tool { name: "leastwise", version: report.version(), catalog: report.catalog() })?;
    to.write_all(b",\n\"source\":")?;
    put(
        to,
        &Source {
            kind: &p.kind,
            name: &p.name,
            tenant: report.tenant(),
            part: report.part(),
            collected_at: time(p.collected_at),
            judged_at: time(p.judged_at),
            decided_at: time(p.decided_at),
        },
    )?;
    write!(
        to,
        ",\n\"verdict\":\"{}\",\n\"coverage\":{{\"complete\":{},\"counts\":",
        report.verdict(),
        report.complete()
    )?;
    put(
        to,
        &Counts {
            subscriptions: counts.subscriptions,
            identities: counts.identities,
            assignments: counts.assignments,
            role_definitions: counts.role_definitions,
            resources: counts.resources,
        },
    )?;
    to.write_all(b",\"gaps\":")?;
    let gaps: Vec<GapRow<'_>> = report.gaps().collect();
    list(to, gaps.iter().map(gap), |gap, to| put(to, &gap))?;
    to.write_all(b"},\n\"rules\":")?;
    list(
        to,
        report.rules().map(|r| Rule {
            rule: r.rule,
            status: r.status,
            subjects: r.subjects,
            findings: r.findings,
            inconclusive: r.inconclusive,
            needs: r.needs,
        }),
        |rule, to| put(to, &rule),
    )?;
    to.write_all(b",\n\"change\":")?;
    put(to, &report.change.map(super::overlay_json::Json::new))?;
    to.write_all(b",\n\"power\":")?;
    put(to, &report.power.as_ref().map(super::power::power_json))?;
    to.write_all(b",\n\"right_size\":")?;
    list(to, report.right_size.iter(), |row, to| put(to, &super::right_size::right_size_json(row)))?;
    to.write_all(b",\n\"usage\":")?;
    usage(report, to)?;
    to.write_all(b",\n\"trend\":")?;
    put(to, &report.trend.as_ref().map(super::trend::trend_json))?;
    to.write_all(b",\n\"new_waivers\":")?;
    put(to, &report.proposed)?;
    to.write_all(b",\n\"findings\":")?;
    let mut parts = Parts::default();
    list(to, report.findings(), |row, to| parts.write(&row, to))?;
    to.write_all(b"}\n")?;
    Ok(())
}

/// How much of what identities hold they used; null without an activity log.
fn usage(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    let Some(all) = report.use_row() else {
        to.write_all(b"null")?;
        return Ok(());
    };
    write!(to, "{{\"used_percent\":{},\"log_days\":{},\"identities\":", all.percent, all.days)?;
    let told = report.identities().iter().filter_map(|i| Some((i, i.use_index?)));
    list(to, told, |(row, index), to| {
        let used = index.percent();
        put(
            to,
            &serde_json::json!({"principal_id": row.principal_id, "used_percent": used,
                "denied_operations": index.denied, "refused_tokens": row.refused_tokens}),
        )
    })?;
    to.write_all(b"}")?;
    Ok(())
}
