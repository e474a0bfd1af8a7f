//! Scripts that run while a change is made (Terraform's provisioners, Azure's deployment scripts): whether they bear on
//! access. They may do whatever they are told to, and are not worked out.

use serde_json::Value as Json;
use std::collections::HashMap;

/// Attributes of provisioners that say what is run.
pub(super) const TOLD: [&str; 2] = ["command", "inline"];

/// Whether a script assigns roles, as far as its words go: the Azure CLI's, PowerShell's, and those of the REST API.
pub(super) fn assigns_roles(script: &str) -> bool {
    let folded = script.to_ascii_lowercase();
    ["role assignment create", "roleassignment"].iter().any(|words| folded.contains(words))
}

/// Types and names of a plan's resources whose scripts assign roles. Of a script with references, a plan says only these:
/// one that is given a principal counts.
pub(super) fn in_plan(configuration: &Json) -> HashMap<String, Vec<String>> {
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    let mut modules: Vec<&Json> = configuration.get("root_module").into_iter().collect();
    while let Some(module) = modules.pop() {
        for resource in module.get("resources").and_then(Json::as_array).into_iter().flatten() {
            let text = |key: &str| resource.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
            let provisioners = resource.get("provisioners").and_then(Json::as_array).into_iter().flatten();
            let told = provisioners.filter_map(|p| p.get("expressions"));
            if told.into_iter().any(|p| TOLD.iter().filter_map(|key| p.get(key)).any(grants)) {
                found.entry(text("type")).or_default().push(text("name"));
            }
        }
        let calls = module.get("module_calls").and_then(Json::as_object).into_iter().flatten();
        modules.extend(calls.filter_map(|(_, call)| call.get("module")));
    }
    found
}

fn grants(expression: &Json) -> bool {
    let constant = expression.get("constant_value").map(Json::to_string);
    let references = expression.get("references").and_then(Json::as_array);
    let mut references = references.into_iter().flatten().filter_map(Json::as_str);
    constant.is_some_and(|c| assigns_roles(&c)) || references.any(|r| r.ends_with("principal_id"))
}
