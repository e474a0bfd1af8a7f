//! Importing packets that came back: every row of every file, or nothing.

use super::{entry_moment, existing, still_open};
use crate::app::error::AppError;
use crate::app::estate::Times;
use crate::app::ledger::goes_on;
use crate::app::store::read_file;
use crate::model::sha256;
use crate::render::clean;
use crate::review::{Body, Campaign, Imported, Ledger as _, Progress, Terms, decisions};
use crate::sources::table::Table;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What is imported.
#[derive(Clone, Debug)]
pub struct ImportTerms {
    /// The ledger.
    pub ledger: PathBuf,
    /// The campaign, where several are open.
    pub campaign: Option<String>,
    /// The files.
    pub files: Vec<PathBuf>,
    /// Who decided, where a row names nobody.
    pub reviewer: Option<String>,
    /// Who imports, as they say.
    pub by: String,
    /// Only say what would be taken.
    pub dry_run: bool,
}

/// Imports packets. Gives what was taken, and whether anything was refused.
///
/// # Errors
/// If a file or the ledger cannot be read or written.
pub fn import(
    terms: &ImportTerms,
    catalog: &crate::rbac::Catalog,
    times: Times,
) -> Result<(String, bool), AppError> {
    let (mut ledger, chain) = existing(&terms.ledger)?;
    let at = entry_moment(times)?;
    // A dry run says what the real one would.
    goes_on(&terms.ledger, &chain, at)?;
    let mut all = Campaign::all(&chain);
    let name = still_open(&all, terms.campaign.as_deref())?.opened.campaign.clone();
    let Some(campaign) = all.iter_mut().find(|c| c.opened.campaign == name) else {
        return Err(AppError::internal("the campaign is gone"));
    };
    let places: HashMap<String, usize> =
        campaign.rows.iter().enumerate().map(|(n, r)| (r.item.item.clone(), n)).collect();
    let mut bodies = Vec::new();
    let mut out = String::new();
    let mut refused = false;
    for path in &terms.files {
        let shown = clean(&path.display().to_string());
        let bytes = read_file(path)?;
        let sha256 = sha256(&bytes);
        let table = Table::read(&bytes).map_err(|e| {
            AppError::usage(format!("`{}`: {e}", path.display()))
                .help("a packet is one of the tables or workbooks that leastwise review open wrote")
        })?;
        let today = at.date();
        let own = Terms { reviewer: terms.reviewer.as_deref(), sha256: &sha256, today, catalog };
        match decisions(campaign, &table, &own) {
            Err(refusals) => {
                refused = true;
                for refusal in refusals {
                    let _ = writeln!(out, "{shown}:{}: {}", refusal.line, clean(&refusal.problem));
                }
            }
            Ok(taken) => {
                let (rows, count) = (table.rows.len(), taken.decisions.len());
                let _ = writeln!(out, "{shown}: {rows} rows, {count} decisions");
                for note in &taken.notes {
                    let _ = writeln!(out, "{shown}:{}: note: {}", note.line, clean(&note.problem));
                }
                bodies.push(Body::Imported(Imported {
                    campaign: name.clone(),
                    file: file_name(path),
                    sha256,
                    by: terms.by.clone(),
                    rows,
                    decisions: count,
                }));
                // The next file is held against what this one says.
                for decision in &taken.decisions {
                    let place = places.get(&decision.item);
                    if let Some(row) = place.and_then(|n| campaign.rows.get_mut(*n)) {
                        row.decisions.push((at.to_string(), decision.clone()));
                    }
                }
                bodies.extend(taken.decisions.into_iter().map(Body::Decided));
            }
        }
    }
    if refused {
        out.push_str("nothing was imported\n");
        return Ok((out, true));
    }
    if terms.dry_run {
        out.push_str("nothing was written: this was a dry run\n");
        return Ok((out, false));
    }
    let all = Campaign::all(&ledger.append(at, bodies)?);
    let campaign = super::meant(&all, Some(&name))?;
    let count = |p| campaign.at(p).count();
    let _ = writeln!(
        out,
        "{} of {} grants are decided, {} wait for a second approver, {} are open",
        count(Progress::Decided),
        campaign.rows.len(),
        count(Progress::PendingSecond),
        count(Progress::Open)
    );
    Ok((out, false))
}

/// Where on somebody's machine a file lay belongs in no ledger.
fn file_name(path: &Path) -> String {
    path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
}
