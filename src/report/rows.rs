//! One row for each finding, grant, gap and rule.

use super::Report;
use crate::finding::Finding;
use crate::graph::{Grant, Held, PartyKind};
use crate::model::{Instant, Ix, PrincipalType};
use crate::rbac::Class;
use std::borrow::Cow;

/// A finding.
#[derive(Clone, Copy, Debug)]
pub struct FindingRow<'a> {
    finding: &'a Finding,
}

/// What a finding rests on.
#[derive(Clone, Copy, Debug)]
pub struct EvidenceRow<'a> {
    /// `assignment`, `group`, `condition`, `host`, `permission`.
    pub kind: &'a str,
    /// In words.
    pub text: &'a str,
    /// An id.
    pub id: Option<&'a str>,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident => |$f:ident| $value:expr;)*) => {
        $($(#[$doc])* pub fn $name(&self) -> &'a str { let $f = self.finding; $value })*
    };
}

macro_rules! optional {
    ($($(#[$doc:meta])* $name:ident => |$f:ident| $value:expr;)*) => {
        $($(#[$doc])* pub fn $name(&self) -> Option<&'a str> { let $f = self.finding; $value })*
    };
}

impl<'a> FindingRow<'a> {
    texts! {
        /// The rule's slug.
        rule => |f| &f.rule.slug;
        /// The rule's title.
        title => |f| &f.rule.title;
        /// What to do.
        fix => |f| &f.rule.fix;
        /// How bad.
        severity => |f| f.severity.name();
        /// How sure.
        confidence => |f| f.confidence.name();
        /// What became of it.
        disposition => |f| f.disposition.name();
        /// One sentence with the facts.
        message => |f| &f.message;
        /// What kind of thing it is about.
        subject_kind => |f| f.subject_kind.name();
        /// Which one.
        subject => |f| &f.subject;
        /// What it is known by from run to run.
        fingerprint => |f| &f.fingerprint;
    }
    optional! {
        /// The identity's name.
        identity => |f| f.identity.as_deref().map(|i| i.name.as_str());
        /// The identity's ARM id.
        identity_id => |f| f.identity.as_deref().and_then(|i| i.id.as_deref());
        /// The identity's object id.
        principal_id => |f| f.identity.as_deref().and_then(|i| i.principal_id.as_deref());
        /// The identity's kind.
        identity_kind => |f| f.identity.as_deref().map(|i| i.kind.as_str());
        /// Who answers for the identity.
        owner => |f| f.identity.as_deref().and_then(|i| i.owner.as_deref());
        /// The identity's environment.
        environment => |f| f.identity.as_deref().and_then(|i| i.environment.as_deref());
        /// The role's name.
        role => |f| f.role.as_deref().map(|r| r.0.as_str());
        /// The role's GUID.
        role_id => |f| f.role.as_deref().map(|r| r.1.as_str());
        /// The scope.
        scope => |f| f.place.as_deref().map(|p| p.scope.as_str());
        /// The scope's level.
        scope_level => |f| f.place.as_deref().map(|p| p.level);
        /// The subscription's id.
        subscription => |f| f.place.as_deref().and_then(|p| p.subscription.as_deref());
        /// The waiver that accepts it.
        waiver => |f| f.waiver.as_deref();
        /// When it was first seen.
        first_seen => |f| f.first_seen.as_deref();
    }

    /// Whether it is as bad as this, or worse.
    pub fn reaches(&self, severity: crate::finding::Severity) -> bool {
        self.finding.severity >= severity
    }

    /// Where in the user's files: path, line, column.
    pub fn location(&self) -> Option<(&'a str, u64, u64)> {
        self.finding.location.as_ref().map(|l| (l.path.as_str(), l.line, l.column))
    }

    /// What it rests on.
    pub fn evidence(&self) -> impl Iterator<Item = EvidenceRow<'a>> {
        let finding = self.finding;
        finding.evidence.iter().map(|e| EvidenceRow { kind: e.kind, text: &e.text, id: e.id.as_deref() })
    }

    /// Commands that would fix it.
    pub fn commands(&self) -> &'a [String] {
        &self.finding.commands
    }

    /// `(framework, control)`.
    pub fn controls(&self) -> &'a [(String, String)] {
        &self.finding.rule.controls
    }

    /// Rules that say it more strongly.
    pub fn related(&self) -> &'a [String] {
        &self.finding.related
    }
}

/// A grant.
#[derive(Clone, Debug)]
pub struct AssignmentRow<'a> {
    /// The assignment's ARM id, in two pieces: before and behind its last `/`.
    pub assignment_id: (&'a str, &'a str),
    /// Who holds it, by name.
    pub identity: &'a str,
    /// The identity's ARM id.
    pub identity_id: &'a str,
    /// By object id.
    pub principal_id: &'a str,
    /// What Azure says that is.
    pub principal_type: &'a str,
    /// `direct`, or `group:` with the groups between.
    pub via: Cow<'a, str>,
    /// The role's name.
    pub role: &'a str,
    /// The role's GUID.
    pub role_id: &'a str,
    /// `built-in` or `custom`.
    pub role_kind: &'a str,
    /// The scope.
    pub scope: &'a str,
    /// The scope's level.
    pub scope_level: &'a str,
    /// The subscription's id.
    pub subscription: &'a str,
    /// The condition.
    pub condition: &'a str,
    /// `active`, `time-bound` or `eligible`.
    pub state: &'a str,
    /// When it was made.
    pub created_on: Option<Instant>,
    /// Who made it, by object id.
    pub created_by: &'a str,
    /// The worst class of operations that it gives.
    pub risk: &'a str,
    /// Open findings on it.
    pub findings: usize,
    /// What somebody wrote about it.
    pub description: &'a str,
    /// Position of the identity among the report's identities, if rules judge it.
    pub identity_row: Option<usize>,
}

/// Something that is missing.
#[derive(Clone, Debug)]
pub struct GapRow<'a> {
    /// Which kind of data.
    pub source: &'a str,
    /// Where in Azure.
    pub scope: &'a str,
    /// Why.
    pub reason: &'a str,
    /// In words.
    pub detail: Cow<'a, str>,
    /// Whether it could hide a finding that counts.
    pub blocking: bool,
    /// Whether somebody accepted it.
    pub accepted: bool,
    /// The rules that it makes inconclusive.
    pub rules: &'a [String],
    /// Path, line and column.
    pub location: Option<(&'a str, u64, u64)>,
    /// The command that would close it.
    pub grant: Option<&'a str>,
    /// How many identical ones.
    pub count: u64,
}

/// How a rule fared.
#[derive(Clone, Debug)]
pub struct RuleRow<'a> {
    /// Its slug.
    pub rule: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its severity where nothing else is said.
    pub severity: &'a str,
    /// What it flags.
    pub what: &'a str,
    /// Why that is bad.
    pub why: &'a str,
    /// `evaluated`, `not-applicable`, `inconclusive`, `disabled`.
    pub status: &'a str,
    /// How many things it looked at.
    pub subjects: usize,
    /// How many findings it gave.
    pub findings: usize,
    /// For how many things it could not tell.
    pub inconclusive: usize,
    /// What it needs that was not read whole.
    pub needs: Vec<&'a str>,
}

impl<'a> Report<'a> {
    /// Every finding, worst first.
    pub fn findings(&self) -> impl ExactSizeIterator<Item = FindingRow<'a>> + use<'a> {
        self.judged.findings.iter().map(|finding| FindingRow { finding })
    }

    /// Every gap.
    pub fn gaps(&self) -> impl ExactSizeIterator<Item = GapRow<'a>> + use<'a> {
        self.judged.gaps.iter().map(|judged| GapRow {
            source: judged.gap.source.name(),
            scope: &judged.gap.scope,
            reason: judged.gap.reason.name(),
            accepted: judged.accepted.is_some(),
            detail: match &judged.accepted {
                Some(reason) => format!("{} (accepted: {reason})", judged.gap.detail).into(),
                None => judged.gap.detail.as_str().into(),
            },
            blocking: judged.blocking,
            rules: &judged.rules,
            location: judged.gap.location.as_ref().map(|l| (l.path.as_str(), l.line, l.column)),
            grant: judged.gap.grant.as_deref(),
            count: judged.gap.count,
        })
    }

    /// Every rule.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = RuleRow<'a>> + use<'a> {
        let rules = self.rules;
        self.judged.rules.iter().map(move |outcome| RuleRow {
            rule: &outcome.slug,
            title: rules.get(&outcome.slug).map_or("", |r| r.text.title.as_str()),
            severity: rules.get(&outcome.slug).map_or("", |r| r.severity.name()),
            what: rules.get(&outcome.slug).map_or("", |r| r.what.as_str()),
            why: rules.get(&outcome.slug).map_or("", |r| r.why.as_str()),
            status: outcome.status.name(),
            subjects: outcome.subjects,
            findings: outcome.findings,
            inconclusive: outcome.inconclusive,
            needs: outcome.needs.iter().map(|s| s.name()).collect(),
        })
    }

    /// Every grant of everyone, in the order of its record, and behind them those that identities hold through
    /// groups.
    pub fn assignments(&self) -> impl Iterator<Item = AssignmentRow<'a>> + '_ {
        let direct = self.graph.grants().iter().map(|(at, _)| self.assignment(at, None));
        let groups = !self.graph.estate().groups.is_empty();
        let through =
            self.graph.identities().iter().filter(move |_| groups).flat_map(move |(at, identity)| {
                let judged =
                    self.judged.identities.get(at.index()).is_some_and(|i| i.judged && i.group_grants > 0);
                let held = identity.party.filter(|_| judged).map(|p| (p, self.graph.held_by(p)));
                held.into_iter().flat_map(move |(party, held)| {
                    let through = held.into_iter().filter(|h| !h.via.is_empty());
                    through.map(move |h| self.assignment(h.grant, Some((party, &h)))).collect::<Vec<_>>()
                })
            });
        direct.chain(through)
    }

    /// Grants that code declares and that the change does not leave as they were, each with its file and line.
    pub fn declared_grants(&self) -> impl Iterator<Item = (AssignmentRow<'a>, Option<(&'a str, u64)>)> + '_ {
        let graph = self.graph;
        graph.grants().iter().filter_map(move |(at, grant)| {
            let id = graph.estate().strings.show_id(graph.record(grant)?.id).to_ascii_lowercase();
            let declared = graph.estate().declarations.get(&id).filter(|d| !d.kept)?;
            let place = declared.location.as_ref().map(|l| (l.path.as_str(), l.line));
            Some((self.assignment(at, None), place))
        })
    }

    fn assignment(&self, at: Ix<Grant>, held: Option<(Ix<crate::graph::Party>, &Held)>) -> AssignmentRow<'a> {
        let graph = self.graph;
        let grant = &graph.grants()[at];
        let party_at = held.map_or(grant.party, |(party, _)| party);
        let party = &graph.parties()[party_at];
        let record = graph.record(grant);
        let node = &graph.scopes().nodes()[grant.scope];
        let role = &graph.roles()[grant.role];
        let assignment_id = record.map_or(("", ""), |r| (graph.text(r.id.dir), graph.text(r.id.name)));
        let identity = party.identity.map(|at| (at, &graph.identities()[at]));
        let via: Cow<'a, str> = match held {
            None => "direct".into(),
            Some((_, held)) => {
                let names: Vec<&str> = held.via.iter().map(|g| graph.party_name(*g)).collect();
                format!("group:{}", names.join(" > ")).into()
            }
        };
        AssignmentRow {
            findings: self.open_by_grant.get(at.index()).map_or(0, |n| *n as usize),
            assignment_id,
            identity: graph.party_name(party_at),
            identity_id: identity.and_then(|(_, i)| i.id).map_or("", |id| graph.text(id)),
            principal_id: graph.text(party.principal),
            principal_type: match (party.kind, record.map(|r| r.principal_type)) {
                (PartyKind::ManagedIdentity, _) => "ServicePrincipal",
                (_, Some(PrincipalType::Other(name))) => graph.text(name),
                (PartyKind::User, _) => "User",
                (PartyKind::Group, _) => "Group",
                (_, Some(PrincipalType::Absent) | None) => "",
                _ => "ServicePrincipal",
            },
            via,
            role: &role.name,
            role_id: &role.key,
            role_kind: role.kind.name(),
            scope: graph.text(node.id),
            scope_level: node.level.name(),
            subscription: node
                .subscription
                .map_or("", |s| crate::model::role_key(graph.text(graph.scopes().nodes()[s].id))),
            condition: graph.condition(grant).map_or("", |c| graph.text(c.text)),
            state: grant.state.name(),
            created_on: record.and_then(|r| r.created_on),
            created_by: record.and_then(|r| r.created_by).map_or("", |by| graph.text(by)),
            risk: if role.defined { role.profile.worst().map_or("none", Class::name) } else { "unknown" },
            description: record.and_then(|r| r.description).map_or("", |d| graph.text(d)),
            identity_row: identity.map(|(at, _)| at.index()),
        }
    }
}
