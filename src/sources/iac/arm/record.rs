//! Resources of a template as the records that Azure would show of them.
//!
//! Not here: which resources there are (`template`).

use super::frame::Frame;
use super::identify::Identified;
use super::json::Node;
use super::symbols::{digest, has_unknown, is_unknown, principal_of, symbol};
use super::template::{Deployment, Walk};
use crate::model::{Gap, Reason, Source};
use crate::sources::iac::declare::declare_new;
use crate::sources::iac::scripts::assigns_roles;
use serde_json::{Map, Value as Json, json};
use std::collections::HashMap;

const ASSIGNMENTS: &str = "microsoft.authorization/roleassignments";

/// Where what is not known comes from: the parameters in a symbol, or as much of it as people read.
fn origin(text: &str) -> String {
    const MOST: usize = 100;
    let mut names: Vec<&str> =
        text.split("parameters('").skip(1).filter_map(|p| p.split('\'').next()).collect();
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        let all: Vec<String> = names.iter().map(|n| format!("parameters('{n}')")).collect();
        return all.join(", ");
    }
    let short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// Whether properties name a role that somebody is to get, in whatever form.
fn grants(properties: &Map<String, Json>) -> bool {
    fn names(value: &Json) -> bool {
        match value {
            Json::Object(members) => members.iter().any(|(key, inner)| {
                ["roleDefinitionId", "subscriptionOwnerId"].iter().any(|k| k.eq_ignore_ascii_case(key))
                    || names(inner)
            }),
            Json::Array(items) => items.iter().any(names),
            _ => false,
        }
    }
    properties.values().any(names)
}

impl<'w> Walk<'w> {
    pub(super) fn record(&mut self, node: &'w Node, frame: &Frame<'w>, found: &Identified, address: &str) {
        let value = |key: &str| node.get(key).map(|n| frame.value(n)).unwrap_or_default();
        let location = self.location(node);
        let kind = found.kind.to_ascii_lowercase();
        let (mut id, mut says) = (found.id.clone(), String::new());
        let mut properties = match value("properties") {
            Json::Object(members) => members,
            _ => Map::new(),
        };
        let mut identity = value("identity");
        if let Some(block) = identity.as_object_mut()
            && block
                .get("type")
                .and_then(Json::as_str)
                .is_some_and(|t| t.to_ascii_lowercase().contains("systemassigned"))
        {
            block.insert("principalId".to_owned(), principal_of(&id));
        }
        let user = identity.get("userAssignedIdentities");
        if is_unknown(&identity) || user.is_some_and(|u| !u.is_object() && !u.is_null()) {
            let detail = format!("which identities `{address}` has is not known: give its parameters");
            self.gap(node, Source::Identities, Reason::Unresolved, detail);
            if let Some(block) = identity.as_object_mut() {
                block.remove("userAssignedIdentities");
            }
        }
        if !identity.is_object() {
            identity = Json::Null;
        }
        match kind.as_str() {
            "microsoft.managedidentity/userassignedidentities" => {
                properties.insert("principalId".to_owned(), principal_of(&id));
                properties.insert("clientId".to_owned(), symbol(&format!("{id}#clientId")));
            }
            ASSIGNMENTS => {
                if !self.assignment(node, &mut properties, &id, address) {
                    return;
                }
                let parts =
                    ["scope", "roleDefinitionId", "principalId", "condition"].map(|k| properties.get(k));
                says = digest(&format!("{parts:?}").to_ascii_lowercase());
                id = self.own_id(&id, &says);
            }
            "microsoft.authorization/roledefinitions" => {
                let permissions = properties.get("permissions");
                if permissions.is_none_or(has_unknown) {
                    let detail =
                        format!("a part of what `{address}` allows is not known: give its parameters");
                    self.gap(node, Source::RoleDefinitions, Reason::Unresolved, detail);
                }
            }
            "microsoft.keyvault/vaults/accesspolicies" => {
                let vault = id.rsplitn(3, '/').last().unwrap_or_default().to_owned();
                let policies = properties.get("accessPolicies").cloned().unwrap_or_default();
                self.policies.push((vault, policies, address.to_owned(), location));
                return;
            }
            // Scripts may do whatever they are told to.
            "microsoft.resources/deploymentscripts" if script_bears_on_access(&properties) => {
                let detail =
                    format!("the script `{address}` assigns roles or is given a principal, and is not read");
                self.gap(node, Source::RoleAssignments, Reason::Unsupported, detail);
            }
            kind if !kind.starts_with("microsoft.authorization/") && grants(&properties) => {
                let detail = format!("`{address}` ({}) may grant access, and is not read", found.kind);
                self.gap(node, Source::RoleAssignments, Reason::Unsupported, detail);
            }
            _ => {}
        }
        let tags = match value("tags") {
            Json::Object(tags) => Json::Object(tags.into_iter().filter(|(_, v)| v.is_string()).collect()),
            _ => json!({}),
        };
        let place = value("location");
        let record = json!({"id": id, "type": found.kind, "identity": identity, "tags": tags, "properties": properties,
            "location": place.as_str()});
        declare_new(&mut self.lowering, &record, address, &location);
        let random = ["${newguid", "${utcnow"];
        if let Some(made) = self.lowering.estate.declarations.get_mut(&id.to_ascii_lowercase()) {
            if found.names.iter().any(|n| random.iter().any(|r| n.contains(r))) {
                let remark = "its name is another with each deployment (`newGuid()` or `utcNow()`)";
                made.remarks.push(remark.to_owned());
            }
            made.says = says;
        }
    }

    /// The id of an assignment that another has, too, and that says something else, as where conditions exclude each other
    /// or names are not known: each is judged.
    fn own_id(&self, id: &str, says: &str) -> String {
        let other = |id: &String| {
            let declared = self.lowering.estate.declarations.get(&id.to_ascii_lowercase());
            declared.is_some_and(|d| d.says != says)
        };
        let mut own = id.to_owned();
        let mut n = 1;
        while other(&own) {
            n += 1;
            own = format!("{id} ({n})");
        }
        own
    }

    /// Fills in what a role assignment's place says. `false` if where it holds is not known.
    fn assignment(&mut self, node: &Node, object: &mut Map<String, Json>, id: &str, address: &str) -> bool {
        let marker = "/providers/microsoft.authorization/roleassignments/";
        let at = id.to_ascii_lowercase().rfind(marker);
        let scope = at.and_then(|at| id.get(..at)).map(|s| if s.is_empty() { "/" } else { s });
        let Some(scope) = scope.filter(|s| s.starts_with('/')) else {
            let detail = format!(
                "the scope of `{address}` is not known: give its parameters with --set NAME=VALUE or a parameter file"
            );
            self.gap(node, Source::RoleAssignments, Reason::Unresolved, detail);
            return false;
        };
        object.insert("scope".to_owned(), scope.into());
        let role = object.get("roleDefinitionId").cloned().unwrap_or_default();
        let open = |r: &str| r.starts_with("${") || r.rsplit('/').next().is_some_and(|r| r.contains("${"));
        if role.as_str().is_none_or(open) {
            let detail = format!(
                "the role of `{address}` is not known ({}): give its parameters with --set NAME=VALUE",
                origin(role.as_str().unwrap_or("nothing"))
            );
            // Nothing is missing where the role is made here: its id says which one it is.
            let scope = role.as_str().unwrap_or_default();
            let gap =
                Gap::new(Source::RoleDefinitions, scope, Reason::Unresolved, detail).at(self.location(node));
            self.lowering.estate.gaps.push(gap);
            let Some(text) = role.as_str() else { return false };
            if text.starts_with("${") {
                // One segment of an id, whatever is in it.
                object.insert("roleDefinitionId".to_owned(), text.replace('/', "\u{2215}").into());
            }
        }
        // What is not one of these says nothing about what it is.
        let kinds = ["User", "Group", "ServicePrincipal", "ForeignGroup", "Device"];
        let said = object.get("principalType").and_then(Json::as_str).map(str::to_owned);
        if !said.as_deref().is_some_and(|s| kinds.iter().any(|k| k.eq_ignore_ascii_case(s))) {
            object.remove("principalType");
        }
        match object.get("principalId").and_then(Json::as_str) {
            // People and groups are nobody that is judged.
            Some(principal)
                if principal.starts_with("${")
                    && !principal.ends_with("#principalId}")
                    && !["User", "ForeignGroup", "Device"].iter().any(|k| said.as_deref() == Some(*k)) =>
            {
                let detail = format!(
                    "the principal of `{address}` is not known ({}): whoever it is, the grant is judged",
                    origin(principal)
                );
                self.gap(node, Source::Principals, Reason::Unresolved, detail);
            }
            Some(_) => {}
            None => {
                let own = symbol(&format!("{address} principal").replace('/', "\u{2215}"));
                object.insert("principalId".to_owned(), own);
            }
        }
        true
    }

    /// Puts access policies that stand beside their vaults into them.
    pub(super) fn join_policies(&mut self) {
        for (vault, policies, address, location) in std::mem::take(&mut self.policies) {
            let record = json!({"id": vault, "type": "Microsoft.KeyVault/vaults", "properties": {"accessPolicies": policies}});
            let known = self.lowering.estate.vaults.len();
            let resources = self.lowering.estate.resources.len();
            let own = self.lowering.estate.declarations.get(&vault.to_ascii_lowercase()).cloned();
            declare_new(&mut self.lowering, &record, &address, &location);
            let estate = &mut self.lowering.estate;
            if let Some(own) = own {
                estate.declarations.insert(vault.to_ascii_lowercase(), own);
            }
            let made = estate.vaults.split_off(known.min(estate.vaults.len()));
            for more in made {
                let strings = &estate.strings;
                match estate.vaults.iter_mut().find(|v| strings.same(v.id, more.id)) {
                    Some(there) => {
                        there.policies.extend(more.policies);
                        estate.resources.truncate(resources);
                    }
                    None => estate.vaults.push(more),
                }
            }
        }
    }

    /// A policy that deploys: its identity is given the roles that it asks for, wherever it is assigned, and what it
    /// deploys may grant more.
    ///
    /// Source: "Remediate noncompliant resources with Azure Policy".
    pub(super) fn policy(
        &mut self,
        node: &'w Node,
        frame: &Frame<'w>,
        found: &Identified,
        to: Deployment<'_>,
    ) {
        let properties = node.get("properties").map(|p| frame.value(p)).unwrap_or_default();
        let member = |of: &Json, key: &str| {
            let mut members = of.as_object().into_iter().flatten();
            members.find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.clone()).unwrap_or_default()
        };
        let rule = member(&properties, "policyRule");
        let then = member(&rule, "then");
        let details = member(&then, "details");
        let (roles, deployment) = (member(&details, "roleDefinitionIds"), member(&details, "deployment"));
        if [&properties, &rule, &then, &details, &deployment].into_iter().any(is_unknown) {
            let detail = format!("what the policy `{}` deploys and asks for is not known", to.address);
            self.gap(node, Source::RoleAssignments, Reason::Unresolved, detail);
        }
        let at = found.id.to_ascii_lowercase().rfind("/providers/microsoft.authorization/policydefinitions/");
        let scope = at.and_then(|at| found.id.get(..at)).filter(|s| !s.is_empty()).unwrap_or("/");
        if !(roles.is_array() || roles.is_null() && deployment.is_null()) {
            let detail = format!("which roles the policy `{}` asks for is not known", to.address);
            self.gap(node, Source::RoleAssignments, Reason::Unresolved, detail);
        }
        for (n, role) in roles.as_array().into_iter().flatten().enumerate() {
            let name = symbol(&format!("{} role {n}", found.id).replace('/', "\u{2215}"));
            let base = scope.trim_end_matches('/');
            let name = name.as_str().unwrap_or_default();
            let id = format!("{base}/providers/Microsoft.Authorization/roleAssignments/{name}");
            let mut properties = Map::new();
            properties.insert("roleDefinitionId".to_owned(), role.clone());
            properties.insert("principalId".to_owned(), principal_of(&found.id));
            properties.insert("principalType".to_owned(), "ServicePrincipal".into());
            if self.assignment(node, &mut properties, &id, to.address) {
                let record = json!({"id": id, "type": "Microsoft.Authorization/roleAssignments", "properties": properties});
                let location = self.location(node);
                declare_new(&mut self.lowering, &record, to.address, &location);
            }
        }
        let template = member(&member(&deployment, "properties"), "template");
        if template.is_null() {
            return;
        }
        let own = symbol(&to.address.replace('/', "\u{2215}"));
        let own = own.as_str().unwrap_or_default();
        let whole = member(&details, "deploymentScope")
            .as_str()
            .is_some_and(|s| s.eq_ignore_ascii_case("subscription"));
        let place = match (scope.starts_with("/subscriptions/"), whole) {
            (true, true) => scope.to_owned(),
            (true, false) => format!("{scope}/resourceGroups/{own}"),
            (false, true) => format!("/subscriptions/{own}"),
            (false, false) => format!("/subscriptions/{own}/resourceGroups/{own}"),
        };
        let given = member(&member(&deployment, "properties"), "parameters");
        let given: HashMap<String, Json> =
            given.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), member(v, "value"))).collect();
        // What a policy asks of the resource that it is about is only known when it finds one.
        let open = |v: &Json| v.as_str().is_some_and(|t| t.starts_with('[') && !t.starts_with("[["));
        let given = given.into_iter().map(|(k, v)| {
            let value = if open(&v) { symbol(&format!("parameters('{k}')")) } else { v };
            (k, value)
        });
        self.loaded(
            node,
            &template,
            &given.collect(),
            Deployment { place: &place, name: own, depth: to.depth + 1, ..to },
        );
    }
}

/// Whether a deployment script may assign roles, as far as the template says what it runs, and with what.
fn script_bears_on_access(properties: &Map<String, Json>) -> bool {
    let content = properties.get("scriptContent").and_then(Json::as_str).unwrap_or_default();
    let with = ["arguments", "environmentVariables"].map(|key| properties.get(key).map(Json::to_string));
    let given =
        with.iter().flatten().any(|text| text.contains("#principalId") || text.contains("principalid"));
    // A text that is a parameter may be any.
    assigns_roles(content) || content.starts_with("${") || given
}
