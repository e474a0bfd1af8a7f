//! The answer in words, for programs, or as code.

use super::{Form, activity, topology};
use crate::app::suggest::shown;
use crate::graph::AccessGraph;
use crate::model::UsageLog;
use crate::render::{clean, remedy};
use crate::report::Remedy;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The changes as code, if that is what is asked for.
pub(crate) fn as_code(form: Form, all: &Remedy) -> Option<String> {
    match form {
        Form::Az => Some(remedy::az(all)),
        Form::Terraform => Some(remedy::terraform(all)),
        Form::Bicep => Some(remedy::bicep(all)),
        Form::Text | Form::Json => None,
    }
}

/// What a program gets of the changes.
fn changes(all: &Remedy) -> Value {
    json!({"az": remedy::az(all), "terraform": remedy::terraform(all), "bicep": remedy::bicep(all)})
}

/// The commands there and back.
fn commands(out: &mut String, all: &Remedy) {
    let parts = [
        ("first:", remedy::az_create(all)),
        ("then, once all works:", remedy::az_delete(all)),
        ("and back:", remedy::az_back(all)),
    ];
    for (title, commands) in parts.iter().filter(|(_, commands)| !commands.is_empty()) {
        let _ = writeln!(out, "{title}");
        commands.iter().for_each(|c| {
            let _ = writeln!(out, "  {c}");
        });
    }
}

pub(super) fn activity(
    graph: &AccessGraph,
    form: Form,
    found: &activity::Found,
    log: &UsageLog,
    notes: &[String],
) -> String {
    if let Some(code) = as_code(form, &found.remedy) {
        let days = log.until.days_since(log.from);
        if days >= activity::ENOUGH {
            return code;
        }
        let mark = if form == Form::Bicep { "//" } else { "#" };
        return format!(
            "{mark} These logs cover {days} days, which are too few to take anything away.\n{code}"
        );
    }
    let of = |scope| graph.text(graph.scopes().nodes()[scope].id);
    if form == Form::Json {
        let places: Vec<Value> = found.places.iter().map(|i| instead_json(graph, &found.name, i)).collect();
        let all = json!({
            "identity": found.name, "from": log.from.to_string(), "until": log.until.to_string(),
            "days": log.until.days_since(log.from), "places": places,
            "create": remedy::az_create(&found.remedy), "back": remedy::az_back(&found.remedy),
            "delete_after": found.remedy.delete.iter().map(|o| &o.assignment).collect::<Vec<_>>(),
            "custom_roles": found.remedy.roles.iter().map(remedy::role_json).collect::<Vec<_>>(),
            "not_held_today": found.unheld, "unknown_operations": found.unknown, "elsewhere": found.elsewhere,
            "denied": found.denied, "changes": changes(&found.remedy), "notes": notes,
        });
        return format!("{all:#}\n");
    }
    let mut out = String::new();
    for one in &found.places {
        let _ = writeln!(out, "on {}: used {} operations", clean(of(one.scope)), one.needs.len());
        for need in &one.needs {
            let _ = writeln!(out, "    {}", shown(need));
        }
        for (name, id) in &one.roles {
            let _ = writeln!(out, "  give {} ({id})", clean(name));
        }
        if one.roles.is_empty() {
            out.push_str(
                "  no role that is no wider than what is held covers that: a custom role of just this\n",
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
        if !one.roles.is_empty() && one.exact < one.found.cost {
            let _ = writeln!(
                out,
                "  a custom role of just this costs {}: roles suggest --identity … --format json has it",
                one.exact
            );
        }
        let removed: Vec<String> =
            one.removed.iter().map(|(class, count)| format!("{count} {}", class.name())).collect();
        let nothing = "nothing".to_owned();
        let removed = if removed.is_empty() { nothing } else { removed.join(", ") + " operations" };
        let _ = writeln!(out, "  takes away {removed}");
    }
    if found.places.is_empty() {
        out.push_str("it did nothing in that time that the logs show and that it may do today\n");
        return out;
    }
    commands(&mut out, &found.remedy);
    out
}

fn instead_json(graph: &AccessGraph, identity: &str, instead: &activity::Instead) -> Value {
    let scope = graph.text(graph.scopes().nodes()[instead.scope].id);
    let custom = remedy::role_json(&activity::custom(graph, identity, instead));
    let roles: Vec<Value> = instead.roles.iter().map(|(name, id)| json!({"name": name, "id": id})).collect();
    let removed: serde_json::Map<String, Value> =
        instead.removed.iter().map(|(class, count)| (class.name().to_owned(), json!(count))).collect();
    json!({
        "scope": scope, "used": instead.needs.iter().map(shown).collect::<Vec<_>>(),
        "roles": roles, "cost": instead.found.cost, "at_least": instead.found.at_least,
        "optimal": instead.found.cost == instead.found.at_least && !instead.roles.is_empty(),
        "removed": removed, "custom_role": custom, "custom_role_cost": instead.exact,
    })
}

pub(super) fn topology(form: Form, found: &topology::Found, notes: &[String]) -> String {
    if let Some(code) = as_code(form, &found.remedy) {
        return code;
    }
    let role = |g: &crate::report::RemedyGrant| match &g.role {
        crate::report::RoleRef::Known(guid, name) => (guid.clone(), name.clone()),
        crate::report::RoleRef::Made(_) => Default::default(),
    };
    if form == Form::Json {
        let grant = |n: &topology::Told| {
            let (guid, name) = role(&n.grant);
            json!({"assignment": n.grant.assignment, "role": name, "role_id": guid, "scope": n.grant.scope,
                "applies_to": n.applies_to, "beside_hosts": n.near, "scopes": n.scopes, "why": n.why})
        };
        let all = json!({
            "identity": found.name, "from": null, "until": null,
            "grants": found.grants.iter().map(grant).collect::<Vec<_>>(),
            "create": remedy::az_create(&found.remedy), "back": remedy::az_back(&found.remedy),
            "delete_after": found.remedy.delete.iter().map(|o| &o.assignment).collect::<Vec<_>>(),
            "changes": changes(&found.remedy), "notes": notes,
        });
        return format!("{all:#}\n");
    }
    let mut out = String::new();
    for one in &found.grants {
        let (_, name) = role(&one.grant);
        let _ = writeln!(out, "{} on {}", clean(&name), clean(&one.grant.scope));
        if one.scopes.is_empty() {
            let _ = writeln!(out, "  stays: {}", one.why);
            continue;
        }
        let _ = writeln!(
            out,
            "  applies to {} resources, {} of them beside its hosts; enough is",
            one.applies_to, one.near
        );
        one.scopes.iter().for_each(|s| {
            let _ = writeln!(out, "    {}", clean(s));
        });
    }
    if found.grants.is_empty() {
        let through = match found.through_groups {
            0 => String::new(),
            n => format!(
                ": it has {n} through groups, whose grants or members are to be changed there (leastwise can shows them)"
            ),
        };
        let _ = writeln!(out, "it holds no grant of its own{through}");
    }
    commands(&mut out, &found.remedy);
    out
}
