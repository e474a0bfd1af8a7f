//! What an identity should have instead of what it holds: the smallest roles at the narrowest scopes for what logs show that
//! it did, never wider than today, with the commands there and back.

use super::Progress;
use super::error::AppError;
use super::lookup::{identity, scope};
use super::query::{Ask, Reply, graph, missing};
use crate::graph::{AccessGraph, Grant, Identity, ScopeNode};
use crate::model::{GrantState, Ix, Level, Operation, Plane, Source, Usage};
use crate::rbac::{Access, Candidate, Catalog, Class, CompiledRole, OpSet, Suggestion, classify, suggest};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// What stands in one place of what is held.
struct Instead {
    scope: Ix<ScopeNode>,
    needs: Vec<Operation>,
    found: Suggestion,
    roles: Vec<(String, String)>,
    /// Operations that are held there and would not be, by class, the worst first.
    removed: Vec<(Class, usize)>,
}

/// In days: below that, logs say little.
const ENOUGH: i64 = 30;

/// The resources of a group that something was done to, and what.
type Used = (BTreeSet<Ix<ScopeNode>>, Vec<Operation>);

/// Suggests roles for what an identity did.
///
/// # Errors
/// If the estate or the identity is not there, or no log of use was given.
pub fn for_identity(
    ask: &Ask,
    who: &str,
    as_json: bool,
    catalog: &'static Catalog,
    progress: &dyn Progress,
) -> Result<Reply, AppError> {
    let (graph, _) = graph(ask, catalog, progress)?;
    let from = &graph.identities()[identity(&graph, who)?];
    let Some(log) = &graph.estate().usage else {
        return Err(AppError::usage("nothing says what the identity did")
            .help("give the activity log, and resource logs for the data plane, with --activity PATH"));
    };
    let party =
        from.party.ok_or_else(|| AppError::usage(format!("the object id of `{who}` is not known")))?;
    let ids: Vec<&str> = [Some(graph.parties()[party].principal), from.client]
        .into_iter()
        .flatten()
        .map(|s| graph.text(s))
        .collect();
    let own = |u: &&Usage| ids.iter().any(|id| id.eq_ignore_ascii_case(graph.text(u.principal)));
    let rows: Vec<&Usage> = log.rows.iter().filter(own).collect();
    progress.step("looking for the smallest roles");
    let (mut elsewhere, mut unknown): (BTreeSet<String>, BTreeSet<String>) = Default::default();
    let mut unheld: BTreeSet<String> = BTreeSet::new();
    let mut places: BTreeMap<Ix<ScopeNode>, Used> = BTreeMap::new();
    for row in rows.iter().filter(|r| r.done > 0) {
        let name = graph.text(row.operation);
        let operation = if row.data { Operation::data(name) } else { Operation::control(name) };
        let Ok(at) = scope(&graph, graph.text(row.scope)) else {
            elsewhere.insert(graph.text(row.scope).to_owned());
            continue;
        };
        // What the catalogue lacks, it cannot say the smallest role for.
        if catalog.operations().find(operation.plane, &operation.name).is_none() {
            unknown.insert(name.to_owned());
            continue;
        }
        if graph.can(party, &operation, at) == Access::Denied {
            unheld.insert(format!("{name} on {}", graph.text(row.scope)));
            continue;
        }
        let node = &graph.scopes().nodes()[at];
        let place = places.entry(node.resource_group.unwrap_or(at)).or_default();
        place.0.insert(at);
        if !place.1.contains(&operation) {
            place.1.push(operation);
        }
    }
    let instead: Vec<Instead> = places
        .into_iter()
        .map(|(group, (resources, mut needs))| {
            needs.sort();
            // One resource alone is the narrower scope.
            let one = resources.first().copied().filter(|_| resources.len() == 1);
            place(&graph, catalog, party, one.unwrap_or(group), needs)
        })
        .collect();
    let name = graph.identity_name(from).to_owned();
    let denied: Vec<&&Usage> = rows.iter().filter(|r| r.denied > 0).collect();
    let days = log.until.days_since(log.from);
    let mut notes = missing(&graph);
    notes.push(format!(
        "the logs cover {days} days, from {} to {}; reads are not in the activity log, so that a role that reads may be needed besides",
        log.from.date(),
        log.until.date()
    ));
    if !unheld.is_empty() {
        notes.push(format!("done in that time and not held today: {}", list(&unheld, 5)));
    }
    if !elsewhere.is_empty() {
        notes.push(format!("done where the estate knows of nothing, and left out: {}", list(&elsewhere, 3)));
    }
    if !unknown.is_empty() {
        notes.push(format!(
            "operations that the catalogue of {} does not know, and that no role is suggested for: {}",
            catalog.date(),
            list(&unknown, 5)
        ));
    }
    if days < ENOUGH {
        notes.push(format!("{days} days are too few to take anything away: jobs may run less often"));
    }
    for gap in graph.estate().gaps.iter().filter(|g| g.source == Source::SignIns && g.location.is_some()) {
        let at = gap.location.as_ref().map(|l| format!("{}:{}", l.path, l.line)).unwrap_or_default();
        notes.push(format!("{at}: {}, so there may be more use", gap.detail));
    }
    if !denied.is_empty() {
        let tried: BTreeSet<String> = denied.iter().map(|r| graph.text(r.operation).to_owned()).collect();
        notes.push(format!("tried and refused, which is no need: {}", list(&tried, 5)));
    }
    let old = direct(&graph, from);
    let principal = graph.text(graph.parties()[party].principal);
    if as_json {
        let places: Vec<Value> = instead.iter().map(|i| instead_json(&graph, i)).collect();
        let all = json!({
            "identity": name, "from": log.from.to_string(), "until": log.until.to_string(), "days": days,
            "places": places, "create": creates(&graph, party, &instead), "back": old.iter().map(|o| back(principal, o)).collect::<Vec<_>>(),
            "not_held_today": unheld, "unknown_operations": unknown, "elsewhere": elsewhere, "delete_after": old.iter().map(|o| &o.assignment).collect::<Vec<_>>(),
            "denied": denied.iter().map(|r| graph.text(r.operation)).collect::<BTreeSet<_>>(), "notes": notes,
        });
        return Ok(Reply { text: format!("{all:#}\n"), notes: Vec::new() });
    }
    Ok(Reply { text: text(&graph, party, &instead, &old), notes })
}

fn list(all: &BTreeSet<String>, most: usize) -> String {
    let shown: Vec<&str> = all.iter().take(most).map(String::as_str).collect();
    let more = all.len().saturating_sub(most);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// A grant that is there today.
struct Old {
    assignment: String,
    role: String,
    scope: String,
    condition: Option<String>,
}

/// Direct grants in force. What groups give is not the identity's own to change.
fn direct(graph: &AccessGraph, identity: &Identity) -> Vec<Old> {
    let held = identity.party.map(|p| graph.held_by(p)).unwrap_or_default();
    held.iter()
        .filter(|h| h.via.is_empty())
        .map(|h| &graph.grants()[h.grant])
        .filter(|g| g.state != GrantState::Eligible)
        .filter_map(|g| {
            let record = graph.record(g)?;
            let scope = graph.text(graph.scopes().nodes()[g.scope].id).to_owned();
            Some(Old {
                assignment: graph.estate().strings.show_id(record.id),
                role: graph.roles()[g.role].key.clone(),
                scope,
                condition: graph.condition(g).map(|c| graph.text(c.text).to_owned()),
            })
        })
        .collect()
}

fn place(
    graph: &AccessGraph,
    catalog: &'static Catalog,
    party: Ix<crate::graph::Party>,
    scope: Ix<ScopeNode>,
    needs: Vec<Operation>,
) -> Instead {
    let mut held = OpSet::new();
    let in_force = |g: &Grant| g.state != GrantState::Eligible && graph.scopes().contains(g.scope, scope);
    for h in graph.held_by(party) {
        let grant = &graph.grants()[h.grant];
        if in_force(grant) {
            held.union(&graph.roles()[grant.role].compiled.most);
        }
    }
    let mut names: Vec<(String, String)> = Vec::new();
    let mut candidates = Vec::new();
    let mut offer = |key: &str, name: &str, permissions: Vec<crate::model::Permission>| {
        // Never wider than today.
        if held.covers(&CompiledRole::compile(&permissions, catalog.operations()).most) {
            names.push((name.to_owned(), key.to_owned()));
            candidates.push(Candidate { key: key.to_owned(), permissions });
        }
    };
    for guid in catalog.guids() {
        if let Some(role) = catalog.role(guid)
            && role.assignable_scopes.iter().any(|s| s == "/")
        {
            offer(&role.guid, &role.name, role.permissions);
        }
    }
    for (_, role) in graph.roles().iter() {
        let there = |s: &String| {
            let known = graph.estate().strings.find(s);
            let at = known.and_then(|s| graph.scopes().find(graph.estate(), s));
            at.is_some_and(|at| graph.scopes().contains(at, scope))
        };
        if role.defined && catalog.role(&role.key).is_none() && role.assignable_scopes.iter().any(there) {
            let permissions = role.compiled.blocks.iter().map(|b| b.permission.clone()).collect();
            offer(&role.key, &role.name, permissions);
        }
    }
    let found = suggest(&needs, &candidates, catalog.operations());
    let mut gives = OpSet::new();
    for at in &found.roles {
        if let Some(candidate) = candidates.get(*at) {
            gives.union(&CompiledRole::compile(&candidate.permissions, catalog.operations()).most);
        }
    }
    if found.roles.is_empty() {
        for need in &needs {
            if let Some(at) = catalog.operations().find(need.plane, &need.name) {
                gives.insert(need.plane, at);
            }
        }
    }
    held.subtract(&gives);
    let mut removed: Vec<(Class, usize)> = Class::ALL.iter().rev().map(|c| (*c, 0)).collect();
    for plane in Plane::ALL {
        for at in held.iter(plane) {
            let class = classify(plane, catalog.operations().name(plane, at));
            if let Some((_, count)) = removed.iter_mut().find(|(c, _)| *c == class) {
                *count += 1;
            }
        }
    }
    removed.retain(|(_, count)| *count > 0);
    let roles = found.roles.iter().filter_map(|at| names.get(*at).cloned()).collect();
    Instead { scope, needs, found, roles, removed }
}

fn custom(graph: &AccessGraph, instead: &Instead) -> Value {
    let node = &graph.scopes().nodes()[instead.scope];
    // A custom role is assignable at a resource group and above.
    let at = if node.level == Level::Resource {
        node.resource_group.unwrap_or(instead.scope)
    } else {
        instead.scope
    };
    let scope = graph.text(graph.scopes().nodes()[at].id);
    super::suggest::custom_role(&instead.needs, Some(scope))
}

fn instead_json(graph: &AccessGraph, instead: &Instead) -> Value {
    let roles: Vec<Value> = instead.roles.iter().map(|(name, id)| json!({"name": name, "id": id})).collect();
    let removed: serde_json::Map<String, Value> =
        instead.removed.iter().map(|(class, count)| (class.name().to_owned(), json!(count))).collect();
    json!({
        "scope": graph.text(graph.scopes().nodes()[instead.scope].id),
        "used": instead.needs.iter().map(super::suggest::shown).collect::<Vec<_>>(),
        "roles": roles, "cost": instead.found.cost, "at_least": instead.found.at_least,
        "optimal": instead.found.cost == instead.found.at_least && !instead.roles.is_empty(),
        "custom_role": if instead.roles.is_empty() { custom(graph, instead) } else { Value::Null },
        "removed": removed,
    })
}

fn create(principal: &str, role: &str, scope: &str) -> String {
    format!(
        "az role assignment create --assignee-object-id {} --assignee-principal-type ServicePrincipal --role {} --scope {}",
        quoted(principal),
        quoted(role),
        quoted(scope)
    )
}

/// The commands that give what is needed; a custom role by the name that it is given first.
fn creates(graph: &AccessGraph, party: Ix<crate::graph::Party>, instead: &[Instead]) -> Vec<String> {
    let principal = graph.text(graph.parties()[party].principal);
    let mut all = Vec::new();
    for one in instead {
        let scope = graph.text(graph.scopes().nodes()[one.scope].id);
        all.extend(one.roles.iter().map(|(_, id)| create(principal, id, scope)));
        if one.roles.is_empty() {
            all.push(create(principal, "NAME", scope));
        }
    }
    all
}

/// The command that gives back what was taken.
fn back(principal: &str, old: &Old) -> String {
    let condition = old.condition.as_deref();
    let condition = condition.map(|c| format!(" --condition-version 2.0 --condition {}", quoted(c)));
    create(principal, &old.role, &old.scope) + &condition.unwrap_or_default()
}

/// As one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    let text = crate::render::clean(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.:".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn text(graph: &AccessGraph, party: Ix<crate::graph::Party>, instead: &[Instead], old: &[Old]) -> String {
    let principal = graph.text(graph.parties()[party].principal);
    let mut out = String::new();
    let before = creates(graph, party, instead);
    for one in instead {
        let scope = graph.text(graph.scopes().nodes()[one.scope].id);
        let _ = writeln!(out, "on {}: used {} operations", crate::render::clean(scope), one.needs.len());
        for need in &one.needs {
            let _ = writeln!(out, "    {}", super::suggest::shown(need));
        }
        for (name, id) in &one.roles {
            let _ = writeln!(out, "  give {} ({id})", crate::render::clean(name));
        }
        if one.roles.is_empty() {
            let _ = writeln!(
                out,
                "  no role that is no wider than what is held covers that; a custom role:\n{:#}",
                custom(graph, one)
            );
        } else if one.found.cost == one.found.at_least {
            let _ = writeln!(
                out,
                "  cost {}, and no set of roles that is no wider than what is held costs less ({} considered)",
                one.found.cost, one.found.considered
            );
        } else {
            let _ = writeln!(out, "  cost {}, at least {} for any", one.found.cost, one.found.at_least);
        }
        let removed: Vec<String> =
            one.removed.iter().map(|(class, count)| format!("{count} {}", class.name())).collect();
        let nothing = "nothing".to_owned();
        let _ = writeln!(
            out,
            "  takes away {}",
            if removed.is_empty() { nothing } else { removed.join(", ") + " operations" }
        );
    }
    if instead.is_empty() {
        out.push_str("it did nothing in that time that the logs show and that it may do today\n");
        return out;
    }
    let _ = writeln!(out, "first:");
    before.iter().for_each(|c| {
        let _ = writeln!(out, "  {c}");
    });
    if !old.is_empty() {
        let _ = writeln!(out, "then, once all works:");
        for one in old {
            let _ = writeln!(out, "  az role assignment delete --ids {}", quoted(&one.assignment));
        }
        let _ = writeln!(out, "and back:");
        for one in old {
            let _ = writeln!(out, "  {}", back(principal, one));
        }
    }
    out
}
