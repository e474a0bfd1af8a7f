//! From a packet that came back to decisions, or to what is wrong with it: all of it counts, or none.
//!
//! Refused is what would be false evidence. Not here: reading the table (`sources::table`), writing the ledger (`app`).

use super::campaign::{Campaign, Row};
use super::item::FILLED;
use super::ledger::{Decision, Verdict};
use super::narrow::narrower;
use crate::policy::people::{same_person, says_something, unnamed, unseen};
use crate::rbac::Catalog;
use crate::sources::table::{Table, TableRow, day};
use std::collections::HashMap;

/// What spreadsheets show where a formula has no value.
const SPREADSHEET_ERRORS: [&str; 8] =
    ["#REF!", "#NAME?", "#VALUE!", "#N/A", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!"];

/// What is wrong with a row, or with the whole table on line 1.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Refusal {
    /// The line.
    pub line: u64,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// What a file is imported with.
#[derive(Clone, Debug)]
pub struct Terms<'t> {
    /// Who decided, where the row names nobody.
    pub reviewer: Option<&'t str>,
    /// The file's digest.
    pub sha256: &'t str,
    /// The day of the import.
    pub today: String,
    /// Roles that are known.
    pub catalog: &'t Catalog,
}

/// What is taken of a table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Taken {
    /// What it decides anew.
    pub decisions: Vec<Decision>,
    /// What to know of it: second approvers who cannot be, rows that say something and decide nothing.
    pub notes: Vec<Refusal>,
}

/// What a table decides anew.
///
/// # Errors
/// Everything that is wrong with it.
pub fn decisions(campaign: &Campaign, table: &Table, terms: &Terms<'_>) -> Result<Taken, Vec<Refusal>> {
    let seen = campaign.rows.first().map(|r| r.item.columns().map(|(name, _)| name));
    let all = seen.iter().flatten().copied().chain(FILLED);
    let gone: Vec<&str> = all.filter(|name| !table.has(name)).collect();
    if !gone.is_empty() {
        let problem = format!(
            "columns are missing: {}; what a reviewer saw, and what may be filled in, belongs to the decision",
            gone.join(", ")
        );
        return Err(vec![Refusal { line: 1, problem }]);
    }
    let rows: HashMap<&str, usize> =
        campaign.rows.iter().enumerate().map(|(n, r)| (r.item.item.as_str(), n)).collect();
    let mut refused: Vec<Refusal> = Vec::new();
    let mut taken = Taken::default();
    // Decisions of this file, by grant.
    let mut found: HashMap<String, Vec<Decision>> = HashMap::new();
    for line in &table.rows {
        let one = One { campaign, rows: &rows, table, line, terms };
        let here = found.get(one.get("item_id")).map(Vec::as_slice).unwrap_or_default();
        match one.decision(here) {
            Ok(decision) => {
                let note = |problem: String| Refusal { line: line.line, problem };
                taken.notes.extend(one.note(decision.as_ref()).map(note));
                if let Some(decision) = decision {
                    found.entry(decision.item.clone()).or_default().push(decision.clone());
                    taken.decisions.push(decision);
                }
            }
            Err(problem) => refused.push(Refusal { line: line.line, problem }),
        }
    }
    if refused.is_empty() { Ok(taken) } else { Err(refused) }
}

/// One row of a table.
struct One<'t> {
    campaign: &'t Campaign,
    rows: &'t HashMap<&'t str, usize>,
    table: &'t Table,
    line: &'t TableRow,
    terms: &'t Terms<'t>,
}

impl One<'_> {
    fn get(&self, name: &str) -> &str {
        self.table.get(self.line, name).unwrap_or_default().trim()
    }

    fn row(&self) -> Option<&Row> {
        self.rows.get(self.get("item_id")).and_then(|n| self.campaign.rows.get(*n))
    }

    /// What to know of a row that was taken.
    fn note(&self, decision: Option<&Decision>) -> Option<String> {
        let row = self.row()?;
        match decision {
            Some(d) if !d.second.is_empty() && d.verdict != Verdict::Deny => {
                let why = row.no_second(&d.second, &d.reviewer)?;
                Some(format!("`{}` cannot be the second approver of `{}`: {why}", d.second, d.item))
            }
            None if self.get("decision").is_empty() => {
                let filled = FILLED.iter().filter(|n| !matches!(**n, "reviewer" | "second_approver"));
                let said = filled.filter(|n| !self.get(n).is_empty()).count();
                (said > 0).then(|| format!("`{}` is filled in, and nothing is decided", row.item.item))
            }
            _ => None,
        }
    }

    fn decision(&self, found: &[Decision]) -> Result<Option<Decision>, String> {
        let id = self.get("item_id");
        let Some(row) = self.row() else {
            return Err(format!("`{id}` is no grant of campaign `{}`", self.campaign.opened.campaign));
        };
        let altered = row.item.altered(|name| self.table.get(self.line, name).map(str::to_owned));
        if !altered.is_empty() {
            return Err(format!(
                "{} of `{id}` is not what the packet said: decide on the row as it was, or open a new review",
                altered.join(", ")
            ));
        }
        if self.get("decision").is_empty() {
            return Ok(None);
        }
        let Some(verdict) = Verdict::named(self.get("decision")) else {
            let word = self.get("decision");
            return Err(format!("`{word}` is no decision: write approve, deny, narrow or dont-know"));
        };
        let new = self.filled(row, verdict)?;
        self.agrees(row, &new, found)
    }

    /// The decision as it stands in the row.
    fn filled(&self, row: &Row, verdict: Verdict) -> Result<Decision, String> {
        let reviewer = match self.get("reviewer") {
            "" => self.terms.reviewer.unwrap_or_default().trim(),
            named => named,
        };
        if reviewer.is_empty() {
            return Err(
                "nobody is named as the reviewer: fill in the column, or give --reviewer NAME".to_owned()
            );
        }
        if let Some(why) = unnamed(reviewer) {
            return Err(format!("the reviewer `{reviewer}` {why}"));
        }
        let (justification, second) = (self.get("justification"), self.get("second_approver"));
        for (name, text) in [("justification", justification), ("second_approver", second)] {
            if let Some(why) = unseen(text) {
                return Err(format!("{name} {why}"));
            }
        }
        for name in ["justification", "reviewer", "second_approver", "new_role", "new_scope", "expires"] {
            let text = self.get(name);
            if text.starts_with('=') {
                return Err(format!("{name} is a formula, `{text}`: write what it says"));
            }
            if SPREADSHEET_ERRORS.contains(&text) {
                return Err(format!("{name} is an error of the spreadsheet, `{text}`"));
            }
        }
        let keeps = matches!(verdict, Verdict::Approve | Verdict::Narrow);
        if row.item.privileged && keeps && !says_something(justification) {
            return Err("a privileged grant is kept, and no justification says why".to_owned());
        }
        let (new_role, new_scope) = (self.get("new_role"), self.get("new_scope"));
        if verdict != Verdict::Narrow && !(new_role.is_empty() && new_scope.is_empty()) {
            return Err(format!(
                "new_role or new_scope is filled in, and the decision is {}",
                verdict.name()
            ));
        }
        if verdict == Verdict::Narrow && new_role.is_empty() && new_scope.is_empty() {
            return Err("it is to be narrowed, and neither new_role nor new_scope says to what".to_owned());
        }
        let narrower = match verdict {
            Verdict::Narrow => Some(narrower(&row.item, new_role, new_scope, self.terms.catalog)?),
            _ => None,
        };
        let expires = match self.get("expires") {
            "" => None,
            _ if !keeps => {
                return Err(format!("expires is filled in, and the decision is {}", verdict.name()));
            }
            text => Some(
                day(text)
                    .ok_or_else(|| format!("`{text}` is no day, or could be two: write it as 2026-12-31"))?,
            ),
        };
        if let Some(day) = expires.as_ref().filter(|day| **day < self.terms.today) {
            return Err(format!("the approval ends on {day}, which is over"));
        }
        Ok(Decision {
            campaign: self.campaign.opened.campaign.clone(),
            item: row.item.item.clone(),
            verdict,
            justification: justification.to_owned(),
            new_role: narrower.as_ref().map(|n| n.role.clone()).unwrap_or_default(),
            new_scope: narrower.as_ref().map(|n| n.scopes.join(" ")).unwrap_or_default(),
            new_privileged: narrower.is_some_and(|n| n.privileged),
            expires,
            reviewer: reviewer.to_owned(),
            second: second.to_owned(),
            file: self.terms.sha256.to_owned(),
        })
    }

    /// The decision against what others said of the grant, before and in this file. None where it says nothing new.
    fn agrees(&self, row: &Row, new: &Decision, found: &[Decision]) -> Result<Option<Decision>, String> {
        let says = |d: &Decision| (d.verdict, d.new_role.to_lowercase(), d.new_scope.to_lowercase());
        let word = |d: &Decision| match (d.new_role.as_str(), d.new_scope.as_str()) {
            ("", "") => d.verdict.name().to_owned(),
            (role, scope) => format!("{} to {role} {scope}", d.verdict.name()),
        };
        for other in found.iter().filter(|d| same_person(&d.reviewer, &new.reviewer)) {
            if says(other) != says(new) {
                return Err(format!("`{}` is decided twice in this file, and not alike", new.item));
            }
        }
        for other in row.decisions.iter().map(|(_, d)| d).chain(found) {
            if same_person(&other.reviewer, &new.reviewer) {
                let same = Decision { file: new.file.clone(), ..other.clone() };
                if same == *new {
                    return Ok(None);
                }
            } else if says(other) != says(new)
                && other.verdict != Verdict::DontKnow
                && new.verdict != Verdict::DontKnow
            {
                return Err(format!(
                    "{} decided {}, {} decides {}: they must agree first",
                    other.reviewer,
                    word(other),
                    new.reviewer,
                    word(new)
                ));
            }
        }
        Ok(Some(new.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::item::Item;
    use super::super::ledger::Opened;
    use super::*;

    fn campaign() -> Campaign {
        let item = Item {
            campaign: "q".to_owned(),
            item: "g-1".to_owned(),
            identity: "-id".to_owned(),
            owner: "owner".to_owned(),
            role: "Owner".to_owned(),
            privileged: true,
            created_on: "2026-01-31".to_owned(),
            ..Item::default()
        };
        let rows = vec![Row { item, decisions: Vec::new(), needs_second: true }];
        let opened = Opened {
            campaign: "q".to_owned(),
            due: "2026-03-10".to_owned(),
            estate: String::new(),
            tenant: String::new(),
            collected_at: None,
            complete: true,
            all_grants: true,
            grants: 1,
            sla_days: 7,
            second_approver: "privileged".to_owned(),
        };
        Campaign { opened, opened_at: String::new(), rows, closed: None, files: Vec::new() }
    }

    fn packet(changes: &[(&str, &str)]) -> Table {
        let campaign = campaign();
        let mut columns: Vec<(&str, String)> =
            campaign.rows[0].item.columns().map(|(n, v)| (n, v.to_owned())).to_vec();
        columns.extend(FILLED.map(|n| (n, String::new())));
        for (name, value) in changes {
            columns.iter_mut().find(|(n, _)| n == name).unwrap().1 = (*value).to_owned();
        }
        let names: Vec<&str> = columns.iter().map(|(n, _)| *n).collect();
        let values: Vec<String> = columns.iter().map(|(_, v)| format!("\"{v}\"")).collect();
        Table::read(format!("{}\n{}\n", names.join(";"), values.join(";")).as_bytes()).unwrap()
    }

    fn imported(changes: &[(&str, &str)]) -> Result<Vec<Decision>, String> {
        let terms = Terms {
            reviewer: None,
            sha256: "f",
            today: "2026-03-01".to_owned(),
            catalog: Catalog::embedded(),
        };
        decisions(&campaign(), &packet(changes), &terms)
            .map(|t| t.decisions)
            .map_err(|r| r[0].problem.clone())
    }

    #[test]
    fn only_what_can_be_evidence_is_taken() {
        let approve = [("decision", "Approve"), ("reviewer", "owner"), ("justification", "the pipeline")];
        let with = |more: &[(&'static str, &'static str)]| imported(&[&approve[..], more].concat());
        assert_eq!(with(&[]).unwrap()[0].verdict, Verdict::Approve);
        assert_eq!(with(&[("created_on", "31.01.2026")]).unwrap().len(), 1);
        assert_eq!(imported(&[]).unwrap(), []);
        assert_eq!(with(&[("expires", "31.12.2026")]).unwrap()[0].expires.as_deref(), Some("2026-12-31"));
        for (more, expected) in [
            (&[("role", "Reader")][..], "role of `g-1`"),
            (&[("item_id", "g-2")], "no grant"),
            (&[("decision", "yes")], "no decision"),
            (&[("reviewer", "")], "nobody is named"),
            (&[("justification", " ")], "no justification"),
            (&[("decision", "narrow")], "neither new_role"),
            (&[("expires", "02/03/2026")], "could be two"),
            (&[("expires", "2026-02-28")], "which is over"),
            (&[("new_role", "Reader")], "is approve"),
            (&[("decision", "narrow"), ("new_role", "Wizard")], "no built-in role"),
            (&[("justification", "-")], "no justification"),
            (&[("reviewer", "n/a")], "names nobody"),
            (&[("second_approver", "al\u{200b}ice")], "nobody sees"),
            (&[("created_on", "2026-02-01")], "created_on of"),
        ] {
            let problem = with(more).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn two_reviewers_must_agree() {
        let mut open = campaign();
        let terms = Terms {
            reviewer: Some("ann"),
            sha256: "f",
            today: "2026-03-01".to_owned(),
            catalog: Catalog::embedded(),
        };
        let deny = packet(&[("decision", "deny")]);
        let first = decisions(&open, &deny, &terms).unwrap().decisions;
        open.rows[0].decisions.push((String::new(), first[0].clone()));
        // The same word of the same person is nothing new.
        assert_eq!(decisions(&open, &deny, &terms).unwrap().decisions, []);
        let approve =
            packet(&[("decision", "approve"), ("justification", "the reason"), ("reviewer", "bob")]);
        assert!(decisions(&open, &approve, &terms).unwrap_err()[0].problem.contains("must agree"));
        let own = packet(&[("decision", "approve"), ("justification", "the reason")]);
        assert_eq!(decisions(&open, &own, &terms).unwrap().decisions.len(), 1);
    }
}
