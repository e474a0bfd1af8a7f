//! Deny assignments: whom they hit, where, and what they take.
//!
//! One with the effect `audit` takes nothing. Source: Azure RBAC documentation, "Understand Azure deny assignments".

use super::parties::Party;
use super::scopes::{ScopeNode, Scopes};
use crate::model::{DenyAssignment, EVERYONE, Estate, Ix, Operation, Sym};
use crate::rbac::{Facts, ParsedCondition, Tri, matches};

#[derive(Debug)]
pub(super) struct Deny {
    pub(super) id: crate::model::Id,
    pub(super) scope: Ix<ScopeNode>,
    this_scope_only: bool,
    enforced: bool,
    everyone: bool,
    principals: Vec<Sym>,
    excluded: Vec<Sym>,
    permissions: Vec<(crate::model::Permission, Option<ParsedCondition>)>,
    condition: Option<ParsedCondition>,
}

impl Deny {
    pub(super) fn new(estate: &Estate, record: &DenyAssignment, scope: Ix<ScopeNode>) -> Deny {
        let strings = &estate.strings;
        let classes = |list: &[Sym]| list.iter().map(|s| strings.class(*s)).collect::<Vec<_>>();
        let permissions = record.permissions.iter();
        Deny {
            id: record.id,
            scope,
            this_scope_only: record.this_scope_only,
            enforced: record.enforced,
            everyone: record.principals.iter().any(|p| strings.text(*p) == EVERYONE),
            principals: classes(&record.principals),
            excluded: classes(&record.excluded),
            permissions: permissions
                .map(|p| (p.clone(), p.condition.as_deref().map(ParsedCondition::new)))
                .collect(),
            condition: record.condition.map(|c| ParsedCondition::new(strings.text(c))),
        }
    }

    /// Whether it may take one of some operations on `target` from anybody.
    pub(super) fn may_take<'o>(
        &self,
        scopes: &Scopes,
        target: Ix<ScopeNode>,
        mut operations: impl Iterator<Item = &'o Operation>,
    ) -> bool {
        let there =
            if self.this_scope_only { self.scope == target } else { scopes.contains(self.scope, target) };
        let names = |operation: &Operation| {
            self.permissions.iter().any(|(permission, _)| {
                let (gives, takes) = permission.on(operation.plane);
                let hit =
                    |list: &[crate::model::ActionPattern]| list.iter().any(|p| matches(p, &operation.name));
                hit(gives) && !hit(takes)
            })
        };
        let somebody = self.everyone || !self.principals.is_empty();
        self.enforced && there && somebody && operations.any(names)
    }

    /// Whether it takes `operation` on `target` from whoever has these ids: the party's own and its groups', as
    /// classes. A deny that hits a group hits its members; one that spares a group spares them.
    pub(super) fn takes(
        &self,
        scopes: &Scopes,
        ids: &[Sym],
        operation: &Operation,
        target: Ix<ScopeNode>,
    ) -> Tri {
        let there =
            if self.this_scope_only { self.scope == target } else { scopes.contains(self.scope, target) };
        let any = |list: &[Sym]| ids.iter().any(|id| list.contains(id));
        if !self.enforced || !there || any(&self.excluded) || !(self.everyone || any(&self.principals)) {
            return Tri::False;
        }
        let facts = Facts { action: &operation.name, ..Facts::default() };
        let passes = |c: &Option<ParsedCondition>| c.as_ref().map_or(Tri::True, |c| c.evaluate(&facts));
        let named = self.permissions.iter().map(|(permission, condition)| {
            let (gives, takes) = permission.on(operation.plane);
            let hit = |list: &[crate::model::ActionPattern]| list.iter().any(|p| matches(p, &operation.name));
            if hit(gives) && !hit(takes) { passes(condition) } else { Tri::False }
        });
        named.max().unwrap_or(Tri::False).and(passes(&self.condition))
    }
}

/// The ids that a party is known by.
pub(super) fn ids_of(estate: &Estate, party: &Party, groups: impl Iterator<Item = Sym>) -> Vec<Sym> {
    std::iter::once(party.principal).chain(groups).map(|s| estate.strings.class(s)).collect()
}
