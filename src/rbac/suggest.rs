//! The smallest sufficient roles for some operations: an exact search, so that what it finds can be said to be least.
//!
//! A set of roles costs what the union of their operations weighs, by class, and a little for each role. Covered is only what
//! a pattern names without leaving a segment out, under no condition. Not here: which operations somebody needs.

use super::catalog::Operations;
use super::effective::CompiledRole;
use super::matching::{matches, matches_strictly};
use super::opset::OpSet;
use super::risk::{Class, classify};
use crate::model::{Operation, Permission, Plane};

/// What a set of roles costs.
pub type Cost = u64;

/// What each role of a set costs by being one more.
const ROLE: Cost = 50;
/// The most sets that are looked at.
const MOST: usize = 400_000;

/// What an operation of a class weighs.
pub const fn weight(class: Class) -> Cost {
    match class {
        Class::Read => 1,
        Class::DataRead => 5,
        Class::Write => 20,
        Class::DataWrite => 25,
        Class::Execution => 200,
        Class::Credential => 400,
        Class::Identity => 1_000,
        Class::Authorization => 2_000,
    }
}

/// A role that could be given.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it is known by.
    pub key: String,
    /// What it allows.
    pub permissions: Vec<Permission>,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suggestion {
    /// The candidates to give, by position; empty where no set covers all.
    pub roles: Vec<usize>,
    /// What they cost together.
    pub cost: Cost,
    /// What any set that covers all costs at least: the same where the search came to its end.
    pub at_least: Cost,
    /// Needs that no candidate covers, by position.
    pub uncovered: Vec<usize>,
    /// How many candidates cover something.
    pub considered: usize,
    /// How many sets were looked at.
    pub looked_at: usize,
}

struct Choice {
    at: usize,
    covers: Vec<usize>,
    gives: OpSet,
}

struct Weights {
    control: Vec<Cost>,
    data: Vec<Cost>,
}

impl Weights {
    fn new(operations: &Operations) -> Weights {
        let of = |plane| operations.iter(plane).map(|name| weight(classify(plane, name))).collect();
        Weights { control: of(Plane::Control), data: of(Plane::Data) }
    }

    fn of(&self, set: &OpSet) -> Cost {
        let sum = |plane, weights: &Vec<Cost>| -> Cost {
            set.iter(plane).map(|at| weights.get(at).copied().unwrap_or(0)).sum()
        };
        sum(Plane::Control, &self.control) + sum(Plane::Data, &self.data)
    }
}

/// Whether a role surely allows an operation, as far as one may rely on it.
fn covers(permissions: &[Permission], need: &Operation) -> bool {
    permissions.iter().filter(|p| p.condition.is_none()).any(|p| {
        let (gives, takes) = p.on(need.plane);
        gives.iter().any(|pattern| matches_strictly(pattern, &need.name))
            && !takes.iter().any(|pattern| matches(pattern, &need.name))
    })
}

/// Finds the cheapest set of candidates that covers every need.
pub fn suggest(needs: &[Operation], candidates: &[Candidate], operations: &Operations) -> Suggestion {
    let weights = Weights::new(operations);
    let mut choices: Vec<Choice> = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let own: Vec<usize> = (0..needs.len())
            .filter(|n| needs.get(*n).is_some_and(|need| covers(&candidate.permissions, need)))
            .collect();
        if !own.is_empty() {
            let gives = CompiledRole::compile(&candidate.permissions, operations).most;
            choices.push(Choice { at, covers: own, gives });
        }
    }
    let considered = choices.len();
    let uncovered: Vec<usize> =
        (0..needs.len()).filter(|n| !choices.iter().any(|c| c.covers.contains(n))).collect();
    let none = Suggestion { roles: Vec::new(), cost: 0, at_least: 0, uncovered, considered, looked_at: 0 };
    if !none.uncovered.is_empty() || needs.is_empty() {
        return none;
    }
    // One that covers no more and gives no less than another is never better.
    let mut kept: Vec<Choice> = Vec::new();
    choices.sort_by_cached_key(|c| (weights.of(&c.gives), std::cmp::Reverse(c.covers.len()), c.at));
    for choice in choices {
        let worse =
            |k: &Choice| choice.covers.iter().all(|n| k.covers.contains(n)) && choice.gives.covers(&k.gives);
        if !kept.iter().any(worse) {
            kept.push(choice);
        }
    }
    let mut search = Search {
        needs: needs.len(),
        choices: &kept,
        weights: &weights,
        best: None,
        looked_at: 0,
        open: Cost::MAX,
    };
    search.go(&mut Vec::new(), &OpSet::new());
    let (cost, roles) = search.best.unwrap_or((0, Vec::new()));
    let roles = roles.iter().filter_map(|n| Some(kept.get(*n)?.at)).collect();
    Suggestion { roles, cost, at_least: cost.min(search.open), looked_at: search.looked_at, ..none }
}

struct Search<'s> {
    needs: usize,
    choices: &'s [Choice],
    weights: &'s Weights,
    best: Option<(Cost, Vec<usize>)>,
    looked_at: usize,
    /// The least that a set costs that was not looked at, if the search was given up.
    open: Cost,
}

impl Search<'_> {
    fn cost(&self, gives: &OpSet, roles: usize) -> Cost {
        self.weights.of(gives) + ROLE * roles as Cost
    }

    fn go(&mut self, taken: &mut Vec<usize>, gives: &OpSet) {
        self.looked_at += 1;
        let has = |need: &usize| {
            taken.iter().any(|t| self.choices.get(*t).is_some_and(|c| c.covers.contains(need)))
        };
        let missing: Vec<usize> = (0..self.needs).filter(|n| !has(n)).collect();
        if missing.is_empty() {
            let cost = self.cost(gives, taken.len());
            if self.best.as_ref().is_none_or(|(known, _)| cost < *known) {
                let mut roles = taken.clone();
                roles.sort_unstable();
                self.best = Some((cost, roles));
            }
            return;
        }
        // Whatever covers a need must be taken: the need with the fewest ways is tried, the cheapest way first, and the
        // need that is dearest to cover bounds the rest.
        let mut tried: Option<Vec<(Cost, usize, OpSet)>> = None;
        let mut least = 0;
        for need in &missing {
            let mut ways: Vec<(Cost, usize, OpSet)> = Vec::new();
            for (at, choice) in self.choices.iter().enumerate().filter(|(_, c)| c.covers.contains(need)) {
                let mut with = gives.clone();
                with.union(&choice.gives);
                ways.push((self.cost(&with, taken.len() + 1), at, with));
            }
            least = least.max(ways.iter().map(|(cost, ..)| *cost).min().unwrap_or(Cost::MAX));
            if tried.as_ref().is_none_or(|known| ways.len() < known.len()) {
                tried = Some(ways);
            }
        }
        let bound = self.best.as_ref().map_or(Cost::MAX, |(cost, _)| *cost);
        if least >= bound {
            return;
        }
        let mut ways = tried.unwrap_or_default();
        ways.sort_by_key(|(cost, at, _)| (*cost, *at));
        for (cost, at, with) in ways {
            let bound = self.best.as_ref().map_or(Cost::MAX, |(cost, _)| *cost);
            if cost >= bound {
                break;
            }
            if self.looked_at >= MOST {
                self.open = self.open.min(cost.max(least));
                return;
            }
            taken.push(at);
            self.go(taken, &with);
            taken.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ActionPattern;
    use crate::rbac::Catalog;
    use proptest::prelude::*;

    fn role(n: usize, actions: &[&str], not_actions: &[&str]) -> Candidate {
        let read = |list: &[&str]| list.iter().map(|t| ActionPattern::new(t)).collect();
        let permission =
            Permission { actions: read(actions), not_actions: read(not_actions), ..Permission::default() };
        Candidate { key: n.to_string(), permissions: vec![permission] }
    }

    /// Every set, one by one.
    fn by_force(needs: &[Operation], candidates: &[Candidate], operations: &Operations) -> Option<Cost> {
        let weights = Weights::new(operations);
        let sets: Vec<OpSet> =
            candidates.iter().map(|c| CompiledRole::compile(&c.permissions, operations).most).collect();
        let mut best = None;
        for mask in 1u32..1 << candidates.len() {
            let taken: Vec<usize> = (0..candidates.len()).filter(|n| mask >> n & 1 == 1).collect();
            if !needs.iter().all(|need| taken.iter().any(|t| covers(&candidates[*t].permissions, need))) {
                continue;
            }
            let mut all = OpSet::new();
            taken.iter().for_each(|t| all.union(&sets[*t]));
            let cost = weights.of(&all) + ROLE * taken.len() as Cost;
            best = Some(best.map_or(cost, |known: Cost| known.min(cost)));
        }
        best
    }

    const PATTERNS: [&str; 14] = [
        "*",
        "*/read",
        "Microsoft.Storage/storageAccounts/*",
        "Microsoft.Storage/storageAccounts/read",
        "Microsoft.Storage/storageAccounts/write",
        "Microsoft.Storage/storageAccounts/listKeys/action",
        "Microsoft.Storage/*/read",
        "Microsoft.Web/sites/*",
        "Microsoft.Web/sites/read",
        "Microsoft.Web/sites/write",
        "Microsoft.Web/sites/restart/action",
        "Microsoft.Web/*/action",
        "Microsoft.Compute/virtualMachines/*/read",
        "Microsoft.Compute/virtualMachines/read",
    ];
    const NEEDS: [&str; 8] = [
        "Microsoft.Storage/storageAccounts/read",
        "Microsoft.Storage/storageAccounts/write",
        "Microsoft.Storage/storageAccounts/listKeys/action",
        "Microsoft.Web/sites/read",
        "Microsoft.Web/sites/write",
        "Microsoft.Web/sites/restart/action",
        "Microsoft.Compute/virtualMachines/read",
        "Microsoft.Compute/virtualMachines/instanceView/read",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        /// What is found is as cheap as the cheapest of all sets.
        #[test]
        fn the_search_is_exact(
            roles in prop::collection::vec((prop::collection::vec(0..PATTERNS.len(), 1..4), prop::option::of(0..PATTERNS.len())), 1..8),
            needs in prop::collection::btree_set(0..NEEDS.len(), 1..5),
        ) {
            let operations = Catalog::embedded().operations();
            let candidates: Vec<Candidate> = roles.iter().enumerate().map(|(n, (gives, takes))| {
                let gives: Vec<&str> = gives.iter().map(|p| PATTERNS[*p]).collect();
                let takes: Vec<&str> = takes.iter().map(|p| PATTERNS[*p]).collect();
                role(n, &gives, &takes)
            }).collect();
            let needs: Vec<Operation> = needs.iter().map(|n| Operation::control(NEEDS[*n])).collect();
            let found = suggest(&needs, &candidates, operations);
            match by_force(&needs, &candidates, operations) {
                None => prop_assert!(!found.uncovered.is_empty() && found.roles.is_empty()),
                Some(cost) => {
                    prop_assert_eq!(found.cost, cost);
                    prop_assert_eq!(found.at_least, cost);
                    for need in &needs {
                        prop_assert!(found.roles.iter().any(|r| covers(&candidates[*r].permissions, need)));
                    }
                }
            }
        }
    }

    #[test]
    fn a_segment_that_is_left_out_is_not_relied_on() {
        let assign = Operation::control("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action");
        let loose = role(0, &["Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action"], &[]);
        let exact = role(1, &["Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"], &[]);
        let operations = Catalog::embedded().operations();
        let alone = suggest(std::slice::from_ref(&assign), std::slice::from_ref(&loose), operations);
        assert_eq!(alone.uncovered, [0]);
        assert_eq!(suggest(&[assign], &[loose, exact], operations).roles, [1]);
    }
}
