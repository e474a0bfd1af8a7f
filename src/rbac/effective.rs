//! A role, compiled: for each permission block the set of operations it gives, and what the conditions make of it.
//!
//! Operations that the catalogue does not know are matched by their patterns, so that a new provider is never
//! taken for harmless.

use super::catalog::Operations;
use super::condition::{Facts, Tri, evaluate};
use super::matching::matches;
use super::opset::OpSet;
use crate::model::condition::{Condition, parse};
use crate::model::{ActionPattern, Operation, Permission, Plane};
use std::sync::Arc;

/// Whether something is allowed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Access {
    /// No.
    Denied,
    /// Under a condition that may or may not hold.
    Conditional,
    /// Yes.
    Allowed,
}

impl Access {
    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Access::Denied => "deny",
            Access::Conditional => "conditional",
            Access::Allowed => "allow",
        }
    }
}

impl From<Tri> for Access {
    fn from(value: Tri) -> Access {
        match value {
            Tri::False => Access::Denied,
            Tri::Unknown => Access::Conditional,
            Tri::True => Access::Allowed,
        }
    }
}

/// A condition's text, read or not.
#[derive(Clone, PartialEq, Debug)]
pub enum ParsedCondition {
    /// Read.
    Known(Condition),
    /// Not read: it may let anything through or nothing.
    Unreadable,
}

impl ParsedCondition {
    /// Reads a text.
    pub fn new(text: &str) -> ParsedCondition {
        parse(text).map_or(ParsedCondition::Unreadable, ParsedCondition::Known)
    }

    /// What it makes of a request.
    pub fn evaluate(&self, facts: &Facts<'_>) -> Tri {
        match self {
            ParsedCondition::Known(condition) => evaluate(condition, facts),
            ParsedCondition::Unreadable => Tri::Unknown,
        }
    }
}

/// A permission block, compiled.
#[derive(Clone, Debug)]
pub struct Block {
    /// The known operations that it gives.
    pub set: OpSet,
    /// Its condition.
    pub condition: Option<Arc<ParsedCondition>>,
    /// Its patterns, for operations that the catalogue does not know.
    pub permission: Permission,
}

impl Block {
    /// Compiles a block, and notes patterns that name nothing known.
    fn compile(
        permission: &Permission,
        operations: &Operations,
        unknown: &mut Vec<(Plane, ActionPattern)>,
    ) -> Block {
        let (mut set, mut taken) = (OpSet::new(), OpSet::new());
        for plane in Plane::ALL {
            let (gives, takes) = permission.on(plane);
            for pattern in gives {
                if !operations.add(&mut set, plane, pattern) {
                    unknown.push((plane, pattern.clone()));
                }
            }
            for pattern in takes {
                operations.add(&mut taken, plane, pattern);
            }
        }
        set.subtract(&taken);
        let condition = permission.condition.as_deref().map(|text| Arc::new(ParsedCondition::new(text)));
        Block { set, condition, permission: permission.clone() }
    }

    /// Whether its patterns name an operation, conditions aside.
    pub fn holds(&self, operation: &Operation, operations: &Operations) -> bool {
        self.holds_at(operation, operations.find(operation.plane, &operation.name))
    }

    /// The same where it is known whether the catalogue knows the operation, and where.
    fn holds_at(&self, operation: &Operation, at: Option<usize>) -> bool {
        match at {
            Some(at) => self.set.contains(operation.plane, at),
            None => self.holds_by_pattern(operation),
        }
    }

    fn holds_by_pattern(&self, operation: &Operation) -> bool {
        let (gives, takes) = self.permission.on(operation.plane);
        let named = |list: &[ActionPattern]| list.iter().any(|p| matches(p, &operation.name));
        named(gives) && !named(takes)
    }

    /// Whether the block, with its condition, lets a request through.
    fn allows(&self, operation: &Operation, at: Option<usize>, facts: &Facts<'_>) -> Tri {
        if !self.holds_at(operation, at) {
            return Tri::False;
        }
        self.condition.as_ref().map_or(Tri::True, |c| c.evaluate(facts))
    }
}

/// A role, compiled.
#[derive(Clone, Debug)]
pub struct CompiledRole {
    /// Its blocks.
    pub blocks: Vec<Block>,
    /// What it gives whatever the conditions.
    pub sure: OpSet,
    /// What it gives at most.
    pub most: OpSet,
    /// Patterns that name nothing in the catalogue.
    pub unknown: Vec<(Plane, ActionPattern)>,
}

impl CompiledRole {
    /// Compiles permission blocks.
    pub fn compile(permissions: &[Permission], operations: &Operations) -> CompiledRole {
        let mut unknown = Vec::new();
        let blocks: Vec<Block> =
            permissions.iter().map(|p| Block::compile(p, operations, &mut unknown)).collect();
        let (mut sure, mut most) = (OpSet::new(), OpSet::new());
        for block in &blocks {
            if block.condition.is_none() {
                sure.union(&block.set);
            }
            most.union(&block.set);
        }
        CompiledRole { blocks, sure, most, unknown }
    }

    /// Whether the role holds an operation, conditions not evaluated: what `roles check` answers.
    pub fn holds(&self, operation: &Operation, operations: &Operations) -> Access {
        let holding = self.blocks.iter().filter(|b| b.holds(operation, operations));
        holding
            .map(|b| if b.condition.is_some() { Access::Conditional } else { Access::Allowed })
            .max()
            .unwrap_or(Access::Denied)
    }

    /// Whether the role, under the assignment's own condition, allows an operation for a request of which only the
    /// action is known.
    pub fn allows(
        &self,
        operation: &Operation,
        operations: &Operations,
        own: Option<&ParsedCondition>,
    ) -> Access {
        self.allows_at(operation, operations.find(operation.plane, &operation.name), own)
    }

    /// The same where it is known whether the catalogue knows the operation, and where.
    pub fn allows_at(
        &self,
        operation: &Operation,
        at: Option<usize>,
        own: Option<&ParsedCondition>,
    ) -> Access {
        let facts = Facts { action: &operation.name, ..Facts::default() };
        let role = self.blocks.iter().map(|b| b.allows(operation, at, &facts)).max().unwrap_or(Tri::False);
        if role == Tri::False {
            return Access::Denied;
        }
        role.and(own.map_or(Tri::True, |c| c.evaluate(&facts))).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rbac::catalog::Catalog;
    use crate::rbac::matching::matches_naively;
    use proptest::prelude::*;

    fn permission(lists: [&[String]; 4], condition: bool) -> Permission {
        let read = |list: &[String]| list.iter().map(|t| ActionPattern::new(t)).collect();
        Permission {
            actions: read(lists[0]),
            not_actions: read(lists[1]),
            data_actions: read(lists[2]),
            not_data_actions: read(lists[3]),
            condition: condition.then(|| "@Resource[a] StringEquals 'b'".to_owned()),
        }
    }

    /// The same answer from the texts alone, block by block.
    fn naive(blocks: &[(Vec<String>, Vec<String>, bool)], plane: Plane, name: &str) -> Access {
        let mut best = Access::Denied;
        for (gives, takes, condition) in blocks {
            let hit = |list: &[String]| list.iter().any(|p| matches_naively(p, name));
            if hit(gives) && !hit(takes) {
                best = best.max(if *condition { Access::Conditional } else { Access::Allowed });
            }
        }
        let _ = plane;
        best
    }

    fn pattern() -> impl Strategy<Value = String> {
        let words = [
            "*",
            "*/read",
            "Microsoft.Authorization/*",
            "Microsoft.Authorization/*/write",
            "microsoft.storage/storageaccounts/*",
            "Microsoft.Compute/virtualMachines/*/action",
            "Microsoft.Web/*",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
            "Microsoft.KeyVault/vaults/secrets/*",
            "Microsoft.New*/x",
            "Contoso.Things/*",
        ];
        prop::sample::select(words.to_vec()).prop_map(str::to_owned)
    }

    proptest! {
        #[test]
        fn compiled_is_naive(
            blocks in prop::collection::vec((prop::collection::vec(pattern(), 0..3), prop::collection::vec(pattern(), 0..3), any::<bool>()), 1..4),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 40),
            data in any::<bool>(),
        ) {
            let operations = Catalog::embedded().operations();
            let plane = if data { Plane::Data } else { Plane::Control };
            let permissions: Vec<Permission> = blocks.iter().map(|(gives, takes, c)| {
                let none: &[String] = &[];
                permission(if data { [none, none, gives, takes] } else { [gives, takes, none, none] }, *c)
            }).collect();
            let role = CompiledRole::compile(&permissions, operations);
            let mut names: Vec<String> = picks.iter().map(|i| operations.name(plane, i.index(operations.len(plane))).to_owned()).collect();
            names.extend(["contoso.things/a/write".to_owned(), "microsoft.newer/x".to_owned(),
                "microsoft.managedidentity/userassignedidentities/assign/action".to_owned()]);
            for name in names {
                let operation = Operation { name: name.clone(), plane };
                prop_assert_eq!(role.holds(&operation, operations), naive(&blocks, plane, &name), "{}", name);
            }
        }
    }

    #[test]
    fn what_one_block_takes_another_gives() {
        let operations = Catalog::embedded().operations();
        let texts = |t: &[&str]| t.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        let first =
            permission([&texts(&["*"]), &texts(&["Microsoft.Authorization/*/Write"]), &[], &[]], false);
        let second =
            permission([&texts(&["Microsoft.Authorization/roleAssignments/write"]), &[], &[], &[]], false);
        let write = Operation::control("Microsoft.Authorization/roleAssignments/write");
        let alone = CompiledRole::compile(std::slice::from_ref(&first), operations);
        assert_eq!(alone.holds(&write, operations), Access::Denied);
        assert_eq!(
            CompiledRole::compile(&[first, second], operations).holds(&write, operations),
            Access::Allowed
        );
    }
}
