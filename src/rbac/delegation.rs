//! Which roles a holder of `roleAssignments/write` can hand out, once the conditions have spoken.
//!
//! A condition bounds the right only if every role that it admits is harmless. Each candidate role is tried for
//! each kind of principal; what a condition leaves unknown counts as admitted.

use super::catalog::Operations;
use super::condition::{Facts, Tri};
use super::effective::{CompiledRole, ParsedCondition};
use crate::model::Operation;

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

/// Whether conditions surely let a role be given to a principal of a kind, whatever they leave unknown elsewhere.
pub fn surely_assignable(
    role: &CompiledRole,
    own: Option<&ParsedCondition>,
    operations: &Operations,
    (guid, kind): (&str, &str),
) -> bool {
    let operation = Operation::control(ASSIGN);
    let facts = Facts { action: ASSIGN, role: Some(guid), principal_type: Some(kind), principal: None };
    let passes = |c: Option<&ParsedCondition>| c.is_none_or(|c| c.evaluate(&facts) == Tri::True);
    let mut blocks = role.blocks.iter().filter(|b| b.holds(&operation, operations));
    passes(own) && blocks.any(|b| passes(b.condition.as_deref()))
}

/// Tries `candidates`, the GUIDs of all roles with the powerful first, for each kind of principal; `harmful` says which matter.
pub fn assignable(
    role: &CompiledRole,
    own: Option<&ParsedCondition>,
    operations: &Operations,
    (candidates, kinds): (&[String], &[&str]),
    mut harmful: impl FnMut(&str) -> bool,
) -> Bound {
    let operation = Operation::control(ASSIGN);
    let blocks: Vec<_> = role.blocks.iter().filter(|b| b.holds(&operation, operations)).collect();
    if blocks.is_empty() {
        return Bound::None;
    }
    let free = |c: Option<&ParsedCondition>| {
        c.is_none_or(|c| c.evaluate(&Facts { action: ASSIGN, ..Facts::default() }) == Tri::True)
    };
    if free(own) && blocks.iter().any(|b| free(b.condition.as_deref())) {
        return Bound::Unbounded;
    }
    let unreadable = |c: Option<&ParsedCondition>| matches!(c, Some(ParsedCondition::Unreadable));
    if unreadable(own) || blocks.iter().any(|b| unreadable(b.condition.as_deref())) {
        return Bound::Unknown;
    }
    let admits = |guid: &str| {
        kinds.iter().any(|kind| {
            let facts =
                Facts { action: ASSIGN, role: Some(guid), principal_type: Some(kind), principal: None };
            let passes = |c: Option<&ParsedCondition>| c.map_or(Tri::True, |c| c.evaluate(&facts));
            passes(own) != Tri::False && blocks.iter().any(|b| passes(b.condition.as_deref()) != Tri::False)
        })
    };
    let mut found = Vec::new();
    for guid in candidates {
        if admits(guid) && harmful(guid) {
            found.push(guid.clone());
            if found.len() == 5 {
                break;
            }
        }
    }
    if found.is_empty() { Bound::Harmless } else { Bound::Escapable(found) }
}
