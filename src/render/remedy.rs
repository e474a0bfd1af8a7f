//! Changes of grants in the words of a person's tools: commands of the Azure CLI, Terraform, Bicep. Printed, never run.
//!
//! Every text is hostile: each language has its own escape. Not here: which changes (`report` has the rows).

use super::text::clean;
use crate::report::{Remedy, RemedyGrant, RemedyRole, RoleRef};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// As one word of a shell.
pub fn quoted(text: &str) -> String {
    let text = clean(text);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.:".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// A text of several lines, such as a condition, without what nobody sees.
fn lines(text: &str) -> String {
    let kept = text.replace("\r\n", "\n");
    let cleaned: Vec<String> =
        kept.split('\n').map(|l| l.split('\t').map(clean).collect::<Vec<_>>().join("\t")).collect();
    cleaned.join("\n")
}

/// The same as one word of a shell: its lines stay.
fn quoted_lines(text: &str) -> String {
    format!("'{}'", lines(text).replace('\'', "'\\''"))
}

/// A role definition as `az role definition create --role-definition` takes it.
pub fn role_json(role: &RemedyRole) -> serde_json::Value {
    json!({
        "Name": role.name, "IsCustom": true, "Description": "Just what is needed.",
        "Actions": role.actions, "NotActions": [], "DataActions": role.data_actions, "NotDataActions": [],
        "AssignableScopes": [role.assignable],
    })
}

fn az_grant(remedy: &Remedy, grant: &RemedyGrant) -> String {
    let role = match &grant.role {
        RoleRef::Known(guid, _) => guid.as_str(),
        RoleRef::Made(at) => remedy.roles.get(*at).map_or("", |r| &r.name),
    };
    let condition = grant.condition.as_deref();
    let condition = condition.map(|c| format!(" --condition-version 2.0 --condition {}", quoted_lines(c)));
    format!(
        "az role assignment create --assignee-object-id {} --assignee-principal-type ServicePrincipal --role {} --scope {}{}",
        quoted(&grant.principal),
        quoted(role),
        quoted(&grant.scope),
        condition.unwrap_or_default()
    )
}

/// The commands that make what is needed: roles, then grants.
pub fn az_create(remedy: &Remedy) -> Vec<String> {
    let role =
        |r| format!("az role definition create --role-definition {}", quoted(&role_json(r).to_string()));
    let roles = remedy.roles.iter().map(role);
    roles.chain(remedy.create.iter().map(|g| az_grant(remedy, g))).collect()
}

/// The commands that take away what is no longer needed.
pub fn az_delete(remedy: &Remedy) -> Vec<String> {
    let delete = |g: &RemedyGrant| format!("az role assignment delete --ids {}", quoted(&g.assignment));
    remedy.delete.iter().map(delete).collect()
}

/// The commands that give back what was taken.
pub fn az_back(remedy: &Remedy) -> Vec<String> {
    remedy.delete.iter().map(|g| az_grant(remedy, g)).collect()
}

/// All of it as a script whose lines a person runs one by one.
pub fn az(remedy: &Remedy) -> String {
    let mut out = String::new();
    let parts = [
        ("first:", az_create(remedy), ""),
        ("then, once all works:", az_delete(remedy), ""),
        ("and back, should something miss its right:", az_back(remedy), "# "),
    ];
    if !remedy.create.is_empty() && !remedy.delete.is_empty() {
        out.push_str("# what cannot be made ends this before anything is deleted\nset -e\n");
    }
    for (title, commands, before) in parts.iter().filter(|(_, commands, _)| !commands.is_empty()) {
        let _ = writeln!(out, "# {title}");
        commands.iter().for_each(|c| {
            // A comment ends with its line, and a condition has several.
            c.lines().for_each(|line| {
                let _ = writeln!(out, "{before}{line}");
            });
        });
    }
    out
}

/// A name that every language takes.
fn symbol(text: &str) -> String {
    let kept: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let kept = kept.trim_matches('_').to_ascii_lowercase();
    if kept.starts_with(|c: char| c.is_ascii_alphabetic()) { kept } else { format!("identity_{kept}") }
}

fn hcl(text: &str) -> String {
    let text = lines(text).replace('\\', "\\\\").replace('"', "\\\"");
    let text = text.replace('\n', "\\n").replace('\t', "\\t");
    format!("\"{}\"", text.replace("${", "$${").replace("%{", "%%{"))
}

fn hcl_list(all: &[String]) -> String {
    let all: Vec<String> = all.iter().map(|t| hcl(t)).collect();
    format!("[{}]", all.join(", "))
}

/// The whole id of a role, as the provider wants it: in the subscription of the scope.
fn definition(guid: &str, scope: &str) -> String {
    let subscription = subscription(scope).map(|s| format!("/subscriptions/{s}")).unwrap_or_default();
    format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{guid}")
}

fn subscription(scope: &str) -> Option<&str> {
    let mut parts = scope.split('/').skip(1);
    parts.next().filter(|p| p.eq_ignore_ascii_case("subscriptions")).and_then(|_| parts.next())
}

fn hcl_grant(remedy: &Remedy, grant: &RemedyGrant, name: &str) -> String {
    let role = match &grant.role {
        RoleRef::Known(guid, role) => {
            format!("{} # {}", hcl(&definition(guid, &grant.scope)), clean(role))
        }
        RoleRef::Made(at) => {
            format!(
                "azurerm_role_definition.{}_{}.role_definition_resource_id",
                symbol(&remedy.identity),
                at + 1
            )
        }
    };
    let condition = grant.condition.as_deref();
    let condition =
        condition.map(|c| format!("  condition_version  = \"2.0\"\n  condition          = {}\n", hcl(c)));
    format!(
        "resource \"azurerm_role_assignment\" \"{name}\" {{\n  scope              = {}\n  role_definition_id = {role}\n  principal_id       = {}\n  principal_type     = \"ServicePrincipal\"\n{}}}\n",
        hcl(&grant.scope),
        hcl(&grant.principal),
        condition.unwrap_or_default()
    )
}

/// As blocks of Terraform's azurerm provider.
pub fn terraform(remedy: &Remedy) -> String {
    let mut out = String::new();
    let name = symbol(&remedy.identity);
    for (at, role) in remedy.roles.iter().enumerate() {
        let _ = write!(
            out,
            "resource \"azurerm_role_definition\" \"{name}_{}\" {{\n  name              = {}\n  description       = \"Just what is needed.\"\n  scope             = {}\n  assignable_scopes = [{}]\n\n  permissions {{\n    actions      = {}\n    data_actions = {}\n  }}\n}}\n\n",
            at + 1,
            hcl(&role.name),
            hcl(&role.assignable),
            hcl(&role.assignable),
            hcl_list(&role.actions),
            hcl_list(&role.data_actions)
        );
    }
    for (at, grant) in remedy.create.iter().enumerate() {
        let _ = writeln!(out, "{}", hcl_grant(remedy, grant, &format!("{name}_{}", at + 1)));
    }
    if !remedy.delete.is_empty() {
        out.push_str("# Once all works, delete the blocks of these grants, or where no block makes them:\n");
        for command in az_delete(remedy) {
            let _ = writeln!(out, "#   {command}");
        }
        out.push_str("# And back, should something miss its right:\n");
        for (at, grant) in remedy.delete.iter().enumerate() {
            let block = hcl_grant(remedy, grant, &format!("{name}_was_{}", at + 1));
            block.lines().for_each(|line| {
                let _ = writeln!(out, "# {line}");
            });
        }
    }
    out
}

fn bicep_text(text: &str) -> String {
    let text = lines(text).replace('\\', "\\\\").replace('\'', "\\'");
    let text = text.replace('\n', "\\n").replace('\t', "\\t");
    format!("'{}'", text.replace("${", "\\${"))
}

fn bicep_list(all: &[String], indent: &str) -> String {
    let lines: Vec<String> = all.iter().map(|t| format!("{indent}  {}\n", bicep_text(t))).collect();
    if lines.is_empty() { "[]".to_owned() } else { format!("[\n{}{indent}]", lines.concat()) }
}

/// Where a file of Bicep is deployed: its `targetScope` and the command.
struct Deployment {
    target: &'static str,
    command: String,
    /// The type and name of the resource below it that is meant, if one is.
    resource: Option<(String, String)>,
}

fn deployment(scope: &str) -> Option<Deployment> {
    let parts: Vec<&str> = scope.split('/').filter(|p| !p.is_empty()).collect();
    let is = |at: usize, word: &str| parts.get(at).is_some_and(|p| p.eq_ignore_ascii_case(word));
    let at = |n: usize| parts.get(n).copied().unwrap_or_default();
    let whole = |target, command| Some(Deployment { target, command, resource: None });
    if parts.is_empty() {
        return whole("tenant", "az deployment tenant create --location LOCATION".to_owned());
    }
    if is(0, "providers") && is(2, "managementGroups") && parts.len() == 4 {
        let command =
            format!("az deployment mg create --location LOCATION --management-group-id {}", quoted(at(3)));
        return whole("managementGroup", command);
    }
    if !is(0, "subscriptions") {
        return None;
    }
    let subscription = quoted(at(1));
    if parts.len() == 2 {
        let command = format!("az deployment sub create --location LOCATION --subscription {subscription}");
        return whole("subscription", command);
    }
    if !is(2, "resourceGroups") {
        return None;
    }
    let command = format!(
        "az deployment group create --subscription {subscription} --resource-group {}",
        quoted(at(3))
    );
    if parts.len() == 4 {
        return whole("resourceGroup", command);
    }
    let rest = parts.get(6..).unwrap_or_default();
    // Resources of one provider only: an extension of another would need that one declared, too.
    if !is(4, "providers") || rest.len() % 2 != 0 || rest.iter().any(|p| p.eq_ignore_ascii_case("providers"))
    {
        return None;
    }
    let types: Vec<&str> = rest.iter().step_by(2).copied().collect();
    let names: Vec<&str> = rest.iter().skip(1).step_by(2).copied().collect();
    let resource = Some((format!("{}/{}", at(5), types.join("/")), names.join("/")));
    Some(Deployment { target: "resourceGroup", command, resource })
}

/// A grant by its position, and the resource that it is on.
type InFile<'r> = (usize, &'r RemedyGrant, Option<(String, String)>);

/// As files of Bicep, one for each place that is deployed to.
pub fn bicep(remedy: &Remedy) -> String {
    let mut files: BTreeMap<String, (&'static str, Vec<InFile<'_>>)> = BTreeMap::new();
    let mut without: Vec<&RemedyGrant> = Vec::new();
    for (at, grant) in remedy.create.iter().enumerate() {
        match deployment(&grant.scope) {
            Some(d) => {
                files.entry(d.command).or_insert((d.target, Vec::new())).1.push((at, grant, d.resource));
            }
            None => without.push(grant),
        }
    }
    let mut out = String::new();
    let many = files.len() > 1;
    for (n, (command, (target, grants))) in files.iter().enumerate() {
        if many {
            let _ = writeln!(out, "// ---- file {} of {}", n + 1, files.len());
        }
        let _ = writeln!(out, "// {command} --template-file FILE\ntargetScope = '{target}'\n");
        let mut made: Vec<usize> = Vec::new();
        for (at, grant, resource) in grants {
            if let RoleRef::Made(role) = grant.role
                && !made.contains(&role)
            {
                made.push(role);
                out.push_str(&bicep_role(remedy, role));
            }
            let scope = resource.as_ref().map(|(kind, name)| {
                let _ = writeln!(
                    out,
                    "resource target{} '{}@2021-04-01' existing = {{\n  name: {}\n}}\n",
                    at + 1,
                    clean(kind).replace('\'', ""),
                    bicep_text(name)
                );
                format!("  scope: target{}\n", at + 1)
            });
            let (role, note) = match &grant.role {
                RoleRef::Known(guid, name) => {
                    let of = if matches!(*target, "subscription" | "resourceGroup") {
                        "subscriptionResourceId"
                    } else {
                        "tenantResourceId"
                    };
                    let id = format!("{of}('Microsoft.Authorization/roleDefinitions', {})", bicep_text(guid));
                    (id, format!(" // {}", clean(name)))
                }
                RoleRef::Made(role) => (format!("role{}.id", role + 1), String::new()),
            };
            let key = match &grant.role {
                RoleRef::Known(guid, _) => guid.clone(),
                RoleRef::Made(role) => remedy.roles.get(*role).map_or(String::new(), |r| r.name.clone()),
            };
            let condition = grant.condition.as_deref();
            let condition =
                condition.map(|c| format!("    conditionVersion: '2.0'\n    condition: {}\n", bicep_text(c)));
            let _ = writeln!(
                out,
                "resource grant{} 'Microsoft.Authorization/roleAssignments@2022-04-01' = {{\n  name: guid({}, {}, {})\n{}  properties: {{\n    roleDefinitionId: {role}{note}\n    principalId: {}\n    principalType: 'ServicePrincipal'\n{}  }}\n}}\n",
                at + 1,
                bicep_text(&grant.scope),
                bicep_text(&grant.principal),
                bicep_text(&key),
                scope.unwrap_or_default(),
                bicep_text(&grant.principal),
                condition.unwrap_or_default()
            );
        }
    }
    for grant in without {
        out.push_str("// no plain scope of Bicep; instead:\n");
        az_grant(remedy, grant).lines().for_each(|line| {
            let _ = writeln!(out, "// {line}");
        });
    }
    let comments = [
        ("Bicep deletes nothing. Once all works:", az_delete(remedy)),
        ("And back, should something miss its right:", az_back(remedy)),
    ];
    for (title, commands) in comments.iter().filter(|(_, commands)| !commands.is_empty()) {
        let _ = writeln!(out, "// {title}");
        commands.iter().flat_map(|c| c.lines()).for_each(|line| {
            let _ = writeln!(out, "//   {line}");
        });
    }
    out
}

fn bicep_role(remedy: &Remedy, at: usize) -> String {
    let Some(role) = remedy.roles.get(at) else { return String::new() };
    format!(
        "resource role{} 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {{\n  name: guid({}, {})\n  properties: {{\n    roleName: {}\n    description: 'Just what is needed.'\n    type: 'CustomRole'\n    permissions: [\n      {{\n        actions: {}\n        notActions: []\n        dataActions: {}\n        notDataActions: []\n      }}\n    ]\n    assignableScopes: [\n      {}\n    ]\n  }}\n}}\n\n",
        at + 1,
        bicep_text(&role.assignable),
        bicep_text(&role.name),
        bicep_text(&role.name),
        bicep_list(&role.actions, "        "),
        bicep_list(&role.data_actions, "        "),
        bicep_text(&role.assignable)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> Remedy {
        let grant = |scope: &str, role| RemedyGrant {
            assignment: "/x'; rm -rf /\n#".to_owned(),
            principal: "p".to_owned(),
            role,
            scope: scope.to_owned(),
            condition: Some("a \"b\" 'c' ${d} %{e} \\".to_owned()),
        };
        let known = RoleRef::Known("g".to_owned(), "a\nresource".to_owned());
        Remedy {
            identity: "-x\"y".to_owned(),
            roles: vec![RemedyRole {
                name: "it's".to_owned(),
                actions: vec!["a/b/read".to_owned()],
                data_actions: Vec::new(),
                assignable: "/subscriptions/s/resourceGroups/g".to_owned(),
            }],
            create: vec![
                grant("/subscriptions/s/resourceGroups/g/providers/A.B/c/d/e/f", RoleRef::Made(0)),
                grant("/", known.clone()),
            ],
            delete: vec![grant("/subscriptions/s", known)],
        }
    }

    #[test]
    fn a_condition_of_several_lines_stays_one() {
        let mut remedy = hostile();
        for grant in remedy.create.iter_mut().chain(&mut remedy.delete) {
            grant.condition = Some("(\r\n a\n)".to_owned());
        }
        assert!(az_back(&remedy).iter().all(|c| c.ends_with("--condition '(\n a\n)'")));
        assert!(az(&remedy).contains("\n#  a\n# )'\n"));
        assert!(terraform(&remedy).contains(r#"condition          = "(\n a\n)""#));
        assert!(bicep(&remedy).contains(r"condition: '(\n a\n)'"));
    }

    #[test]
    fn no_text_leaves_its_place() {
        let remedy = hostile();
        for text in [az(&remedy), terraform(&remedy), bicep(&remedy)] {
            for line in text.lines() {
                assert!(
                    !line.starts_with('#') || line.starts_with("# ") || line.starts_with("#   "),
                    "{line}"
                );
                assert!(!line.trim_start().starts_with("rm "), "{line}");
                assert_ne!(line, "resource", "{text}");
            }
        }
        assert!(terraform(&remedy).contains(r#"a \"b\" 'c' $${d} %%{e} \\"#));
        assert!(bicep(&remedy).contains(r#"a "b" \'c\' \${d} %{e} \\"#));
        assert!(bicep(&remedy).contains("'A.B/c/e@2021-04-01' existing"));
        assert!(az_create(&remedy).iter().any(|c| c.contains("'it'\\''s'")));
    }
}
