//! What a role amounts to, in the few numbers and flags that rules ask about. Computed once for each distinct role.

use super::catalog::Operations;
use super::effective::CompiledRole;
use super::opset::OpSet;
use super::risk::{Class, classify, classify_pattern};
use crate::model::{FastMap, Plane};
use std::collections::BTreeSet;

/// The operations of each class, as sets, and what each operation is: looked at once, not once for each role.
#[derive(Debug)]
pub struct ClassSets {
    sets: Vec<(Class, OpSet)>,
    /// How many providers have writes.
    providers: usize,
    /// How many there are.
    numbered: usize,
    /// By plane, in the order of the catalogue.
    about: Vec<(Plane, Vec<About>)>,
    /// `provider/type`, by number.
    types: Vec<String>,
}

/// Numbers of names.
type Numbers<'n> = FastMap<&'n str, usize>;

/// An operation.
#[derive(Clone, Copy, Debug)]
struct About {
    class: Class,
    provider: usize,
    kind: usize,
}

impl ClassSets {
    /// Sorts all operations into classes.
    pub fn new(operations: &Operations) -> ClassSets {
        let mut sets: Vec<(Class, OpSet)> = Class::ALL.iter().map(|c| (*c, OpSet::new())).collect();
        let mut written: Vec<usize> = Vec::new();
        let (mut providers, mut kinds): (Numbers<'_>, Numbers<'_>) = Default::default();
        let mut types = Vec::new();
        let mut about = Vec::new();
        for plane in Plane::ALL {
            let mut all = Vec::with_capacity(operations.len(plane));
            // Those of a type stand together.
            let mut last = ("", 0, 0);
            for (at, name) in operations.iter(plane).enumerate() {
                let class = classify(plane, name);
                let typed = resource_type(name);
                if last.0 != typed {
                    let (next, own) = (providers.len(), provider(name));
                    let kind = *kinds.entry(typed).or_insert_with(|| {
                        types.push(typed.to_owned());
                        types.len() - 1
                    });
                    last = (typed, *providers.entry(own).or_insert(next), kind);
                }
                let (_, own, kind) = last;
                if plane == Plane::Control && class != Class::Read && written.last() != Some(&own) {
                    written.push(own);
                }
                if let Some((_, set)) = sets.iter_mut().find(|(c, _)| *c == class) {
                    set.insert(plane, at);
                }
                all.push(About { class, provider: own, kind });
            }
            about.push((plane, all));
        }
        let numbered = providers.len();
        written.sort_unstable();
        written.dedup();
        ClassSets { sets, providers: written.len(), numbered, about, types }
    }

    fn about(&self, plane: Plane) -> &[About] {
        self.about.iter().find(|(p, _)| *p == plane).map_or(&[], |(_, all)| all)
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

/// How many operations of a set are of each class, the worst first; classes without any are left out.
pub fn count_by_class(set: &OpSet, operations: &Operations) -> Vec<(Class, usize)> {
    let mut counts: Vec<(Class, usize)> = Class::ALL.iter().rev().map(|c| (*c, 0)).collect();
    for plane in Plane::ALL {
        for at in set.iter(plane) {
            let class = classify(plane, operations.name(plane, at));
            if let Some((_, count)) = counts.iter_mut().find(|(c, _)| *c == class) {
                *count += 1;
            }
        }
    }
    counts.retain(|(_, count)| *count > 0);
    counts
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
        // By number: a wide role touches thousands of types.
        let (mut written, mut touched) = (vec![false; sets.numbered], vec![false; sets.types.len()]);
        let note = |all: &mut [bool], at: usize| {
            if let Some(slot) = all.get_mut(at) {
                *slot = true;
            }
        };
        let mut secret = |plane: Plane, at: usize, class: Class| {
            if class == Class::Credential && profile.secret_operations.len() < 5 {
                profile.secret_operations.push(operations.name(plane, at).to_owned());
            }
        };
        let control = sets.about(Plane::Control);
        for at in role.sure.iter(Plane::Control) {
            let Some(about) = control.get(at).filter(|a| a.class != Class::Read) else { continue };
            secret(Plane::Control, at, about.class);
            note(&mut written, about.provider);
            note(&mut touched, about.kind);
        }
        let data = sets.about(Plane::Data);
        for at in role.sure.iter(Plane::Data) {
            profile.data_operations += 1;
            let Some(about) = data.get(at) else { continue };
            secret(Plane::Data, at, about.class);
            note(&mut touched, about.kind);
        }
        let written = written.iter().filter(|w| **w).count();
        profile.write_breadth = u8::try_from(written * 100 / sets.providers.max(1)).unwrap_or(100);
        if written <= 8 {
            let types = sets.types.iter().zip(&touched).filter(|(_, touched)| **touched);
            profile.resource_types = types.map(|(name, _)| name.clone()).collect();
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
fn resource_type(operation: &str) -> &str {
    let end = memchr::memchr_iter(b'/', operation.as_bytes()).nth(1);
    end.and_then(|end| operation.get(..end)).unwrap_or(operation)
}
