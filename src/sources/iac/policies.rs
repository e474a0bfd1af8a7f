//! Policies of Terraform: what definitions ask for, and who acts for their assignments.
//!
//! Source: the documentation of the provider azurerm. Not here: which identity an assignment has (`azurerm`).

use super::azurerm::{AUTHORIZATION, Azurerm};
use super::instance::any_marks;
use crate::model::Source;
use serde_json::{Value as Json, json};

impl Azurerm<'_, '_> {
    pub(super) fn policy_assignment(&mut self, at: usize) {
        let attributes = ["management_group_id", "subscription_id", "resource_group_id", "resource_id"];
        let scope = attributes.iter().find_map(|a| self.scope_of(&self.config.value(at, &[a]), 0));
        let Some(scope) = scope else {
            return self.unresolved(
                at,
                Source::PolicyAssignments,
                "the scope",
                "its id comes from elsewhere",
            );
        };
        let definition = self.config.value(at, &["policy_definition_id"]);
        let definition = self.scope_of(&definition, 0);
        let name = self.text(at, "name").replace('/', "\u{2215}");
        let record = json!({"id": format!("{scope}/{AUTHORIZATION}/policyAssignments/{name}"),
            "type": "Microsoft.Authorization/policyAssignments", "identity": self.block(at),
            "properties": {"displayName": self.optional(at, "display_name"), "policyDefinitionId": definition}});
        self.record(at, &record);
    }

    /// What a definition asks for. A rule that is not known, or a part of it, leaves the definition unread.
    pub(super) fn policy_definition(&mut self, at: usize) {
        let rule = match self.optional(at, "policy_rule") {
            Json::String(text) => serde_json::from_str(&text).unwrap_or(Json::Null),
            other => other,
        };
        let rule = self.plain_body(&rule, "");
        if rule.is_null() || any_marks(&rule) {
            return;
        }
        let record = json!({"id": self.id(at, 0), "type": "Microsoft.Authorization/policyDefinitions",
            "properties": {"policyRule": rule}});
        self.record(at, &record);
    }

    pub(super) fn policy_set(&mut self, at: usize) {
        let count = self.config.blocks(at, "policy_definition_reference");
        let each = (0..count).map(|n| {
            let path = ["policy_definition_reference", &n.to_string(), "policy_definition_id"];
            self.scope_of(&self.config.value(at, &path), 0)
        });
        let Some(members) = each.collect::<Option<Vec<String>>>().filter(|all| !all.is_empty()) else {
            return;
        };
        let members: Vec<Json> = members.iter().map(|id| json!({"policyDefinitionId": id})).collect();
        let record = json!({"id": self.id(at, 0), "type": "Microsoft.Authorization/policySetDefinitions",
            "properties": {"policyDefinitions": members}});
        self.record(at, &record);
    }
}
