//! A role in words.

use crate::app::roles;
use crate::rbac::catalog::CatalogRole;
use crate::rbac::{Access, Catalog};

pub(super) fn show_role(catalog: &Catalog, role: &CatalogRole) -> String {
    let mut out = format!("{} ({})\n", role.name, role.guid);
    for alias in &role.aliases {
        out.push_str(&format!("was {alias}\n"));
    }
    out.push_str(&format!("assignable at {}\n", role.assignable_scopes.join(", ")));
    for (n, block) in role.permissions.iter().enumerate() {
        out.push_str(&format!("block {}\n", n + 1));
        let lists = [
            ("+", &block.actions),
            ("-", &block.not_actions),
            ("data +", &block.data_actions),
            ("data -", &block.not_data_actions),
        ];
        for (sign, list) in lists {
            for pattern in list {
                out.push_str(&format!("  {sign} {}\n", pattern.text()));
            }
        }
        if let Some(condition) = &block.condition {
            out.push_str(&format!("  if {condition}\n"));
        }
    }
    let enough = roles::techniques(catalog, role);
    if !enough.is_empty() {
        out.push_str("enough for\n");
    }
    for (technique, access) in enough {
        let perhaps = if access == Access::Allowed { "" } else { ", if its condition lets it" };
        out.push_str(&format!("  {} ({}{perhaps})\n", technique.id, technique.title));
    }
    out
}
