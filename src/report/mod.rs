//! What a run found, as plain rows for whoever draws them: words, numbers, nothing of the domain.
//!
//! Rows are made one at a time while a renderer asks for them, so that a report of a million grants costs no memory
//! of its own. Not here: formats and escaping (`render`).

mod controls;
mod identities;
mod paths;
mod power;
mod remedy;
mod reviews;
mod right_size;
mod rows;
mod sheet;
mod totals;
mod trend;

pub use controls::ControlRow;
pub use identities::{IdentityRow, UseRow};
pub use paths::{BlastRow, GrantRow, OpenRow, PathRow, StepRow, blast_row, open_row, path_row};
pub use power::{ChokeRow, PowerRow, power_row};
pub use remedy::{Remedy, RemedyGrant, RemedyRole, RoleRef};
pub use reviews::ReviewRow;
pub use right_size::{HeldRow, RightSizeRow};
pub use rows::{AssignmentRow, EvidenceRow, FindingRow, GapRow, RuleRow};
pub use sheet::{Sheet, SheetGrant};
pub use totals::{HeatRow, Queue, Totals};
pub use trend::{TrendPoint, TrendRow, TrendRule};

use crate::finding::{Disposition, Severity, SubjectKind};
use crate::graph::AccessGraph;
use crate::model::{FastMap, Instant};
use crate::review::{Diff, Sorted};
use crate::rules::{Judged, RuleSet};
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// Where an estate came from and when it was judged.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// `demo`, `snapshot`, `arm-export`, …
    pub kind: String,
    /// What the user named.
    pub name: String,
    /// When the estate was read.
    pub collected_at: Option<Instant>,
    /// The time that ages are judged at.
    pub judged_at: Option<Instant>,
    /// The time that waivers are judged at.
    pub decided_at: Option<Instant>,
}

/// Distinct things that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Subscriptions.
    pub subscriptions: usize,
    /// User-assigned identities.
    pub identities: usize,
    /// Role assignments, of everyone.
    pub assignments: usize,
    /// Role definitions that came; the catalogue's are not counted.
    pub role_definitions: usize,
    /// Resources.
    pub resources: usize,
}

/// What a change does to a tenant.
#[derive(Debug)]
pub struct Overlay {
    /// Grants and what identities can do.
    pub diff: Diff,
    /// Findings that it ends, and how many it does not touch.
    pub sorted: Sorted,
}

/// A report.
#[derive(Debug)]
pub struct Report<'a> {
    graph: &'a AccessGraph,
    judged: &'a Judged,
    rules: &'a RuleSet,
    /// Where it came from.
    pub provenance: Provenance,
    /// The severity from which a finding decides the verdict.
    pub threshold: Severity,
    /// What a change does to the tenant that it was laid over, if it was.
    pub change: Option<&'a Overlay>,
    /// What a ledger says of reviews, if one was given.
    pub reviews: Option<Vec<ReviewRow>>,
    /// How findings went from run to run, where earlier ones were given.
    pub trend: Option<TrendRow>,
    /// How much identities used of what they held in the run before this one, in percent, by object id.
    pub used_before: HashMap<String, u64>,
    /// Findings that no earlier run had, by fingerprint, where one was given.
    pub fresh: HashSet<String>,
    /// Whether principals of applications are judged too.
    pub workloads: bool,
    /// Ways to more power, where there are any.
    pub power: Option<PowerRow>,
    /// Identities that could do with less, those that take most away first.
    pub right_size: Vec<RightSizeRow>,
    /// What a change adds to the policy that it is judged by, in words: it does not count yet.
    pub proposed: Vec<String>,
    /// Lines of code that open findings are about, by path and line.
    pub excerpts: std::collections::BTreeMap<(String, u64), String>,
    open_by_grant: Vec<u32>,
    open_by_principal: FastMap<&'a str, usize>,
    /// Identities that did not sign in, by their positions in the graph.
    dormant: HashSet<usize>,
    identities: Vec<IdentityRow<'a>>,
    /// Worked out when a renderer asks first, once all else is known.
    controls: OnceLock<Vec<ControlRow>>,
}

impl<'a> Report<'a> {
    /// Puts a run into a report.
    pub fn new(
        graph: &'a AccessGraph,
        judged: &'a Judged,
        rules: &'a RuleSet,
        provenance: Provenance,
        threshold: Severity,
    ) -> Report<'a> {
        let mut open_by_grant = vec![0; graph.grants().len()];
        let mut open_by_principal: HashMap<&str, usize, _> = HashMap::default();
        for finding in judged.findings.iter().filter(|f| f.disposition == Disposition::Open) {
            let on_grant = finding.subject_kind == SubjectKind::Assignment;
            if let Some(slot) = finding.row.filter(|_| on_grant).and_then(|row| open_by_grant.get_mut(row)) {
                *slot += 1;
            }
            if let Some(identity) = &finding.identity {
                let key = identity.principal_id.as_deref().or(identity.id.as_deref());
                *open_by_principal.entry(key.unwrap_or("")).or_default() += 1;
            }
        }
        // An info says only that the logs are too short.
        let quiet =
            |f: &&crate::finding::Finding| f.rule.slug == "dormant-identity" && f.severity > Severity::Info;
        let dormant = judged.findings.iter().filter(quiet).filter_map(|f| f.row).collect();
        let identities = Vec::new();
        let mut report = Report {
            graph,
            judged,
            rules,
            provenance,
            threshold,
            change: None,
            reviews: None,
            trend: None,
            used_before: HashMap::new(),
            fresh: HashSet::new(),
            workloads: false,
            power: None,
            right_size: Vec::new(),
            proposed: Vec::new(),
            excerpts: std::collections::BTreeMap::new(),
            open_by_grant,
            open_by_principal,
            dormant,
            identities,
            controls: OnceLock::new(),
        };
        report.identities = report.all_identities();
        report
    }

    /// The version of this program.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The catalogue that roles were read with: its date and the start of its digest.
    pub fn catalog(&self) -> String {
        let digest: String = self.graph.catalog().digest().chars().take(12).collect();
        format!("{} {digest}", self.graph.catalog().date())
    }

    /// The tenant's id.
    pub fn tenant(&self) -> Option<&str> {
        self.graph.estate().tenant.map(|t| self.graph.text(t))
    }

    /// Which part of the tenant was asked for, in words, where it was not all of it.
    pub fn part(&self) -> Option<&str> {
        self.graph.estate().part.map(|p| self.graph.text(p))
    }

    /// What was read, in numbers.
    pub fn counts(&self) -> Counts {
        let estate = self.graph.estate();
        Counts {
            subscriptions: estate.subscription_count(),
            identities: estate.identities.len(),
            assignments: estate.assignments.len(),
            role_definitions: estate.roles.len(),
            resources: estate.resources.len(),
        }
    }

    /// Whether nothing at all is missing.
    pub fn complete(&self) -> bool {
        self.judged.gaps.is_empty()
    }

    /// Whether something is missing that could hide a finding that counts.
    pub fn blocked(&self) -> bool {
        self.judged.gaps.iter().any(|g| g.blocking)
    }

    /// Whether a finding is one that no earlier run had, where earlier runs were given.
    pub fn is_new(&self, row: &rows::FindingRow<'_>) -> bool {
        self.fresh.contains(row.fingerprint())
    }

    /// `findings`, `incomplete` or `clean`.
    pub fn verdict(&self) -> &'static str {
        let counts =
            |f: &crate::finding::Finding| f.disposition == Disposition::Open && f.severity >= self.threshold;
        if self.judged.findings.iter().any(counts) {
            "findings"
        } else if self.blocked() {
            "incomplete"
        } else {
            "clean"
        }
    }
}
