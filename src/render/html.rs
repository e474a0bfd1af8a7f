//! The page: one file that needs nothing else, opens from disk, and runs nothing but its own script.
//!
//! The frame and the first rows of each table are a template; everything else is data that the script puts in as
//! text. Above [`MOST_ROWS`] rows the page says what was left to the CSV.

use super::RenderError;
use super::columns::{Columns, Texts, quote};
use super::text::reorders;
use crate::model::FastMap;
use crate::report::Report;
use base64::Engine as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::io::Write;

/// Rows of all tables together that a page carries.
const MOST_ROWS: usize = 500_000;
/// Rows that stand in the page itself, for readers without script and for print.
const PLAIN_ROWS: usize = 200;
const HOSTS_SHOWN: usize = 20;

const PAGE: &str = include_str!("../../templates/report.html");
pub(super) const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");

#[derive(Serialize)]
struct PlainFinding<'a> {
    severity: &'a str,
    rule: &'a str,
    identity: &'a str,
    role: &'a str,
    scope: &'a str,
    disposition: &'a str,
    message: &'a str,
}

#[derive(Serialize)]
struct PlainIdentity<'a> {
    name: &'a str,
    kind: &'a str,
    environment: &'a str,
    owner: &'a str,
    hosts: usize,
    grants: usize,
    risk: &'a str,
    unused: &'a str,
    naming: &'a str,
    findings: usize,
}

#[derive(Serialize)]
struct PlainGap<'a> {
    source: &'a str,
    reason: &'a str,
    detail: String,
    place: String,
    blocking: bool,
    count: u64,
}

#[derive(Serialize)]
struct PlainRule<'a> {
    rule: &'a str,
    title: &'a str,
    status: &'a str,
    subjects: usize,
    findings: usize,
    inconclusive: usize,
    needs: String,
}

#[derive(Serialize)]
struct Cell {
    count: String,
    heat: usize,
}

#[derive(Serialize)]
struct HeatLine {
    name: String,
    level: &'static str,
    depth: usize,
    environment: String,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct QueueLine {
    rule: String,
    title: String,
    severity: &'static str,
    role: String,
    level: String,
    count: usize,
    identities: usize,
    fix: String,
    example: String,
}

/// A piece of the page by its digest, for its policy.
pub(super) fn pin(text: &str) -> String {
    format!("'sha256-{}'", base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// A text without what nobody sees.
pub(super) fn seen(text: &str) -> String {
    let unseen = |c: char| reorders(c) || c.is_control() && !matches!(c, '\n' | '\t');
    text.chars().map(|c| if unseen(c) { '\u{fffd}' } else { c }).collect()
}

pub(super) fn write(report: &Report<'_>, to: &mut dyn Write) -> Result<(), RenderError> {
    let broken = |e: tera::Error| RenderError::Template(e.to_string());
    let mut tera = tera::Tera::default();
    // The name's ending is what switches escaping on.
    tera.add_raw_template("report.html", PAGE).map_err(broken)?;
    let mut context = tera::Context::new();
    frame(report, &mut context);
    let (data, left) = data(report);
    context.insert("left", &left);
    context.insert("policy", &format!("default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'", pin(STYLE), pin(SCRIPT)));
    context.insert("style", STYLE);
    context.insert("script", SCRIPT);
    let page = tera.render("report.html", &context).map_err(broken)?;
    // The data is large and already escaped: it goes past the template, in place of a mark that no text can hold,
    // because every text in the page has its `<` escaped.
    let page = seen(&page);
    let (before, after) = page.split_once("<data-goes-here>").unwrap_or((&page, ""));
    to.write_all(before.as_bytes())?;
    data.json(&report.provenance.name, to)?;
    to.write_all(after.as_bytes())?;
    Ok(())
}

fn frame(report: &Report<'_>, context: &mut tera::Context) {
    let p = &report.provenance;
    let time = |t: Option<crate::model::Instant>| t.map_or_else(|| "not known".to_owned(), |t| t.to_string());
    let totals = report.totals();
    context.insert("verdict", report.verdict());
    context.insert("complete", &report.complete());
    context.insert("blocked", &report.blocked());
    context.insert("kind", &p.kind);
    context.insert("name", &p.name);
    context.insert("tenant", report.tenant().unwrap_or("not known"));
    context.insert("collected", &time(p.collected_at));
    context.insert("judged", &time(p.judged_at));
    context.insert("decided", &time(p.decided_at));
    context.insert("version", report.version());
    context.insert("catalog", &report.catalog());
    let counts = report.counts();
    let counted = [
        ("subscriptions", counts.subscriptions),
        ("user-assigned identities", counts.identities),
        ("role assignments", counts.assignments),
        ("role definitions read", counts.role_definitions),
        ("resources", counts.resources),
    ];
    context.insert("counts", &counted);
    context.insert("open", &totals.open);
    context.insert("waived", &totals.waived);
    context.insert("subsumed", &totals.subsumed);
    let gaps = report.gaps().map(|g| PlainGap {
        source: g.source,
        reason: g.reason,
        detail: g.detail.into_owned(),
        place: g
            .location
            .map_or_else(|| g.scope.to_owned(), |(path, line, column)| format!("{path}:{line}:{column}")),
        blocking: g.blocking,
        count: g.count,
    });
    let gaps: Vec<PlainGap<'_>> = gaps.collect();
    context.insert("proposed", &report.proposed);
    context.insert("power", &report.power.as_ref().map(super::power::Page::new));
    context.insert("right_size", &super::right_size::Page::new(&report.right_size));
    context.insert("trend", &report.trend.as_ref().map(super::trend::Page::new));
    context.insert("change", &report.change.map(super::overlay::Page::new));
    context.insert("gap_total", &gaps.len());
    let mut first: Vec<&PlainGap<'_>> = gaps.iter().collect();
    first.sort_by_key(|g| !g.blocking);
    first.truncate(PLAIN_ROWS);
    context.insert("gaps", &first);
    let queue: Vec<QueueLine> = report
        .queue()
        .into_iter()
        .take(60)
        .map(|q| QueueLine {
            rule: q.rule,
            title: q.title,
            severity: q.severity,
            role: q.role,
            level: q.level,
            count: q.count,
            identities: q.identities,
            fix: q.fix,
            example: q.example,
        })
        .collect();
    context.insert("queue", &queue);
    context.insert("plain_rows", &PLAIN_ROWS);
    let findings: Vec<PlainFinding<'_>> = report
        .findings()
        .take(PLAIN_ROWS)
        .map(|r| PlainFinding {
            severity: r.severity(),
            rule: r.rule(),
            identity: r.identity().unwrap_or(""),
            role: r.role().unwrap_or(""),
            scope: r.scope().unwrap_or(""),
            disposition: r.disposition(),
            message: r.message(),
        })
        .collect();
    context.insert("findings", &findings);
    context.insert("finding_total", &report.findings().len());
    let identities = report.identities();
    let plain: Vec<PlainIdentity<'_>> = identities
        .iter()
        .take(PLAIN_ROWS)
        .map(|i| PlainIdentity {
            name: i.name,
            kind: i.kind,
            environment: i.environment,
            owner: i.owner,
            hosts: i.hosts,
            grants: i.grants,
            risk: i.highest_risk,
            unused: i.unused_verdict,
            naming: i.name_verdict,
            findings: i.findings,
        })
        .collect();
    context.insert("identities", &plain);
    context.insert("identity_total", &identities.len());
    let tally = |pick: &dyn Fn(&crate::report::IdentityRow<'_>) -> bool| {
        identities.iter().filter(|i| pick(i)).count()
    };
    let unused = [
        ("used", tally(&|i| i.unused_verdict == "used")),
        ("dormant", tally(&|i| i.unused_verdict == "dormant")),
        ("unused", tally(&|i| i.unused_verdict == "unused")),
        ("inconclusive", tally(&|i| i.unused_verdict == "inconclusive")),
    ];
    context.insert("unused", &unused);
    let naming = ["fits", "fails", "exempt", "not-judged"].map(|v| (v, tally(&|i| i.name_verdict == v)));
    context.insert("naming", &naming);
    let mut environments: std::collections::BTreeMap<&str, usize> = Default::default();
    for identity in identities {
        let name = if identity.environment.is_empty() { "not known" } else { identity.environment };
        *environments.entry(name).or_default() += 1;
    }
    context.insert("environments", &environments.into_iter().collect::<Vec<_>>());
    let rules: Vec<PlainRule<'_>> = report
        .rules()
        .map(|r| PlainRule {
            rule: r.rule,
            title: r.title,
            status: r.status,
            subjects: r.subjects,
            findings: r.findings,
            inconclusive: r.inconclusive,
            needs: r.needs.join(", "),
        })
        .collect();
    context.insert("rules", &rules);
    context.insert("controls", &super::matrix::frameworks(report));
    let classes: Vec<&str> = crate::rbac::Class::ALL.iter().map(|c| c.name()).collect();
    context.insert("classes", &classes);
    context.insert("heat", &heat(report));
}

fn heat(report: &Report<'_>) -> Vec<HeatLine> {
    let rows = report.heat().into_iter().take(1000);
    let line = |row: crate::report::HeatRow| HeatLine {
        name: row.name,
        level: row.level,
        depth: row.depth.min(8),
        environment: row.environment,
        cells: row
            .cells
            .iter()
            .map(|n| Cell {
                count: if *n == 0 { String::new() } else { n.to_string() },
                heat: match n {
                    0 => 0,
                    1..=2 => 1,
                    3..=9 => 2,
                    10..=49 => 3,
                    _ => 4,
                },
            })
            .collect(),
    };
    rows.map(line).collect()
}

/// The tables of the page, by name and with their number of rows.
struct Data<'a> {
    texts: Texts<'a>,
    tables: [(&'static str, Columns, usize); 3],
}

impl Data<'_> {
    /// The data island of a report of this name. Goes out piece by piece: it is most of the page.
    fn json(&self, name: &str, to: &mut dyn Write) -> std::io::Result<()> {
        to.write_all(b"{\"t\":")?;
        self.texts.json(to)?;
        for (name, columns, rows) in &self.tables {
            write!(to, ",\n\"{name}\":{{\"rows\":{rows},\"c\":")?;
            columns.json(to)?;
            to.write_all(b"}")?;
        }
        let mut end = String::from(",\n\"name\":");
        quote(name, &mut end);
        end.push('}');
        to.write_all(end.as_bytes())
    }
}

/// The data island, and what was left out of it.
fn data<'a>(report: &'a Report<'_>) -> (Data<'a>, Vec<(&'static str, usize)>) {
    let mut texts = Texts::default();
    let mut left = Vec::new();
    let mut room = MOST_ROWS;
    let mut take = |name: &'static str, count: usize| {
        let taken = count.min(room);
        room -= taken;
        if taken < count {
            left.push((name, count - taken));
        }
        taken
    };
    let identities = report.identities();
    let identity_rows = take("identities", identities.len());
    let by_row: FastMap<usize, usize> =
        identities.iter().take(identity_rows).enumerate().map(|(n, i)| (i.row, n)).collect();
    let by_key: FastMap<(&str, &str), usize> =
        identities.iter().take(identity_rows).enumerate().map(|(n, i)| ((i.principal_id, i.id), n)).collect();
    let finding_rows = take("findings", report.findings().len());
    let mut findings = Columns::default();
    let severities = ["critical", "high", "medium", "low", "info"];
    for row in report.findings().take(finding_rows) {
        findings.put("s", severities.iter().position(|s| *s == row.severity()).unwrap_or(4));
        findings.put("r", texts.put(row.rule()));
        findings.put("i", texts.put(row.identity().unwrap_or("")));
        findings.put("o", texts.put(row.role().unwrap_or("")));
        findings.put("l", texts.put(row.scope_level().unwrap_or("")));
        let (head, name) = texts.put_id(row.scope().unwrap_or(""));
        findings.put("ph", head);
        findings.put("pn", name);
        findings.put("e", texts.put(row.environment().unwrap_or("")));
        findings.put("w", texts.put(row.owner().unwrap_or("")));
        findings.put("b", texts.put(row.subscription().unwrap_or("")));
        findings.put("d", texts.put(row.disposition()));
        // What stands between backticks repeats, and so does what stands around.
        findings.put_list("m", row.message().split('`').map(|piece| texts.put_passing(piece)));
        let (head, name) = row.subject().rsplit_once('/').unwrap_or(("", row.subject()));
        let (head, name) = (texts.put_passing(head), texts.put_passing(name));
        findings.put("uh", head);
        findings.put("un", name);
        let key = (row.principal_id().unwrap_or(""), row.identity_id().unwrap_or(""));
        findings.put("x", by_key.get(&key).map_or(0, |n| n + 1));
    }
    let mut table = Columns::default();
    for row in identities.iter().take(identity_rows) {
        table.put("n", texts.put(row.name));
        table.put("k", texts.put(row.kind));
        let (head, name) = texts.put_id(row.id);
        table.put("ph", head);
        table.put("pn", name);
        table.put("pr", texts.put(row.principal_id));
        table.put("e", texts.put(row.environment));
        table.put("w", texts.put(row.owner));
        table.put("h", row.hosts);
        table.put("f", row.federated_credentials);
        table.put("g", row.grants);
        table.put("z", texts.put(row.highest_risk));
        table.put("u", texts.put(row.unused_verdict));
        table.put("v", texts.put(row.name_verdict));
        table.put("q", row.findings);
        table.put("a", texts.put(row.last_activity));
        // 0 where no log says, so that a column of a log has a number for every row.
        table.put("y", row.use_index.map_or(0, |i| 1 + usize::try_from(i.percent()).unwrap_or(100)));
        table.put_list("c", row.classes.iter().map(|c| texts.put(c)));
        table.put_list("o", row.host_names.iter().take(HOSTS_SHOWN).map(|h| texts.put(h)));
    }
    let mut grants = Columns::default();
    let most = MOST_ROWS - identity_rows - finding_rows;
    let mut held = 0;
    for row in report.assignments() {
        let Some(identity) = row.identity_row.and_then(|r| by_row.get(&r).copied()) else { continue };
        held += 1;
        if held > most {
            continue;
        }
        grants.put("x", identity);
        grants.put("o", texts.put(row.role));
        grants.put("l", texts.put(row.scope_level));
        let (head, name) = texts.put_id(row.scope);
        grants.put("ph", head);
        grants.put("pn", name);
        grants.put("v", texts.put_passing(&row.via));
        grants.put("t", texts.put(row.state));
        grants.put("z", texts.put(row.risk));
        grants.put("c", usize::from(!row.condition.is_empty()));
    }
    let grant_rows = take("assignments", held);
    let tables = [
        ("findings", findings, finding_rows),
        ("identities", table, identity_rows),
        ("grants", grants, grant_rows),
    ];
    (Data { texts, tables }, left)
}
