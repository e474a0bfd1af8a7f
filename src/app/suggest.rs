//! The smallest sufficient roles for what somebody needs: which, why no cheaper, what they give besides, and a custom role
//! that gives nothing else.

use super::error::AppError;
use super::lookup::closest;
use super::right_size::{Form, as_code};
use crate::model::{Operation, Plane};
use crate::rbac::{Candidate, Catalog, CompiledRole, OpSet, classify, count_by_class, suggest, weight};
use crate::render::remedy::{az_create, role_json};
use crate::report::{Remedy, RemedyGrant, RemedyRole, RoleRef};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Operations by name; those of the data plane with `data:` before, or where only that plane has them.
    pub operations: Vec<String>,
    /// Where the roles are to hold.
    pub on: Option<String>,
    /// The form of the answer.
    pub form: Form,
}

/// Suggests roles.
///
/// # Errors
/// If an operation is none that is known.
pub fn for_needs(needs: &Needs, catalog: &Catalog) -> Result<String, AppError> {
    if let Some(on) = needs.on.as_ref().filter(|on| !on.starts_with('/')) {
        return Err(AppError::usage(format!("`{on}` is no scope"))
            .help("give a whole id, such as /subscriptions/…/resourceGroups/…"));
    }
    let mut operations: Vec<Operation> = Vec::new();
    for text in &needs.operations {
        let operation = operation(text, catalog)?;
        if !operations.contains(&operation) {
            operations.push(operation);
        }
    }
    let roles: Vec<_> = catalog
        .guids()
        .into_iter()
        .filter_map(|guid| catalog.role(guid))
        // A role for one kind of scope cannot be given everywhere.
        .filter(|role| role.assignable_scopes.iter().any(|s| s == "/"))
        .collect();
    let candidates: Vec<Candidate> =
        roles.iter().map(|r| Candidate { key: r.guid.clone(), permissions: r.permissions.clone() }).collect();
    let found = suggest(&operations, &candidates, catalog.operations());
    let chosen: Vec<_> = found.roles.iter().filter_map(|at| roles.get(*at)).collect();
    let mut gives = OpSet::new();
    for role in &chosen {
        gives.union(&CompiledRole::compile(&role.permissions, catalog.operations()).most);
    }
    for need in &operations {
        if let Some(at) = catalog.operations().find(need.plane, &need.name) {
            gives.remove(need.plane, at);
        }
    }
    let besides = count_by_class(&gives, catalog.operations());
    let exact: u64 = operations.iter().map(|o| weight(classify(o.plane, &o.name))).sum();
    let uncovered: Vec<String> =
        found.uncovered.iter().filter_map(|n| operations.get(*n)).map(shown).collect();
    let made = custom_role(&operations, needs.on.as_deref(), "NAME");
    let mut remedy = Remedy { identity: "identity".to_owned(), ..Remedy::default() };
    let grant = |role| RemedyGrant {
        assignment: String::new(),
        principal: "PRINCIPAL".to_owned(),
        role,
        scope: needs.on.clone().unwrap_or_else(|| "SCOPE".to_owned()),
        condition: None,
    };
    remedy.create.extend(chosen.iter().map(|r| grant(RoleRef::Known(r.guid.clone(), r.name.clone()))));
    if remedy.create.is_empty() {
        remedy.create.push(grant(RoleRef::Made(0)));
        remedy.roles.push(made.clone());
    }
    if let Some(code) = as_code(needs.form, &remedy) {
        return Ok(code);
    }
    let commands = az_create(&remedy);
    let custom = role_json(&made);
    if needs.form == Form::Json {
        let roles: Vec<Value> = chosen.iter().map(|r| json!({"name": r.name, "id": r.guid})).collect();
        let besides: serde_json::Map<String, Value> =
            besides.iter().map(|(class, count)| (class.name().to_owned(), json!(count))).collect();
        let all = json!({
            "needs": operations.iter().map(shown).collect::<Vec<_>>(), "roles": roles, "cost": found.cost,
            "at_least": found.at_least, "optimal": found.cost == found.at_least && !chosen.is_empty(),
            "uncovered": uncovered, "considered": found.considered, "looked_at": found.looked_at,
            "gives_besides": besides, "commands": commands, "custom_role": custom, "custom_role_cost": exact,
        });
        return Ok(format!("{all:#}\n"));
    }
    let mut out = String::new();
    if chosen.is_empty() {
        let _ = writeln!(out, "no built-in role gives {}", uncovered.join(", "));
    } else {
        let _ = writeln!(out, "{} role(s), cost {}:", chosen.len(), found.cost);
        for role in &chosen {
            let _ = writeln!(out, "  {} ({})", role.name, role.guid);
        }
        let proof = if found.cost == found.at_least {
            format!("no set of the {} built-in roles costs less", roles.len())
        } else {
            format!("the search was given up: no set costs less than {}", found.at_least)
        };
        let _ = writeln!(
            out,
            "{proof}: {} give something of it, {} sets looked at",
            found.considered, found.looked_at
        );
        let counts: Vec<String> =
            besides.iter().map(|(class, count)| format!("{count} {}", class.name())).collect();
        let none = "nothing".to_owned();
        let _ = writeln!(
            out,
            "gives besides: {}",
            if counts.is_empty() { none } else { counts.join(", ") + " operations" }
        );
        for command in &commands {
            let _ = writeln!(out, "{command}");
        }
    }
    let _ = writeln!(out, "a custom role of just this costs {exact}:\n{custom:#}");
    Ok(out)
}

pub(super) fn shown(operation: &Operation) -> String {
    match operation.plane {
        Plane::Control => operation.name.clone(),
        Plane::Data => format!("data:{}", operation.name),
    }
}

fn operation(text: &str, catalog: &Catalog) -> Result<Operation, AppError> {
    let known = |o: &Operation| catalog.operations().find(o.plane, &o.name).is_some();
    if let Some(name) = text.strip_prefix("data:") {
        let operation = Operation::data(name);
        if !known(&operation) && known(&Operation::control(name)) {
            let error = AppError::usage(format!("`{name}` is an operation of the control plane"));
            return Err(error.help("leave `data:` out"));
        }
        return if known(&operation) { Ok(operation) } else { Err(unknown(&operation, catalog)) };
    }
    let (control, data) = (Operation::control(text), Operation::data(text));
    match (known(&control), known(&data)) {
        (true, _) => Ok(control),
        (false, true) => Ok(data),
        (false, false) => Err(unknown(&control, catalog)),
    }
}

fn unknown(operation: &Operation, catalog: &Catalog) -> AppError {
    let name = &operation.name;
    let error = AppError::usage(format!("`{name}` is no operation that is known on {}", catalog.date()));
    match closest(name, catalog.operations().all(operation.plane)) {
        Some(like) => error.help(format!("is it `{like}`?")),
        None => error.help("give one whole operation, such as Microsoft.Web/sites/write"),
    }
}

/// A custom role of just some operations.
pub(super) fn custom_role(needs: &[Operation], on: Option<&str>, name: &str) -> RemedyRole {
    let of = |plane| needs.iter().filter(|n| n.plane == plane).map(|n| n.name.clone()).collect::<Vec<_>>();
    RemedyRole {
        name: name.to_owned(),
        actions: of(Plane::Control),
        data_actions: of(Plane::Data),
        assignable: on.unwrap_or("/subscriptions/SUBSCRIPTION").to_owned(),
    }
}
