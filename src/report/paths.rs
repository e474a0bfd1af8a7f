//! Ways from an identity to more power, in words: what is done, by whom, to what, and what allows it.
//! Not here: finding them (`graph`), and laying them out (`render`).

use crate::graph::{AccessGraph, Held, Open, Path, Step, Target};
use crate::model::{GrantState, Ix};
use crate::rbac::Access;

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
    /// The assignment's ARM id.
    pub assignment: String,
    /// The groups that it comes through.
    pub via: Vec<String>,
    /// Whether a condition stands on it.
    pub condition: bool,
    /// Whether it ends.
    pub ends: bool,
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
        place: scope_words(graph, open.scope),
        things: open.things,
        confidence: open.certainty.name(),
    }
}

/// A way in words.
pub fn path_row(graph: &AccessGraph, from: &str, path: &Path) -> PathRow {
    let (to, to_kind, to_id) = target(graph, &path.target);
    PathRow {
        from: from.to_owned(),
        to,
        to_kind,
        to_id,
        confidence: path.certainty.name(),
        steps: path.steps.iter().map(|s| step(graph, s)).collect(),
    }
}

/// A target in words, with its kind and id.
pub fn target(graph: &AccessGraph, target: &Target) -> (String, &'static str, String) {
    let at = |scope| scope_words(graph, scope);
    let id = |scope: Ix<crate::graph::ScopeNode>| graph.text(graph.scopes().nodes()[scope].id).to_owned();
    let principal = |party: Ix<crate::graph::Party>| graph.text(graph.parties()[party].principal).to_owned();
    match target {
        Target::Party(party) => (format!("`{}`", graph.party_name(*party)), "identity", principal(*party)),
        Target::Group(party) => {
            (format!("membership in `{}`", graph.party_name(*party)), "group", principal(*party))
        }
        Target::Authority(scope) => (format!("any role on {}", at(*scope)), "authority", id(*scope)),
        Target::Write(scope) => (format!("writes of most providers on {}", at(*scope)), "write", id(*scope)),
        Target::Role(name, scope) => (format!("{name} on {}", at(*scope)), "role", id(*scope)),
        Target::Directory => ("any role of the directory".to_owned(), "directory", String::new()),
    }
}

/// A scope by its level and name.
pub fn scope_words(graph: &AccessGraph, scope: Ix<crate::graph::ScopeNode>) -> String {
    let node = &graph.scopes().nodes()[scope];
    let text = graph.text(node.id);
    if text == "/" {
        return "the root".to_owned();
    }
    let estate = graph.estate();
    let class = estate.strings.class(node.id);
    let named = estate.subscriptions.iter().map(|s| (s.id, s.name));
    let named = named.chain(estate.management_groups.iter().map(|g| (g.id, g.name)));
    let name =
        named.filter(|(id, _)| estate.strings.class(*id) == class).map(|(_, name)| graph.text(name)).next();
    let name = name.filter(|n| !n.starts_with('/')).unwrap_or_else(|| crate::model::role_key(text));
    format!("{} `{name}`", node.level.name().replace('-', " "))
}

fn step(graph: &AccessGraph, step: &Step) -> StepRow {
    let technique = step.technique;
    let does = match technique {
        Some(t) => t.title.clone(),
        None => match &step.gains {
            Target::Group(_) => "add itself to a group".to_owned(),
            _ => "use its role in the directory".to_owned(),
        },
    };
    let operation = |o: &crate::model::Operation| match o.plane {
        crate::model::Plane::Control => o.name.clone(),
        crate::model::Plane::Data => format!("{} (data)", o.name),
    };
    StepRow {
        actor: graph.party_name(step.actor).to_owned(),
        actor_id: graph.text(graph.parties()[step.actor].principal).to_owned(),
        does,
        technique: technique.map(|t| t.id.clone()),
        on: step.on.map(|s| graph.text(graph.scopes().nodes()[s].id).to_owned()),
        gains: target(graph, &step.gains).0,
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
        assignment: record.map(|r| graph.estate().strings.show_id(r.id)).unwrap_or_default(),
        via: held.via.iter().map(|g| graph.party_name(*g).to_owned()).collect(),
        condition: grant.condition.is_some(),
        ends: grant.state == GrantState::TimeBound,
    }
}
