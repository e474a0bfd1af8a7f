//! From where things are: what a grant at a wide scope is moved to, and what another grant gives there already.

use super::{direct, grant};
use crate::graph::{AccessGraph, Identity, Party};
use crate::model::{GrantState, Ix};
use crate::report::{Remedy, RemedyGrant};
use crate::review::Topology;
use std::collections::BTreeSet;

/// One grant, and what stands for it.
pub(super) struct Narrowed {
    pub(super) grant: RemedyGrant,
    /// Resources that it applies to.
    pub(super) applies_to: usize,
    /// Those beside the hosts.
    pub(super) near: usize,
    /// The scopes that are enough; empty where nothing is said.
    pub(super) scopes: Vec<String>,
    /// Why it is kept as it is, or what the new scopes rest on.
    pub(super) why: &'static str,
}

/// What was found.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) grants: Vec<Narrowed>,
    pub(super) remedy: Remedy,
    /// Whether it is known where it runs.
    runs: bool,
}

impl Found {
    pub(super) fn new(graph: &AccessGraph, from: &Identity, party: Ix<Party>) -> Found {
        let topology = Topology::new(graph);
        let near = topology.near(from);
        let name = graph.identity_name(from).to_owned();
        let mut found = Found {
            remedy: Remedy { identity: name.clone(), ..Remedy::default() },
            name,
            grants: Vec::new(),
            runs: !near.is_empty(),
        };
        let held = graph.held_by(party).into_iter().filter(|h| h.via.is_empty());
        for at in held.map(|h| h.grant).filter(|g| graph.grants()[*g].state != GrantState::Eligible) {
            let Some(old) = grant(graph, at) else { continue };
            let narrowed = topology.narrow(&graph.grants()[at], &near);
            let text = |scope: &Ix<_>| graph.text(graph.scopes().nodes()[*scope].id).to_owned();
            let scopes: Vec<String> = narrowed.scopes.iter().map(text).collect();
            if !scopes.is_empty() {
                found.remedy.delete.push(old.clone());
                found.remedy.create.extend(scopes.iter().map(|scope| RemedyGrant {
                    assignment: String::new(),
                    scope: scope.clone(),
                    ..old.clone()
                }));
            }
            let applies_to = topology.applies_to(&graph.grants()[at]);
            let (near, why) = (narrowed.near, narrowed.why);
            found.grants.push(Narrowed { grant: old, applies_to, near, scopes, why });
        }
        found.without_what_is_there(&direct(graph, from));
        found
    }

    /// A narrow grant that is there does for the new one.
    fn without_what_is_there(&mut self, held: &[RemedyGrant]) {
        let stays: Vec<&RemedyGrant> = held.iter().filter(|h| !self.remedy.delete.contains(h)).collect();
        let does = |stays: &RemedyGrant, new: &RemedyGrant| {
            let (outer, inner) = (stays.scope.to_ascii_lowercase(), new.scope.to_ascii_lowercase());
            let within = inner == outer || inner.starts_with(&format!("{}/", outer.trim_end_matches('/')));
            stays.role == new.role
                && within
                && (stays.condition.is_none() || stays.condition == new.condition)
        };
        self.remedy.create.retain(|new| !stays.iter().any(|s| does(s, new)));
        let mut seen = BTreeSet::new();
        self.remedy.create.retain(|new| seen.insert(new.clone()));
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let note = if self.runs {
            "from where things are alone: it is taken to use what lies in the resource groups of its hosts; logs given with --activity PATH say what it does"
        } else {
            "no host of it is known, so nothing is said of scopes: give the activity log with --activity PATH"
        };
        vec![note.to_owned()]
    }
}
