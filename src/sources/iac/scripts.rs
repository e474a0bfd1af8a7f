//! Scripts that run while a change is made (Terraform's provisioners, Azure's deployment scripts): whether they bear on
//! access. They may do whatever they are told to, and are not worked out.

use super::instance::{Mark, replace_marks};
use super::node::{Look as _, Node};
use super::written::Configuration;
use serde_json::Value as Json;
use std::collections::HashMap;

/// Attributes of provisioners that say what is run, and with what.
pub(super) const TOLD: [&str; 4] = ["command", "inline", "environment", "script"];
/// Attributes of resources that only run scripts.
pub(super) const TOLD_BY_SELF: [&str; 3] = ["input", "triggers", "triggers_replace"];

/// Whether a value has a principal's id in it.
pub(super) fn names_principal(value: &Json) -> bool {
    match value {
        Json::String(text) => {
            let mut found = false;
            replace_marks(text, |mark| {
                let (Mark::Instance(_, path) | Mark::Data(_, _, path) | Mark::Unknown(path)) = mark;
                found |= is_principal(&path);
                String::new()
            });
            found
        }
        Json::Array(items) => items.iter().any(names_principal),
        Json::Object(members) => members.values().any(names_principal),
        _ => false,
    }
}

fn is_principal(path: &str) -> bool {
    ["principal_id", "object_id", "principalId"].iter().any(|end| path.ends_with(end))
}

/// Whether a script assigns roles, as far as its words go: the Azure CLI's, PowerShell's, and those of the REST API.
pub(super) fn assigns_roles(script: &str) -> bool {
    let folded = script.to_ascii_lowercase();
    ["role assignment create", "roleassignment"].iter().any(|words| folded.contains(words))
}

/// Types and names of a plan's resources whose scripts assign roles. Of a script with references, a plan says only these:
/// one that is given a principal counts.
pub(super) fn in_plan(configuration: &Configuration<'_>) -> HashMap<String, Vec<String>> {
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for block in configuration.blocks() {
        let provisioners = block.provisioners();
        let told = provisioners.items().iter().filter_map(|p| p.member("expressions"));
        let by_self = || {
            let own = block.expressions();
            TOLD_BY_SELF.iter().filter_map(|key| own.member(key)).any(grants)
        };
        if told.into_iter().any(|p| TOLD.iter().filter_map(|key| p.member(key)).any(grants))
            || !provisioners.items().is_empty() && by_self()
        {
            found.entry(block.kind.clone().into_owned()).or_default().push(block.name.clone().into_owned());
        }
    }
    found
}

fn grants(expression: &Node<'_>) -> bool {
    let constant = expression.member("constant_value").map(Node::to_string);
    let references = expression.member("references").map(|r| r.items()).unwrap_or_default();
    let mut references = references.iter().filter_map(Node::as_str);
    constant.is_some_and(|c| assigns_roles(&c)) || references.any(is_principal)
}
