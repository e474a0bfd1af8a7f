//! Packets: the rows of one owner, as a table to fill in and as a page to read.

use crate::app::error::AppError;
use crate::app::store::write_atomically;
use crate::model::Instant;
use crate::render::{CsvOptions, Page, RenderError, Section, XlsxSheet, csv_text, workbook};
use crate::review::{Campaign, FILLED, Row, Verdict};
use std::collections::BTreeMap;
use std::path::Path;

/// The rows of one owner.
pub(super) struct Packet<'c> {
    pub(super) owner: &'c str,
    /// The name of its files, without ending.
    pub(super) name: String,
    pub(super) rows: Vec<&'c Row>,
}

impl<'c> Packet<'c> {
    /// One for each owner who has rows of a kind, by owner.
    pub(super) fn all(campaign: &'c Campaign, of: impl Fn(&Row) -> bool) -> Vec<Packet<'c>> {
        let mut owners: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &campaign.rows {
            owners.entry(&row.item.owner).or_default().push(row);
        }
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        // Names are those of all owners, so that a packet keeps its own when another is done.
        let packet = |(owner, rows): (&'c str, Vec<&'c Row>)| {
            let slug = slug(owner);
            let count = taken.entry(slug.clone()).or_insert(0);
            *count += 1;
            let name = if *count == 1 { slug } else { format!("{slug}-{count}") };
            Packet { owner, name, rows: rows.into_iter().filter(|r| of(r)).collect() }
        };
        owners.into_iter().map(packet).filter(|p| !p.rows.is_empty()).collect()
    }

    /// Names of columns, the first that is to be filled in, and the rows with what was decided so far.
    fn table(&self) -> (Vec<&'static str>, usize, Vec<Vec<String>>) {
        let own = self.rows.first().map(|r| r.item.columns().map(|(name, _)| name));
        let head: Vec<&str> = own.iter().flatten().copied().chain(FILLED).collect();
        let row = |row: &&Row| {
            let mut fields: Vec<String> = row.item.columns().iter().map(|(_, v)| (*v).to_owned()).collect();
            let last = row.decisions.last().map(|(_, d)| d);
            let get = |f: fn(&crate::review::Decision) -> &str| last.map(f).unwrap_or_default().to_owned();
            fields.extend([
                get(|d| d.verdict.name()),
                get(|d| &d.justification),
                get(|d| &d.new_role),
                get(|d| &d.new_scope),
                get(|d| d.expires.as_deref().unwrap_or_default()),
                get(|d| &d.reviewer),
                get(|d| &d.second),
            ]);
            fields
        };
        let filled_from = head.len() - FILLED.len();
        (head, filled_from, self.rows.iter().map(row).collect())
    }

    /// The table to fill in.
    fn csv(&self) -> Result<Vec<u8>, AppError> {
        let (head, _, rows) = self.table();
        csv_text(&head.join(","), &rows, &CsvOptions { bom: true, ..CsvOptions::default() }).map_err(wrong)
    }

    /// The same as a workbook, for those who save it as CSV again.
    fn xlsx(&self, campaign: &Campaign) -> Result<Vec<u8>, AppError> {
        let (head, filled_from, rows) = self.table();
        let sheet = XlsxSheet {
            name: "Review".to_owned(),
            head: head.into_iter().map(str::to_owned).collect(),
            rows,
            filled_from: Some(filled_from),
            choices: Verdict::ALL.map(|v| v.name().to_owned()).to_vec(),
        };
        workbook(&[sheet], Instant::parse(&campaign.opened_at)).map_err(wrong)
    }

    /// The page.
    fn html(&self, campaign: &Campaign) -> Result<String, AppError> {
        let opened = &campaign.opened;
        let privileged = self.rows.iter().filter(|r| r.item.privileged).count();
        let row = |row: &&Row| {
            let i = &row.item;
            let recommended = match i.suggested_scope.as_str() {
                "" => format!("{}: {}", i.recommendation, i.recommendation_reason),
                scope => format!(
                    "{} to {} on {scope}: {}",
                    i.recommendation, i.suggested_role, i.recommendation_reason
                ),
            };
            let scope = format!("{} {}", i.scope_level, i.scope);
            let state = if i.state == "active" { String::new() } else { format!(" ({})", i.state) };
            let condition = if i.condition.is_empty() { "" } else { ", under a condition" };
            vec![
                i.identity.clone(),
                format!("{}{state}{condition}", i.role),
                scope,
                i.via.clone(),
                i.hosts.clone(),
                i.last_used.get(..10).unwrap_or(&i.last_used).to_owned(),
                i.findings.clone(),
                recommended,
                i.previous_decision.clone(),
                i.item.clone(),
            ]
        };
        let head = [
            "identity",
            "role",
            "scope",
            "through",
            "runs on",
            "last token",
            "findings",
            "recommended",
            "before",
            "item_id",
        ];
        let choices = [
            (
                "approve",
                "The identity needs the grant as it is. Privileged ones need a justification, and somebody else's approval too: neither the owner's, nor yours, nor that of whoever made the grant.",
            ),
            ("deny", "Nobody needs it: it is to go."),
            ("narrow", "Something less is enough: say which role or scope in new_role and new_scope."),
            ("dont-know", "You cannot say: the row stays open."),
        ];
        let of = |privileged| -> Vec<Vec<String>> {
            self.rows.iter().filter(|r| r.item.privileged == privileged).map(row).collect()
        };
        let choices =
            choices.iter().map(|(word, what)| vec![(*word).to_owned(), (*what).to_owned()]).collect();
        let page = Page {
            title: format!("Access review {}: {}", opened.campaign, self.owner),
            lead: vec![
                format!("decisions are due on {} (UTC); the estate is {}", opened.due, opened.estate),
                format!(
                    "fill in {}.csv beside this page, its last {} columns, and send it back; or the workbook of that name",
                    self.name,
                    FILLED.len()
                ),
                "write your own name as reviewer in every row that you decide; one without a name, or a privileged grant that is kept without a justification, is refused, and nothing of the file is taken then".to_owned(),
            ],
            tiles: vec![
                ("grants".to_owned(), self.rows.len().to_string()),
                ("privileged".to_owned(), privileged.to_string()),
            ],
            sections: vec![
                Section::new(
                    "What to write as decision",
                    "A day in expires ends an approval.",
                    &["decision", "means"],
                    choices,
                ),
                Section::new("Privileged grants", "", &head, of(true)),
                Section::new("Other grants", "", &head, of(false)),
            ],
        };
        page.html().map_err(wrong)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn wrong(error: RenderError) -> AppError {
    AppError::internal(error.to_string())
}

/// A name of a file for an owner.
fn slug(owner: &str) -> String {
    let kept: String = owner.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let parts: Vec<&str> = kept.split('-').filter(|p| !p.is_empty()).collect();
    let slug: String = parts.join("-").to_ascii_lowercase().chars().take(60).collect();
    // Windows keeps these names for devices, whatever follows the dot.
    let device = ["con", "prn", "aux", "nul"].contains(&slug.as_str())
        || slug.len() == 4 && (slug.starts_with("com") || slug.starts_with("lpt"));
    match slug.as_str() {
        "" => "nobody".to_owned(),
        _ if device => format!("owner-{slug}"),
        _ => slug,
    }
}

/// Makes a folder for packets. What people filled in is never written over.
pub(super) fn empty(to: &Path) -> Result<(), AppError> {
    let failed =
        |e: std::io::Error| AppError::usage(format!("cannot read the folder `{}`: {e}", to.display()));
    crate::app::make_folder(to)?;
    if std::fs::read_dir(to).map_err(failed)?.next().is_some() {
        return Err(AppError::usage(format!("`{}` holds something already", to.display()))
            .help("packets that were filled in are not written over: name another folder with -o DIR"));
    }
    Ok(())
}

/// Writes packets, and says how many.
pub(super) fn write(campaign: &Campaign, packets: &[Packet<'_>], to: &Path) -> Result<usize, AppError> {
    for packet in packets {
        let (table, page, book) = (packet.csv()?, packet.html(campaign)?, packet.xlsx(campaign)?);
        write_atomically(&to.join(format!("{}.xlsx", packet.name)), false, |f| f.write_all(&book))?;
        write_atomically(&to.join(format!("{}.csv", packet.name)), false, |f| f.write_all(&table))?;
        write_atomically(&to.join(format!("{}.html", packet.name)), false, |f| f.write_all(page.as_bytes()))?;
    }
    Ok(packets.len())
}
