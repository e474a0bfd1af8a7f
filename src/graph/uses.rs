//! What logs say that was done, joined with the graph: by identity, and how far the activity log reaches.
//!
//! Not here: what was not used (`rules`), and what would be enough (`app::right_size`).

use super::parties::Identity;
use super::scopes::ScopeNode;
use super::{AccessGraph, Grant};
use crate::model::{Ix, Scope, Usage, UsageLog};
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
}

impl<'g> Uses<'g> {
    /// The logs that were given, if any were.
    pub fn new(graph: &'g AccessGraph) -> Option<Uses<'g>> {
        let estate = graph.estate();
        let log = estate.usage.as_ref()?;
        let mut by_principal: HashMap<String, Vec<&Usage>> = HashMap::new();
        let (mut covered, mut seen) = (BTreeSet::new(), HashSet::new());
        for row in &log.rows {
            by_principal.entry(graph.text(row.principal).to_ascii_lowercase()).or_default().push(row);
            if row.data || !seen.insert(row.scope) {
                continue;
            }
            let subscription = Scope::parse(graph.text(row.scope)).and_then(|s| s.subscription);
            let id = subscription.map(|s| format!("/subscriptions/{s}"));
            covered.extend(id.and_then(|id| graph.scopes().find(estate, estate.strings.find(&id)?)));
        }
        Some(Uses { graph, log, by_principal, covered })
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

    /// In days, how long the logs are.
    pub fn days(&self) -> i64 {
        self.log.until.days_since(self.log.from)
    }
}
