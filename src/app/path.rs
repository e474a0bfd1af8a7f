//! What an identity could become, and how: the ways to places of power, to one place, or to one identity.

use super::Progress;
use super::error::AppError;
use super::lookup::{identity, scope};
use super::query::{Ask, Reply, graph, missing};
use crate::graph::{Escalation, Path, Target};
use crate::model::Source;
use crate::rbac::{Catalog, Certainty};
use crate::render::{blast_json, blast_text, open_json, open_text, path_json, paths_text};
use crate::report::{blast_row, open_row, path_row};

/// The most ways that are told of without a target.
const SHOWN: usize = 10;
/// The most ways to one target.
const WAYS: usize = 4;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// Whose ways.
    pub who: &'q str,
    /// Where to.
    pub to: Option<&'q str>,
    /// How sure they must be.
    pub at_least: Certainty,
    /// As JSON.
    pub json: bool,
}

/// Ways from an identity: to a target with alternatives, or to every place of power that it does not hold.
///
/// # Errors
/// If the estate, the identity or the target is not there.
pub fn path(
    ask: &Ask,
    question: Question<'_>,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<Reply, AppError> {
    let (graph, _) = graph(ask, catalog, progress)?;
    let at = identity(&graph, question.who)?;
    let from = &graph.identities()[at];
    let name = graph.identity_name(from).to_owned();
    progress.step("looking for ways");
    let escalation = Escalation::new(&graph);
    let mut notes = missing(&graph);
    notes.extend(unread(&graph));
    let at_least = question.at_least;
    let mut paths: Vec<Path> = Vec::new();
    match question.to {
        Some(to) => {
            let targets = targets(&graph, to)?;
            let found =
                targets.iter().map(|t| escalation.paths(from, t, at_least, WAYS)).find(|p| !p.is_empty());
            paths.extend(found.unwrap_or_default());
        }
        None => {
            let places = escalation.places(from, at_least);
            let more = places.len().saturating_sub(SHOWN);
            paths.extend(escalation.ways(from, places.get(..SHOWN.min(places.len())).unwrap_or_default()));
            if more > 0 {
                notes.push(format!("{more} more places of power are left out: name one with --to"));
            }
            let becomes = escalation.becomes(from, at_least);
            if !becomes.is_empty() && !question.json {
                let shown: Vec<&str> = becomes.iter().take(5).map(|p| graph.party_name(*p)).collect();
                let rest = if becomes.len() > 5 { ", …" } else { "" };
                notes.push(format!(
                    "it can act as {} other identities: {}{rest}",
                    becomes.len(),
                    shown.join(", ")
                ));
            }
        }
    }
    escalation.as_reported(at, &mut paths);
    let rows: Vec<_> = paths.iter().map(|p| path_row(&graph, &name, p)).collect();
    let open: Vec<_> = match question.to {
        Some(_) => Vec::new(),
        None => escalation
            .open(from)
            .iter()
            .filter(|o| o.certainty <= at_least)
            .map(|o| open_row(&graph, o))
            .collect(),
    };
    let blast = blast_row(&escalation.blast(from, None), &escalation.blast(from, Some(at_least)));
    if question.json {
        let becomes = escalation.becomes(from, at_least);
        let becomes: Vec<_> = becomes
            .iter()
            .map(|p| {
                serde_json::json!({"name": graph.party_name(*p),
                    "principal_id": graph.text(graph.parties()[*p].principal)})
            })
            .collect();
        let paths: Vec<_> = rows.iter().map(path_json).collect();
        let all = serde_json::json!({"identity": name, "paths": paths, "can_act_as": becomes,
            "blast": blast_json(&blast),
            "techniques": open.iter().map(open_json).collect::<Vec<_>>(), "notes": notes});
        return Ok(Reply { text: format!("{all:#}\n"), notes: Vec::new() });
    }
    let blast = if question.to.is_none() { blast_text(&blast) } else { String::new() };
    if rows.is_empty() {
        notes.push(format!("no way found from `{name}`, as far as the estate shows"));
    }
    Ok(Reply { text: paths_text(&rows) + &blast + &open_text(&open), notes })
}

/// What a text names as a target: an identity, or a scope, of which any role is asked for before broad writes.
fn targets(graph: &crate::graph::AccessGraph, to: &str) -> Result<Vec<Target>, AppError> {
    match (identity(graph, to), scope(graph, to)) {
        (Ok(at), _) => {
            let party = graph.identities()[at].party;
            let party = party.ok_or_else(|| {
                AppError::usage(format!(
                    "the object id of `{to}` is not known, so nothing is known of its grants"
                ))
            })?;
            Ok(vec![Target::Party(party)])
        }
        (Err(_), Ok(at)) => Ok(vec![Target::Authority(at), Target::Write(at)]),
        (Err(error), Err(_)) => Err(error.help("give the name or id of an identity, or of a scope")),
    }
}

/// Kinds of data that ways go through, and that were not read whole.
fn unread(graph: &crate::graph::AccessGraph) -> Option<String> {
    const THROUGH: [Source; 5] = [
        Source::Resources,
        Source::Identities,
        Source::PolicyAssignments,
        Source::AppRoleAssignments,
        Source::DirectoryRoles,
    ];
    let coverage = &graph.estate().coverage;
    let missing = THROUGH.into_iter().filter(|s| coverage.of(*s) != crate::model::Extent::Complete);
    let names: Vec<&str> = missing.map(Source::name).collect();
    (!names.is_empty())
        .then(|| format!("ways may be missing, for these were not read whole: {}", names.join(", ")))
}
