//! What an identity should have instead of what it holds: the smallest roles at the narrowest scopes, never wider than today.
//! From logs of what it did, or from where it runs alone.

mod activity;
mod answer;
mod rows;
mod topology;

pub(super) use answer::as_code;
pub(super) use rows::rows;

use super::Progress;
use super::error::AppError;
use super::lookup::identity;
use super::query::{Ask, Reply, graph, missing};
use crate::graph::{AccessGraph, Identity, Uses};
use crate::model::GrantState;
use crate::rbac::Catalog;
use crate::report::{RemedyGrant, RoleRef};

/// The form of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// In words, with commands.
    Text,
    /// For programs.
    Json,
    /// Commands of the Azure CLI.
    Az,
    /// Blocks of Terraform.
    Terraform,
    /// Files of Bicep.
    Bicep,
}

/// Suggests roles for an identity: from what logs say that it did, where they are given, else from where it runs.
///
/// # Errors
/// If the estate or the identity is not there.
pub fn for_identity(
    ask: &Ask,
    who: &str,
    form: Form,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<Reply, AppError> {
    let (graph, _) = graph(ask, catalog, progress)?;
    let from = &graph.identities()[identity(&graph, who)?];
    let party =
        from.party.ok_or_else(|| AppError::usage(format!("the object id of `{who}` is not known")))?;
    let mut notes = missing(&graph);
    progress.step("looking for the smallest roles");
    let text = match graph.estate().usage.as_ref().zip(Uses::new(&graph)) {
        Some((log, uses)) => {
            let own = uses.of(from);
            let found =
                activity::Found::new(&activity::Places::new(&graph, catalog), from, party, &uses, &own);
            notes.extend(found.notes(&graph, catalog, log));
            answer::activity(&graph, form, &found, log, &notes)
        }
        None => {
            let found = topology::Found::new(&graph, from, party);
            notes.extend(found.notes());
            answer::topology(form, &found, &notes)
        }
    };
    let notes = if form == Form::Json { Vec::new() } else { notes };
    Ok(Reply { text, notes })
}

/// Direct grants in force. What groups give is not the identity's own to change.
fn direct(graph: &AccessGraph, identity: &Identity) -> Vec<RemedyGrant> {
    let Some(party) = identity.party else { return Vec::new() };
    let held = graph.held_by(party).into_iter().filter(|h| h.via.is_empty());
    let in_force = held.map(|h| h.grant).filter(|g| graph.grants()[*g].state != GrantState::Eligible);
    in_force.filter_map(|g| grant(graph, g)).collect()
}

/// A grant that is there.
pub(super) fn grant(graph: &AccessGraph, at: crate::model::Ix<crate::graph::Grant>) -> Option<RemedyGrant> {
    let grant = &graph.grants()[at];
    let record = graph.record(grant)?;
    let role = &graph.roles()[grant.role];
    Some(RemedyGrant {
        assignment: graph.estate().strings.show_id(record.id),
        principal: graph.text(graph.parties()[grant.party].principal).to_owned(),
        role: RoleRef::Known(role.key.clone(), role.name.clone()),
        scope: graph.text(graph.scopes().nodes()[grant.scope].id).to_owned(),
        condition: graph.condition(grant).map(|c| graph.text(c.text).to_owned()),
    })
}
