//! What a ledger says of a campaign: which grants, who decided what, what is still open.

use super::item::Item;
use super::ledger::{Body, Chain, Closed, Decision, Entry, LedgerError, Opened, Verdict};
use crate::model::Instant;
use crate::policy::people::{same_person, unnamed};
use std::collections::{BTreeMap, BTreeSet};

/// How far a grant of a campaign is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Progress {
    /// Nobody decided.
    Open,
    /// Somebody decided, and somebody else must, too.
    PendingSecond,
    /// It is decided.
    Decided,
}

/// A grant with what was decided of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The grant.
    pub item: Item,
    /// The latest decision of each reviewer, and when, in the order in which they came.
    pub decisions: Vec<(String, Decision)>,
    /// Whether another must approve it.
    pub needs_second: bool,
}

impl Row {
    /// Decisions that stand: whoever cannot say takes back only what they said themselves.
    fn standing(&self) -> impl DoubleEndedIterator<Item = &(String, Decision)> {
        self.decisions.iter().filter(|(_, d)| d.verdict != Verdict::DontKnow)
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let Some((_, last)) = self.standing().next_back() else { return Progress::Open };
        let alone = !(self.needs_second || last.new_privileged) || last.verdict == Verdict::Deny;
        let seconded = || {
            let all: Vec<&Decision> = self.standing().map(|(_, d)| d).collect();
            all.iter().any(|d| self.may_second(&d.second, &d.reviewer))
                || all.iter().any(|a| all.iter().any(|b| self.may_second(&b.reviewer, &a.reviewer)))
        };
        if alone || seconded() { Progress::Decided } else { Progress::PendingSecond }
    }

    /// Whether somebody may be the second approver: neither the owner, nor the first, nor whoever made the grant.
    pub fn may_second(&self, second: &str, first: &str) -> bool {
        self.no_second(second, first).is_none()
    }

    /// Why somebody may not.
    pub fn no_second(&self, second: &str, first: &str) -> Option<&'static str> {
        if second.trim().is_empty() {
            return Some("nobody is named");
        }
        if let Some(why) = unnamed(second) {
            return Some(why);
        }
        match () {
            () if same_person(second, first) => Some("is the reviewer"),
            () if same_person(second, &self.item.owner) => Some("is the owner"),
            () if same_person(second, &self.item.created_by) => Some("made the grant"),
            () => None,
        }
    }

    /// What was decided, once it is: the last word, until the first day that anybody set.
    pub fn decided(&self) -> Option<(&str, Decision)> {
        if self.progress() != Progress::Decided {
            return None;
        }
        let (at, last) = self.standing().next_back()?;
        let expires = self.standing().filter_map(|(_, d)| d.expires.clone()).min();
        Some((at, Decision { expires, ..last.clone() }))
    }
}

/// A campaign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Campaign {
    /// How it was opened.
    pub opened: Opened,
    /// When.
    pub opened_at: String,
    /// Its grants, by owner, then as they came.
    pub rows: Vec<Row>,
    /// How it was closed, and when.
    pub closed: Option<(String, Closed)>,
    /// Digests of files that were imported.
    pub files: Vec<String>,
}

impl Chain {
    /// Reads a ledger: lines that hold together, and campaigns that end with what was decided.
    ///
    /// # Errors
    /// At the first line that is no entry, does not follow, or does not agree with what was decided.
    pub fn read(bytes: &[u8]) -> Result<Chain, LedgerError> {
        let chain = Chain::lines_of(bytes)?;
        if !chain.entries().iter().any(|e| matches!(e.body, Body::Closed(_))) {
            return Ok(chain);
        }
        let all = Campaign::all(&chain);
        let ends = all.iter().filter_map(|c| Some((c, &c.closed.as_ref()?.1)));
        for (campaign, closed) in ends {
            let counted = campaign.counts();
            let told = (closed.approved, closed.denied, closed.narrowed, closed.undecided.len());
            let open: BTreeSet<&String> = campaign.undecided().collect();
            if counted == told && closed.undecided.iter().collect::<BTreeSet<_>>() == open {
                continue;
            }
            let said = |(a, d, n, u)| format!("{a} approved, {d} denied, {n} narrowed and {u} not decided");
            let problem = format!(
                "campaign `{}` is closed with {}, and its decisions say {}",
                closed.campaign,
                said(told),
                said(counted)
            );
            let ends = |e: &Entry| matches!(&e.body, Body::Closed(c) if c.campaign == closed.campaign);
            let line = chain.entries().iter().position(ends).map_or(0, |n| n + 1);
            return Err(LedgerError { line, problem });
        }
        Ok(chain)
    }
}

impl Campaign {
    /// How many grants were approved, denied, narrowed and not decided.
    pub fn counts(&self) -> (usize, usize, usize, usize) {
        let mut counts = (0, 0, 0, 0);
        for row in &self.rows {
            let one = match row.decided().map(|(_, d)| d.verdict) {
                Some(Verdict::Approve) => &mut counts.0,
                Some(Verdict::Deny) => &mut counts.1,
                Some(Verdict::Narrow) => &mut counts.2,
                Some(Verdict::DontKnow) | None => &mut counts.3,
            };
            *one += 1;
        }
        counts
    }

    /// Grants that nobody decided, or nobody else approved, by item.
    pub fn undecided(&self) -> impl Iterator<Item = &String> {
        self.rows.iter().filter(|r| r.progress() != Progress::Decided).map(|r| &r.item.item)
    }

    /// All campaigns of a ledger, in the order in which they were opened.
    pub fn all(chain: &Chain) -> Vec<Campaign> {
        let mut all: Vec<Campaign> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let mut places: BTreeMap<(usize, String), usize> = BTreeMap::new();
        for entry in chain.entries() {
            let at = |name: &str| known.get(name).copied();
            match &entry.body {
                Body::Opened(opened) => {
                    known.insert(opened.campaign.clone(), all.len());
                    all.push(Campaign {
                        opened: opened.clone(),
                        opened_at: entry.at.clone(),
                        rows: Vec::new(),
                        closed: None,
                        files: Vec::new(),
                    });
                }
                Body::Item(item) => {
                    let Some((at, campaign)) = at(&item.campaign).and_then(|n| Some((n, all.get_mut(n)?)))
                    else {
                        continue;
                    };
                    let needs_second = match campaign.opened.second_approver.as_str() {
                        "none" => false,
                        "all" => true,
                        _ => item.privileged,
                    };
                    places.insert((at, item.item.clone()), campaign.rows.len());
                    campaign.rows.push(Row { item: Item::clone(item), decisions: Vec::new(), needs_second });
                }
                Body::Imported(imported) => {
                    if let Some(campaign) = at(&imported.campaign).and_then(|n| all.get_mut(n)) {
                        campaign.files.push(imported.sha256.clone());
                    }
                }
                Body::Decided(decision) => {
                    let row = at(&decision.campaign).and_then(|n| {
                        let place = places.get(&(n, decision.item.clone()))?;
                        all.get_mut(n)?.rows.get_mut(*place)
                    });
                    if let Some(row) = row {
                        // The reviewer's own later word takes the place of the earlier one.
                        row.decisions.retain(|(_, d)| !same_person(&d.reviewer, &decision.reviewer));
                        row.decisions.push((entry.at.clone(), decision.clone()));
                    }
                }
                Body::Closed(closed) => {
                    if let Some(campaign) = at(&closed.campaign).and_then(|n| all.get_mut(n)) {
                        campaign.closed = Some((entry.at.clone(), closed.clone()));
                    }
                }
            }
        }
        all
    }

    /// Those rows that are this far.
    pub fn at(&self, progress: Progress) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |r| r.progress() == progress)
    }

    /// Whether the day that decisions are due on is over.
    pub fn is_due(&self, now: Instant) -> bool {
        now.date().as_str() > self.opened.due.as_str()
    }

    /// How many days are over since an instant of the ledger.
    pub fn days_since(at: &str, now: Instant) -> i64 {
        Instant::parse(at).map_or(0, |at| now.days_since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(verdict: Verdict, reviewer: &str, second: &str) -> (String, Decision) {
        let decision = Decision {
            campaign: "c".to_owned(),
            item: "i".to_owned(),
            verdict,
            justification: "because".to_owned(),
            new_role: String::new(),
            new_scope: String::new(),
            new_privileged: false,
            expires: None,
            reviewer: reviewer.to_owned(),
            second: second.to_owned(),
            file: String::new(),
        };
        ("2026-01-01T00:00:00Z".to_owned(), decision)
    }

    fn row(needs_second: bool, decisions: Vec<(String, Decision)>) -> Row {
        let item = Item { owner: "owner".to_owned(), created_by: "maker".to_owned(), ..Item::default() };
        Row { item, decisions, needs_second }
    }

    #[test]
    fn a_privileged_approval_needs_somebody_else() {
        let approve = |who, second| decision(Verdict::Approve, who, second);
        for (decisions, expected) in [
            (vec![], Progress::Open),
            (vec![approve("owner", "")], Progress::PendingSecond),
            (vec![approve("owner", "Owner ")], Progress::PendingSecond),
            (vec![approve("ann", "owner")], Progress::PendingSecond),
            (vec![approve("owner", "maker")], Progress::PendingSecond),
            (vec![approve("owner", "ciso")], Progress::Decided),
            (vec![approve("owner", ""), approve("ciso", "")], Progress::Decided),
            (vec![approve("owner", ""), approve("maker", "")], Progress::PendingSecond),
            (vec![decision(Verdict::Deny, "owner", "")], Progress::Decided),
            (vec![decision(Verdict::DontKnow, "owner", "")], Progress::Open),
            (
                vec![decision(Verdict::Deny, "owner", ""), decision(Verdict::DontKnow, "ann", "")],
                Progress::Decided,
            ),
            (vec![approve("owner", "n/a")], Progress::PendingSecond),
        ] {
            assert_eq!(row(true, decisions.clone()).progress(), expected, "{decisions:?}");
        }
        assert_eq!(row(false, vec![approve("owner", "")]).progress(), Progress::Decided);
    }
}
