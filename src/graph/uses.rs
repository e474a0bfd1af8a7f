//! What logs say that was done, joined with the graph: by identity, and how far the activity log reaches.
//!
//! Not here: what was not used (`rules`), and what would be enough (`app::right_size`).

use super::parties::Identity;
use super::scopes::ScopeNode;
use super::{AccessGraph, Grant};
use crate::model::{Ix, Scope, Sym, Usage, UsageLog};
use std::collections::{BTreeSet, HashMap, HashSet};

/// An estate's logs of use.
#[derive(Debug)]
pub struct Uses<'g> {
    graph: &'g AccessGraph,
    log: &'g UsageLog,
    /// By the principal's id in lower case.
    by_principal: HashMap<String, Vec<&'g Usage>>,
    /// Subscriptions in which anybody did anything on the control plane: those that the activity log is of. A log of one
    /// vault says nothing of its subscription.
    covered: BTreeSet<Ix<ScopeNode>>,
    /// By provider in lower case, and by scope: whether the own logs of all its resources there were given.
    logged: HashMap<String, HashMap<Ix<ScopeNode>, bool>>,
}

impl<'g> Uses<'g> {
    /// The logs that were given, if any were.
    pub fn new(graph: &'g AccessGraph) -> Option<Uses<'g>> {
        let estate = graph.estate();
        let log = estate.usage.as_ref()?;
        let mut by_principal: HashMap<String, Vec<&Usage>> = HashMap::new();
        let (mut covered, mut logged, mut seen) = (BTreeSet::new(), BTreeSet::new(), HashSet::new());
        for row in &log.rows {
            by_principal.entry(graph.text(row.principal).to_ascii_lowercase()).or_default().push(row);
            if !seen.insert((row.data, row.scope)) {
                continue;
            }
            if row.data {
                logged.insert(estate.strings.class(row.scope));
                continue;
            }
            let subscription = Scope::parse(graph.text(row.scope)).and_then(|s| s.subscription);
            let id = subscription.map(|s| format!("/subscriptions/{s}"));
            covered.extend(id.and_then(|id| graph.scopes().find(estate, estate.strings.find(&id)?)));
        }
        let logged = if logged.is_empty() { HashMap::new() } else { resources_logged(graph, &logged) };
        Some(Uses { graph, log, by_principal, covered, logged })
    }

    /// What an identity did, tried or failed at. Logs name it by its object id or its application's.
    pub fn of(&self, identity: &Identity) -> Vec<&'g Usage> {
        let principal = identity.party.map(|p| self.graph.parties()[p].principal);
        let ids = [principal, identity.client].into_iter().flatten();
        let rows = ids.filter_map(|id| self.by_principal.get(&self.graph.text(id).to_ascii_lowercase()));
        rows.flatten().copied().collect()
    }

    /// Whether the activity log is of all that a grant reaches: elsewhere, that nothing is in it says nothing.
    pub fn covers(&self, grant: &Grant) -> bool {
        let scopes = self.graph.scopes();
        if let Some(subscription) = scopes.nodes()[grant.scope].subscription {
            return self.covered.contains(&subscription);
        }
        let estate = self.graph.estate();
        let below = estate.subscriptions.iter().filter_map(|s| scopes.find(estate, s.id));
        let mut below = below.filter(|s| scopes.contains(grant.scope, *s)).peekable();
        below.peek().is_some() && below.all(|s| self.covered.contains(&s))
    }

    /// Whether there are logs of all that a grant reaches of these providers' resources: those of one vault say nothing of
    /// another, nor of storage.
    pub fn covers_data(&self, grant: &Grant, providers: &BTreeSet<String>) -> bool {
        !self.logged.is_empty()
            && providers.iter().all(|p| {
                self.logged.get(p).and_then(|places| places.get(&grant.scope)).copied().unwrap_or(false)
            })
    }

    /// In days, how long the logs are.
    pub fn days(&self) -> i64 {
        self.log.until.days_since(self.log.from)
    }
}

/// Where the own logs of resources were given, from the resources that were.
fn resources_logged(
    graph: &AccessGraph,
    logged: &BTreeSet<Sym>,
) -> HashMap<String, HashMap<Ix<ScopeNode>, bool>> {
    let (estate, scopes) = (graph.estate(), graph.scopes());
    let mut all: HashMap<String, HashMap<Ix<ScopeNode>, bool>> = HashMap::new();
    let mut note = |id: &str, is: bool| {
        let kind = Scope::parse(id).and_then(|s| s.resource_type().map(|t| t.to_ascii_lowercase()));
        let Some(provider) = kind.as_deref().and_then(|k| k.split('/').next()).map(str::to_owned) else {
            return;
        };
        // What no inventory has lies below the nearest place that is known.
        let mut at = Some(id);
        let known = std::iter::from_fn(|| {
            let here = at?;
            at = here.rfind('/').and_then(|end| here.get(..end)).filter(|id| !id.is_empty());
            Some(estate.strings.find(here).and_then(|s| scopes.find(estate, s)))
        });
        let Some(nearest) = known.flatten().next() else { return };
        let places = all.entry(provider).or_default();
        for scope in scopes.up(nearest) {
            places.entry(scope).and_modify(|each| *each &= is).or_insert(is);
        }
    };
    for resource in &estate.resources {
        note(graph.text(resource.id), logged.contains(&estate.strings.class(resource.id)));
    }
    for id in logged {
        note(graph.text(*id), true);
    }
    all
}
