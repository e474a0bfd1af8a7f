//! Rows of one file. What is in a file says what it is.

use crate::app::error::AppError;
use crate::model::{Estate, Instant, Sym, role_key};
use crate::rbac::Catalog;
use crate::review::{Body, Campaign, Chain, Progress};
use crate::sources::snapshot;
use rusqlite::{Connection, Transaction, params};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeSet;
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
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    part: Option<Cow<'a, str>>,
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

/// When a bundle was judged, by its manifest.
pub(super) fn judged_at(manifest: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Manifest {
        origin: Origin,
    }
    #[derive(Deserialize)]
    struct Origin {
        judged_at: String,
    }
    serde_json::from_slice::<Manifest>(manifest).ok().map(|m| m.origin.judged_at)
}

/// What can be compared: a tenant, a part of one, or the same code.
fn series(tenant: &str, part: &str, code: &str) -> String {
    match (tenant.is_empty(), part.is_empty()) {
        (true, _) => format!("code: {code}"),
        (false, true) => tenant.to_owned(),
        (false, false) => format!("{tenant}: {part}"),
    }
}

/// The schema that JSON names first, whatever stands between its signs.
fn schema(bytes: &[u8]) -> Option<String> {
    let head: String =
        String::from_utf8_lossy(bytes.get(..200).unwrap_or(bytes)).split_whitespace().collect();
    let rest = head.strip_prefix("{\"schema\":\"")?;
    Some(rest.split('"').next().unwrap_or_default().to_owned())
}

/// What came so far.
#[derive(Default)]
pub(super) struct Fill {
    seen: BTreeSet<String>,
    /// Of two ledgers that begin alike the longer one counts.
    ledgers: Vec<(Chain, Named)>,
}

/// A file by its name and digest.
#[derive(Clone)]
struct Named {
    file: String,
    sha256: String,
}

impl Fill {
    /// Takes a file in, whole or not at all; none if it came before. Ledgers wait until all are known.
    pub(super) fn one(
        &mut self,
        database: &mut Connection,
        path: &Path,
        judged_at: Option<&str>,
        bytes: &[u8],
    ) -> Result<Option<Kind>, AppError> {
        let shown = path.display();
        let failed = |e: rusqlite::Error| AppError::usage(format!("`{shown}` cannot be taken in: {e}"));
        let sha256 = crate::model::sha256(bytes);
        if !self.seen.insert(sha256.clone()) {
            return Ok(None);
        }
        let named =
            Named { file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(), sha256 };
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            let estate = snapshot::read(bytes).map_err(|e| AppError::usage(format!("`{shown}`: {e}")))?;
            let at = estate.collected_at.map(|t| t.to_string()).or(judged_at.map(str::to_owned));
            let at = at.ok_or_else(|| {
                AppError::usage(format!("`{shown}` does not say when it was read"))
                    .help("give the bundle that `evidence build` made of it: that says when it was judged")
            })?;
            let rows = Rows { to: database.transaction().map_err(failed)?, named };
            rows.snapshot(&estate, &at).and_then(|()| rows.to.commit()).map_err(failed)?;
            return Ok(Some(Kind::Snapshot));
        }
        match schema(bytes).as_deref() {
            Some("leastwise.ledger/1") => {
                let chain = Chain::read(bytes).map_err(|e| AppError::usage(format!("`{shown}`: {e}")))?;
                self.ledgers.push((chain, named));
                Ok(Some(Kind::Ledger))
            }
            Some("leastwise.findings/1") => {
                let findings: Findings =
                    serde_json::from_slice(bytes).map_err(|e| AppError::usage(format!("`{shown}`: {e}")))?;
                let rows = Rows { to: database.transaction().map_err(failed)?, named };
                rows.findings(&findings).and_then(|()| rows.to.commit()).map_err(failed)?;
                Ok(Some(Kind::Findings))
            }
            _ => Err(AppError::usage(format!("`{shown}` is neither findings, nor a snapshot, nor a ledger"))
                .help("give findings.json, snapshots, ledgers, or bundles that `evidence build` made")),
        }
    }

    /// Takes the ledgers in: one that another goes on from says nothing of its own. Gives how many there are.
    pub(super) fn ledgers(self, database: &mut Connection) -> Result<usize, AppError> {
        let mut taken: Vec<(Chain, Named)> = Vec::new();
        let mut all = self.ledgers;
        all.sort_by_key(|(chain, _)| std::cmp::Reverse(chain.entries().len()));
        for (chain, named) in all {
            let own = chain.entries();
            let first = |other: &&(Chain, Named)| other.0.entries().first() == own.first();
            match taken.iter().find(first) {
                Some((longer, _)) if longer.entries().starts_with(own) => {}
                Some((_, other)) => {
                    let (one, other) = (&named.file, &other.file);
                    return Err(AppError::usage(format!(
                        "the ledgers `{one}` and `{other}` begin alike and then differ"
                    ))
                    .help("one of them was changed: take the one that is kept in git"));
                }
                None => taken.push((chain, named)),
            }
        }
        for (chain, named) in &taken {
            let failed =
                |e: rusqlite::Error| AppError::usage(format!("`{}` cannot be taken in: {e}", named.file));
            let rows = Rows { to: database.transaction().map_err(failed)?, named: named.clone() };
            rows.ledger(chain).and_then(|()| rows.to.commit()).map_err(failed)?;
        }
        Ok(taken.len())
    }
}

/// Where the rows of a file go.
struct Rows<'d> {
    to: Transaction<'d>,
    named: Named,
}

impl Rows<'_> {
    fn source(
        &self,
        kind: &str,
        tenant: &str,
        series: &str,
        at: &str,
        verdict: &str,
    ) -> rusqlite::Result<i64> {
        let (file, sha256) = (&self.named.file, &self.named.sha256);
        self.to.execute(
            "INSERT INTO source (kind, file, sha256, tenant, series, at, verdict) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![kind, file, sha256, tenant, series, at, verdict],
        )?;
        Ok(self.to.last_insert_rowid())
    }

    fn findings(&self, all: &Findings) -> rusqlite::Result<()> {
        let tenant = or_empty(&all.source.tenant).to_ascii_lowercase();
        let code = format!("{} {}", all.source.kind, or_empty(&all.source.name));
        let series = series(&tenant, or_empty(&all.source.part), &code);
        let at = or_empty(&all.source.judged_at);
        let source = self.source("findings", &tenant, &series, at, &all.verdict)?;
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

    fn snapshot(&self, estate: &Estate, at: &str) -> rusqlite::Result<()> {
        let text = |sym: Sym| estate.strings.text(sym);
        let maybe = |sym: Option<Sym>| estate.strings.text_or_empty(sym);
        let time = |t: Option<Instant>| t.map(|t| t.to_string()).unwrap_or_default();
        let tenant = maybe(estate.tenant).to_ascii_lowercase();
        let series = series(&tenant, maybe(estate.part), &self.named.file);
        let source = self.source("snapshot", &tenant, &series, at, "")?;
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
        // A group that has itself as a member, or an identity that the directory names too, comes once.
        let mut put = self.to.prepare("INSERT OR IGNORE INTO principal VALUES (?, ?, ?, ?)")?;
        for p in &estate.principals {
            let name = p.resource.map_or(text(p.name), |r| text(r).rsplit('/').next().unwrap_or_default());
            put.execute(params![source, text(p.id).to_ascii_lowercase(), name, text(p.kind)])?;
        }
        for g in &estate.groups {
            put.execute(params![source, text(g.id).to_ascii_lowercase(), text(g.name), "Group"])?;
        }
        for i in &estate.identities {
            let name = text(i.id).rsplit('/').next().unwrap_or_default();
            put.execute(params![source, maybe(i.principal).to_ascii_lowercase(), name, "ManagedIdentity"])?;
        }
        let mut put = self.to.prepare("INSERT OR IGNORE INTO role VALUES (?, ?, ?)")?;
        for r in &estate.roles {
            put.execute(params![source, text(r.id.name).to_ascii_lowercase(), text(r.name)])?;
        }
        let known = Catalog::embedded();
        for guid in known.guids() {
            put.execute(params![source, guid.to_ascii_lowercase(), known.role_name(guid).unwrap_or("")])?;
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
        let tenant = tenant.to_ascii_lowercase();
        let source = self.source("ledger", &tenant, &tenant, &last, "")?;
        let mut open = self.to.prepare("INSERT INTO campaign VALUES (?, ?, ?, ?, ?, '', 0, '')")?;
        let mut close = self.to.prepare(
            "UPDATE campaign SET closed_at = ?, undecided = ?, acknowledged_by = ? WHERE source = ? AND name = ?",
        )?;
        let mut decide = self.to.prepare("INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        for entry in chain.entries() {
            let _rows = match &entry.body {
                Body::Opened(o) => {
                    open.execute(params![source, o.campaign, entry.at, o.due, o.grants as i64])?
                }
                Body::Imported(_) | Body::Item(_) => 0,
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
        let sql = "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let mut put = self.to.prepare(sql)?;
        for row in Campaign::all(chain).iter().flat_map(|c| &c.rows) {
            let (i, progress) = (&row.item, row.progress());
            let counts = row.decided().filter(|_| progress == Progress::Decided);
            let decision = counts.as_ref().map(|(_, d)| d);
            put.execute(params![
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
                i.recommendation,
                match progress {
                    Progress::Open => "open",
                    Progress::PendingSecond => "pending-second",
                    Progress::Decided => "decided",
                },
                decision.map_or("", |d| d.verdict.name()),
                counts.as_ref().map_or("", |(at, _)| at),
                decision.map_or("", |d| d.reviewer.as_str()),
                decision.map_or("", |d| d.second.as_str()),
            ])?;
        }
        Ok(())
    }
}
