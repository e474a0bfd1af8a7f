//! The access graph: who is in which group, runs on which host, holds which role where, and what lies below.
//!
//! Built once from an estate; afterwards only asked. Every answer says how it came about: through which assignment,
//! via which groups, inherited from which scope. petgraph stays inside. Not here: what is good or bad (`rules`).

mod build;
mod deny;
mod escalate;
mod parties;
mod query;
mod reach;
mod roles;
mod scopes;
mod uses;

pub use escalate::{Blast, Choke, Chokes, Escalates, Escalation, Open, Path, Step, Taker, Takers, Target};
pub use parties::{Host, Identity, IdentityKind, Party, PartyKind};
pub use query::{Answer, Held};
pub use reach::Reach;
pub use roles::{Condition, Role, RoleTable};
pub use scopes::{ScopeNode, Scopes};
pub use uses::Uses;

pub(crate) use crate::model::FastMap;
use crate::model::{Assignment, Estate, Gap, GrantState, Ix, Sym, Table};
use crate::rbac::{Bound, Catalog, ParsedCondition};
use petgraph::graph::{DiGraph, NodeIndex};

/// A role held by a party at a scope.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The record: an assignment, or a schedule instance without one.
    pub record: Record,
    /// Who holds it.
    pub party: Ix<Party>,
    /// Which role.
    pub role: Ix<Role>,
    /// Where.
    pub scope: Ix<ScopeNode>,
    /// The assignment's own condition.
    pub condition: Option<Ix<Condition>>,
    /// Whether it is in force.
    pub state: GrantState,
}

/// Where a grant's record stands in the estate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    /// Among the role assignments.
    Assignment(usize),
    /// Among the schedule instances.
    Schedule(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Node {
    Party(Ix<Party>),
    Scope(Ix<ScopeNode>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Edge {
    /// Party → group.
    MemberOf,
    /// Party → scope.
    Holds(Ix<Grant>),
    /// Scope → the scope below.
    Contains,
    /// Host → the identity's party.
    Runs,
}

/// The graph.
#[derive(Debug)]
pub struct AccessGraph {
    estate: Estate,
    catalog: &'static Catalog,
    scopes: Scopes,
    roles: RoleTable,
    conditions: Table<Condition>,
    parties: Table<Party>,
    identities: Table<Identity>,
    grants: Table<Grant>,
    by_principal: FastMap<Sym, Ix<Party>>,
    graph: DiGraph<Node, Edge>,
    party_nodes: Vec<NodeIndex>,
    scope_nodes: Vec<NodeIndex>,
    /// Grants of other systems, as positions in the estate, by the class of whoever they name.
    local: FastMap<Sym, Vec<usize>>,
    denies: Vec<deny::Deny>,
    /// What identities could become, once it was asked for.
    escalation: std::sync::OnceLock<std::sync::Arc<escalate::Kept>>,
    bounds: FastMap<(Ix<Role>, Option<Ix<Condition>>), Bound>,
    gaps: Vec<Gap>,
}

impl AccessGraph {
    /// What was read.
    pub fn estate(&self) -> &Estate {
        &self.estate
    }

    /// The catalogue that roles were compiled with.
    pub fn catalog(&self) -> &'static Catalog {
        self.catalog
    }

    /// The tree of scopes.
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// The roles that occur.
    pub fn roles(&self) -> &RoleTable {
        &self.roles
    }

    /// Everyone who holds or could hold something.
    pub fn parties(&self) -> &Table<Party> {
        &self.parties
    }

    /// Identities that rules judge, or may judge.
    pub fn identities(&self) -> &Table<Identity> {
        &self.identities
    }

    /// All grants, in the order of their records.
    pub fn grants(&self) -> &Table<Grant> {
        &self.grants
    }

    /// What the graph could not join.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// The record of a grant.
    pub fn record(&self, grant: &Grant) -> Option<&Assignment> {
        match grant.record {
            Record::Assignment(at) => self.estate.assignments.get(at),
            Record::Schedule(at) => self.estate.schedules.get(at),
        }
    }

    /// A grant's own condition.
    pub fn condition(&self, grant: &Grant) -> Option<&Condition> {
        grant.condition.map(|at| &self.conditions[at])
    }

    fn parsed(&self, grant: &Grant) -> Option<&ParsedCondition> {
        self.condition(grant).map(|c| &c.parsed)
    }

    /// How far a grant lets its holder assign roles.
    pub fn bound(&self, grant: &Grant) -> Bound {
        self.bounds.get(&(grant.role, grant.condition)).cloned().unwrap_or(Bound::None)
    }

    /// A text of the estate.
    pub fn text(&self, sym: Sym) -> &str {
        self.estate.strings.text(sym)
    }

    /// The party of an object id, in any case.
    pub fn party_of(&self, principal: Sym) -> Option<Ix<Party>> {
        self.by_principal.get(&self.estate.strings.class(principal)).copied()
    }
}
