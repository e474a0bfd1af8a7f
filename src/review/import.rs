//! From a packet that came back to decisions, or to what is wrong with it: all of it counts, or none.
//!
//! Refused is what would be false evidence. Not here: reading the table (`sources::table`), writing the ledger (`app`).

use super::campaign::{Campaign, same_person};
use super::item::FILLED;
use super::ledger::{Decision, Verdict};
use crate::sources::table::{Table, TableRow, day};
use std::collections::HashMap;

/// What is wrong with a row, or with the whole table on line 1.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Refusal {
    /// The line.
    pub line: u64,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// What a file is imported with.
#[derive(Clone, Debug, Default)]
pub struct Terms<'t> {
    /// Who decided, where the row names nobody.
    pub reviewer: Option<&'t str>,
    /// The file's digest.
    pub sha256: &'t str,
    /// The day of the import.
    pub today: String,
}

/// What a table decides anew.
///
/// # Errors
/// Everything that is wrong with it.
pub fn decisions(
    campaign: &Campaign,
    table: &Table,
    terms: &Terms<'_>,
) -> Result<Vec<Decision>, Vec<Refusal>> {
    let mut refused: Vec<Refusal> = Vec::new();
    let missing = |name: &&str| !table.has(name);
    let seen = campaign.rows.first().map(|r| r.item.columns().map(|(name, _)| name));
    let gone: Vec<&str> = seen.iter().flatten().copied().filter(|n| missing(n)).collect();
    if !gone.is_empty() {
        let problem =
            format!("columns are missing: {}; what a reviewer saw belongs to the decision", gone.join(", "));
        return Err(vec![Refusal { line: 1, problem }]);
    }
    if missing(&"decision") {
        let problem = format!("the column `decision` is missing; a packet ends with {}", FILLED.join(", "));
        return Err(vec![Refusal { line: 1, problem }]);
    }
    let rows: HashMap<&str, usize> =
        campaign.rows.iter().enumerate().map(|(n, r)| (r.item.item.as_str(), n)).collect();
    let mut found: Vec<Decision> = Vec::new();
    for line in &table.rows {
        match decision(campaign, &rows, table, line, terms, &found) {
            Ok(decision) => found.extend(decision),
            Err(problem) => refused.push(Refusal { line: line.line, problem }),
        }
    }
    if refused.is_empty() { Ok(found) } else { Err(refused) }
}

fn decision(
    campaign: &Campaign,
    rows: &HashMap<&str, usize>,
    table: &Table,
    line: &TableRow,
    terms: &Terms<'_>,
    found: &[Decision],
) -> Result<Option<Decision>, String> {
    let get = |name: &str| table.get(line, name).unwrap_or_default().trim();
    let id = get("item_id");
    let Some(row) = rows.get(id).and_then(|n| campaign.rows.get(*n)) else {
        return Err(format!("`{id}` is no grant of campaign `{}`", campaign.opened.campaign));
    };
    let altered = row.item.altered(|name| table.get(line, name).map(str::to_owned));
    if !altered.is_empty() {
        return Err(format!(
            "{} of `{id}` is not what the packet said: decide on the row as it was, or open a new review",
            altered.join(", ")
        ));
    }
    if get("decision").is_empty() {
        return Ok(None);
    }
    let Some(verdict) = Verdict::named(get("decision")) else {
        return Err(format!(
            "`{}` is no decision: write approve, deny, narrow or dont-know",
            get("decision")
        ));
    };
    let reviewer = match get("reviewer") {
        "" => terms.reviewer.unwrap_or_default().trim(),
        named => named,
    };
    if reviewer.is_empty() {
        return Err("nobody is named as the reviewer: fill in the column, or give --reviewer NAME".to_owned());
    }
    let justification = get("justification");
    if row.item.privileged
        && matches!(verdict, Verdict::Approve | Verdict::Narrow)
        && justification.is_empty()
    {
        return Err("a privileged grant is kept, and no justification says why".to_owned());
    }
    if verdict == Verdict::Narrow && get("new_role").is_empty() && get("new_scope").is_empty() {
        return Err("it is to be narrowed, and neither new_role nor new_scope says to what".to_owned());
    }
    let expires = match get("expires") {
        "" => None,
        text => Some(
            day(text)
                .ok_or_else(|| format!("`{text}` is no day, or could be two: write it as 2026-12-31"))?,
        ),
    };
    if let Some(day) = &expires
        && *day < terms.today
    {
        return Err(format!("the approval ends on {day}, which is over"));
    }
    let new = Decision {
        campaign: campaign.opened.campaign.clone(),
        item: id.to_owned(),
        verdict,
        justification: justification.to_owned(),
        new_role: get("new_role").to_owned(),
        new_scope: get("new_scope").to_owned(),
        expires,
        reviewer: reviewer.to_owned(),
        second: get("second_approver").to_owned(),
        file: terms.sha256.to_owned(),
    };
    let earlier = row.decisions.iter().map(|(_, d)| d).chain(found.iter().filter(|d| d.item == id));
    for other in earlier {
        if same_person(&other.reviewer, &new.reviewer) {
            let here = found.iter().any(|d| d.item == id && same_person(&d.reviewer, &new.reviewer));
            if here && other.verdict != new.verdict {
                return Err(format!("`{id}` is decided twice in this file, and not alike"));
            }
            let same = Decision { file: new.file.clone(), ..other.clone() };
            if same == new {
                return Ok(None);
            }
        } else if other.verdict != new.verdict
            && other.verdict != Verdict::DontKnow
            && new.verdict != Verdict::DontKnow
        {
            return Err(format!(
                "{} decided {}, {} decides {}: they must agree first",
                other.reviewer,
                other.verdict.name(),
                new.reviewer,
                new.verdict.name()
            ));
        }
    }
    Ok(Some(new))
}

#[cfg(test)]
mod tests {
    use super::super::campaign::Row;
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
        let terms = Terms { reviewer: None, sha256: "f", today: "2026-03-01".to_owned() };
        decisions(&campaign(), &packet(changes), &terms).map_err(|r| r[0].problem.clone())
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
        ] {
            let problem = with(more).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn two_reviewers_must_agree() {
        let mut open = campaign();
        let terms = Terms { reviewer: Some("ann"), sha256: "f", today: "2026-03-01".to_owned() };
        let deny = packet(&[("decision", "deny")]);
        let first = decisions(&open, &deny, &terms).unwrap();
        open.rows[0].decisions.push((String::new(), first[0].clone()));
        // The same word of the same person is nothing new.
        assert_eq!(decisions(&open, &deny, &terms).unwrap(), []);
        let approve = packet(&[("decision", "approve"), ("justification", "x"), ("reviewer", "bob")]);
        assert!(decisions(&open, &approve, &terms).unwrap_err()[0].problem.contains("must agree"));
        let own = packet(&[("decision", "approve"), ("justification", "x")]);
        assert_eq!(decisions(&open, &own, &terms).unwrap().len(), 1);
    }
}
