//! Ways from an identity to more power, in words: what is done, by whom, to what, and what allows it.
//! Not here: finding them (`graph`), and laying them out (`render`).

use crate::graph::{AccessGraph, Blast, Held, Open, Path, Step};
use crate::model::GrantState;
use crate::rbac::{Access, Class};

/// A way.
#[derive(Clone, Debug)]
pub struct PathRow {
    /// Whose it is.
    pub from: String,
    /// Where it leads, in words.
    pub to: String,
    /// `identity`, `authority`, `write`, `directory`, `group` or `role`.
    pub to_kind: &'static str,
    /// The ARM id or object id of where it leads.
    pub to_id: String,
    /// How sure its least sure step is.
    pub confidence: &'static str,
    /// What is done, in order.
    pub steps: Vec<StepRow>,
}

/// One thing that somebody does.
#[derive(Clone, Debug)]
pub struct StepRow {
    /// Who.
    pub actor: String,
    /// Its object id.
    pub actor_id: String,
    /// What.
    pub does: String,
    /// The technique's id, if it is one of Azure's.
    pub technique: Option<String>,
    /// The ARM id of what it is done to.
    pub on: Option<String>,
    /// The same in words.
    pub place: Option<String>,
    /// What it leads to, in words.
    pub gains: String,
    /// What allows it.
    pub by: Vec<GrantRow>,
    /// The operations that are used; those of the data plane marked.
    pub operations: Vec<String>,
    /// When it fails all the same.
    pub unless: String,
    /// How sure it is.
    pub confidence: &'static str,
    /// Whether a condition or a deny assignment has a say that is not known.
    pub conditional: bool,
    /// Where to read more.
    pub references: Vec<String>,
}

/// A grant that a step needs.
#[derive(Clone, Debug)]
pub struct GrantRow {
    /// The role's name.
    pub role: String,
    /// The scope's ARM id.
    pub scope: String,
    /// The same in words.
    pub place: String,
    /// The assignment's ARM id.
    pub assignment: String,
    /// The groups that it comes through.
    pub via: Vec<String>,
    /// Whether a condition stands on it.
    pub condition: bool,
    /// The condition, if one does.
    pub condition_text: String,
    /// Whether it ends.
    pub ends: bool,
}

/// How far harm goes, before and after the steps that can be taken.
#[derive(Clone, Debug)]
pub struct BlastRow {
    /// Each class of operations with the resources on which it can be done now, and by every way.
    pub classes: Vec<(&'static str, u32, u32)>,
    /// Resources on which more than reading can be done now, and by every way.
    pub any: (u32, u32),
    /// The identities that can be acted as.
    pub identities: usize,
}

/// What an identity reaches, in numbers.
pub fn blast_row(now: &Blast, by_ways: &Blast) -> BlastRow {
    let each = Class::ALL.iter().zip(now.resources.iter().zip(by_ways.resources));
    BlastRow {
        classes: each.map(|(class, (a, b))| (class.name(), *a, b)).collect(),
        any: (now.any, by_ways.any),
        identities: by_ways.identities,
    }
}

/// A technique that what an identity holds is enough for.
#[derive(Clone, Debug)]
pub struct OpenRow {
    /// Its id.
    pub technique: String,
    /// What is done.
    pub title: String,
    /// What it gives.
    pub gives: String,
    /// The kind.
    pub group: &'static str,
    /// The scope's ARM id.
    pub scope: String,
    /// The same in words.
    pub place: String,
    /// How many things of its kind lie there, where that can be counted.
    pub things: Option<usize>,
    /// How sure it is.
    pub confidence: &'static str,
}

/// A technique in words.
pub fn open_row(graph: &AccessGraph, open: &Open) -> OpenRow {
    OpenRow {
        technique: open.technique.id.clone(),
        title: open.technique.title.clone(),
        gives: open.technique.gives.clone(),
        group: open.technique.group.name(),
        scope: graph.text(graph.scopes().nodes()[open.scope].id).to_owned(),
        place: graph.scope_words(open.scope),
        things: open.things,
        confidence: open.certainty.name(),
    }
}

/// A way in words.
pub fn path_row(graph: &AccessGraph, from: &str, path: &Path) -> PathRow {
    PathRow {
        from: from.to_owned(),
        to: path.target.words(graph),
        to_kind: path.target.kind(),
        to_id: path.target.id(graph).to_owned(),
        confidence: path.certainty.name(),
        steps: path.steps.iter().map(|s| step(graph, s)).collect(),
    }
}

fn step(graph: &AccessGraph, step: &Step) -> StepRow {
    let technique = step.technique;
    let operation = |o: &crate::model::Operation| match o.plane {
        crate::model::Plane::Control => o.name.clone(),
        crate::model::Plane::Data => format!("{} (data)", o.name),
    };
    StepRow {
        actor: graph.party_name(step.actor).to_owned(),
        actor_id: graph.text(graph.parties()[step.actor].principal).to_owned(),
        does: step.does().to_owned(),
        technique: technique.map(|t| t.id.clone()),
        on: step.on.map(|s| graph.text(graph.scopes().nodes()[s].id).to_owned()),
        place: step.on.map(|s| graph.scope_words(s)),
        gains: step.gains.words(graph),
        by: step.held.iter().map(|h| grant(graph, h)).collect(),
        operations: step.operations.iter().map(operation).collect(),
        unless: technique.map(|t| t.unless.clone()).unwrap_or_default(),
        confidence: step.certainty.name(),
        conditional: step.access != Access::Allowed,
        references: technique.map(|t| t.references.clone()).unwrap_or_default(),
    }
}

fn grant(graph: &AccessGraph, held: &Held) -> GrantRow {
    let grant = &graph.grants()[held.grant];
    let record = graph.record(grant);
    GrantRow {
        role: graph.roles()[grant.role].name.clone(),
        scope: graph.text(graph.scopes().nodes()[grant.scope].id).to_owned(),
        place: graph.scope_words(grant.scope),
        assignment: record.map(|r| graph.estate().strings.show_id(r.id)).unwrap_or_default(),
        via: held.via.iter().map(|g| graph.party_name(*g).to_owned()).collect(),
        condition: grant.condition.is_some(),
        condition_text: graph.condition(grant).map(|c| graph.text(c.text).to_owned()).unwrap_or_default(),
        ends: grant.state == GrantState::TimeBound,
    }
}
