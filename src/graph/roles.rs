//! The roles that occur: those that were read, and built-in ones from the catalogue where they were not.

use super::FastMap;
use crate::model::{
    Estate, Gap, Id, Ix, LocalSystem, Permission, Reason, RoleKind, Source, Sym, Table, role_key,
};
use crate::rbac::{Bound, Catalog, CompiledRole, Delegation, ParsedCondition, Recipient, RoleProfile};
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// What permissions mean; many roles of code have the same.
type Meaning = (Arc<CompiledRole>, Arc<RoleProfile>);

/// A role with what it means.
#[derive(Debug)]
pub struct Role {
    /// The GUID, or what stands for it, in lower case.
    pub key: String,
    /// The display name; the key where nothing defines the role.
    pub name: String,
    /// Who made it.
    pub kind: RoleKind,
    /// The ARM id, where the definition was read.
    pub id: Option<String>,
    /// Where it may be assigned.
    pub assignable_scopes: Vec<String>,
    /// Whether anything defines it. If not, what it allows is not known.
    pub defined: bool,
    /// What it allows.
    pub compiled: Arc<CompiledRole>,
    /// What that amounts to.
    pub profile: Arc<RoleProfile>,
}

/// A condition of an assignment.
#[derive(Debug)]
pub struct Condition {
    /// As it came.
    pub text: Sym,
    /// As it was read.
    pub parsed: ParsedCondition,
}

/// All roles by key.
#[derive(Debug, Default)]
pub struct RoleTable {
    table: Table<Role>,
    by_key: HashMap<String, Ix<Role>>,
    by_id: FastMap<Sym, Ix<Role>>,
}

impl std::ops::Index<Ix<Role>> for RoleTable {
    type Output = Role;
    fn index(&self, at: Ix<Role>) -> &Role {
        &self.table[at]
    }
}

impl RoleTable {
    /// Compiles what was read, then whatever built-in role an assignment names.
    pub(super) fn build(estate: &Estate, catalog: &Catalog, gaps: &mut Vec<Gap>) -> RoleTable {
        let mut roles = RoleTable::default();
        let operations = catalog.operations();
        // Code makes many roles that allow the same.
        let mut made: HashMap<Cow<'_, [Permission]>, Meaning> = HashMap::new();
        let mut compile = |permissions| match made.entry(permissions) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => {
                let compiled = CompiledRole::compile(new.key(), operations);
                let profile = RoleProfile::new(&compiled, operations, catalog.classes());
                new.insert((Arc::new(compiled), Arc::new(profile))).clone()
            }
        };
        let strings = &estate.strings;
        for definition in &estate.roles {
            let key = strings.text(definition.id.name).to_ascii_lowercase();
            let id = strings.show_id(definition.id);
            if let Some(known) = roles.by_key.get(&key) {
                // The same role stands under many subscriptions; only a difference in what it allows matters.
                let (old, new) = (&roles.table[*known].compiled.blocks, &definition.permissions);
                let same = old.len() == new.len() && old.iter().zip(new).all(|(o, n)| o.permission == *n);
                if !same {
                    let detail = format!(
                        "role `{key}` has different permissions in different places; the first is used"
                    );
                    gaps.push(Gap::new(Source::RoleDefinitions, id, Reason::Disagreement, detail));
                }
                continue;
            }
            let (compiled, profile) = compile(Cow::Borrowed(&definition.permissions[..]));
            if compiled
                .blocks
                .iter()
                .any(|b| matches!(b.condition.as_deref(), Some(ParsedCondition::Unreadable)))
            {
                let detail =
                    format!("a condition in the role `{}` could not be read", strings.text(definition.name));
                gaps.push(Gap::new(Source::RoleDefinitions, id.clone(), Reason::Unparsed, detail));
            }
            let scopes = definition.assignable_scopes.iter().map(|s| strings.text(*s).to_owned());
            roles.add(Role {
                name: strings.text(definition.name).to_owned(),
                kind: definition.kind,
                id: Some(id),
                assignable_scopes: scopes.collect(),
                defined: true,
                compiled,
                profile,
                key,
            });
        }
        let policy_roles = estate.policy_definitions.iter().flat_map(|p| p.roles.iter().copied());
        let delegated = estate.local_grants.iter().filter(|l| l.system == LocalSystem::Lighthouse);
        let others = policy_roles.chain(delegated.map(|l| l.role)).map(|role| (role, None));
        let grants = estate.assignments.iter().chain(&estate.schedules).map(|a| (a.role, Some(a.id)));
        for (id, grant) in grants.chain(others) {
            let class = strings.class(id);
            if roles.by_id.contains_key(&class) {
                continue;
            }
            let key = role_key(strings.text(id)).to_ascii_lowercase();
            let at = match roles.by_key.get(&key) {
                Some(at) => *at,
                None => {
                    let built_in = catalog.role(&key);
                    let defined = built_in.is_some();
                    if !defined {
                        gaps.push(undefined(estate, id, &key, grant));
                    }
                    let kind = if defined { RoleKind::BuiltIn } else { RoleKind::Custom };
                    let (name, assignable_scopes, permissions) = match built_in {
                        Some(role) => (role.name, role.assignable_scopes, role.permissions),
                        None => (key.clone(), Vec::new(), Vec::new()),
                    };
                    let (compiled, profile) = compile(Cow::Owned(permissions));
                    roles.add(Role {
                        key,
                        name,
                        kind,
                        id: None,
                        assignable_scopes,
                        defined,
                        compiled,
                        profile,
                    })
                }
            };
            roles.by_id.insert(class, at);
        }
        roles
    }

    fn add(&mut self, role: Role) -> Ix<Role> {
        let key = role.key.clone();
        let at = self.table.push(role);
        self.by_key.insert(key, at);
        at
    }

    /// The role that an id as it came means.
    pub fn of_id(&self, class: Sym) -> Option<Ix<Role>> {
        self.by_id.get(&class).copied()
    }

    /// The role of a GUID in lower case.
    pub fn of_key(&self, key: &str) -> Option<Ix<Role>> {
        self.by_key.get(key).copied()
    }

    /// The keys of all roles that may be given: these, and those of the catalogue, sorted.
    pub(super) fn keys(&self, catalog: &Catalog) -> Vec<String> {
        let mut keys: Vec<String> = catalog.guids().into_iter().map(str::to_owned).collect();
        keys.extend(self.iter().map(|(_, r)| r.key.clone()));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Ix<Role>, &Role)> {
        self.table.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// That a role is assigned which nothing defines; where a file assigns it first, at its line.
fn undefined(estate: &Estate, role: Sym, key: &str, grant: Option<Id>) -> Gap {
    let strings = &estate.strings;
    let declared = grant.and_then(|id| estate.declarations.get(&strings.show_id(id).to_ascii_lowercase()));
    let help = if declared.is_some() { "; --against SNAPSHOT brings the roles of the tenant" } else { "" };
    let detail = format!("role `{key}` is assigned, but nothing that was read defines it{help}");
    let gap = Gap::new(Source::RoleDefinitions, strings.text(role), Reason::Unresolved, detail);
    match declared.and_then(|d| d.location.clone()) {
        Some(location) => gap.at(location),
        None => gap,
    }
}

/// For each pair of a role that can assign roles and a condition, how far that goes.
pub(super) struct Bounds<'r> {
    roles: &'r RoleTable,
    catalog: &'static Catalog,
    candidates: Vec<String>,
    harmful: HashMap<String, bool>,
}

/// Roles that are tried first: a condition that lets one of these through is escaped at once.
const POWERFUL: [&str; 6] = [
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168",
    "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "f1a07417-d97a-45cb-824c-7a7467783830",
    "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
];

/// Whom roles are given to.
const ANYBODY: [Recipient; 3] =
    [Recipient::any("ServicePrincipal"), Recipient::any("User"), Recipient::any("Group")];

impl<'r> Bounds<'r> {
    pub(super) fn new(roles: &'r RoleTable, catalog: &'static Catalog) -> Bounds<'r> {
        Bounds { roles, catalog, candidates: Vec::new(), harmful: HashMap::new() }
    }

    pub(super) fn of(&mut self, role: &Role, own: Option<&ParsedCondition>) -> Bound {
        let operations = self.catalog.operations();
        let Some(delegation) = Delegation::of(&role.compiled, own, operations) else { return Bound::None };
        if self.candidates.is_empty() {
            let mut keys = self.roles.keys(self.catalog);
            keys.sort_by_key(|k| POWERFUL.iter().position(|p| p == k).unwrap_or(POWERFUL.len()));
            self.candidates = keys;
        }
        let (roles, catalog, harmful) = (self.roles, self.catalog, &mut self.harmful);
        delegation.bound(&self.candidates, &ANYBODY, |key| {
            if let Some(known) = harmful.get(key) {
                return *known;
            }
            let answer = match roles.of_key(key) {
                Some(at) => roles[at].profile.harmful() || !roles[at].defined,
                None => catalog.built_in(key).is_some_and(|role| role.profile.harmful()),
            };
            harmful.insert(key.to_owned(), answer);
            answer
        })
    }
}
