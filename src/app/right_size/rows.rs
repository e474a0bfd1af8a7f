//! Every identity that could do with less, for reports: those that take most away first.

use super::{activity, topology};
use crate::graph::{AccessGraph, Grant, Identity, Party, Uses};
use crate::model::Ix;
use crate::rbac::{Catalog, Class};
use crate::report::{HeldRow, Remedy, RemedyGrant, RightSizeRow, RoleRef};
use crate::review::Topology;

/// Works it out: from what logs say where an identity did something in them, else from where it runs.
pub(in crate::app) fn rows(graph: &AccessGraph, catalog: &'static Catalog) -> Vec<RightSizeRow> {
    let topology = Topology::new(graph);
    // A log of a few days takes nothing away: jobs may run less often.
    let enough = |uses: &Uses<'_>| uses.days() >= activity::ENOUGH;
    let log = Uses::new(graph).filter(enough).map(|uses| (uses, activity::Places::new(graph, catalog)));
    let mut all = Vec::new();
    for (_, identity) in graph.identities().iter() {
        let Some(party) = identity.party else { continue };
        let own = log.as_ref().map(|(uses, _)| uses.of(identity)).unwrap_or_default();
        let found = match &log {
            Some((uses, places)) if !own.is_empty() => {
                let found = activity::Found::new(places, identity, party, uses, &own);
                let mut removed: Vec<(Class, usize)> = Vec::new();
                for (class, count) in found.places.iter().flat_map(|p| &p.removed) {
                    match removed.iter_mut().find(|(c, _)| c == class) {
                        Some((_, sum)) => *sum = (*sum).max(*count),
                        None => removed.push((*class, *count)),
                    }
                }
                removed.sort_by_key(|(class, _)| std::cmp::Reverse(*class));
                let row = row(graph, identity, "activity", &found.remedy);
                let removed = removed.into_iter().map(|(class, count)| (class.name(), count)).collect();
                let (before, after) = reach(graph, &topology, party, &found);
                RightSizeRow { removed, before, after, ..row }
            }
            _ => {
                let near = topology.near(identity);
                if near.is_empty() {
                    continue;
                }
                let plan = topology::Plan::new(graph, &topology, &near, party);
                if plan.delete().next().is_none() {
                    continue;
                }
                let old = |at| &graph.grants()[at];
                let taken = plan.delete().map(|(at, _)| (old(at), old(at).scope));
                let left = plan.delete().flat_map(|(at, n)| n.scopes.iter().map(move |s| (old(at), *s)));
                let (before, after) = (topology.reached(taken), topology.reached(left));
                RightSizeRow {
                    before,
                    after,
                    ..row(graph, identity, "topology", &plan.remedy(graph, identity))
                }
            }
        };
        if !found.delete.is_empty() {
            all.push((worst(graph, identity), found));
        }
    }
    let taken = |r: &RightSizeRow| {
        r.removed.iter().map(|(_, n)| n).sum::<usize>() + (r.before - r.after.min(r.before))
    };
    all.sort_by(|(a, x), (b, y)| {
        b.cmp(a)
            .then(taken(y).cmp(&taken(x)))
            .then(x.identity.cmp(&y.identity))
            .then(x.principal_id.cmp(&y.principal_id))
    });
    all.into_iter().map(|(_, row)| row).collect()
}

/// How many resources the grants that go apply to, and how many of those lie where something comes instead.
fn reach(
    graph: &AccessGraph,
    topology: &Topology<'_>,
    party: Ix<Party>,
    found: &activity::Found,
) -> (usize, usize) {
    let goes = |at: &Ix<Grant>| {
        let id = graph.record(&graph.grants()[*at]).map(|r| graph.estate().strings.show_id(r.id));
        id.is_some_and(|id| found.remedy.delete.iter().any(|d| d.assignment == id))
    };
    let old: Vec<&Grant> =
        graph.held_by(party).iter().map(|h| h.grant).filter(goes).map(|at| &graph.grants()[at]).collect();
    let within = |grant: &Grant, scope| graph.scopes().contains(grant.scope, scope);
    let new = |grant: &Grant| {
        found.places.iter().map(|p| p.scope).filter(move |s| within(grant, *s)).collect::<Vec<_>>()
    };
    let left = old.iter().flat_map(|grant| new(grant).into_iter().map(|scope| (*grant, scope)));
    (topology.reached(old.iter().map(|grant| (*grant, grant.scope))), topology.reached(left))
}

fn worst(graph: &AccessGraph, identity: &Identity) -> Option<Class> {
    let held = identity.party.map(|party| graph.held_by(party)).unwrap_or_default();
    held.into_iter().filter_map(|h| graph.roles()[graph.grants()[h.grant].role].profile.worst()).max()
}

fn row(graph: &AccessGraph, identity: &Identity, basis: &'static str, remedy: &Remedy) -> RightSizeRow {
    let text = |sym: Option<crate::model::Sym>| sym.map(|s| graph.text(s).to_owned()).unwrap_or_default();
    let held = |grant: &RemedyGrant| HeldRow {
        role: match &grant.role {
            RoleRef::Known(_, name) => name.clone(),
            RoleRef::Made(at) => {
                format!("a custom role: {}", remedy.roles.get(*at).map_or("", |r| r.name.as_str()))
            }
        },
        scope: grant.scope.clone(),
        assignment: grant.assignment.clone(),
    };
    RightSizeRow {
        identity: graph.identity_name(identity).to_owned(),
        identity_id: text(identity.id),
        principal_id: text(identity.party.map(|p| graph.parties()[p].principal)),
        basis,
        create: remedy.create.iter().map(held).collect(),
        delete: remedy.delete.iter().map(held).collect(),
        before: 0,
        after: 0,
        removed: Vec::new(),
    }
}
