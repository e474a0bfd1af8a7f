//! Facts of use: which kinds of rights of a grant nothing was done with, as far as the activity log goes. Reads and the data
//! plane are not in it, and nothing is said of them.

use super::lens::Lens;
use super::tables::UseIndex;
use super::{Fact, Type, Value};
use crate::graph::{Grant, Identity, Uses};
use crate::model::{GrantState, Ix, Plane, Usage};
use crate::rbac::{Class, OpSet, classify, weight};
use std::collections::{BTreeSet, HashMap};

/// What the log says of a grant as one identity holds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct UseFacts {
    unused: Vec<String>,
    used: usize,
    denied: usize,
}

/// By grant and identity.
pub(crate) type UseTable = HashMap<(Ix<Grant>, Ix<Identity>), UseFacts>;

/// Kinds of rights whose use shows in the activity log.
const SHOWN: [Class; 5] =
    [Class::Write, Class::Execution, Class::Credential, Class::Identity, Class::Authorization];

impl Lens<'_> {
    /// Works out what was used of what, where a log was given.
    pub(super) fn use_facts(&mut self) {
        let graph = self.graph;
        let Some(uses) = Uses::new(graph) else { return };
        let mut shown: HashMap<usize, BTreeSet<Class>> = HashMap::new();
        let direct =
            graph.grants().iter().filter_map(|(at, g)| Some((at, graph.parties()[g.party].identity?)));
        let through = self.group_grants.iter().map(|g| (g.held.grant, g.identity));
        let mut found = UseTable::new();
        for (at, whose) in direct.chain(through) {
            let (grant, identity) = (&graph.grants()[at], &graph.identities()[whose]);
            // Where the log does not reach, nothing is known.
            if !uses.covers(grant) {
                continue;
            }
            // The data plane is in other logs.
            let there = |row: &&Usage| !row.data && graph.reaches(grant, graph.text(row.scope));
            let rows = uses.of(identity).into_iter().filter(there);
            let mut classes: BTreeSet<Class> = BTreeSet::new();
            let mut facts = UseFacts::default();
            for row in rows {
                if row.done > 0 {
                    facts.used += 1;
                    classes.insert(classify(Plane::Control, graph.text(row.operation)));
                }
                facts.denied += usize::from(row.denied > 0);
            }
            let held = shown.entry(grant.role.index()).or_insert_with(|| {
                let operations = graph.catalog().operations();
                let gives = &graph.roles()[grant.role].compiled.most;
                let class = |at| classify(Plane::Control, operations.name(Plane::Control, at));
                gives.iter(Plane::Control).map(class).collect()
            });
            let unused = SHOWN.iter().filter(|c| held.contains(c) && !classes.contains(c));
            facts.unused = unused.map(|c| c.name().to_owned()).collect();
            facts.unused.sort();
            found.insert((at, whose), facts);
        }
        self.uses = Some((uses, found));
    }

    /// How much of what each identity holds it used.
    pub(super) fn use_indexes(&mut self) {
        let graph = self.graph;
        let Some((uses, _)) = &self.uses else { return };
        let operations = graph.catalog().operations();
        let weights: Vec<u64> = operations
            .iter(Plane::Control)
            .map(|name| match classify(Plane::Control, name) {
                Class::Read => 0,
                class => weight(class),
            })
            .collect();
        let weigh = |at: usize| weights.get(at).copied().unwrap_or(0);
        // Most identities hold the same few sets of roles.
        let mut known: HashMap<Vec<usize>, (OpSet, u64)> = HashMap::new();
        for (at, identity) in graph.identities().iter() {
            let Some(party) = identity.party else { continue };
            let held = graph.held_by(party);
            if !held.iter().all(|h| uses.covers(&graph.grants()[h.grant])) {
                continue;
            }
            let in_force = held.iter().map(|h| &graph.grants()[h.grant]);
            let mut roles: Vec<usize> =
                in_force.filter(|g| g.state != GrantState::Eligible).map(|g| g.role.index()).collect();
            roles.sort_unstable();
            roles.dedup();
            let (set, granted) = known.entry(roles).or_insert_with_key(|roles| {
                let mut all = OpSet::new();
                roles.iter().for_each(|r| all.union(&graph.roles()[Ix::new(*r)].compiled.most));
                let sum = all.iter(Plane::Control).map(weigh).sum();
                (all, sum)
            });
            // Nothing to use is no hundred percent.
            if *granted == 0 {
                continue;
            }
            let mut index = UseIndex { granted: *granted, days: uses.days(), ..UseIndex::default() };
            let mut seen: BTreeSet<usize> = BTreeSet::new();
            for row in uses.of(identity).into_iter().filter(|row| !row.data) {
                index.denied += usize::from(row.denied > 0);
                let found = operations.find(Plane::Control, graph.text(row.operation));
                let Some(op) = found.filter(|op| row.done > 0 && set.contains(Plane::Control, *op)) else {
                    continue;
                };
                if seen.insert(op) {
                    index.used += weigh(op);
                }
            }
            if let Some(facts) = self.identities.get_mut(at.index()) {
                facts.use_index = Some(index);
            }
        }
    }

    fn use_of(&self, subject: &super::Subject) -> Option<&UseFacts> {
        self.uses.as_ref()?.1.get(&(subject.grant?, subject.identity?))
    }
}

pub(super) const FACTS: &[Fact] = &[
    Fact {
        root: "assignment",
        field: "unused_classes",
        kind: Type::List,
        meaning: "of write, execution, credential, identity and authorization, the classes that it gives on the control plane and that its holder did nothing of there, as far as the activity log goes",
        get: |lens, subject| lens.use_of(subject).map_or(Value::Missing, |f| Value::List(&f.unused)),
    },
    Fact {
        root: "assignment",
        field: "used_operations",
        kind: Type::Int,
        meaning: "distinct control-plane operations and places that its holder used there, reads aside",
        get: |lens, subject| lens.use_of(subject).map_or(Value::Missing, |f| Value::count(f.used)),
    },
    Fact {
        root: "assignment",
        field: "denied_operations",
        kind: Type::Int,
        meaning: "those that its holder tried there and was refused",
        get: |lens, subject| lens.use_of(subject).map_or(Value::Missing, |f| Value::count(f.denied)),
    },
    Fact {
        root: "identity",
        field: "used_percent",
        kind: Type::Int,
        meaning: "how much of what it holds on the control plane it used, reads aside, in percent: operations weighed by class",
        get: |lens, subject| {
            let index = subject.identity.and_then(|at| lens.identity(at).use_index);
            index.map_or(Value::Missing, |i| Value::Int(i64::try_from(i.percent()).unwrap_or(100)))
        },
    },
    Fact {
        root: "assignment",
        field: "log_days",
        kind: Type::Int,
        meaning: "days that the activity log covers",
        get: |lens, _| lens.uses.as_ref().map_or(Value::Missing, |(uses, _)| Value::Int(uses.days())),
    },
];
