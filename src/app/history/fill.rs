//! Rows of one file. What is in a file says what it is.

use crate::app::error::AppError;
use crate::model::{Estate, Instant, Sym, role_key};
use crate::review::{Body, Chain};
use crate::sources::snapshot;
use rusqlite::{Connection, Transaction, params};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::path::Path;

/// What a file is.
pub(super) enum Kind {
    Findings,
    Snapshot,
    Ledger,
}

#[derive(Deserialize)]
struct Findings<'a> {
    #[serde(borrow)]
    source: Source<'a>,
    #[serde(borrow)]
    verdict: Cow<'a, str>,
    #[serde(borrow)]
    coverage: Coverage<'a>,
    #[serde(borrow)]
    rules: Vec<RuleRun<'a>>,
    #[serde(borrow)]
    findings: Vec<Finding<'a>>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    tenant: Option<Cow<'a, str>>,
    #[serde(borrow)]
    judged_at: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Coverage<'a> {
    #[serde(borrow)]
    gaps: Vec<Gap<'a>>,
}

#[derive(Deserialize)]
struct Gap<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    scope: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    detail: Option<Cow<'a, str>>,
    blocking: bool,
    count: i64,
}

#[derive(Deserialize)]
struct RuleRun<'a> {
    #[serde(borrow)]
    rule: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    subjects: i64,
    findings: i64,
    inconclusive: i64,
}

#[derive(Deserialize)]
struct Finding<'a> {
    #[serde(borrow)]
    rule: Cow<'a, str>,
    #[serde(borrow)]
    severity: Cow<'a, str>,
    #[serde(borrow)]
    confidence: Cow<'a, str>,
    #[serde(borrow)]
    disposition: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    subject: Subject<'a>,
    #[serde(borrow)]
    identity: Option<Identity<'a>>,
    #[serde(borrow)]
    role: Option<Role<'a>>,
    #[serde(borrow)]
    scope: Option<Cow<'a, str>>,
    #[serde(borrow)]
    scope_level: Option<Cow<'a, str>>,
    #[serde(borrow)]
    waiver: Option<Cow<'a, str>>,
    #[serde(borrow)]
    fingerprint: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Subject<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Identity<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    principal_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    owner: Option<Cow<'a, str>>,
    #[serde(borrow)]
    environment: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Role<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

fn or_empty<'t>(text: &'t Option<Cow<'_, str>>) -> &'t str {
    text.as_deref().unwrap_or("")
}

/// Takes a file in, whole or not at all.
pub(super) fn one(database: &mut Connection, path: &Path, bytes: &[u8]) -> Result<Kind, AppError> {
    let shown = path.display();
    let failed = |e: rusqlite::Error| AppError::usage(format!("`{shown}` cannot be taken in: {e}"));
    let rows = Rows {
        to: database.transaction().map_err(failed)?,
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sha256: crate::model::hex(&Sha256::digest(bytes)),
    };
    let kind = if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let estate = snapshot::read(bytes).map_err(|e| AppError::usage(format!("`{shown}`: {e}")))?;
        rows.snapshot(&estate).map_err(failed)?;
        Kind::Snapshot
    } else if bytes.starts_with(b"{\"schema\":\"leastwise.ledger/1\"") {
        let chain = Chain::read(bytes).map_err(|e| AppError::usage(format!("`{shown}`: {e}")))?;
        rows.ledger(&chain).map_err(failed)?;
        Kind::Ledger
    } else if bytes.starts_with(b"{\"schema\":\"leastwise.findings/1\"") {
        let findings: Findings =
            serde_json::from_slice(bytes).map_err(|e| AppError::usage(format!("`{shown}`: {e}")))?;
        rows.findings(&findings).map_err(failed)?;
        Kind::Findings
    } else {
        return Err(AppError::usage(format!("`{shown}` is neither findings, nor a snapshot, nor a ledger"))
            .help("give findings.json, snapshots, ledgers, or bundles that `evidence build` made"));
    };
    rows.to.commit().map_err(failed)?;
    Ok(kind)
}

/// Where the rows of a file go.
struct Rows<'d> {
    to: Transaction<'d>,
    file: String,
    sha256: String,
}

impl Rows<'_> {
    fn source(&self, kind: &str, tenant: &str, at: &str, verdict: &str) -> rusqlite::Result<i64> {
        self.to.execute(
            "INSERT INTO source (kind, file, sha256, tenant, at, verdict) VALUES (?, ?, ?, ?, ?, ?)",
            params![kind, self.file, self.sha256, tenant, at, verdict],
        )?;
        Ok(self.to.last_insert_rowid())
    }

    fn findings(&self, all: &Findings) -> rusqlite::Result<()> {
        let (tenant, at) = (or_empty(&all.source.tenant), or_empty(&all.source.judged_at));
        let source = self.source("findings", tenant, at, &all.verdict)?;
        let mut put = self.to.prepare("INSERT INTO rule_run VALUES (?, ?, ?, ?, ?, ?)")?;
        for r in &all.rules {
            put.execute(params![source, r.rule, r.status, r.subjects, r.findings, r.inconclusive])?;
        }
        let mut put = self.to.prepare("INSERT INTO gap VALUES (?, ?, ?, ?, ?, ?, ?)")?;
        for g in &all.coverage.gaps {
            let (scope, detail) = (or_empty(&g.scope), or_empty(&g.detail));
            put.execute(params![source, g.source, scope, g.reason, detail, g.blocking, g.count])?;
        }
        let sql = "INSERT INTO finding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let mut put = self.to.prepare(sql)?;
        for f in &all.findings {
            let who = f.identity.as_ref();
            let role = f.role.as_ref();
            put.execute(params![
                source,
                f.fingerprint,
                f.rule,
                f.severity,
                f.confidence,
                f.disposition,
                f.message,
                f.subject.kind,
                f.subject.id,
                who.map_or("", |i| or_empty(&i.name)),
                who.map_or("", |i| or_empty(&i.principal_id)),
                who.map_or("", |i| or_empty(&i.owner)),
                who.map_or("", |i| or_empty(&i.environment)),
                role.map_or("", |r| or_empty(&r.name)),
                role.map_or("", |r| or_empty(&r.id)),
                or_empty(&f.scope),
                or_empty(&f.scope_level),
                or_empty(&f.waiver),
            ])?;
        }
        Ok(())
    }

    fn snapshot(&self, estate: &Estate) -> rusqlite::Result<()> {
        let text = |sym: Sym| estate.strings.text(sym);
        let maybe = |sym: Option<Sym>| estate.strings.text_or_empty(sym);
        let time = |t: Option<Instant>| t.map(|t| t.to_string()).unwrap_or_default();
        let source = self.source("snapshot", maybe(estate.tenant), &time(estate.collected_at), "")?;
        let mut put = self.to.prepare("INSERT INTO assignment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        for a in estate.assignments.iter().chain(&estate.schedules) {
            put.execute(params![
                source,
                estate.strings.show_id(a.id),
                text(a.principal),
                role_key(text(a.role)),
                text(a.scope),
                maybe(a.condition),
                a.state.name(),
                time(a.created_on),
                maybe(a.created_by),
            ])?;
        }
        let mut put = self.to.prepare("INSERT INTO identity VALUES (?, ?, ?, ?)")?;
        for i in &estate.identities {
            put.execute(params![source, text(i.id), maybe(i.principal), maybe(i.client)])?;
        }
        Ok(())
    }

    fn ledger(&self, chain: &Chain) -> rusqlite::Result<()> {
        let last = chain.last().map(|t| t.to_string()).unwrap_or_default();
        let opened = |e: &&crate::review::Entry| matches!(e.body, Body::Opened(_));
        let tenant = match chain.entries().iter().find(opened).map(|e| &e.body) {
            Some(Body::Opened(o)) => o.tenant.as_str(),
            _ => "",
        };
        let source = self.source("ledger", tenant, &last, "")?;
        let mut open = self.to.prepare("INSERT INTO campaign VALUES (?, ?, ?, ?, ?, '', 0, '')")?;
        let mut close = self.to.prepare(
            "UPDATE campaign SET closed_at = ?, undecided = ?, acknowledged_by = ? WHERE source = ? AND name = ?",
        )?;
        let sql = "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let mut item = self.to.prepare(sql)?;
        let mut decide = self.to.prepare("INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        for entry in chain.entries() {
            let _rows = match &entry.body {
                Body::Opened(o) => {
                    open.execute(params![source, o.campaign, entry.at, o.due, o.grants as i64])?
                }
                Body::Imported(_) => 0,
                Body::Item(i) => item.execute(params![
                    source,
                    i.campaign,
                    i.item,
                    i.identity,
                    i.principal_id,
                    i.owner,
                    i.role,
                    i.role_id,
                    i.scope,
                    i.via,
                    i.privileged,
                    i.risk,
                    i.recommendation
                ])?,
                Body::Decided(d) => decide.execute(params![
                    source,
                    entry.seq as i64,
                    entry.at,
                    d.campaign,
                    d.item,
                    d.verdict.name(),
                    d.reviewer,
                    d.second,
                    d.justification,
                    d.expires.as_deref().unwrap_or("")
                ])?,
                Body::Closed(c) => close.execute(params![
                    entry.at,
                    c.undecided.len() as i64,
                    c.acknowledged_by,
                    source,
                    c.campaign
                ])?,
            };
        }
        Ok(())
    }
}
