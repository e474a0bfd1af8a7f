//! What identities could become before and after: the worst place of power that each gets to beyond what it holds, and how
//! many resources that makes.

use crate::graph::{AccessGraph, Escalation};
use crate::model::Ix;
use crate::rbac::Certainty;
use std::collections::{BTreeMap, BTreeSet};

/// The most identities whose reach is counted: it is a walk for each.
const COUNTED: usize = 500;

/// Where an identity gets to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetsTo {
    /// In words.
    pub words: String,
    /// `authority`, `write` or `directory`.
    pub kind: &'static str,
    /// The ARM id.
    pub id: String,
    /// How sure the way is.
    pub confidence: &'static str,
    /// How many steps it takes.
    pub steps: usize,
}

/// An identity that could become something else than before, or reach more or less.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EscalationChange {
    /// Whose: a name to show.
    pub identity: String,
    /// Its object id.
    pub principal: String,
    /// Where it got to.
    pub before: Option<GetsTo>,
    /// Where it gets to.
    pub after: Option<GetsTo>,
    /// How many resources it could change or get at: with its own grants, and step by step.
    pub reach_before: (u32, u32),
    /// How many it can.
    pub reach_after: (u32, u32),
}

struct Side<'g> {
    graph: &'g AccessGraph,
    escalation: Escalation<'g>,
    by_principal: BTreeMap<String, usize>,
}

impl<'g> Side<'g> {
    fn new(graph: &'g AccessGraph) -> Side<'g> {
        let escalation = Escalation::new(graph);
        let named = graph.identities().iter().filter_map(|(at, identity)| {
            let principal = graph.text(graph.parties()[identity.party?].principal);
            Some((principal.to_ascii_lowercase(), at.index()))
        });
        Side { graph, escalation, by_principal: named.collect() }
    }

    fn gets_to(&self, principal: &str) -> Option<GetsTo> {
        let at = *self.by_principal.get(principal)?;
        let escalates = self.escalation.all().get(at)?.as_ref()?;
        let identity = self.graph.identities().rows().get(at)?;
        let path = self.escalation.way(identity, escalates)?;
        Some(GetsTo {
            words: path.target.words(self.graph),
            kind: path.target.kind(),
            id: path.target.id(self.graph).to_owned(),
            confidence: path.certainty.name(),
            steps: path.steps.len(),
        })
    }

    fn reach(&self, principal: &str) -> (u32, u32) {
        let at = self.by_principal.get(principal).copied();
        let Some(identity) = at.and_then(|at| self.graph.identities().rows().get(at)) else { return (0, 0) };
        let (now, ways) =
            (self.escalation.blast(identity, None), self.escalation.blast(identity, Some(Certainty::Medium)));
        (now.any, ways.any)
    }

    fn name(&self, principal: &str) -> Option<String> {
        let at = *self.by_principal.get(principal)?;
        Some(self.graph.identity_name(&self.graph.identities()[Ix::new(at)]).to_owned())
    }
}

/// Identities whose ways differ, those that get to more first. `changed` are principals whose own grants did.
pub(super) fn escalations(
    before: &AccessGraph,
    after: &AccessGraph,
    changed: &BTreeSet<String>,
) -> Vec<EscalationChange> {
    let (was, is) = (Side::new(before), Side::new(after));
    let everybody: BTreeSet<&String> = was.by_principal.keys().chain(is.by_principal.keys()).collect();
    let mut found = Vec::new();
    let mut counted = 0;
    for principal in everybody {
        let (old, new) = (was.gets_to(principal), is.gets_to(principal));
        let differs = match (&old, &new) {
            (Some(a), Some(b)) => {
                (&a.kind, a.id.to_ascii_lowercase()) != (&b.kind, b.id.to_ascii_lowercase())
            }
            (None, None) => false,
            _ => true,
        };
        if !differs && !changed.contains(principal) {
            continue;
        }
        counted += 1;
        let reach = |side: &Side<'_>| if counted <= COUNTED { side.reach(principal) } else { (0, 0) };
        let (reach_before, reach_after) = (reach(&was), reach(&is));
        if !differs && reach_before == reach_after {
            continue;
        }
        let name = is.name(principal).or_else(|| was.name(principal)).unwrap_or_default();
        found.push(EscalationChange {
            identity: name,
            principal: principal.clone(),
            before: old,
            after: new,
            reach_before,
            reach_after,
        });
    }
    let rank = |to: &Option<GetsTo>| match to.as_ref().map(|t| t.kind) {
        Some("directory") => 3,
        Some("authority") => 2,
        Some(_) => 1,
        None => 0,
    };
    found.sort_by_key(|c| (std::cmp::Reverse(rank(&c.after)), rank(&c.before), c.identity.clone()));
    found
}
