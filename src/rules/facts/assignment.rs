//! Facts of grants: the assignment, its role, its scope and its principal.

use super::lens::Lens;
use super::{Fact, Subject, Type, Value};
use crate::graph::{Grant, Role};
use crate::model::{FastMap, Ix, Level, RoleKind, Source, Sym};
use std::collections::{BTreeMap, HashSet};

fn grant<'g>(lens: &'g Lens<'g>, subject: &Subject) -> Option<(Ix<Grant>, &'g Grant)> {
    subject.grant.map(|at| (at, &lens.graph.grants()[at]))
}

/// The role of a grant or of a role rule; nothing where nobody defines it, so that its facts are missing.
fn role<'g>(lens: &'g Lens<'g>, subject: &Subject) -> Option<(&'g Role, &'g super::tables::RoleFacts)> {
    let at = subject.role.or_else(|| grant(lens, subject).map(|(_, g)| g.role))?;
    let role = &lens.graph.roles()[at];
    if role.defined { lens.roles.get(at.index()).map(|facts| (role, facts)) } else { None }
}

macro_rules! of_grant {
    ($root:literal, $field:literal, $kind:ident, $meaning:literal, |$lens:ident, $at:ident, $grant:ident| $value:expr) => {
        Fact {
            root: $root,
            field: $field,
            kind: Type::$kind,
            meaning: $meaning,
            get: |$lens, subject| match grant($lens, subject) {
                Some(($at, $grant)) => $value,
                None => Value::Missing,
            },
        }
    };
}

macro_rules! of_role {
    ($field:literal, $kind:ident, $meaning:literal, |$lens:ident, $role:ident, $facts:ident| $value:expr) => {
        Fact {
            root: "role",
            field: $field,
            kind: Type::$kind,
            meaning: $meaning,
            get: |$lens, subject| match role($lens, subject) {
                Some(($role, $facts)) => $value,
                None => Value::Missing,
            },
        }
    };
}

impl<'g> Lens<'g> {
    /// Resource groups under a grant's scope that hold resources its role can change, see the data of or get
    /// secrets of.
    pub(crate) fn applicable_groups(&self, grant: &Grant) -> Option<usize> {
        self.applicable.get(&(grant.scope, grant.role)).copied()
    }

    /// Counts them for every wide grant of a judged identity, each pair of scope and role once.
    pub(crate) fn count_applicable(&mut self) {
        if !self.read(Source::Resources) {
            return;
        }
        let graph = self.graph;
        let estate = graph.estate();
        // The types in each resource group, by the group's number in the walk of scopes: those below a scope are a range.
        let mut kinds: FastMap<String, usize> = FastMap::default();
        let mut numbers: FastMap<Sym, usize> = FastMap::default();
        let mut groups: BTreeMap<u32, HashSet<usize>> = BTreeMap::new();
        for resource in &estate.resources {
            let Some(at) = graph.scopes().find(estate, resource.id) else { continue };
            let Some(group) = graph.scopes().nodes()[at].resource_group else { continue };
            let number = *numbers.entry(resource.kind).or_insert_with(|| {
                let next = kinds.len();
                *kinds.entry(graph.text(resource.kind).to_ascii_lowercase()).or_insert(next)
            });
            groups.entry(graph.scopes().range(group).start).or_default().insert(number);
        }
        let mut counts = FastMap::default();
        for (_, grant) in graph.grants().iter() {
            let wide = graph.scopes().nodes()[grant.scope].level <= Level::Subscription;
            let judged = graph.parties()[grant.party].identity.is_some_and(|i| self.identity(i).judged);
            let types = &graph.roles()[grant.role].profile.resource_types;
            if !wide || !judged || types.is_empty() {
                continue;
            }
            counts.entry((grant.scope, grant.role)).or_insert_with(|| {
                let meant: Vec<usize> = types.iter().filter_map(|t| kinds.get(t).copied()).collect();
                let inside = groups.range(graph.scopes().range(grant.scope)).map(|(_, here)| here);
                inside.filter(|here| meant.iter().any(|kind| here.contains(kind))).count()
            });
        }
        self.applicable = counts;
    }
}

pub(super) const FACTS: &[Fact] = &[
    of_grant!("assignment", "id", Text, "its name: the last segment of its ARM id", |lens, _at, grant| {
        Value::text_or_missing(lens.graph.record(grant).map(|r| lens.graph.text(r.id.name)))
    }),
    of_grant!(
        "assignment",
        "remarks",
        List,
        "what is wrong with how it is written in code, whatever it says",
        |lens, _at, grant| {
            let estate = lens.graph.estate();
            let id = lens.graph.record(grant).map(|r| estate.strings.show_id(r.id).to_ascii_lowercase());
            let declared = id.and_then(|id| estate.declarations.get(&id));
            declared.map_or(Value::List(&[]), |d| Value::List(&d.remarks))
        }
    ),
    of_grant!(
        "assignment",
        "state",
        Text,
        "active, time-bound or eligible",
        |_lens, _at, grant| Value::Text(grant.state.name())
    ),
    of_grant!(
        "assignment",
        "conditioned",
        Bool,
        "whether the assignment has a condition",
        |_lens, _at, grant| Value::Bool(grant.condition.is_some())
    ),
    of_grant!(
        "assignment",
        "authorization",
        Text,
        "how far it lets its holder assign roles: none, unbounded, bounded (to harmless roles), escapable",
        |lens, at, grant| {
            match lens.authorization.get(&at) {
                Some(("unknown", _)) => Value::Missing,
                Some((word, _)) => Value::Text(word),
                None if lens.graph.roles()[grant.role].defined => Value::Text("none"),
                None => Value::Missing,
            }
        }
    ),
    of_grant!(
        "assignment",
        "assignable_roles",
        List,
        "harmful roles that its conditions let through",
        |lens, at, _g| {
            lens.authorization.get(&at).map_or(Value::List(&[]), |(_, roles)| Value::List(roles))
        }
    ),
    of_grant!(
        "assignment",
        "redundant",
        Bool,
        "whether another direct grant without condition of the same principal covers it",
        |lens, at, _g| Value::Bool(lens.covered.contains_key(&at))
    ),
    of_grant!("assignment", "covered_by_role", Text, "the role of that other grant", |lens, at, _g| {
        Value::text_or_missing(
            lens.covered.get(&at).map(|w| lens.graph.roles()[lens.graph.grants()[*w].role].name.as_str()),
        )
    }),
    of_grant!("assignment", "covered_by_scope", Text, "the scope of that other grant", |lens, at, _g| {
        Value::text_or_missing(lens.covered.get(&at).map(|w| lens.scope_name(lens.graph.grants()[*w].scope)))
    }),
    Fact {
        root: "assignment",
        field: "groups",
        kind: Type::List,
        meaning: "the groups through which the identity holds it; empty for a direct grant",
        get: |lens, subject| {
            let held = subject.via.and_then(|at| lens.group_grants.get(at));
            held.map_or(Value::List(&[]), |h| Value::List(&h.groups))
        },
    },
    of_grant!(
        "assignment",
        "delegated",
        Bool,
        "whether it is for a managed identity of another tenant",
        |lens, _at, grant| {
            Value::Bool(lens.graph.record(grant).is_some_and(|r| r.delegated_identity.is_some()))
        }
    ),
    Fact {
        root: "assignment",
        field: "foreign_tenant",
        kind: Type::Bool,
        meaning: "whether the identity is another tenant's than the one that was read",
        get: |lens, subject| {
            let estate = lens.graph.estate();
            let theirs = subject.identity.and_then(|i| lens.graph.identities()[i].tenant);
            Value::Bool(matches!((theirs, estate.tenant), (Some(a), Some(b)) if !estate.strings.same(a, b)))
        },
    },
    of_grant!(
        "assignment",
        "applicable_groups",
        Int,
        "resource groups below its scope with resources that its writes, data access or secrets apply to",
        |lens, _at, grant| {
            // Where the role is too wide to name what it applies to, other rules speak.
            match lens.applicable_groups(grant) {
                Some(count) => Value::count(count),
                None if lens.read(Source::Resources) => Value::Int(0),
                None => Value::Missing,
            }
        }
    ),
    of_grant!(
        "assignment",
        "privileged",
        Bool,
        "whether its role can run code, get secrets, become others or change access",
        |lens, _at, grant| {
            let role = &lens.graph.roles()[grant.role];
            if role.defined { Value::Bool(role.profile.harmful()) } else { Value::Missing }
        }
    ),
    of_grant!("principal", "id", Text, "the object id", |lens, _at, grant| Value::Text(
        lens.graph.text(lens.graph.parties()[grant.party].principal)
    )),
    of_grant!(
        "principal",
        "exists",
        Bool,
        "whether the directory has it; missing if the directory was not read",
        |lens, _at, grant| { lens.graph.parties()[grant.party].exists.map_or(Value::Missing, Value::Bool) }
    ),
    Fact {
        root: "principal",
        field: "type",
        kind: Type::Text,
        meaning: "what Azure stored: User, Group, ServicePrincipal, …; empty if nothing",
        get: |lens, subject| {
            use crate::model::PrincipalType as P;
            let record = grant(lens, subject).and_then(|(_, g)| lens.graph.record(g));
            Value::Text(match record.map(|r| r.principal_type) {
                Some(P::User) => "User",
                Some(P::Group) => "Group",
                Some(P::ServicePrincipal) => "ServicePrincipal",
                Some(P::ForeignGroup) => "ForeignGroup",
                Some(P::Other(name)) => lens.graph.text(name),
                Some(P::Absent) | None => "",
            })
        },
    },
    of_grant!("scope", "id", Text, "the scope", |lens, _at, grant| Value::Text(
        lens.graph.text(lens.graph.scopes().nodes()[grant.scope].id)
    )),
    of_grant!(
        "scope",
        "name",
        Text,
        "its display name, or the last segment of its id",
        |lens, _at, grant| Value::Text(lens.scope_name(grant.scope))
    ),
    of_grant!(
        "scope",
        "level",
        Text,
        "root, management-group, subscription, resource-group or resource",
        |lens, _at, grant| { Value::Text(lens.graph.scopes().nodes()[grant.scope].level.name()) }
    ),
    of_grant!("scope", "environment", Text, "its environment; empty if not known", |lens, _at, grant| {
        Value::Text(lens.environment_of(grant.scope).unwrap_or(""))
    }),
    of_grant!(
        "scope",
        "resources",
        Int,
        "resources of the inventory in it",
        |lens, _at, grant| Value::count(lens.graph.scopes().nodes()[grant.scope].resources as usize)
    ),
    of_role!("name", Text, "its display name", |_lens, role, _f| Value::Text(&role.name)),
    of_role!("id", Text, "its GUID", |_lens, role, _f| Value::Text(&role.key)),
    of_role!("kind", Text, "built-in or custom", |_lens, role, _f| Value::Text(role.kind.name())),
    of_role!(
        "classes",
        List,
        "the classes of operations that it gives without condition",
        |_lens, _r, facts| Value::List(&facts.classes)
    ),
    of_role!(
        "control_wildcard",
        Bool,
        "whether it names every control-plane operation",
        |_lens, role, _f| Value::Bool(role.profile.control_wildcard)
    ),
    of_role!(
        "data_wildcard",
        Bool,
        "whether it names every data-plane operation of a provider, or of all",
        |_lens, role, _f| Value::Bool(role.profile.data_wildcard)
    ),
    of_role!(
        "write_breadth",
        Int,
        "percent of all providers in which it may change things",
        |_lens, role, _f| Value::Int(i64::from(role.profile.write_breadth))
    ),
    of_role!("data_operations", Int, "data-plane operations that it gives", |_lens, role, _f| Value::count(
        role.profile.data_operations
    )),
    of_role!(
        "secret_operations",
        List,
        "the first few operations by which it gives secrets",
        |_lens, role, _f| Value::List(&role.profile.secret_operations)
    ),
    of_role!(
        "wildcards",
        List,
        "its patterns that start with `*`, other than `*/read`",
        |_lens, _r, facts| Value::List(&facts.wildcards)
    ),
    of_role!(
        "escalations",
        List,
        "operations and classes by which its holder can gain more",
        |_lens, _r, facts| Value::List(&facts.escalations)
    ),
    of_role!(
        "authorization_escalation",
        Bool,
        "whether a block without condition allows writing role assignments, role definitions or deny assignments, or elevating access",
        |_lens, _r, facts| Value::Bool(facts.authorization_escalation)
    ),
    of_role!(
        "keeps_authorization",
        Bool,
        "whether it may write role assignments without condition",
        |_lens, _r, facts| Value::Bool(facts.keeps_authorization)
    ),
    of_role!("assignable_level", Text, "the widest level at which it may be assigned", |_lens, _r, facts| {
        Value::Text(facts.assignable_level)
    }),
    of_role!("assigned", Bool, "whether any grant that was read uses it", |lens, role, facts| {
        // Where a grant could be at a level that was not read, nothing is said.
        if facts.assigned || (role.kind == RoleKind::Custom && lens.read(Source::RoleAssignments)) {
            Value::Bool(facts.assigned)
        } else {
            Value::Missing
        }
    }),
    of_role!(
        "in_policy",
        Bool,
        "whether a policy definition asks for it; missing if those were not read",
        |lens, _r, facts| {
            if facts.in_policy || lens.read(Source::PolicyDefinitions) {
                Value::Bool(facts.in_policy)
            } else {
                Value::Missing
            }
        }
    ),
    of_role!(
        "name_verdict",
        Text,
        "what the naming convention says: fits, fails, exempt, not-judged",
        |_lens, _r, facts| super::identity::naming_verdict(&facts.naming)
    ),
    of_role!("name_why", Text, "which part of the name does not fit", |_lens, _r, facts| {
        super::identity::naming_why(&facts.naming)
    }),
    of_role!("name_proposal", Text, "a name that fits", |_lens, _r, facts| super::identity::naming_proposal(
        &facts.naming
    )),
];
