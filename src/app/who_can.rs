//! Who can do something, on one scope or anywhere: everyone with the grant that says so, whatever it depends on.
//!
//! Not here: what identities can do (`query`).

use super::Progress;
use super::error::AppError;
use super::lookup::{closest, scope};
use super::query::{Ask, Reply, graph, known, missing};
use crate::graph::{AccessGraph, Answer, ScopeNode};
use crate::model::{GrantState, Ix, Operation, Plane};
use crate::rbac::Catalog;
use crate::render::who_can_text;
use std::fmt::Write as _;

/// Who can do an operation, on a scope or on any, each with how.
///
/// # Errors
/// If the estate or the scope is not there.
pub fn who_can(
    ask: &Ask,
    operation: &Operation,
    on: Option<&str>,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<Reply, AppError> {
    known(operation, catalog)?;
    let (graph, _) = graph(ask, catalog, progress)?;
    let mut notes = missing(&graph);
    if catalog.operations().find(operation.plane, &operation.name).is_none() {
        notes.push(unknown(operation, catalog));
    }
    let mut out = String::new();
    let target = on.map(|text| scope(&graph, text)).transpose()?;
    let decided = vault_policies(&graph, operation, target, &mut out);
    if decided && target.is_some() {
        notes
            .push("the vault decides by its own access policies: data roles on it have no effect".to_owned());
        return Ok(Reply { text: out, notes });
    }
    if decided {
        notes.push("vaults that decide by access policies are listed by those; data roles that reach them have no effect there".to_owned());
    }
    let answers = match target {
        Some(target) => graph.who_can(operation, target),
        None => graph.who_can_anywhere(operation),
    };
    for answer in answers {
        let grant = &graph.grants()[answer.held.grant];
        let principal = graph.text(graph.parties()[answer.party].principal);
        let how = how(&graph, &answer, target.is_some_and(|t| t != grant.scope));
        let line = who_can_text(answer.access.name(), graph.party_name(answer.party), principal, &how);
        let _ = writeln!(out, "{line}");
    }
    for (delegation, access) in graph.delegated(operation, target) {
        let text = |s| graph.text(s);
        let role = graph.roles().of_id(graph.estate().strings.class(delegation.role));
        let role = role.map_or_else(|| text(delegation.role), |r| &graph.roles()[r].name);
        let tenant = delegation.tenant.map_or("another tenant", text);
        let how = format!(
            "through {role} on {}, delegated to tenant {tenant} by Lighthouse",
            text(delegation.scope)
        );
        let principal = text(delegation.principal);
        let name = delegation.role_name.map_or(principal, text);
        let _ = writeln!(out, "{}", who_can_text(access.name(), name, principal, &how));
    }
    Ok(Reply { text: out, notes })
}

/// That nothing is known of an operation, and what it may be meant for.
fn unknown(operation: &Operation, catalog: &Catalog) -> String {
    let (name, date) = (&operation.name, catalog.date());
    let all = catalog.operations().all(operation.plane);
    let like = closest(name, all).map(|n| format!("; is it `{n}`?")).unwrap_or_default();
    format!("`{name}` is not among the operations known on {date}: answered from patterns alone{like}")
}

fn how(graph: &AccessGraph, answer: &Answer, inherited: bool) -> String {
    let grant = &graph.grants()[answer.held.grant];
    let at = graph.text(graph.scopes().nodes()[grant.scope].id);
    let mut how = format!("through {} on {at}", graph.roles()[grant.role].name);
    if let Some(record) = graph.record(grant) {
        let _ = write!(how, ", assignment {}", graph.text(record.id.name));
    }
    let groups: Vec<&str> = answer.held.via.iter().map(|g| graph.party_name(*g)).collect();
    if !groups.is_empty() {
        let _ = write!(how, ", via group {}", groups.join(" > "));
    }
    if inherited {
        how.push_str(", inherited");
    }
    if grant.state == GrantState::TimeBound {
        how.push_str(", for a time");
    }
    if grant.condition.is_some() {
        how.push_str(", under a condition");
    }
    if let Some(deny) = answer.denied_by {
        let _ = write!(how, ", deny assignment {}", graph.estate().strings.show_id(deny));
    }
    how
}

/// Vaults that decide by their own lists: who is on them, in place of who holds a role. Says whether there is such a
/// vault, around the target or anywhere.
fn vault_policies(
    graph: &AccessGraph,
    operation: &Operation,
    target: Option<Ix<ScopeNode>>,
    out: &mut String,
) -> bool {
    let estate = graph.estate();
    if operation.plane != Plane::Data || !operation.name.starts_with(VAULT) {
        return false;
    }
    let here = |v: &&crate::model::Vault| match target {
        Some(target) => {
            graph.scopes().find(estate, v.id).is_some_and(|at| graph.scopes().contains(at, target))
        }
        None => true,
    };
    let mut decided = false;
    for vault in estate.vaults.iter().filter(|v| !v.uses_roles).filter(here) {
        decided = true;
        of_one(graph, operation, vault, out);
    }
    decided
}

const VAULT: &str = "microsoft.keyvault/vaults/";

fn of_one(graph: &AccessGraph, operation: &Operation, vault: &crate::model::Vault, out: &mut String) {
    // `…/vaults/secrets/getSecret/action` is the policy's `secrets/get`.
    let tail = operation.name.strip_prefix(VAULT).unwrap_or_default();
    let mut words = tail.split('/');
    let (kind, verb) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let verb = verb.strip_suffix("secret").unwrap_or(verb);
    for policy in &vault.policies {
        let gives = |p: &&crate::model::Sym| {
            let (k, v) = graph.text(**p).split_once('/').unwrap_or_default();
            k == kind && (v == verb || v == "all")
        };
        if policy.permissions.iter().any(|p| gives(&p)) {
            let who = graph.text(policy.principal);
            let name = graph.party_of(policy.principal).map_or(who, |p| graph.party_name(p));
            let how = format!("through an access policy of {}", graph.text(vault.id));
            let _ = writeln!(out, "{}", who_can_text("allow", name, who, &how));
        }
    }
}
