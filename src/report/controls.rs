//! Controls of frameworks: what rules and reviews say of each, for whom, and how far that goes.
//!
//! Not satisfied outweighs inconclusive, that satisfied with exceptions, that satisfied. Only what decides a control can say that it
//! is met; a control about everybody is met in part at most, because users and groups are not judged here.

use super::Report;
use super::reviews::ReviewRow;
use crate::finding::{Disposition, Severity, SubjectKind};
use crate::model::{FastMap, FastSet};
use crate::rules::{Automation, Control, Framework, JudgedGap, Population, ReviewEvery, Status, Strength};
use std::collections::{BTreeMap, HashMap};

/// A control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRow {
    /// What people call the framework, without its version.
    pub name: String,
    /// The framework, without its version.
    pub framework: String,
    /// Its version.
    pub version: String,
    /// The control's id.
    pub control_id: String,
    /// What it is about, in our words.
    pub title: String,
    /// `auto`, `partial`, `review` or `manual`.
    pub automation: &'static str,
    /// Whom it is about.
    pub population: &'static str,
    /// `decides` or `supports`.
    pub strength: &'static str,
    /// `not-satisfied`, `inconclusive`, `satisfied-with-exceptions`, `satisfied`, `partial` (satisfied for those who are
    /// judged), `manual` or `not-applicable`.
    pub status: &'static str,
    /// How many things its rules looked at, each once however many rules did.
    pub subjects: usize,
    /// How many of them have a finding that nobody waived.
    pub failed: usize,
    /// How many have waived ones alone.
    pub waived: usize,
    /// For how many things its rules could not tell.
    pub inconclusive: usize,
    /// Its rules.
    pub rules: Vec<String>,
    /// Files that show it.
    pub evidence: &'static str,
    /// Why it has this status.
    pub reason: String,
    /// Whether the id is one of an OSCAL catalogue.
    pub oscal: bool,
}

/// A thing that rules look at: its kind, and its number among those that anything was found of.
type Thing = (SubjectKind, usize);

/// What reviews say of a control that wants one.
enum Reviewed {
    /// One that is recent enough holds.
    Holds(String),
    /// None does.
    Fails(String),
    /// Nobody can tell.
    Unknown(String),
}

/// What one rule found.
struct Found {
    kind: SubjectKind,
    subjects: usize,
    inconclusive: usize,
    /// Of what, how bad, and whether it is waived.
    findings: Vec<(Thing, Severity, bool)>,
    /// That it could not tell, with what it needs.
    blocked: Option<String>,
}

/// What all rules of a control found.
#[derive(Default)]
struct Tally {
    /// Rules of one kind look at the same things: what one looked at is not counted again for the next.
    subjects: BTreeMap<SubjectKind, usize>,
    inconclusive: BTreeMap<SubjectKind, usize>,
    failed: FastSet<Thing>,
    waived: FastSet<Thing>,
    /// Findings that nobody waived.
    findings: usize,
    /// Rules that could not tell, with what they need.
    blocked: Vec<String>,
}

impl Tally {
    /// Adds what a rule found from a severity up.
    fn add(&mut self, found: &Found, from: Severity) {
        for (all, more) in
            [(&mut self.subjects, found.subjects), (&mut self.inconclusive, found.inconclusive)]
        {
            let most = all.entry(found.kind).or_default();
            *most = (*most).max(more);
        }
        for (thing, _, waived) in found.findings.iter().filter(|(_, severity, _)| *severity >= from) {
            if *waived {
                self.waived.insert(*thing);
            } else {
                self.findings += 1;
                self.failed.insert(*thing);
            }
        }
        self.blocked.extend(found.blocked.clone());
    }

    /// Things that have waived findings alone.
    fn excepted(&self) -> usize {
        self.waived.difference(&self.failed).count()
    }

    /// What was looked at, in words.
    fn looked(&self) -> String {
        let kinds: Vec<String> =
            self.subjects.iter().filter(|(_, n)| **n > 0).map(|(kind, n)| kind.counted(*n)).collect();
        if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
    }

    /// So many of these things, of how many.
    fn among(&self, things: &FastSet<Thing>) -> String {
        let mut counts: BTreeMap<SubjectKind, usize> = BTreeMap::new();
        things.iter().for_each(|(kind, _)| *counts.entry(*kind).or_default() += 1);
        let part = |(kind, n): (&SubjectKind, &usize)| match self.subjects.get(kind) {
            Some(all) if all >= n => format!("{n} of {}", kind.counted(*all)),
            _ => kind.counted(*n),
        };
        counts.iter().map(part).collect::<Vec<_>>().join(", ")
    }
}

impl<'a> Report<'a> {
    /// Every control whose id was verified, and those that only the user's own rules name, by framework and id.
    pub fn controls(&self) -> &[ControlRow] {
        self.controls.get_or_init(|| self.conclude())
    }

    fn conclude(&self) -> Vec<ControlRow> {
        let mut rules: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
        for rule in self.rules.iter().filter(|r| r.enabled) {
            for (framework, control) in &rule.text.controls {
                rules.entry((framework.clone(), control.clone())).or_default().push(rule.slug());
            }
        }
        let found = self.found();
        let mut rows = Vec::new();
        for framework in Framework::all() {
            let key = framework.key();
            for control in framework.controls.iter().filter(|c| !c.verified.is_empty()) {
                let own = rules.remove(&(key.clone(), control.id.clone())).unwrap_or_default();
                rows.push(self.control(framework, control, &own, &found));
            }
        }
        for ((name, id), own) in rules {
            // Of a framework that is the user's own, nothing is known but its rules.
            let (framework, version) = split_version(&name);
            let control = Control {
                id,
                title: String::new(),
                automation: Automation::Partial,
                population: Population::ManagedIdentities,
                strength: Strength::Decides,
                verified: String::new(),
                rules: Vec::new(),
                lists: false,
                severity: None,
                review: None,
            };
            let framework = Framework {
                name: String::new(),
                framework,
                version,
                url: String::new(),
                oscal: false,
                controls: Vec::new(),
            };
            rows.push(self.control(&framework, &control, &own, &found));
        }
        rows.sort_by(|a, b| {
            (&a.framework, &a.version, &a.control_id).cmp(&(&b.framework, &b.version, &b.control_id))
        });
        rows
    }

    /// What each rule found.
    fn found(&self) -> HashMap<&'a str, Found> {
        // What is missing, with the command that would bring it.
        let needed = |source: &str| {
            let closes = |g: &&JudgedGap| g.gap.source.name() == source && g.gap.grant.is_some();
            match self.judged.gaps.iter().find(closes).and_then(|g| g.gap.grant.as_ref()) {
                Some(command) => format!("{source}: {command}"),
                None => source.to_owned(),
            }
        };
        let kinds: HashMap<&str, SubjectKind> = self.rules.iter().map(|r| (r.slug(), r.subject)).collect();
        let mut all: HashMap<&str, Found> = HashMap::new();
        for outcome in &self.judged.rules {
            let slug = outcome.slug.as_str();
            let needs: Vec<String> = outcome.needs.iter().map(|s| needed(s.name())).collect();
            let blocked = if needs.is_empty() {
                slug.to_owned()
            } else {
                format!("{slug} (needs {})", needs.join(", "))
            };
            let found = Found {
                kind: kinds.get(slug).copied().unwrap_or(SubjectKind::File),
                subjects: outcome.subjects,
                inconclusive: outcome.inconclusive,
                findings: Vec::new(),
                blocked: (outcome.status == Status::Inconclusive).then_some(blocked),
            };
            all.insert(slug, found);
        }
        let mut things: FastMap<(SubjectKind, &str), usize> = HashMap::default();
        // A finding that a stronger one says is no less a failure of its own control.
        for finding in &self.judged.findings {
            let next = things.len();
            let number = *things.entry((finding.subject_kind, &*finding.subject)).or_insert(next);
            if let Some(found) = all.get_mut(finding.rule.slug.as_str()) {
                let waived = finding.disposition == Disposition::Waived;
                found.findings.push(((finding.subject_kind, number), finding.severity, waived));
            }
        }
        all
    }

    fn control(
        &self,
        framework: &Framework,
        control: &Control,
        rules: &[&str],
        found: &HashMap<&str, Found>,
    ) -> ControlRow {
        let mut sum = Tally::default();
        let from = control.severity.unwrap_or(Severity::Info);
        rules.iter().filter_map(|slug| found.get(slug)).for_each(|found| sum.add(found, from));
        let review = control.review.map(|every| self.reviewed(every));
        let (status, reason) = self.concluded(control, &sum, rules.is_empty(), review);
        ControlRow {
            name: framework.name.clone(),
            framework: framework.framework.clone(),
            version: framework.version.clone(),
            control_id: control.id.clone(),
            title: control.title.clone(),
            automation: control.automation.name(),
            population: control.population.name(),
            strength: control.strength.name(),
            status,
            subjects: sum.subjects.values().sum(),
            failed: sum.failed.len(),
            waived: sum.excepted(),
            inconclusive: sum.inconclusive.values().sum(),
            rules: rules.iter().map(|r| (*r).to_owned()).collect(),
            evidence: match (rules.is_empty(), control.review) {
                (false, None) => "findings.csv",
                (false, Some(_)) => "findings.csv ledger.jsonl",
                (true, Some(_)) => "ledger.jsonl",
                (true, None) => "",
            },
            reason,
            oscal: framework.oscal,
        }
    }

    /// The status of a control, and why.
    fn concluded(
        &self,
        control: &Control,
        sum: &Tally,
        ruleless: bool,
        review: Option<Reviewed>,
    ) -> (&'static str, String) {
        if !sum.failed.is_empty() && !control.lists {
            let s = if sum.findings == 1 { "" } else { "s" };
            return ("not-satisfied", format!("{} finding{s} on {}", sum.findings, sum.among(&sum.failed)));
        }
        match &review {
            Some(Reviewed::Fails(why)) if self.reviews.is_some() => return ("not-satisfied", why.clone()),
            // Without a ledger nobody can say that there was none.
            Some(Reviewed::Fails(why)) => return ("manual", why.clone()),
            Some(Reviewed::Unknown(why)) => return ("inconclusive", why.clone()),
            _ => {}
        }
        if !sum.blocked.is_empty() {
            return ("inconclusive", sum.blocked.join("; "));
        }
        let whom = self.whom(control.population);
        let review = review.map(|review| match review {
            Reviewed::Holds(why) | Reviewed::Fails(why) | Reviewed::Unknown(why) => why,
        });
        let looked = match (&review, ruleless) {
            (Some(why), true) => why.clone(),
            (Some(why), false) => format!("{why}; {} looked at", sum.looked()),
            (None, _) => format!("{} looked at", sum.looked()),
        };
        if control.automation == Automation::Manual || (ruleless && review.is_none()) {
            return ("manual", "a person concludes it".to_owned());
        }
        if control.lists && !(sum.failed.is_empty() && sum.waived.is_empty()) {
            let known = sum.failed.union(&sum.waived).copied().collect();
            let why = format!("findings list {}: a person concludes whether they may be", sum.among(&known));
            return ("manual", why);
        }
        if !sum.waived.is_empty() {
            return ("satisfied-with-exceptions", format!("{} waived, {whom}", sum.waived.len()));
        }
        if sum.subjects.values().all(|n| *n == 0) && review.is_none() {
            return ("not-applicable", "nothing to look at".to_owned());
        }
        match (control.strength, self.covers(control.population)) {
            (Strength::Supports, _) => ("manual", format!("nothing speaks against it: {looked}, {whom}")),
            (Strength::Decides, true) => ("satisfied", format!("{looked}, {whom}")),
            (Strength::Decides, false) => ("partial", format!("{looked}, {whom}")),
        }
    }

    /// Whether everybody whom a control is about is judged.
    fn covers(&self, population: Population) -> bool {
        match population {
            Population::ManagedIdentities | Population::Resources => true,
            Population::Workloads => self.workloads,
            Population::AllPrincipals => false,
        }
    }

    fn whom(&self, population: Population) -> String {
        let judged = self.identities.len();
        match population {
            Population::Resources => "resources and roles that were read".to_owned(),
            Population::ManagedIdentities => format!("for {judged} identities"),
            Population::Workloads if self.workloads => format!("for {judged} workload identities"),
            Population::Workloads => {
                format!("for {judged} managed identities; principals of applications not assessed")
            }
            Population::AllPrincipals => {
                format!("for {judged} managed identities; users and groups not assessed")
            }
        }
    }

    /// Whether a review that is recent enough was closed, and which.
    fn reviewed(&self, every: ReviewEvery) -> Reviewed {
        let Some(reviews) = &self.reviews else {
            return Reviewed::Fails("no ledger of reviews was given (--ledger FILE)".to_owned());
        };
        let now = self.provenance.decided_at;
        let closed = |r: &&ReviewRow| r.closed_at.is_some() && (every.privileged || r.all_grants);
        let Some(last) = reviews.iter().filter(closed).max_by_key(|r| r.closed_at) else {
            return Reviewed::Fails("no review was closed".to_owned());
        };
        let days = match (now, last.closed_at) {
            (Some(now), Some(closed)) => now.days_since(closed),
            _ => 0,
        };
        if days > every.max_days {
            let why = format!(
                "the last review, {}, was closed {days} days ago; {} are the most",
                last.campaign, every.max_days
            );
            return Reviewed::Fails(why);
        }
        let name = &last.campaign;
        let fails = [
            (last.undecided, format!("review {name} left {} grant(s) undecided", last.undecided)),
            (
                last.overdue,
                format!(
                    "{} grant(s) that review {name} denied or narrowed are there still, or again",
                    last.overdue
                ),
            ),
            (last.expired, format!("{} approval(s) of review {name} are over", last.expired)),
            (last.drifted, format!("{} grant(s) changed since review {name} approved them", last.drifted)),
            // Of an estate that was not read whole, nobody knows what was there.
            (
                if last.complete { last.missed } else { 0 },
                format!(
                    "{} grant(s) were there when review {name} was opened, and are not in it",
                    last.missed
                ),
            ),
        ];
        if let Some((_, why)) = fails.into_iter().find(|(count, _)| *count > 0) {
            return Reviewed::Fails(why);
        }
        let unknown = [
            (
                usize::from(!last.complete),
                format!("review {name} was opened over an estate that was not read whole"),
            ),
            (
                last.unread,
                format!(
                    "of {} grant(s) of review {name} the estate says nothing: it was not read whole",
                    last.unread
                ),
            ),
            (
                last.unproven,
                format!(
                    "the estate was read too early to show what became of {} decision(s) of review {name}",
                    last.unproven
                ),
            ),
        ];
        if let Some((_, why)) = unknown.into_iter().find(|(count, _)| *count > 0) {
            return Reviewed::Unknown(why);
        }
        let which = if last.all_grants { "" } else { "privileged " };
        let mut why = format!(
            "review {} decided {} {which}grant(s), closed {days} days ago",
            last.campaign, last.decided
        );
        if last.late > 0 {
            why.push_str(&format!(", {} of them after the day that they were due on", last.late));
        }
        if last.new > 0 {
            why.push_str(&format!("; {} grant(s) came since and are in no review", last.new));
        }
        Reviewed::Holds(why)
    }
}

/// `cis-azure-6.0` is version `6.0` of `cis-azure`; `nist-800-53-r5` is `r5`.
fn split_version(name: &str) -> (String, String) {
    match name.rsplit_once('-') {
        Some((framework, version)) if version.chars().any(|c| c.is_ascii_digit()) => {
            (framework.to_owned(), version.to_owned())
        }
        _ => (name.to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_rules_look_at_is_counted_once() {
        let thing = |n| (SubjectKind::Assignment, n);
        let found =
            |kind, subjects, findings| Found { kind, subjects, inconclusive: 0, findings, blocked: None };
        let mut sum = Tally::default();
        let first = vec![
            (thing(0), Severity::High, false),
            (thing(1), Severity::Low, false),
            (thing(2), Severity::High, true),
        ];
        sum.add(&found(SubjectKind::Assignment, 10, first), Severity::Medium);
        let second = vec![(thing(0), Severity::Critical, false), (thing(3), Severity::High, true)];
        sum.add(&found(SubjectKind::Assignment, 9, second), Severity::Medium);
        sum.add(&found(SubjectKind::Vault, 4, Vec::new()), Severity::Medium);
        assert_eq!(sum.subjects.values().sum::<usize>(), 14);
        assert_eq!((sum.failed.len(), sum.findings, sum.excepted()), (1, 2, 2));
        assert_eq!(sum.among(&sum.failed), "1 of 10 assignments");
        assert_eq!(sum.looked(), "10 assignments, 4 vaults");
    }
}
