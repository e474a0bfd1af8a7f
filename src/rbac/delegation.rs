//! Which roles a holder of `roleAssignments/write` can hand out, and to whom, once the conditions have spoken.
//!
//! A condition bounds the right only if every role that it admits is harmless. Each candidate role is tried for
//! each recipient; what a condition leaves unknown counts as admitted.

use super::catalog::Operations;
use super::condition::{Facts, Tri, guid};
use super::effective::{Block, CompiledRole, ParsedCondition};
use crate::model::Operation;
use crate::model::condition::{Condition, Operand, Relation};
use std::collections::BTreeSet;

/// The operation that hands out roles.
pub const ASSIGN: &str = "microsoft.authorization/roleassignments/write";

/// How far the right to assign roles goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bound {
    /// It is not held.
    None,
    /// To any role.
    Unbounded,
    /// To harmless roles only.
    Harmless,
    /// To some harmful roles: the first few, by GUID.
    Escapable(Vec<String>),
    /// A condition could not be read.
    Unknown,
}

/// Whom a role is given to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Recipient {
    /// `User`, `Group` or `ServicePrincipal`.
    pub kind: &'static str,
    /// The object id; none if nobody in particular is meant.
    pub id: Option<String>,
}

impl Recipient {
    /// Anybody of a kind.
    pub const fn any(kind: &'static str) -> Recipient {
        Recipient { kind, id: None }
    }
}

/// What conditions ask about whoever is given a role.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Asks {
    /// Object ids that are named, as [`guid`] writes them.
    pub named: BTreeSet<String>,
    /// Whether they are compared otherwise than as equal, so that nothing follows from their not being named.
    pub otherwise: bool,
    /// Whether the kind or the object id is asked for at all.
    pub any: bool,
}

impl Asks {
    fn look(&mut self, condition: &Condition) {
        match condition {
            Condition::And(all) | Condition::Or(all) => all.iter().for_each(|c| self.look(c)),
            Condition::Not(inner) => self.look(inner),
            Condition::Compare { left, operator, right, .. } => {
                let attribute = |o: &Operand| match o {
                    Operand::Attribute(a) => {
                        a.name.strip_prefix("microsoft.authorization/roleassignments:").map(str::to_owned)
                    }
                    Operand::Literal(_) => None,
                };
                let asked: Vec<String> = std::iter::once(left).chain(right).filter_map(attribute).collect();
                self.any |= asked.iter().any(|a| a == "principalid" || a == "principaltype");
                if asked.iter().any(|a| a == "principalid") {
                    self.otherwise |= operator.relation != Relation::Equals;
                    self.named.extend(std::iter::once(left).chain(right).filter_map(|o| match o {
                        Operand::Literal(text) => Some(guid(text)),
                        Operand::Attribute(_) => None,
                    }));
                }
            }
            Condition::Exists(_) | Condition::ActionMatches(_) | Condition::SubOperationMatches(_) => {}
        }
    }

    /// Whether an object id is told apart from others.
    pub fn tells(&self, id: &str) -> bool {
        self.otherwise || self.named.contains(&guid(id))
    }
}

/// A role and a condition as a right to assign roles.
pub struct Delegation<'r> {
    blocks: Vec<&'r Block>,
    own: Option<&'r ParsedCondition>,
}

impl<'r> Delegation<'r> {
    /// What a role gives under an assignment's own condition; none if it does not let roles be assigned.
    pub fn of(
        role: &'r CompiledRole,
        own: Option<&'r ParsedCondition>,
        operations: &Operations,
    ) -> Option<Delegation<'r>> {
        let operation = Operation::control(ASSIGN);
        let blocks: Vec<_> = role.blocks.iter().filter(|b| b.holds(&operation, operations)).collect();
        (!blocks.is_empty()).then_some(Delegation { blocks, own })
    }

    fn conditions(&self) -> impl Iterator<Item = &ParsedCondition> {
        self.own.into_iter().chain(self.blocks.iter().filter_map(|b| b.condition.as_deref()))
    }

    /// What its conditions ask about recipients.
    pub fn asks(&self) -> Asks {
        let mut asks = Asks::default();
        for condition in self.conditions() {
            if let ParsedCondition::Known(condition) = condition {
                asks.look(condition);
            }
        }
        asks
    }

    /// Whether it lets a role, or any, be given to somebody.
    pub fn lets(&self, role: Option<&str>, to: Option<&Recipient>) -> Tri {
        let facts = Facts {
            action: ASSIGN,
            role,
            principal_type: to.map(|r| r.kind),
            principal: to.and_then(|r| r.id.as_deref()),
        };
        let passes = |c: Option<&ParsedCondition>| c.map_or(Tri::True, |c| c.evaluate(&facts));
        let blocks = self.blocks.iter().map(|b| passes(b.condition.as_deref()));
        passes(self.own).and(blocks.max().unwrap_or(Tri::False))
    }

    /// Whether one of its conditions could not be read, so that nothing is known of it.
    pub fn unreadable(&self) -> bool {
        self.conditions().any(|c| matches!(c, ParsedCondition::Unreadable))
    }

    /// How far it goes. Tries `candidates`, the GUIDs of all roles with the powerful first, for each recipient; `harmful` says
    /// which matter.
    pub fn bound(
        &self,
        candidates: &[String],
        recipients: &[Recipient],
        mut harmful: impl FnMut(&str) -> bool,
    ) -> Bound {
        if self.lets(None, None) == Tri::True {
            return Bound::Unbounded;
        }
        if self.unreadable() {
            return Bound::Unknown;
        }
        let admits = |guid: &str| recipients.iter().any(|to| self.lets(Some(guid), Some(to)) != Tri::False);
        let found: Vec<String> =
            candidates.iter().filter(|guid| admits(guid) && harmful(guid)).take(5).cloned().collect();
        if found.is_empty() { Bound::Harmless } else { Bound::Escapable(found) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ActionPattern, Permission};
    use crate::rbac::Catalog;

    const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";
    const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
    const ME: &str = "11111111-1111-1111-1111-111111111111";
    const OTHER: &str = "22222222-2222-2222-2222-222222222222";

    fn with<T>(condition: &str, ask: impl FnOnce(&Delegation<'_>) -> T) -> T {
        let operations = Catalog::embedded().operations();
        let permission = Permission { actions: vec![ActionPattern::new("*")], ..Permission::default() };
        let role = CompiledRole::compile(&[permission], operations);
        let own = ParsedCondition::new(condition);
        ask(&Delegation::of(&role, Some(&own), operations).unwrap())
    }

    #[test]
    fn whom_a_condition_names_is_told_from_whom_it_does_not() {
        let me = Recipient { kind: "ServicePrincipal", id: Some(ME.to_owned()) };
        let other = Recipient { id: Some(OTHER.to_owned()), ..me.clone() };
        let only = format!(
            "@Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAnyValues:GuidEquals {{{}}}",
            ME.replace('-', "")
        );
        with(&only, |d| {
            let asks = d.asks();
            assert!(asks.any && asks.tells(ME) && !asks.tells(OTHER));
            assert_eq!(d.lets(Some(OWNER), Some(&me)), Tri::True);
            assert_eq!(d.lets(Some(OWNER), Some(&other)), Tri::False);
            assert_eq!(d.lets(Some(OWNER), Some(&Recipient::any("ServicePrincipal"))), Tri::Unknown);
            let roles = [OWNER.to_owned(), READER.to_owned()];
            let harmful = |guid: &str| guid == OWNER;
            assert_eq!(d.bound(&roles, &[me], harmful), Bound::Escapable(vec![OWNER.to_owned()]));
            assert_eq!(d.bound(&roles, &[other], harmful), Bound::Harmless);
        });
    }

    #[test]
    fn what_is_not_compared_as_equal_is_asked_of_everybody() {
        let like = "@Request[Microsoft.Authorization/roleAssignments:PrincipalId] StringLike '1*'";
        with(like, |d| assert!(d.asks().tells(OTHER)));
        let kind =
            "@Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase 'Group'";
        with(kind, |d| {
            assert_eq!(d.asks(), Asks { any: true, ..Asks::default() });
            assert_eq!(d.lets(Some(OWNER), Some(&Recipient::any("ServicePrincipal"))), Tri::False);
            assert_eq!(d.lets(Some(OWNER), Some(&Recipient::any("Group"))), Tri::True);
        });
    }
}
