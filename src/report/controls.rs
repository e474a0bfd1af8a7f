//! Controls of frameworks: what rules and reviews say of each, for whom, and how far that goes.
//!
//! Not satisfied outweighs inconclusive, that satisfied with exceptions, that satisfied. Only what decides a control can say that it
//! is met; a control about everybody is met in part at most, because users and groups are not judged here.

use super::Report;
use super::reviews::ReviewRow;
use crate::finding::Disposition;
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
    /// How many things its rules looked at.
    pub subjects: usize,
    /// How many open findings.
    pub failed: usize,
    /// How many waived ones.
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

/// What rules found of one control.
#[derive(Default)]
struct Tally {
    subjects: usize,
    failed: usize,
    waived: usize,
    inconclusive: usize,
    /// Rules that could not tell, with what they need.
    blocked: Vec<String>,
}

impl Report<'_> {
    /// Every control whose id was verified, and those that only the user's own rules name, by framework and id.
    pub fn controls(&self) -> Vec<ControlRow> {
        let mut rules: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
        for rule in self.rules.iter().filter(|r| r.enabled) {
            for (framework, control) in &rule.text.controls {
                rules.entry((framework.clone(), control.clone())).or_default().push(rule.slug());
            }
        }
        let tallies = self.tallies();
        let mut rows = Vec::new();
        for framework in Framework::all() {
            let key = framework.key();
            for control in framework.controls.iter().filter(|c| !c.verified.is_empty()) {
                let own = rules.remove(&(key.clone(), control.id.clone())).unwrap_or_default();
                rows.push(self.control(framework, control, &own, &tallies));
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
            rows.push(self.control(&framework, &control, &own, &tallies));
        }
        rows.sort_by(|a, b| {
            (&a.framework, &a.version, &a.control_id).cmp(&(&b.framework, &b.version, &b.control_id))
        });
        rows
    }

    /// What each rule found.
    fn tallies(&self) -> HashMap<&str, Tally> {
        // What is missing, with the command that would bring it.
        let needed = |source: &str| {
            let closes = |g: &&JudgedGap| g.gap.source.name() == source && g.gap.grant.is_some();
            match self.judged.gaps.iter().find(closes).and_then(|g| g.gap.grant.as_ref()) {
                Some(command) => format!("{source}: {command}"),
                None => source.to_owned(),
            }
        };
        let mut all: HashMap<&str, Tally> = HashMap::new();
        // A finding that a stronger one says is no less a failure of its own control.
        for finding in &self.judged.findings {
            let tally = all.entry(finding.rule.slug.as_str()).or_default();
            match finding.disposition {
                Disposition::Waived => tally.waived += 1,
                _ => tally.failed += 1,
            }
        }
        for outcome in &self.judged.rules {
            let tally = all.entry(outcome.slug.as_str()).or_default();
            tally.subjects = outcome.subjects;
            tally.inconclusive = outcome.inconclusive;
            if outcome.status == Status::Inconclusive {
                let needs: Vec<String> = outcome.needs.iter().map(|s| needed(s.name())).collect();
                tally.blocked.push(if needs.is_empty() {
                    outcome.slug.clone()
                } else {
                    format!("{} (needs {})", outcome.slug, needs.join(", "))
                });
            }
        }
        all
    }

    fn control(
        &self,
        framework: &Framework,
        control: &Control,
        rules: &[&str],
        tallies: &HashMap<&str, Tally>,
    ) -> ControlRow {
        let mut sum = Tally::default();
        for tally in rules.iter().filter_map(|slug| tallies.get(slug)) {
            sum.subjects += tally.subjects;
            sum.failed += tally.failed;
            sum.waived += tally.waived;
            sum.inconclusive += tally.inconclusive;
            sum.blocked.extend(tally.blocked.iter().cloned());
        }
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
            subjects: sum.subjects,
            failed: sum.failed,
            waived: sum.waived,
            inconclusive: sum.inconclusive,
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
        review: Option<(bool, String)>,
    ) -> (&'static str, String) {
        if sum.failed > 0 {
            return ("not-satisfied", format!("{} finding(s)", sum.failed));
        }
        match &review {
            Some((false, why)) if self.reviews.is_some() => return ("not-satisfied", why.clone()),
            // Without a ledger nobody can say that there was none.
            Some((false, why)) => return ("manual", why.clone()),
            _ => {}
        }
        if !sum.blocked.is_empty() {
            return ("inconclusive", sum.blocked.join("; "));
        }
        let whom = self.whom(control.population);
        let review = review.map(|(_, why)| why);
        let looked = match (&review, ruleless) {
            (Some(why), true) => why.clone(),
            (Some(why), false) => format!("{why}; {} looked at", sum.subjects),
            (None, _) => format!("{} looked at", sum.subjects),
        };
        if control.automation == Automation::Manual || (ruleless && review.is_none()) {
            return ("manual", "a person concludes it".to_owned());
        }
        if sum.waived > 0 {
            return ("satisfied-with-exceptions", format!("{} waived, {whom}", sum.waived));
        }
        if sum.subjects == 0 && review.is_none() {
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
    fn reviewed(&self, every: ReviewEvery) -> (bool, String) {
        let Some(reviews) = &self.reviews else {
            return (false, "no ledger of reviews was given (--ledger FILE)".to_owned());
        };
        let now = self.provenance.decided_at;
        let closed = |r: &&ReviewRow| r.closed_at.is_some() && (every.privileged || r.all_grants);
        let Some(last) = reviews.iter().filter(closed).max_by_key(|r| r.closed_at) else {
            return (false, "no review was closed".to_owned());
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
            return (false, why);
        }
        if last.undecided > 0 {
            return (false, format!("review {} left {} grant(s) undecided", last.campaign, last.undecided));
        }
        if last.overdue > 0 {
            let why = format!(
                "{} grant(s) that review {} denied or narrowed are there still, or again",
                last.overdue, last.campaign
            );
            return (false, why);
        }
        if last.expired > 0 {
            return (false, format!("{} approval(s) of review {} are over", last.expired, last.campaign));
        }
        if last.drifted > 0 {
            let why =
                format!("{} grant(s) changed since review {} approved them", last.drifted, last.campaign);
            return (false, why);
        }
        let mut why =
            format!("review {} decided {} grant(s), closed {days} days ago", last.campaign, last.decided);
        if last.late > 0 {
            why.push_str(&format!(", {} of them after the day that they were due on", last.late));
        }
        if last.new > 0 {
            why.push_str(&format!("; {} grant(s) came since and are in no review", last.new));
        }
        (true, why)
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
