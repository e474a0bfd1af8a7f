//! What became of the decisions of a campaign: each held against the grants that are there now.

use super::campaign::{Campaign, Row};
use super::item::Item;
use super::ledger::Verdict;
use crate::model::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// How a grant stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// Denied, gone, and there once more.
    Regranted,
    /// Denied, and there still past the time that is given.
    Overdue,
    /// Approved until a day that is over.
    Expired,
    /// Approved, and now with another role, scope or condition.
    Drifted,
    /// There now, and in no review.
    New,
    /// Denied, there still, in time.
    Due,
    /// Denied or narrowed, and the estate was read before that, or before the time that is given was over.
    Unproven,
    /// Not there, where not all was read.
    Unread,
    /// Denied and gone.
    Closed,
    /// Approved or not decided, and gone.
    Gone,
    /// What took the place of one that was narrowed.
    Narrowed,
    /// Approved and there.
    Kept,
    /// In the review, there, and not decided.
    Undecided,
}

impl Standing {
    /// The word in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Standing::Regranted => "re-granted",
            Standing::Overdue => "overdue",
            Standing::Expired => "expired-approval",
            Standing::Drifted => "drifted",
            Standing::New => "new",
            Standing::Due => "due",
            Standing::Unproven => "unproven",
            Standing::Unread => "not-read",
            Standing::Closed => "closed",
            Standing::Narrowed => "narrowed",
            Standing::Gone => "gone",
            Standing::Kept => "kept",
            Standing::Undecided => "undecided",
        }
    }

    /// Whether somebody must act.
    pub const fn acts(self) -> bool {
        matches!(
            self,
            Standing::Regranted | Standing::Overdue | Standing::Expired | Standing::Drifted | Standing::New
        )
    }
}

/// A grant with how it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stands {
    /// How.
    pub standing: Standing,
    /// The grant: as it is now where it is there, else as it was reviewed.
    pub item: Item,
    /// In words.
    pub detail: String,
}

/// What a campaign is held against.
#[derive(Clone, Copy)]
pub struct Against<'a> {
    /// The grants that are there.
    pub current: &'a [Item],
    /// When they were read, if that is known.
    pub read_at: Option<Instant>,
    /// The instant that days are counted to.
    pub now: Instant,
    /// Why it proves nothing that a grant is not among them; none where it does.
    pub unread: &'a dyn Fn(&Item) -> Option<String>,
}

/// Holds a campaign against the grants that are there now, worst first. What was read before a decision proves nothing of it,
/// and what was not read is not gone.
pub fn standings(campaign: &Campaign, against: Against<'_>) -> Vec<Stands> {
    let Against { current, read_at, now, unread } = against;
    let there: BTreeMap<&str, &Item> = current.iter().map(|i| (i.item.as_str(), i)).collect();
    let reviewed: BTreeSet<&str> = campaign.rows.iter().map(|r| r.item.item.as_str()).collect();
    // By principal: a grant turns into another of the same one only.
    let mut unknown: BTreeMap<String, Vec<&Item>> = BTreeMap::new();
    for item in current.iter().filter(|i| !reviewed.contains(i.item.as_str())) {
        unknown.entry(item.principal_id.to_ascii_lowercase()).or_default().push(item);
    }
    let mut narrowed: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    let mut denied: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    let mut all = Vec::new();
    for row in &campaign.rows {
        let is = there.get(row.item.item.as_str()).copied();
        let decided = row.decided();
        let decided = decided.as_ref().map(|(at, d)| (*at, d));
        if decided.is_some_and(|(_, d)| d.verdict == Verdict::Narrow) {
            narrowed.entry(row.item.principal_id.to_ascii_lowercase()).or_default().push(row);
        }
        if decided.is_some_and(|(_, d)| d.verdict == Verdict::Deny) {
            denied.entry(row.item.principal_id.to_ascii_lowercase()).or_default().push(row);
        }
        let before = |at: &str| read_at.zip(Instant::parse(at)).is_some_and(|(read, at)| read < at);
        let (standing, item, detail) = match (decided, is) {
            (None, Some(is)) => (Standing::Undecided, is, String::new()),
            (Some((at, d)), _) if before(at) && matches!(d.verdict, Verdict::Deny | Verdict::Narrow) => {
                let said = format!("{} by {}, after the estate was read", word(d.verdict), d.reviewer);
                (Standing::Unproven, is.unwrap_or(&row.item), said)
            }
            (Some((at, d)), Some(is)) if matches!(d.verdict, Verdict::Deny | Verdict::Narrow) => {
                let made = Instant::parse(&is.created_on);
                let after = made.zip(Instant::parse(at)).is_some_and(|(made, at)| made > at);
                let days = Campaign::days_since(at, now);
                let ends = Instant::parse(at).map(|at| at.plus_days(campaign.opened.sla_days));
                let said = format!("{} by {} {days} day(s) ago", word(d.verdict), d.reviewer);
                if after {
                    (Standing::Regranted, is, format!("{said}, made again on {}", is.created_on))
                } else if ends.is_some_and(|ends| now > ends) {
                    let given = campaign.opened.sla_days;
                    match read_at.filter(|read| ends.is_some_and(|ends| *read <= ends)) {
                        None => (Standing::Overdue, is, format!("{said}, {given} are given")),
                        Some(read) => {
                            let said = format!("{said}, {given} are given, and the estate is of {read}");
                            (Standing::Unproven, is, said)
                        }
                    }
                } else {
                    (Standing::Due, is, said)
                }
            }
            (Some((_, d)), Some(is)) => match &d.expires {
                Some(day) if now.date().as_str() > day.as_str() => {
                    (Standing::Expired, is, format!("approved by {} until {day}", d.reviewer))
                }
                _ => (Standing::Kept, is, format!("approved by {}", d.reviewer)),
            },
            (Some((_, d)), None) if matches!(d.verdict, Verdict::Deny | Verdict::Narrow) => {
                match unread(&row.item) {
                    Some(why) => (Standing::Unread, &row.item, why),
                    None => (Standing::Closed, &row.item, format!("{} by {}", word(d.verdict), d.reviewer)),
                }
            }
            (decided, None) => {
                let drifted = decided.and_then(|_| {
                    let own = unknown.get_mut(&row.item.principal_id.to_ascii_lowercase())?;
                    let at = own.iter().position(|new| turned(&row.item, new))?;
                    Some(own.remove(at))
                });
                match (drifted, unread(&row.item)) {
                    (Some(new), _) => (Standing::Drifted, new, how(&row.item, new)),
                    (None, Some(why)) => (Standing::Unread, &row.item, why),
                    (None, None) => (Standing::Gone, &row.item, String::new()),
                }
            }
        };
        all.push(Stands { standing, item: item.clone(), detail });
    }
    for (principal, items) in unknown {
        for new in items {
            let rows = narrowed.get(&principal).map(Vec::as_slice).unwrap_or_default();
            let (standing, detail) = match rows.iter().find(|row| takes_its_place(row, new)) {
                Some(row) if keeps_condition(row, new) => {
                    (Standing::Narrowed, format!("in place of {} on {}", row.item.role, row.item.scope))
                }
                Some(row) => {
                    let old = format!("{} on {}", row.item.role, row.item.scope);
                    (Standing::Drifted, format!("in place of {old}, without its condition"))
                }
                None => {
                    let rows = denied.get(&principal).map(Vec::as_slice).unwrap_or_default();
                    match rows.iter().find(|row| same_right(row, new)) {
                        Some(row) => {
                            (Standing::Regranted, format!("denied, and held again {}", how_held(row, new)))
                        }
                        None => (Standing::New, "in no review".to_owned()),
                    }
                }
            };
            all.push(Stands { standing, item: new.clone(), detail });
        }
    }
    all.sort_by(|a, b| {
        (a.standing, &a.item.owner, &a.item.identity, &a.item.item).cmp(&(
            b.standing,
            &b.item.owner,
            &b.item.identity,
            &b.item.item,
        ))
    });
    all
}

/// Whether a grant is what another was to be narrowed to.
fn takes_its_place(row: &Row, new: &Item) -> bool {
    let Some((_, d)) = row.decided().filter(|(_, d)| d.verdict == Verdict::Narrow) else { return false };
    let role = if d.new_role.is_empty() { &row.item.role_id } else { &d.new_role };
    let mut scopes = d.new_scope.split_whitespace().peekable();
    let there = match scopes.peek() {
        None => new.scope.eq_ignore_ascii_case(&row.item.scope),
        Some(_) => scopes.any(|s| s.eq_ignore_ascii_case(&new.scope)),
    };
    there
        && new.role_id.eq_ignore_ascii_case(role)
        && new.principal_id.eq_ignore_ascii_case(&row.item.principal_id)
}

/// Whether a grant gives a right that was denied, whatever it comes through now.
fn same_right(row: &Row, new: &Item) -> bool {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    same(&row.item.role_id, &new.role_id) && same(&row.item.scope, &new.scope)
}

fn how_held(row: &Row, new: &Item) -> String {
    let way = |item: &Item| {
        if item.via == "direct" { "directly".to_owned() } else { format!("through {}", item.via) }
    };
    format!("{}, no longer {}", way(new), way(&row.item))
}

/// Whether a grant holds under the condition of the one whose place it takes, if that had one. Azure may lay it out anew.
fn keeps_condition(row: &Row, new: &Item) -> bool {
    let plain = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
    row.item.condition.is_empty() || plain(&row.item.condition) == plain(&new.condition)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Narrow => "narrowed",
        _ => "denied",
    }
}

/// Whether a new grant is one that was approved, with one thing changed.
pub(super) fn turned(old: &Item, new: &Item) -> bool {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let kept =
        [same(&old.role_id, &new.role_id), same(&old.scope, &new.scope), old.condition == new.condition];
    let changed = kept.iter().filter(|k| !**k).count();
    same(&old.principal_id, &new.principal_id)
        && (changed == 1 || (!old.assignment.is_empty() && same(&old.assignment, &new.assignment)))
}

pub(super) fn how(old: &Item, new: &Item) -> String {
    let mut parts = Vec::new();
    if !old.role_id.eq_ignore_ascii_case(&new.role_id) {
        parts.push(format!("role was {}", old.role));
    }
    if !old.scope.eq_ignore_ascii_case(&new.scope) {
        parts.push(format!("scope was {}", old.scope));
    }
    if old.condition != new.condition {
        let was = if old.condition.is_empty() { "none" } else { &old.condition };
        parts.push(format!("condition was {was}"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{Decision, Opened};
    use super::*;

    fn item(id: &str, scope: &str, made: &str) -> Item {
        Item {
            item: id.to_owned(),
            principal_id: "p".to_owned(),
            role_id: "r".to_owned(),
            scope: scope.to_owned(),
            created_on: made.to_owned(),
            ..Item::default()
        }
    }

    fn decided(item: Item, verdict: Verdict, expires: Option<&str>) -> Row {
        let decision = Decision {
            campaign: "c".to_owned(),
            item: item.item.clone(),
            verdict,
            justification: String::new(),
            new_role: String::new(),
            new_scope: String::new(),
            new_privileged: false,
            expires: expires.map(str::to_owned),
            reviewer: "ann".to_owned(),
            second: String::new(),
            file: String::new(),
        };
        Row { item, decisions: vec![("2026-03-01T00:00:00Z".to_owned(), decision)], needs_second: false }
    }

    fn opened(rows: Vec<Row>) -> Campaign {
        let opened = Opened {
            campaign: "c".to_owned(),
            due: "2026-03-10".to_owned(),
            estate: String::new(),
            tenant: String::new(),
            collected_at: None,
            complete: true,
            all_grants: true,
            grants: rows.len(),
            sla_days: 7,
            second_approver: "none".to_owned(),
        };
        Campaign { opened, opened_at: String::new(), rows, closed: None, files: Vec::new() }
    }

    fn stands(rows: Vec<Row>, current: &[Item], now: &str) -> Vec<(Standing, String)> {
        let campaign = opened(rows);
        let now = Instant::parse(now).unwrap();
        let all = standings(&campaign, Against { current, read_at: Some(now), now, unread: &|_| None });
        all.into_iter().map(|s| (s.standing, s.item.item)).collect()
    }

    #[test]
    fn what_was_denied_is_gone_due_overdue_or_back() {
        let row = || vec![decided(item("a", "/s", "2026-01-01T00:00:00Z"), Verdict::Deny, None)];
        let old = item("a", "/s", "2026-01-01T00:00:00Z");
        let back = item("a", "/s", "2026-03-05T00:00:00Z");
        let one = |current: &[Item], now| stands(row(), current, now).first().unwrap().0;
        assert_eq!(one(&[], "2026-03-20T00:00:00Z"), Standing::Closed);
        assert_eq!(one(std::slice::from_ref(&old), "2026-03-08T00:00:00Z"), Standing::Due);
        assert_eq!(one(&[old], "2026-03-08T00:00:01Z"), Standing::Overdue);
        assert_eq!(one(&[back], "2026-03-09T00:00:00Z"), Standing::Regranted);
    }

    #[test]
    fn what_was_not_read_proves_nothing() {
        let row = || decided(item("a", "/s", "2026-01-01T00:00:00Z"), Verdict::Deny, None);
        let old = [item("a", "/s", "2026-01-01T00:00:00Z")];
        let late = Instant::parse("2026-03-20T00:00:00Z").unwrap();
        let early = Instant::parse("2026-03-02T00:00:00Z");
        let mut campaign = opened(vec![row()]);
        let one = |campaign: &Campaign, current: &[Item], read_at, unread: bool| {
            let why = move |_: &Item| unread.then(|| "not read".to_owned());
            standings(campaign, Against { current, read_at, now: late, unread: &why })[0].standing
        };
        assert_eq!(one(&campaign, &[], Some(late), true), Standing::Unread);
        assert_eq!(one(&campaign, &[], Some(late), false), Standing::Closed);
        // Read within the days that are given, it says nothing of the day after.
        assert_eq!(one(&campaign, &old, early, false), Standing::Unproven);
        assert_eq!(one(&campaign, &old, Some(late), false), Standing::Overdue);
        campaign.rows = vec![decided(old[0].clone(), Verdict::Approve, None)];
        assert_eq!(one(&campaign, &[], Some(late), true), Standing::Unread);
    }

    #[test]
    fn an_approval_ends_after_its_last_day_and_with_any_change() {
        let row = |until| vec![decided(item("a", "/s/g", ""), Verdict::Approve, until)];
        let same = item("a", "/s/g", "");
        let last = stands(row(Some("2026-06-30")), std::slice::from_ref(&same), "2026-06-30T23:59:59Z");
        assert_eq!(last[0].0, Standing::Kept);
        let over = stands(row(Some("2026-06-30")), &[same], "2026-07-01T00:00:00Z");
        assert_eq!(over[0].0, Standing::Expired);
        let wider = stands(row(None), &[item("b", "/s", "")], "2026-07-01T00:00:00Z");
        assert_eq!(wider, [(Standing::Drifted, "b".to_owned())]);
        let mut other = item("b", "/s", "");
        other.role_id = "q".to_owned();
        let new = stands(row(None), &[other], "2026-07-01T00:00:00Z");
        assert_eq!(new, [(Standing::New, "b".to_owned()), (Standing::Gone, "a".to_owned())]);
    }
}
