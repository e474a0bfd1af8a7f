//! Ways to more power for a whole estate: the worst of them step by step, and the grants whose removal cuts most.
//! Not here: one identity's ways on their own (`paths`).

use super::paths::{PathRow, path_row};
use crate::graph::{AccessGraph, Escalation};
use crate::rbac::Certainty;

/// The most ways that are told step by step.
const SHOWN: usize = 25;

/// A grant to take away.
#[derive(Clone, Debug)]
pub struct ChokeRow {
    /// Whose.
    pub holder: String,
    /// The role's name.
    pub role: String,
    /// The scope's ARM id.
    pub scope: String,
    /// The assignment's ARM id.
    pub assignment: String,
    /// Ways that are left once it and those before it are gone.
    pub left: usize,
    /// Identities that have one left then.
    pub identities_left: usize,
    /// Percent of all ways that are cut by then.
    pub cut: usize,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct PowerRow {
    /// Ways to places of power, counted as identities times places.
    pub ways: usize,
    /// Identities that have one.
    pub identities: usize,
    /// What to take away, in the order in which it helps most.
    pub chokes: Vec<ChokeRow>,
    /// So many must go at least to cut all.
    pub at_least: usize,
    /// Whether what is left was worked out without them, or only estimated.
    pub exact: bool,
    /// The worst ways, one for each identity.
    pub paths: Vec<PathRow>,
}

/// Works it out. None where no identity gets to more than it holds.
pub fn power_row(graph: &AccessGraph) -> Option<PowerRow> {
    let escalation = Escalation::new(graph);
    let all = escalation.all();
    let identities = graph.identities().rows().iter().zip(all);
    let mut found: Vec<_> = identities
        .filter_map(|(identity, escalates)| Some((identity, escalates.as_ref()?)))
        .filter(|(_, escalates)| escalates.certainty <= Certainty::Medium)
        .collect();
    if found.is_empty() {
        return None;
    }
    let kind = |kind| match kind {
        "directory" => 0,
        "authority" => 1,
        _ => 2,
    };
    // Stable: those that are as bad stay in the order of the identities.
    found.sort_by_key(|(_, e)| (kind(e.worst.kind()), e.certainty, std::cmp::Reverse(e.places)));
    let paths = found.iter().filter_map(|(identity, escalates)| {
        let path = escalation.way(identity, escalates)?;
        Some(path_row(graph, graph.identity_name(identity), &path))
    });
    let chokes = escalation.chokes();
    let total = chokes.ways.max(1);
    let rows = chokes.grants.iter().map(|choke| {
        let grant = &graph.grants()[choke.grant];
        let record = graph.record(grant).map(|r| graph.estate().strings.show_id(r.id));
        ChokeRow {
            holder: graph.party_name(grant.party).to_owned(),
            role: graph.roles()[grant.role].name.clone(),
            scope: graph.text(graph.scopes().nodes()[grant.scope].id).to_owned(),
            assignment: record.unwrap_or_default(),
            left: choke.left,
            identities_left: choke.identities_left,
            cut: (chokes.ways.saturating_sub(choke.left)) * 100 / total,
        }
    });
    Some(PowerRow {
        ways: chokes.ways,
        identities: chokes.identities,
        chokes: rows.collect(),
        at_least: chokes.at_least,
        exact: chokes.exact,
        paths: paths.take(SHOWN).collect(),
    })
}
