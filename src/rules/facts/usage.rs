//! Facts of use: which kinds of rights of a grant nothing was done with, as far as the activity log goes. Reads and the data
//! plane are not in it, and nothing is said of them.

use super::lens::Lens;
use super::{Fact, Type, Value};
use crate::graph::{Grant, Identity};
use crate::model::{Ix, Plane, Usage};
use crate::rbac::{Class, classify};
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
        let Some(log) = &graph.estate().usage else { return };
        let strings = &graph.estate().strings;
        let mut by_principal: HashMap<String, Vec<&Usage>> = HashMap::new();
        for row in log.rows.iter().filter(|r| !r.data) {
            by_principal.entry(strings.text(row.principal).to_ascii_lowercase()).or_default().push(row);
        }
        let direct =
            graph.grants().iter().filter_map(|(at, g)| Some((at, graph.parties()[g.party].identity?)));
        let through = self.group_grants.iter().map(|g| (g.held.grant, g.identity));
        let mut found = UseTable::new();
        for (at, whose) in direct.chain(through) {
            let (grant, identity) = (&graph.grants()[at], &graph.identities()[whose]);
            let ids = [identity.party.map(|p| graph.parties()[p].principal), identity.client];
            let rows = ids
                .into_iter()
                .flatten()
                .filter_map(|id| by_principal.get(&graph.text(id).to_ascii_lowercase()))
                .flatten()
                .filter(|row| graph.reaches(grant, graph.text(row.scope)));
            let mut classes: BTreeSet<Class> = BTreeSet::new();
            let mut facts = UseFacts::default();
            for row in rows {
                if row.done > 0 {
                    facts.used += 1;
                    classes.insert(classify(Plane::Control, graph.text(row.operation)));
                }
                facts.denied += usize::from(row.denied > 0);
            }
            let held = &graph.roles()[grant.role].profile.classes;
            let unused = SHOWN.iter().filter(|c| held.contains(c) && !classes.contains(c));
            facts.unused = unused.map(|c| c.name().to_owned()).collect();
            facts.unused.sort();
            found.insert((at, whose), facts);
        }
        self.uses = Some(found);
    }

    fn use_of(&self, subject: &super::Subject) -> Option<&UseFacts> {
        self.uses.as_ref()?.get(&(subject.grant?, subject.identity?))
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
        root: "assignment",
        field: "log_days",
        kind: Type::Int,
        meaning: "days that the activity log covers",
        get: |lens, _| {
            let log = lens.graph.estate().usage.as_ref();
            log.map_or(Value::Missing, |l| Value::Int(l.until.days_since(l.from)))
        },
    },
];
