//! Joins an estate into a graph. Nothing is judged; what cannot be joined is a gap.

use super::deny::Deny;
use super::parties::{Parties, Party};
use super::roles::{Bounds, Condition, RoleTable};
use super::scopes::{ScopeNode, Scopes};
use super::{AccessGraph, Edge, FastMap, Grant, Node, Record};
use crate::model::{Assignment, Estate, Extent, Gap, Instant, Ix, Level, Reason, Source, Sym, Table};
use crate::rbac::{ASSIGN, Bound, Catalog, ParsedCondition};
use petgraph::graph::{DiGraph, NodeIndex};

impl AccessGraph {
    /// Builds the graph. Schedule instances that have ended by `now` are left out: they give nothing any more.
    pub fn build(mut estate: Estate, catalog: &'static Catalog, now: Option<Instant>) -> AccessGraph {
        let mut gaps = Vec::new();
        let scopes = Scopes::build(&mut estate);
        let roles = RoleTable::build(&estate, catalog, &mut gaps);
        let Parties { parties, identities, by_principal, .. } = Parties::build(&estate, &scopes);
        let mut build =
            Build { estate: &estate, scopes: &scopes, roles: &roles, by_principal: &by_principal, gaps };
        let (grants, conditions) = build.grants(now);
        let denies = build.denies();
        build.unknown_places(&grants);
        let mut gaps = build.gaps;
        let bounds = bounds(&roles, catalog, &grants, &conditions);
        let (graph, party_nodes, scope_nodes) =
            wire(&estate, &scopes, &parties, &identities, &by_principal, &grants);
        let mut local: FastMap<Sym, Vec<usize>> = FastMap::default();
        for (at, grant) in estate.local_grants.iter().enumerate() {
            local.entry(estate.strings.class(grant.principal)).or_default().push(at);
        }
        gaps = crate::model::tidy(gaps);
        AccessGraph {
            estate,
            catalog,
            scopes,
            roles,
            conditions,
            parties,
            identities,
            grants,
            by_principal,
            graph,
            party_nodes,
            scope_nodes,
            local,
            denies,
            escalation: std::sync::OnceLock::new(),
            bounds,
            gaps,
        }
    }
}

struct Build<'e> {
    estate: &'e Estate,
    scopes: &'e Scopes,
    roles: &'e RoleTable,
    by_principal: &'e FastMap<Sym, Ix<Party>>,
    gaps: Vec<Gap>,
}

impl Build<'_> {
    fn grants(&mut self, now: Option<Instant>) -> (Table<Grant>, Table<Condition>) {
        let strings = &self.estate.strings;
        let mut grants = Table::default();
        grants.rows_mut().reserve(self.estate.assignments.len());
        let mut conditions: Table<Condition> = Table::default();
        let mut seen: FastMap<Sym, Ix<Condition>> = FastMap::default();
        let assignments = self.estate.assignments.iter().enumerate().map(|(n, a)| (Record::Assignment(n), a));
        // A schedule instance of an assignment that was read adds only its end, not another grant.
        let mut ends: FastMap<(Sym, Sym), usize> = FastMap::default();
        for (n, schedule) in self.estate.schedules.iter().enumerate() {
            let id = strings.id_class(schedule.id);
            ends.insert((id.dir, id.name), n);
        }
        let mut met = vec![false; self.estate.schedules.len()];
        let mut add = |record, row: &Assignment, state, gaps: &mut Vec<Gap>| {
            let party = self.by_principal.get(&strings.class(row.principal)).copied();
            let role = self.roles.of_id(strings.class(row.role));
            let scope = self.scopes.find(self.estate, row.scope);
            let (Some(party), Some(role), Some(scope)) = (party, role, scope) else { return };
            let condition = row.condition.map(|text| {
                *seen.entry(text).or_insert_with(|| {
                    let parsed = ParsedCondition::new(strings.text(text));
                    if matches!(parsed, ParsedCondition::Unreadable) {
                        let shown = strings.show_id(row.id);
                        let detail = "the condition could not be read, so what it lets through is not known";
                        gaps.push(Gap::new(Source::RoleAssignments, shown, Reason::Unparsed, detail));
                    }
                    conditions.push(Condition { text, parsed })
                })
            });
            grants.push(Grant { record, party, role, scope, condition, state });
        };
        for (record, row) in assignments {
            let id = strings.id_class(row.id);
            let mut state = row.state;
            if let Some(at) = ends.get(&(id.dir, id.name)).copied()
                && let Some(schedule) = self.estate.schedules.get(at)
            {
                state = schedule.state;
                if let Some(slot) = met.get_mut(at) {
                    *slot = true;
                }
            }
            add(record, row, state, &mut self.gaps);
        }
        for (n, row) in self.estate.schedules.iter().enumerate() {
            let over = matches!((row.ends, now), (Some(end), Some(now)) if end <= now);
            if met.get(n) != Some(&true) && !over {
                add(Record::Schedule(n), row, row.state, &mut self.gaps);
            }
        }
        (grants, conditions)
    }

    fn denies(&mut self) -> Vec<Deny> {
        let mut denies = Vec::new();
        for record in &self.estate.denies {
            match self.scopes.find(self.estate, record.scope) {
                Some(scope) => denies.push(Deny::new(self.estate, record, scope)),
                None => {
                    let (id, shown) =
                        (self.estate.strings.show_id(record.id), self.estate.strings.text(record.scope));
                    let detail = format!("the deny assignment's scope is no scope: `{shown}`");
                    self.gaps.push(Gap::new(Source::DenyAssignments, id, Reason::Unparsed, detail));
                }
            }
        }
        denies
    }

    /// Grants at places that the inventory, where it is whole, does not have: leftovers of what was deleted.
    fn unknown_places(&mut self, grants: &Table<Grant>) {
        let estate = self.estate;
        let strings = &estate.strings;
        let complete = |s| estate.coverage.of(s) == Extent::Complete;
        let mut known: FastMap<Sym, ()> = FastMap::default();
        let listed = [
            (Level::Subscription, complete(Source::Subscriptions)),
            (Level::ResourceGroup, complete(Source::ResourceGroups)),
        ];
        known.extend(estate.subscriptions.iter().map(|r| (strings.class(r.id), ())));
        known.extend(estate.resource_groups.iter().map(|r| (strings.class(r.id), ())));
        let mut missing: Vec<Ix<ScopeNode>> = Vec::new();
        let mut checked: FastMap<Ix<ScopeNode>, ()> = FastMap::default();
        for (_, grant) in grants.iter() {
            for at in self.scopes.up(grant.scope) {
                if checked.insert(at, ()).is_some() {
                    break;
                }
                let node = &self.scopes.nodes()[at];
                let whole = listed.iter().any(|(level, whole)| *level == node.level && *whole);
                if whole && !known.contains_key(&strings.class(node.id)) {
                    missing.push(at);
                }
            }
        }
        for at in missing {
            let node = &self.scopes.nodes()[at];
            let text = strings.text(node.id);
            let detail = format!("grants are held at `{text}` or below, which the inventory does not have");
            let source = if node.level == Level::Subscription {
                Source::Subscriptions
            } else {
                Source::ResourceGroups
            };
            // It hides nothing: the grants themselves were read.
            self.gaps.push(Gap::new(source, text, Reason::Disagreement, detail));
        }
    }
}

fn bounds(
    roles: &RoleTable,
    catalog: &'static Catalog,
    grants: &Table<Grant>,
    conditions: &Table<Condition>,
) -> FastMap<(Ix<super::roles::Role>, Option<Ix<Condition>>), Bound> {
    let operation = crate::model::Operation::control(ASSIGN);
    let operations = catalog.operations();
    let assigns: Vec<bool> = roles
        .iter()
        .map(|(_, role)| role.compiled.blocks.iter().any(|b| b.holds(&operation, operations)))
        .collect();
    let mut found = FastMap::default();
    let mut bounds = Bounds::new(roles, catalog);
    for (_, grant) in grants.iter() {
        if assigns.get(grant.role.index()) != Some(&true) {
            continue;
        }
        found
            .entry((grant.role, grant.condition))
            .or_insert_with(|| bounds.of(&roles[grant.role], grant.condition.map(|c| &conditions[c].parsed)));
    }
    found
}

type Wired = (DiGraph<Node, Edge>, Vec<NodeIndex>, Vec<NodeIndex>);

fn wire(
    estate: &Estate,
    scopes: &Scopes,
    parties: &Table<Party>,
    identities: &Table<super::parties::Identity>,
    by_principal: &FastMap<Sym, Ix<Party>>,
    grants: &Table<Grant>,
) -> Wired {
    let nodes = parties.len() + scopes.nodes().len();
    let mut graph = DiGraph::with_capacity(nodes, grants.len() + nodes);
    let party_nodes: Vec<NodeIndex> = parties.iter().map(|(at, _)| graph.add_node(Node::Party(at))).collect();
    let scope_nodes: Vec<NodeIndex> =
        scopes.nodes().iter().map(|(at, _)| graph.add_node(Node::Scope(at))).collect();
    let party = |at: Ix<Party>| party_nodes.get(at.index()).copied();
    let scope = |at: Ix<ScopeNode>| scope_nodes.get(at.index()).copied();
    for (at, node) in scopes.nodes().iter() {
        if let (Some(parent), Some(child)) = (node.parent.and_then(scope), scope(at)) {
            graph.add_edge(parent, child, Edge::Contains);
        }
    }
    for group in &estate.groups {
        let Some(to) = by_principal.get(&estate.strings.class(group.id)).copied().and_then(party) else {
            continue;
        };
        for member in &group.members {
            // Members that hold nothing and are nothing we know need no node.
            if let Some(from) = by_principal.get(&estate.strings.class(*member)).copied().and_then(party) {
                graph.add_edge(from, to, Edge::MemberOf);
            }
        }
    }
    for (_, identity) in identities.iter() {
        let Some(to) = identity.party.and_then(party) else { continue };
        for host in &identity.hosts {
            if let Some(from) = host.scope.and_then(scope) {
                graph.add_edge(from, to, Edge::Runs);
            }
        }
    }
    for (at, grant) in grants.iter() {
        if let (Some(from), Some(to)) = (party(grant.party), scope(grant.scope)) {
            graph.add_edge(from, to, Edge::Holds(at));
        }
    }
    (graph, party_nodes, scope_nodes)
}
