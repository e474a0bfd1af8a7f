//! What a role amounts to, in the few numbers and flags that rules ask about. Computed once for each distinct role.

use super::catalog::Operations;
use super::effective::CompiledRole;
use super::opset::OpSet;
use super::risk::{Class, classify, classify_pattern};
use crate::model::Plane;
use std::collections::BTreeSet;

/// The operations of each class, as sets.
#[derive(Debug)]
pub struct ClassSets {
    sets: Vec<(Class, OpSet)>,
    providers: usize,
}

impl ClassSets {
    /// Sorts all operations into classes.
    pub fn new(operations: &Operations) -> ClassSets {
        let mut sets: Vec<(Class, OpSet)> = Class::ALL.iter().map(|c| (*c, OpSet::new())).collect();
        let mut providers: BTreeSet<&str> = BTreeSet::new();
        for plane in Plane::ALL {
            for (at, name) in operations.iter(plane).enumerate() {
                let class = classify(plane, name);
                if plane == Plane::Control && class != Class::Read {
                    providers.insert(provider(name));
                }
                if let Some((_, set)) = sets.iter_mut().find(|(c, _)| *c == class) {
                    set.insert(plane, at);
                }
            }
        }
        ClassSets { sets, providers: providers.len() }
    }
}

fn provider(operation: &str) -> &str {
    operation.split('/').next().unwrap_or(operation)
}

/// What a role amounts to.
#[derive(Clone, Debug, Default)]
pub struct RoleProfile {
    /// Classes that it gives whatever its conditions, and whatever a new provider's operations turn out to be.
    pub classes: BTreeSet<Class>,
    /// Classes that it gives at most.
    pub most: BTreeSet<Class>,
    /// Whether an unconditioned block names every control-plane operation.
    pub control_wildcard: bool,
    /// Whether an unconditioned block names every data-plane operation of some provider, or of all.
    pub data_wildcard: bool,
    /// Percent of the providers that have writes, in which it may write.
    pub write_breadth: u8,
    /// How many data-plane operations it gives.
    pub data_operations: usize,
    /// Up to five operations that give secrets.
    pub secret_operations: Vec<String>,
    /// Resource types (`provider/type`, lower case) of what it may change, see the data of, or get secrets of.
    /// Empty where it is too wide to say.
    pub resource_types: BTreeSet<String>,
}

impl RoleProfile {
    /// Looks at a compiled role.
    pub fn new(role: &CompiledRole, operations: &Operations, sets: &ClassSets) -> RoleProfile {
        let mut profile = RoleProfile::default();
        for (class, set) in &sets.sets {
            if role.sure.meets(set) {
                profile.classes.insert(*class);
            }
            if role.most.meets(set) {
                profile.most.insert(*class);
            }
        }
        for (plane, pattern) in &role.unknown {
            profile.classes.insert(classify_pattern(*plane, pattern));
            profile.most.insert(classify_pattern(*plane, pattern));
        }
        for block in role.blocks.iter().filter(|b| b.condition.is_none()) {
            profile.control_wildcard |= block.permission.actions.iter().any(|p| p.text() == "*");
            profile.data_wildcard |=
                block.permission.data_actions.iter().any(|p| p.text() == "*" || is_provider_wide(p.text()));
        }
        let mut written = BTreeSet::new();
        for at in role.sure.iter(Plane::Control) {
            let name = operations.name(Plane::Control, at);
            match classify(Plane::Control, name) {
                Class::Read => continue,
                Class::Credential if profile.secret_operations.len() < 5 => {
                    profile.secret_operations.push(name.to_owned())
                }
                _ => {}
            }
            written.insert(provider(name));
            profile.resource_types.insert(resource_type(name));
        }
        for at in role.sure.iter(Plane::Data) {
            let name = operations.name(Plane::Data, at);
            profile.data_operations += 1;
            profile.resource_types.insert(resource_type(name));
            if classify(Plane::Data, name) == Class::Credential && profile.secret_operations.len() < 5 {
                profile.secret_operations.push(name.to_owned());
            }
        }
        profile.write_breadth = u8::try_from(written.len() * 100 / sets.providers.max(1)).unwrap_or(100);
        if written.len() > 8 {
            profile.resource_types.clear();
        }
        profile
    }

    /// Whether it gives anything that lets its holder become someone else or run code elsewhere: whether handing it
    /// out is an escalation.
    pub fn harmful(&self) -> bool {
        self.most.iter().any(|c| *c >= Class::Execution)
    }

    /// Its worst class.
    pub fn worst(&self) -> Option<Class> {
        self.most.iter().next_back().copied()
    }
}

fn is_provider_wide(pattern: &str) -> bool {
    pattern.strip_suffix("/*").is_some_and(|head| !head.contains('/') && !head.contains('*'))
}

/// `microsoft.storage/storageaccounts` of any operation under it.
fn resource_type(operation: &str) -> String {
    let mut parts = operation.splitn(3, '/');
    match (parts.next(), parts.next()) {
        (Some(provider), Some(kind)) => [provider, "/", kind].concat(),
        _ => operation.to_owned(),
    }
}
