//! What identities can do more, or less: operations by the harm that they do, at the scopes where grants changed.
//!
//! Groups count, eligible grants and denies do not: what is said to be gained is at most that. Not here: paths to other
//! identities.

use super::diff::{GrantChange, by_principal, is_above};
use crate::graph::{AccessGraph, Identity, Party};
use crate::model::{GrantState, Ix, Plane};
use crate::rbac::{Class, OpSet, classify};
use std::collections::{BTreeMap, BTreeSet};

/// Operations that are named of one class.
const NAMED: usize = 5;

/// What is gained or lost at a scope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Power {
    /// The harm, by name.
    pub class: &'static str,
    /// Where.
    pub scope: String,
    /// How many operations of the class.
    pub count: usize,
    /// A few of them.
    pub operations: Vec<String>,
}

/// An identity that is new, gone, or can do more or less.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityChange {
    /// Its name.
    pub name: String,
    /// Its object id, or what stands for it.
    pub principal: String,
    /// Its kind.
    pub kind: &'static str,
    /// `new`, `gone` or `changed`.
    pub change: &'static str,
    /// What it can do more, the worst first.
    pub gained: Vec<Power>,
    /// What it can do no more.
    pub lost: Vec<Power>,
}

/// Identities with the object ids that they are known by.
fn identities(graph: &AccessGraph) -> BTreeMap<String, Ix<Identity>> {
    let known = graph.identities().iter().filter_map(|(at, identity)| {
        let party = identity.party?;
        Some((graph.text(graph.parties()[party].principal).to_ascii_lowercase(), at))
    });
    known.collect()
}

/// Identities that changed, by name.
pub(super) fn powers(
    before: &AccessGraph,
    after: &AccessGraph,
    grants: &[GrantChange],
) -> Vec<IdentityChange> {
    let (old, new) = (identities(before), identities(after));
    let mut touched: BTreeSet<String> = BTreeSet::new();
    let mut scopes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (principal, changed) in by_principal(grants) {
        let places: BTreeSet<String> = changed
            .iter()
            .flat_map(|g| std::iter::once(&g.scope).chain(g.was.as_ref().map(|(_, scope)| scope)))
            .map(|s| s.to_ascii_lowercase())
            .collect();
        // A group's grants are those of its members.
        let members = [before, after].into_iter().flat_map(|graph| members_of(graph, &principal));
        for one in std::iter::once(principal.clone()).chain(members) {
            scopes.entry(one.clone()).or_default().extend(places.iter().cloned());
            touched.insert(one);
        }
    }
    // Whoever joins or leaves a group gains or loses what that holds.
    for (member, places) in moved(before, after) {
        scopes.entry(member.clone()).or_default().extend(places);
        touched.insert(member);
    }
    touched.extend(old.keys().filter(|p| !new.contains_key(*p)).cloned());
    touched.extend(new.keys().filter(|p| !old.contains_key(*p)).cloned());
    let mut all = Vec::new();
    for principal in touched {
        let (was, is) = (old.get(&principal), new.get(&principal));
        let (graph, at) = match (was, is) {
            (_, Some(at)) => (after, *at),
            (Some(at), None) => (before, *at),
            (None, None) => continue,
        };
        let identity = &graph.identities()[at];
        let places = scopes.get(&principal).cloned().unwrap_or_default();
        let (gained, lost) =
            (gain(before, after, &principal, &places), gain(after, before, &principal, &places));
        let change = match (was, is) {
            (None, _) => "new",
            (_, None) => "gone",
            _ => "changed",
        };
        all.push(IdentityChange {
            name: graph.identity_name(identity).to_owned(),
            principal: identity
                .party
                .map_or(principal, |p| graph.text(graph.parties()[p].principal).to_owned()),
            kind: identity.kind.name(),
            change,
            gained,
            lost,
        });
    }
    all.sort_by(|a, b| (&a.name, &a.principal).cmp(&(&b.name, &b.principal)));
    all
}

/// Everyone whose groups differ, with the scopes at which those hold something.
fn moved(before: &AccessGraph, after: &AccessGraph) -> BTreeMap<String, BTreeSet<String>> {
    let members = |graph: &AccessGraph| -> BTreeMap<String, BTreeSet<String>> {
        let text = |sym| graph.text(sym).to_ascii_lowercase();
        let groups = graph.estate().groups.iter();
        groups.map(|g| (text(g.id), g.members.iter().map(|m| text(*m)).collect())).collect()
    };
    let (old, new) = (members(before), members(after));
    let none = BTreeSet::new();
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let groups: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for group in groups {
        let (was, is) = (old.get(group).unwrap_or(&none), new.get(group).unwrap_or(&none));
        let changed: BTreeSet<&String> = was.symmetric_difference(is).collect();
        if changed.is_empty() {
            continue;
        }
        let held = [before, after].into_iter().filter_map(|graph| Some((graph, party(graph, group)?)));
        let places: BTreeSet<String> = held
            .flat_map(|(graph, at)| {
                let held = graph.held_by(at).into_iter();
                held.map(|way| {
                    graph
                        .text(graph.scopes().nodes()[graph.grants()[way.grant].scope].id)
                        .to_ascii_lowercase()
                })
            })
            .collect();
        for member in changed {
            let inside = [before, after].into_iter().flat_map(|graph| members_of(graph, member));
            for one in std::iter::once(member.clone()).chain(inside) {
                all.entry(one).or_default().extend(places.iter().cloned());
            }
        }
    }
    all
}

fn party(graph: &AccessGraph, principal: &str) -> Option<Ix<Party>> {
    graph.estate().strings.find(principal).and_then(|s| graph.party_of(s))
}

/// The object ids of those who hold what a group holds.
fn members_of(graph: &AccessGraph, principal: &str) -> Vec<String> {
    let Some(at) = party(graph, principal) else { return Vec::new() };
    let all = graph.holders_of(at);
    all.into_iter().map(|p| graph.text(graph.parties()[p].principal).to_ascii_lowercase()).collect()
}

/// What `to` lets a principal do at some scopes that `from` did not, the widest scope first.
fn gain(from: &AccessGraph, to: &AccessGraph, principal: &str, scopes: &BTreeSet<String>) -> Vec<Power> {
    let mut places: Vec<&String> = scopes.iter().collect();
    places.sort_by_key(|s| (s.matches('/').count(), s.as_str().to_owned()));
    let mut said: Vec<(&String, OpSet)> = Vec::new();
    let mut all = Vec::new();
    for place in places {
        let mut more = held(to, principal, place);
        more.subtract(&held(from, principal, place));
        // What is gained above is gained here, too.
        for (above, known) in &said {
            if is_above(above, place) {
                more.subtract(known);
            }
        }
        all.extend(classed(to, &more, place));
        said.push((place, more));
    }
    all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.scope.cmp(&b.1.scope)));
    all.into_iter().map(|(_, power)| power).collect()
}

/// Everything that grants in force give a principal at a scope.
fn held(graph: &AccessGraph, principal: &str, scope: &str) -> OpSet {
    let mut all = OpSet::new();
    let Some(at) = party(graph, principal) else { return all };
    for way in graph.held_by(at) {
        let grant = &graph.grants()[way.grant];
        if grant.state != GrantState::Eligible && graph.reaches(grant, scope) {
            all.union(&graph.roles()[grant.role].compiled.most);
        }
    }
    all
}

fn classed(graph: &AccessGraph, set: &OpSet, scope: &str) -> Vec<(Class, Power)> {
    let operations = graph.catalog().operations();
    let mut by_class: BTreeMap<Class, (usize, Vec<String>)> = BTreeMap::new();
    for plane in Plane::ALL {
        for at in set.iter(plane) {
            let name = operations.name(plane, at);
            let (count, named) = by_class.entry(classify(plane, name)).or_default();
            *count += 1;
            if named.len() < NAMED {
                named.push(name.to_owned());
            }
        }
    }
    let shown = graph.estate().strings.find(scope).map_or(scope, |s| graph.text(s));
    let power = |(class, (count, operations)): (Class, (usize, Vec<String>))| {
        (class, Power { class: class.name(), scope: shown.to_owned(), count, operations })
    };
    by_class.into_iter().map(power).collect()
}
