//! Facts of what identities could become. Worked out when a rule first asks.

use super::lens::Lens;
use super::{Fact, Subject, Type, Value};
use crate::finding::Evidence;
use crate::graph::{Escalation, Identity, Step, Taker, Target};
use crate::model::Ix;
use crate::rbac::{Access, Certainty};

/// The most names in a list.
const NAMES: usize = 10;
/// The most takers whose steps are evidence.
const TAKERS: usize = 3;

/// What is known of an identity.
#[derive(Debug, Default)]
struct PowerFacts {
    to: String,
    /// The same by kind and id.
    place: String,
    kind: &'static str,
    steps: usize,
    confidence: &'static str,
    places: usize,
    first: String,
    power: String,
    federable_by: Vec<String>,
    federable: usize,
    attachable_by: Vec<String>,
    attachable: usize,
    way: Vec<Evidence>,
    federating: Vec<Evidence>,
    attaching: Vec<Evidence>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct PowerTable(Vec<PowerFacts>);

impl PowerTable {
    fn new(lens: &Lens<'_>) -> PowerTable {
        let graph = lens.graph;
        let escalation = Escalation::new(graph);
        let all = escalation.all();
        let takers = escalation.takers(Certainty::Medium);
        let names = |list: &[Taker]| -> Vec<String> {
            let name = |at: Ix<Identity>| graph.identity_name(&graph.identities()[at]).to_owned();
            let mut names: Vec<String> = list.iter().map(|(at, _)| name(*at)).collect();
            names.sort();
            names.truncate(NAMES);
            names
        };
        let mut rows = Vec::with_capacity(all.len());
        for ((at, identity), escalates) in graph.identities().iter().zip(all) {
            let mut facts = PowerFacts::default();
            if let Some(escalates) = escalates
                && lens.identity(at).judged
                && let Some(path) = escalation.way(identity, escalates)
            {
                // Not the worst by the net: a deny assignment may leave this identity only another.
                facts.to = target(lens, &path.target);
                facts.kind = path.target.kind();
                facts.place = format!("{} {}", facts.kind, path.target.id(graph).to_ascii_lowercase());
                facts.steps = path.steps.len();
                facts.confidence = path.certainty.name();
                facts.places = escalates.places;
                facts.way = evidence(lens, &path.steps);
                facts.first = path.steps.first().map(|s| step(lens, s)).unwrap_or_default();
            }
            if let Some(takers) = takers.get(&at.index()) {
                facts.federable_by = names(&takers.federate);
                facts.federable = takers.federate.len();
                facts.attachable_by = names(&takers.attach);
                facts.attachable = takers.attach.len();
                let taking = |list: &[Taker]| {
                    let first = list.iter().take(TAKERS);
                    let steps = first.filter_map(|(taker, technique)| {
                        escalation.taking(&graph.identities()[*taker], *technique, identity)
                    });
                    evidence(lens, &steps.collect::<Vec<_>>())
                };
                facts.federating = taking(&takers.federate);
                facts.attaching = taking(&takers.attach);
                let worst = escalation.power(identity);
                facts.power = worst.map(|t| target(lens, &t)).unwrap_or_default();
            }
            rows.push(facts);
        }
        PowerTable(rows)
    }
}

impl<'g> Lens<'g> {
    /// Puts what was worked out of ways, if a rule asked, with what is known of identities.
    pub(crate) fn note_ways(&mut self) {
        let Some(table) = self.powers.get() else { return };
        for (facts, power) in self.identities.iter_mut().zip(&table.0) {
            facts.ways_known = true;
            facts.escalates_to.clone_from(&power.to);
            facts.escalation_steps = power.steps;
            facts.escalation_confidence = power.confidence;
        }
    }

    fn powers(&self) -> &[PowerFacts] {
        &self.powers.get_or_init(|| PowerTable::new(self)).0
    }
}

/// What a rule's findings rest on that is about ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ways {
    /// The identity's own to more power.
    Own,
    /// Those of others to it, by trust in their tokens.
    Federating,
    /// Those of others to it, by a host.
    Attaching,
}

/// Where an identity's way leads, by kind and id: another end is another finding.
pub(crate) fn leads_to<'l>(lens: &'l Lens<'_>, at: Ix<Identity>) -> &'l str {
    lens.powers().get(at.index()).map_or("", |f| &f.place)
}

/// The steps that a rule's findings rest on, as evidence.
pub(crate) fn steps<'l>(lens: &'l Lens<'_>, at: Ix<Identity>, ways: Ways) -> &'l [Evidence] {
    let facts = lens.powers().get(at.index());
    let list = facts.map(|f| match ways {
        Ways::Own => &f.way,
        Ways::Federating => &f.federating,
        Ways::Attaching => &f.attaching,
    });
    list.map(Vec::as_slice).unwrap_or_default()
}

fn evidence(lens: &Lens<'_>, steps: &[Step]) -> Vec<Evidence> {
    let mut all = Vec::new();
    for one in steps {
        let on = one.on.map(|s| lens.graph.text(lens.graph.scopes().nodes()[s].id).into());
        all.push(Evidence { kind: "path-step", text: step(lens, one).into(), id: on });
        for held in &one.held {
            let grant = &lens.graph.grants()[held.grant];
            let node = &lens.graph.scopes().nodes()[grant.scope];
            let mut text = format!(
                "by {} on {} `{}`",
                lens.graph.roles()[grant.role].name,
                node.level.name(),
                lens.scope_name(grant.scope)
            );
            for group in &held.via {
                text.push_str(&format!(", through the group `{}`", lens.graph.party_name(*group)));
            }
            let id = lens.graph.record(grant).map(|r| lens.graph.estate().strings.show_id(r.id).into());
            all.push(Evidence { kind: "assignment", text: text.into(), id });
            if let Some(condition) = lens.graph.condition(grant).filter(|_| one.access != Access::Allowed) {
                let text = format!("not known to let it through: {}", lens.graph.text(condition.text));
                all.push(Evidence { kind: "condition", text: text.into(), id: None });
            }
        }
    }
    all
}

fn step(lens: &Lens<'_>, step: &Step) -> String {
    let graph = lens.graph;
    let does = step.does();
    let on = step.on.map(|s| format!(" (`{}`)", lens.scope_name(s))).unwrap_or_default();
    format!("`{}` can {does}{on} and gets {}", graph.party_name(step.actor), target(lens, &step.gains))
}

/// A target in words, by the names of scopes that the lens has at hand: looking each up again is slow over a whole estate.
fn target(lens: &Lens<'_>, target: &Target) -> String {
    let at = |scope| {
        let level = lens.graph.scopes().nodes()[scope].level.name().replace('-', " ");
        format!("{level} `{}`", lens.scope_name(scope))
    };
    match target {
        Target::Authority(scope) => format!("any role on {}", at(*scope)),
        Target::Write(scope) => format!("writes of most providers on {}", at(*scope)),
        Target::Role(name, scope, _) => format!("{name} on {}", at(*scope)),
        Target::Party(_) | Target::Group(_) | Target::Directory => target.words(lens.graph),
    }
}

macro_rules! fact {
    ($field:literal, $kind:ident, $meaning:literal, |$facts:ident| $value:expr) => {
        Fact {
            root: "identity",
            field: $field,
            kind: Type::$kind,
            meaning: $meaning,
            get: |lens, subject: &Subject| match subject.identity.and_then(|at| lens.powers().get(at.index()))
            {
                Some($facts) => $value,
                None => Value::Missing,
            },
        }
    };
}

pub(super) const FACTS: &[Fact] = &[
    fact!(
        "escalates_to",
        Text,
        "the worst place of power that it gets to step by step and does not hold itself, in words; empty if there is none",
        |f| Value::Text(&f.to)
    ),
    fact!(
        "escalates_kind",
        Text,
        "what that is: authority (any role), write (most providers), directory; empty if there is none",
        |f| Value::Text(f.kind)
    ),
    fact!("escalation_steps", Int, "how many steps it takes", |f| Value::count(f.steps)),
    fact!("escalation_confidence", Text, "how sure the least sure of them is: high, medium, low", |f| {
        Value::Text(f.confidence)
    }),
    fact!("escalation_places", Int, "how many places of power it gets to and does not hold", |f| {
        Value::count(f.places)
    }),
    fact!("escalation_first", Text, "the first step, in words", |f| Value::Text(&f.first)),
    fact!(
        "power",
        Text,
        "the worst place of power that it holds, in words, where identities without that can take it",
        |f| Value::Text(&f.power)
    ),
    fact!(
        "federable_by",
        List,
        "identities that can have it trust an outside token and do not have its power; the first ten",
        |f| Value::List(&f.federable_by)
    ),
    fact!("federable_count", Int, "how many those are", |f| Value::count(f.federable)),
    fact!(
        "attachable_by",
        List,
        "identities that can put it on a host that they may write and do not have its power; the first ten",
        |f| Value::List(&f.attachable_by)
    ),
    fact!("attachable_count", Int, "how many those are", |f| Value::count(f.attachable)),
];
