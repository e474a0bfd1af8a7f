//! Whether what is to take a grant's place is narrower: of less power, at the same scope or inside it.

use super::item::Item;
use crate::rbac::{BuiltIn, Catalog, Class};

/// What takes a grant's place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Narrower {
    /// The role's GUID; empty where it stays.
    pub(super) role: String,
    /// Scopes, as typed; empty where it stays.
    pub(super) scopes: Vec<String>,
    /// Whether it may do harm beyond its own resources. A role that the catalogue does not know may.
    pub(super) privileged: bool,
}

/// Holds what a reviewer typed against the grant.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn narrower(item: &Item, role: &str, scope: &str, catalog: &Catalog) -> Result<Narrower, String> {
    let mut new = Narrower { role: String::new(), scopes: Vec::new(), privileged: false };
    for one in scope.split([' ', ',', '\n', '\r']).map(str::trim).filter(|s| !s.is_empty()) {
        if !inside(one, &item.scope) {
            return Err(format!(
                "`{one}` is not inside `{}`: give whole scopes, with blanks between them",
                item.scope
            ));
        }
        new.scopes.push(one.to_owned());
    }
    if !role.is_empty() {
        let found = catalog.role(role).or_else(|| catalog.role_by_name(role));
        match found.and_then(|found| Some((catalog.built_in(&found.guid)?, found.guid))) {
            Some((BuiltIn { name, compiled, profile }, key)) => {
                if let Some(old) = catalog.built_in(&item.role_id)
                    && !old.compiled.most.covers(&compiled.most)
                {
                    return Err(format!("{name} gives more than {} does", item.role));
                }
                new.privileged =
                    profile.worst().is_some_and(|c| c >= Class::Execution) || profile.control_wildcard;
                new.role = key;
            }
            None if guid(role) => {
                new.role = role.to_ascii_lowercase();
                new.privileged = true;
            }
            None => {
                return Err(format!(
                    "`{role}` is no built-in role: give its name, or the GUID of a custom role"
                ));
            }
        }
    }
    let same_role = new.role.is_empty() || new.role.eq_ignore_ascii_case(&item.role_id);
    let same_scope = new.scopes.iter().all(|s| s.eq_ignore_ascii_case(&item.scope));
    if same_role && same_scope {
        return Err("that is the same role at the same scope: approve it, or say what is less".to_owned());
    }
    Ok(new)
}

/// Whether a scope is another or lies below it, both as whole ids.
fn inside(inner: &str, outer: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.()".contains(c);
    if !inner.starts_with('/') || !inner.chars().all(plain) {
        return false;
    }
    let parts = |t: &str| -> Vec<String> {
        t.trim_end_matches('/').split('/').skip(1).map(str::to_ascii_lowercase).collect()
    };
    let (inner, outer) = (parts(inner), parts(outer));
    if inner.iter().any(|p| p.is_empty() || p == "." || p == "..") {
        return false;
    }
    // What lies in a management group does not show in its id.
    let whole = outer.first().map(String::as_str) == Some("providers") || outer.is_empty();
    let subscription = inner.first().is_some_and(|p| p == "subscriptions") && inner.len() >= 2;
    if whole && subscription {
        return true;
    }
    inner.len() >= outer.len()
        && inner.iter().zip(&outer).all(|(a, b)| a == b)
        && (subscription || inner == outer)
}

fn guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_less_takes_a_grants_place() {
        let catalog = Catalog::embedded();
        let contributor = catalog.role_by_name("Storage Blob Data Contributor").unwrap();
        let item = Item {
            role: contributor.name.clone(),
            role_id: contributor.guid,
            scope: "/subscriptions/S/resourceGroups/g".to_owned(),
            ..Item::default()
        };
        let below = "/subscriptions/s/resourcegroups/G/providers/Microsoft.Storage/storageAccounts/a";
        let ask = |role: &str, scope: &str| narrower(&item, role, scope, catalog);
        assert!(!ask("Storage Blob Data Reader", "").unwrap().privileged);
        assert_eq!(ask("", below).unwrap().scopes, [below]);
        assert!(ask("01234567-89ab-cdef-0123-456789abcdef", below).unwrap().privileged);
        for (role, scope) in [
            ("Owner", ""),
            ("Storage Blob Data Owner", below),
            ("Wizard", below),
            ("Reader, Contributor", below),
            ("", "/"),
            ("", "/subscriptions/s"),
            ("", "/subscriptions/s/resourceGroups/g2"),
            ("", "/subscriptions/s/resourceGroups/g/../h"),
            ("", "rg"),
            ("", &item.scope),
            ("Storage Blob Data Contributor", ""),
            ("", "/subscriptions/s/resourceGroups/g/c\nrm -rf /"),
        ] {
            assert!(ask(role, scope).is_err(), "{role} {scope}");
        }
        let wide =
            Item { scope: "/providers/Microsoft.Management/managementGroups/m".to_owned(), ..item.clone() };
        assert!(narrower(&wide, "", "/subscriptions/x", catalog).is_ok());
        assert!(narrower(&wide, "", "/providers/Microsoft.Management/managementGroups/n", catalog).is_err());
    }
}
