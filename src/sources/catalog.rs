//! From Azure's own lists to a catalogue draft: role definitions in three shapes, operations in two, names alone.
//!
//! Files are taken in the order given, newest first: what an earlier one said stays, and a role's later names become
//! its old names. Not here: the catalogue's format (`rbac::catalog`).

use crate::model::{Plane, role_key};
use crate::rbac::catalog::{Draft, DraftRole};
use serde_json::Value;

/// What a file held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Read {
    /// Roles with their permissions.
    pub roles: usize,
    /// Role names alone.
    pub names: usize,
    /// Operations.
    pub operations: usize,
    /// Records that were none of these.
    pub skipped: usize,
}

/// Why a file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogReadError {
    /// Not text.
    #[error("expected UTF-8")]
    Encoding,
    /// Neither form.
    #[error("expected JSON role definitions or provider operations, or lines `operation<TAB>A|D`: {0}")]
    Shape(String),
}

/// Adds a file to a draft.
pub fn read(draft: &mut Draft, bytes: &[u8]) -> Result<Read, CatalogReadError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CatalogReadError::Encoding)?;
    let mut read = Read::default();
    if text.trim_start().starts_with(['{', '[']) {
        let value: Value = serde_json::from_str(text).map_err(|e| CatalogReadError::Shape(e.to_string()))?;
        json(draft, &value, &mut read);
    } else {
        lines(draft, text, &mut read);
    }
    if read == Read::default() {
        return Err(CatalogReadError::Shape("nothing of the kind is in it".to_owned()));
    }
    Ok(read)
}

fn lines(draft: &mut Draft, text: &str, read: &mut Read) {
    for line in text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
        let mut fields = line.split('\t');
        match (fields.next(), fields.next()) {
            (Some(name), Some("A")) => operation(draft, name, Plane::Control, read),
            (Some(name), Some("D")) => operation(draft, name, Plane::Data, read),
            _ => read.skipped += 1,
        }
    }
}

fn operation(draft: &mut Draft, name: &str, plane: Plane, read: &mut Read) {
    let name = name.trim();
    if !name.contains('/') || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        read.skipped += 1;
        return;
    }
    draft.operations.entry((name.to_ascii_lowercase(), plane)).or_insert_with(|| name.to_owned());
    read.operations += 1;
}

fn json(draft: &mut Draft, value: &Value, read: &mut Read) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| json(draft, item, read)),
        Value::Object(object) => {
            if let Some(list) = object.get("value").filter(|v| v.is_array()) {
                json(draft, list, read);
            } else if object.contains_key("resourceTypes") || object.contains_key("operations") {
                provider(draft, value, read);
            } else if object.contains_key("permissions")
                || object.get("properties").is_some_and(|p| p.get("permissions").is_some())
            {
                role(draft, value, read);
            } else {
                // `{"AcrPull": "7f95…"}`: names alone.
                for (name, guid) in object {
                    match guid.as_str().map(str::to_ascii_lowercase).and_then(|g| draft.roles.get_mut(&g)) {
                        Some(role) => {
                            // Lists of names squeeze the spaces out: that is no other name.
                            let squeezed = |t: &str| {
                                t.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
                            };
                            let same = |known: &String| squeezed(known) == squeezed(name);
                            if !same(&role.name) && !role.aliases.iter().any(same) {
                                role.aliases.insert(name.clone());
                            }
                            read.names += 1;
                        }
                        None => read.skipped += 1,
                    }
                }
            }
        }
        _ => read.skipped += 1,
    }
}

/// `GET /providers/Microsoft.Authorization/providerOperations?$expand=resourceTypes`
fn provider(draft: &mut Draft, value: &Value, read: &mut Read) {
    let nested = value.get("resourceTypes").and_then(Value::as_array).into_iter().flatten();
    for holder in std::iter::once(value).chain(nested) {
        for item in holder.get("operations").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = item.get("name").and_then(Value::as_str) else {
                read.skipped += 1;
                continue;
            };
            let data = item.get("isDataAction").and_then(Value::as_bool).unwrap_or(false);
            operation(draft, name, if data { Plane::Data } else { Plane::Control }, read);
        }
    }
}

fn role(draft: &mut Draft, value: &Value, read: &mut Read) {
    let inner = value.get("properties").unwrap_or(value);
    let text = |from: &Value, key: &str| from.get(key).and_then(Value::as_str).map(str::to_owned);
    // ARM puts the GUID in `name`; PowerShell and the CLI's older shape put the display name there.
    let guid = match text(value, "id") {
        Some(id) => Some(role_key(&id).to_ascii_lowercase()),
        None => text(value, "name").map(|n| n.to_ascii_lowercase()),
    };
    let name = text(inner, "roleName").or_else(|| text(value, "name"));
    let kinds = ["roleType", "type"].map(|k| text(inner, k).or_else(|| text(value, k)));
    let custom = kinds.iter().flatten().any(|k| k.eq_ignore_ascii_case("CustomRole"));
    let (Some(guid), Some(name), false) = (guid.filter(|g| g.len() == 36), name, custom) else {
        read.skipped += 1;
        return;
    };
    read.roles += 1;
    let name = name.trim().to_owned();
    if let Some(known) = draft.roles.get_mut(&guid) {
        if known.name != name {
            known.aliases.insert(name);
        }
        return;
    }
    let strings = |from: &Value, key: &str| -> Vec<String> {
        from.get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect()
    };
    let blocks = inner.get("permissions").and_then(Value::as_array).into_iter().flatten().map(|block| {
        let lists = ["actions", "notActions", "dataActions", "notDataActions"].map(|key| strings(block, key));
        (lists, text(block, "condition"))
    });
    let role = DraftRole {
        name,
        aliases: Default::default(),
        assignable_scopes: strings(inner, "assignableScopes"),
        blocks: blocks.collect(),
    };
    draft.roles.insert(guid, role);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_shapes_of_roles_are_one() {
        let guid = "00000000-0000-0000-0000-00000000000A";
        let permissions = r#"[{"actions":["*/read"]}]"#;
        let arm = format!(
            r#"{{"value":[{{"id":"/providers/Microsoft.Authorization/roleDefinitions/{guid}","name":"{guid}","properties":{{"roleName":"R","type":"BuiltInRole","permissions":{permissions}}}}}]}}"#
        );
        let cli = format!(
            r#"[{{"id":"/providers/Microsoft.Authorization/RoleDefinitions/{guid}","name":"Old R","type":"BuiltInRole","permissions":{permissions}}}]"#
        );
        let flat = format!(
            r#"[{{"name":"{guid}","roleName":"R","roleType":"BuiltInRole","permissions":{permissions}}}]"#
        );
        let mut draft = Draft::default();
        for text in [arm, cli, flat, format!(r#"{{"Older R":"{guid}"}}"#)] {
            read(&mut draft, text.as_bytes()).unwrap();
        }
        assert_eq!(draft.roles.len(), 1);
        let role = draft.roles.values().next().unwrap();
        assert_eq!(role.name, "R");
        assert_eq!(role.aliases.iter().map(String::as_str).collect::<Vec<_>>(), ["Old R", "Older R"]);
    }

    #[test]
    fn operations_keep_their_plane() {
        let mut draft = Draft::default();
        let json = r#"[{"name":"A","resourceTypes":[{"operations":[{"name":"A/b/read","isDataAction":true}]}],"operations":[{"name":"A/c/write"}]}]"#;
        assert_eq!(read(&mut draft, json.as_bytes()).unwrap().operations, 2);
        assert_eq!(read(&mut draft, b"# c\nA/B/read\tD\nA/b/read\tA\n").unwrap().operations, 2);
        assert_eq!(draft.operations.len(), 3);
        assert!(read(&mut draft, b"[]").is_err());
    }
}
