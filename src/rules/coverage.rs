//! What each rule could say, and which gaps stand in its way.

use super::schema::Rule;
use super::set::RuleSet;
use crate::finding::Severity;
use crate::model::{Coverage, Extent, Gap, Instant, Reason, Source, tidy};
use crate::policy::Config;

/// How a rule fared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// It said all that it could.
    Evaluated,
    /// There was nothing for it to look at.
    NotApplicable,
    /// Something that it needs was not read.
    Inconclusive,
    /// It is switched off.
    Disabled,
}

impl Status {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Evaluated => "evaluated",
            Status::NotApplicable => "not-applicable",
            Status::Inconclusive => "inconclusive",
            Status::Disabled => "disabled",
        }
    }
}

/// What came of a rule.
#[derive(Clone, Debug)]
pub struct RuleOutcome {
    /// Its slug.
    pub slug: String,
    /// How it fared.
    pub status: Status,
    /// How many things it looked at.
    pub subjects: usize,
    /// How many findings it gave, whatever became of them.
    pub findings: usize,
    /// For how many things it could not tell.
    pub inconclusive: usize,
    /// What it needs that was not read whole.
    pub needs: Vec<Source>,
}

impl RuleOutcome {
    pub(super) fn new(
        rule: &Rule,
        coverage: &Coverage,
        subjects: usize,
        findings: usize,
        inconclusive: usize,
    ) -> RuleOutcome {
        let needs: Vec<Source> =
            rule.needs.iter().copied().filter(|s| coverage.of(*s) != Extent::Complete).collect();
        let status = if !rule.enabled {
            Status::Disabled
        } else if !needs.is_empty() || inconclusive > 0 {
            Status::Inconclusive
        } else if subjects == 0 {
            Status::NotApplicable
        } else {
            Status::Evaluated
        };
        RuleOutcome { slug: rule.slug().to_owned(), status, subjects, findings, inconclusive, needs }
    }
}

/// A gap with what it means for the answer.
#[derive(Clone, Debug)]
pub struct JudgedGap {
    /// The gap.
    pub gap: Gap,
    /// Whether it could hide a finding that counts.
    pub blocking: bool,
    /// The rules that it makes inconclusive.
    pub rules: Vec<String>,
    /// Why it is accepted, if it is.
    pub accepted: Option<String>,
}

/// Joins gaps with the rules that need what is missing. A gap blocks if one of those can give a finding at or above
/// `threshold`, or if the configuration requires its source.
pub(super) fn judge(
    gaps: Vec<Gap>,
    coverage: &Coverage,
    rules: &RuleSet,
    config: &Config,
    threshold: Severity,
    now: Instant,
) -> Vec<JudgedGap> {
    let mut gaps = gaps;
    for source in &config.require {
        if coverage.of(*source) != Extent::Complete && !gaps.iter().any(|g| g.source == *source) {
            let detail = format!("the configuration requires {}, which were not read whole", source.name());
            gaps.push(Gap::new(*source, "", Reason::NotCollected, detail));
        }
    }
    let judge = |gap: Gap| {
        let hides = gap.reason.can_hide();
        let concerned =
            |r: &&Rule| r.enabled && hides && (gap.source == Source::Files || r.needs.contains(&gap.source));
        let concerned: Vec<&Rule> = rules.iter().filter(concerned).collect();
        let required = hides && config.require.contains(&gap.source);
        let accepted =
            config.accept.iter().find(|a| a.source == gap.source && now < a.until).map(|a| a.reason.clone());
        let blocking = required || concerned.iter().any(|r| r.worst() >= threshold);
        JudgedGap {
            blocking: blocking && accepted.is_none(),
            rules: concerned.iter().map(|r| r.slug().to_owned()).collect(),
            accepted,
            gap,
        }
    };
    tidy(gaps).into_iter().map(judge).collect()
}
