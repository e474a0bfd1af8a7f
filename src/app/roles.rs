//! Questions about roles alone: what one holds, and whether it holds an operation.

use super::error::AppError;
use crate::model::{Operation, Plane, role_key};
use crate::rbac::catalog::CatalogRole;
use crate::rbac::{Access, Catalog, CompiledRole, Technique, Techniques};
use std::collections::HashMap;
use std::io::{BufRead, Write};

/// Finds a role by GUID, id or name.
///
/// # Errors
/// If the catalogue has none of that name.
pub fn find(catalog: &Catalog, role: &str) -> Result<CatalogRole, AppError> {
    catalog.role(role_key(role)).or_else(|| catalog.role_by_name(role)).ok_or_else(|| {
        AppError::usage(format!("no built-in role `{role}` in the catalogue of {}", catalog.date()))
            .help("give a role's name or GUID; `leastwise catalog info` says how old the catalogue is")
    })
}

/// Whether a role holds an operation, conditions not evaluated.
pub fn check(catalog: &Catalog, role: &CatalogRole, operation: &Operation) -> Access {
    let operations = catalog.operations();
    CompiledRole::compile(&role.permissions, operations).holds(operation, operations)
}

/// The techniques of escalation that a role is enough for by itself, where it holds.
pub fn techniques(catalog: &Catalog, role: &CatalogRole) -> Vec<(&'static Technique, Access)> {
    let operations = catalog.operations();
    let techniques = Techniques::embedded();
    let compiled = CompiledRole::compile(&role.permissions, operations);
    let powers = techniques.powers(&compiled, &techniques.located(operations), None);
    let each = techniques.iter().map(|(_, t)| (t, t.holds(powers)));
    each.filter(|(_, access)| *access != Access::Denied).collect()
}

/// Answers lines `role-guid<TAB>control|data<TAB>operation` in their order, each role compiled once.
///
/// # Errors
/// If a line is not of that form, or a stream fails.
pub fn check_batch(catalog: &Catalog, input: impl BufRead, output: &mut dyn Write) -> Result<(), AppError> {
    let operations = catalog.operations();
    let mut compiled: HashMap<String, Option<CompiledRole>> = HashMap::new();
    let failed = |e: std::io::Error| AppError::usage(format!("the batch could not be read or written: {e}"));
    for (n, line) in input.lines().enumerate() {
        let line = line.map_err(failed)?;
        let bad = |what: &str| AppError::usage(format!("line {}: expected {what}", n + 1));
        let mut fields = line.split('\t');
        let (Some(guid), Some(plane), Some(name), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(bad("`role-guid<TAB>control|data<TAB>operation`"));
        };
        let plane =
            Plane::ALL.into_iter().find(|p| p.name() == plane).ok_or_else(|| bad("`control` or `data`"))?;
        if !compiled.contains_key(guid) {
            let role = catalog.role(guid).map(|r| CompiledRole::compile(&r.permissions, operations));
            compiled.insert(guid.to_owned(), role);
        }
        let Some(Some(role)) = compiled.get(guid) else {
            return Err(bad(&format!("the GUID of a built-in role, found `{guid}`")));
        };
        let operation = Operation { name: name.to_ascii_lowercase(), plane };
        let access = role.holds(&operation, operations);
        writeln!(output, "{line}\t{}", access.name()).map_err(failed)?;
    }
    Ok(())
}
