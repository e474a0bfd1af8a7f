//! One row for each identity that rules judge.

use super::Report;
use crate::graph::{Identity, IdentityKind};
use crate::model::{Extent, Ix, Level, Source};
use crate::policy::Verdict;
use crate::rules::{IdentityFacts, UseIndex};

/// An identity.
#[derive(Clone, Debug)]
pub struct IdentityRow<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind.
    pub kind: &'a str,
    /// Its ARM id, or its host's.
    pub id: &'a str,
    /// Its object id.
    pub principal_id: &'a str,
    /// Its application id.
    pub client_id: &'a str,
    /// Its subscription's id.
    pub subscription: &'a str,
    /// Its resource group.
    pub resource_group: &'a str,
    /// Its environment.
    pub environment: &'a str,
    /// Who answers for it.
    pub owner: &'a str,
    /// How many resources need it.
    pub hosts: usize,
    /// Which, by id.
    pub host_names: Vec<&'a str>,
    /// How many federated credentials it has.
    pub federated_credentials: usize,
    /// How many grants it holds.
    pub grants: usize,
    /// How many of them through groups.
    pub groups: usize,
    /// The worst class of operations that it holds.
    pub highest_risk: &'a str,
    /// All classes.
    pub classes: &'a [String],
    /// When it last got a token.
    pub last_activity: &'a str,
    /// Who says so.
    pub last_activity_source: &'a str,
    /// How often it asked for a token and got none, where sign-in logs say.
    pub refused_tokens: Option<u64>,
    /// `used`, `dormant`, `unused` or `inconclusive`.
    pub unused_verdict: &'a str,
    /// `fits`, `fails`, `exempt` or `not-judged`.
    pub name_verdict: &'a str,
    /// Open findings.
    pub findings: usize,
    /// `key=value` pairs.
    pub tags: Vec<(&'a str, &'a str)>,
    /// Whether its ways to more power were looked for.
    pub ways_known: bool,
    /// The worst place of power that it gets to step by step and does not hold; empty if there is none, or no rule asked.
    pub escalates_to: &'a str,
    /// In how many steps.
    pub escalation_steps: usize,
    /// How sure the way is.
    pub escalation_confidence: &'a str,
    /// How much of what it holds it used, where a log says.
    pub use_index: Option<UseIndex>,
    /// Whether the configuration calls it a platform identity.
    pub platform: bool,
    /// Its position in the graph.
    pub row: usize,
}

impl<'a> Report<'a> {
    /// Every identity that rules judge, by id.
    pub fn identities(&self) -> &[IdentityRow<'a>] {
        &self.identities
    }

    pub(super) fn all_identities(&self) -> Vec<IdentityRow<'a>> {
        let judged = self.graph.identities().iter().filter_map(|(at, identity)| {
            let facts = self.judged.identities.get(at.index()).filter(|f| f.judged)?;
            Some(self.identity(at, identity, facts))
        });
        let mut rows: Vec<IdentityRow<'a>> = judged.collect();
        rows.sort_by(|a, b| {
            (crate::model::cmp_folded(a.id, b.id))
                .then_with(|| crate::model::cmp_folded(a.principal_id, b.principal_id))
                .then_with(|| a.kind.cmp(b.kind))
        });
        rows
    }

    /// The row of one identity.
    pub fn identity(
        &self,
        at: Ix<Identity>,
        identity: &'a Identity,
        facts: &'a IdentityFacts,
    ) -> IdentityRow<'a> {
        let graph = self.graph;
        let estate = graph.estate();
        let text = |sym: Option<crate::model::Sym>| sym.map_or("", |s| graph.text(s));
        let principal = identity.party.map(|p| graph.parties()[p].principal);
        let node = |level: Level| {
            let mut up = identity.scope.into_iter().flat_map(|s| graph.scopes().up(s));
            up.find(|s| graph.scopes().nodes()[*s].level == level)
                .map_or("", |s| crate::model::role_key(graph.text(graph.scopes().nodes()[s].id)))
        };
        let key = principal.or(identity.id).map_or("", |s| graph.text(s));
        IdentityRow {
            name: graph.identity_name(identity),
            kind: identity.kind.name(),
            id: text(identity.id),
            principal_id: text(principal),
            client_id: text(identity.client),
            subscription: node(Level::Subscription),
            resource_group: node(Level::ResourceGroup),
            environment: facts.environment.as_deref().unwrap_or(""),
            owner: facts.owner.as_deref().unwrap_or(""),
            hosts: identity.hosts.len(),
            host_names: identity.hosts.iter().map(|h| graph.text(h.id)).collect(),
            federated_credentials: identity.federated.len(),
            grants: facts.grants,
            groups: facts.group_grants,
            highest_risk: facts.classes.iter().next_back().map_or("none", |c| c.name()),
            classes: &facts.class_names,
            last_activity: facts.last_sign_in.as_deref().unwrap_or(""),
            last_activity_source: if facts.last_sign_in.is_some() { "sign-ins" } else { "" },
            refused_tokens: facts.refused_tokens,
            unused_verdict: self.unused(at, identity, facts),
            ways_known: facts.ways_known,
            escalates_to: &facts.escalates_to,
            escalation_steps: facts.escalation_steps,
            escalation_confidence: facts.escalation_confidence,
            name_verdict: match &facts.naming {
                Some(Verdict::Fits) => "fits",
                Some(Verdict::Exempt) => "exempt",
                Some(Verdict::Fails { .. }) => "fails",
                None => "not-judged",
            },
            findings: self.open_by_principal.get(key).copied().unwrap_or(0),
            tags: estate
                .tags
                .pairs(identity.tags)
                .iter()
                .map(|(k, v)| (graph.text(*k), graph.text(*v)))
                .collect(),
            use_index: facts.use_index,
            platform: facts.platform,
            row: at.index(),
        }
    }

    /// The ladder of evidence: no host, no trust from outside and no sign-in, where all was read, means unused; whoever did
    /// not sign in while the logs covered the window is dormant, whatever runs as it; a host, a trust or a sign-in means
    /// used; else nobody knows.
    fn unused(&self, at: Ix<Identity>, identity: &Identity, facts: &IdentityFacts) -> &'static str {
        let coverage = &self.graph.estate().coverage;
        let read = |s| coverage.of(s) == Extent::Complete;
        let recent = facts.last_sign_in.is_some();
        let anything = !identity.hosts.is_empty() || !identity.federated.is_empty() || recent;
        let searched = read(Source::Resources) && read(Source::FederatedCredentials);
        match (anything, self.dormant.contains(&at.index())) {
            (false, _) if searched && identity.kind == IdentityKind::UserAssigned => "unused",
            (_, true) => "dormant",
            (true, false) => "used",
            (false, false) => "inconclusive",
        }
    }
}

/// How much of what all identities hold they used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UseRow {
    /// In percent, weighed as for one.
    pub percent: u64,
    /// In days, what the log covers.
    pub days: i64,
}

impl Report<'_> {
    /// How much of what all identities hold they used; none without an activity log.
    pub fn use_row(&self) -> Option<UseRow> {
        let mut sum: Option<UseIndex> = None;
        for index in self.identities.iter().filter_map(|i| i.use_index) {
            let all = sum.get_or_insert(UseIndex { days: index.days, ..UseIndex::default() });
            all.granted += index.granted;
            all.used += index.used;
        }
        sum.map(|s| UseRow { percent: s.percent(), days: s.days })
    }
}
