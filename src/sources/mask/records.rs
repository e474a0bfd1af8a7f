//! Records of snapshots and entries of ledgers: which members stay as they are. All others are masked.

use super::Mask;
use serde_json::{Map, Value};

/// Members that hold a word out of a list, an instant or something of Azure's own.
const KEPT: &[&str] = &[
    "@odata.type",
    "schema",
    "tool",
    "coverage",
    "reads",
    "cloud",
    "collected_at",
    "sign_in_window",
    "createdAt",
    "createdOn",
    "updatedOn",
    "endDateTime",
    "last",
    "denyAssignmentEffect",
    "system",
    "source",
    "reason",
];

/// Roles of the directory that rules know, by their public ids.
/// Source: Microsoft Entra documentation, "Microsoft Entra built-in roles".
const DIRECTORY_ROLES: &[&str] = &[
    "62e90394-69f5-4237-9190-012177145e10",
    "e8611ab8-c189-46e8-94e1-60213ab1f814",
    "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
    "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
    "158c047a-c907-4556-b7ef-446551a6b5f7",
    "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",
    "e00e864a-17c5-4a4b-9c06-f5b95a8d5bd8",
    "fdd7a751-b60b-444a-984c-02652fe8fa1c",
    "fe930be7-5e62-47db-91af-98c3a49a38b1",
    "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
];

/// Rights of access policies, and what they are on.
const POLICIES: &[&str] = &[
    "secrets",
    "keys",
    "certificates",
    "storage",
    "all",
    "get",
    "list",
    "set",
    "delete",
    "recover",
    "backup",
    "restore",
    "purge",
    "create",
    "update",
    "import",
    "encrypt",
    "decrypt",
    "sign",
    "verify",
    "wrapkey",
    "unwrapkey",
    "release",
    "rotate",
    "getrotationpolicy",
    "setrotationpolicy",
    "managecontacts",
    "manageissuers",
    "getissuers",
    "listissuers",
    "setissuers",
    "deleteissuers",
    "regeneratekey",
    "getsas",
    "listsas",
    "setsas",
    "deletesas",
];

/// Kinds of principals.
const PRINCIPALS: &[&str] = &[
    "User",
    "Group",
    "ServicePrincipal",
    "ForeignGroup",
    "Device",
    "ManagedIdentity",
    "Application",
    "Legacy",
    "SocialIdp",
    "ServiceIdentity",
];

impl Mask {
    /// A record of a snapshot.
    pub(in crate::sources) fn record(&mut self, section: &str, record: &mut Value) {
        let Value::Object(members) = record else { return };
        if section == "gaps" {
            self.gap(members);
            return;
        }
        let builtin = members.get("properties").and_then(|p| p.get("type")).and_then(Value::as_str)
            == Some("BuiltInRole");
        let is = |key: &str, value: &str| members.get(key).and_then(Value::as_str) == Some(value);
        // Permissions of Microsoft Graph and the directory's own roles go by public ids; those of one's own do not.
        let local = section == "local-grants";
        let graph = local && is("system", "app-role") && is("scope", "Microsoft Graph");
        let known = DIRECTORY_ROLES.iter().any(|r| is("role", r)) || is("role", "administrator");
        let public = graph || local && known;
        for (key, value) in members.iter_mut() {
            match key.as_str() {
                "role" if public => {}
                "roleName" | "scope" if graph => {}
                _ => self.member(section, key, value, builtin),
            }
        }
    }

    /// A header of a snapshot.
    pub(in crate::sources) fn header(&mut self, header: &mut Value) {
        self.record("header", header);
    }

    /// Sentences of a gap are Azure's or ours about names: only what kind of gap it is, where, and how often, stays.
    fn gap(&mut self, members: &mut Map<String, Value>) {
        members.remove("grant");
        if let Some(Value::String(detail)) = members.get_mut("detail") {
            *detail = self.prose(detail);
        }
        if let Some(Value::String(scope)) = members.get_mut("scope") {
            *scope = self.text(scope);
        }
        if let Some(Value::String(path)) = members.get_mut("location").and_then(|l| l.get_mut("path")) {
            *path = self.text(path);
        }
    }

    fn member(&mut self, under: &str, key: &str, value: &mut Value, builtin: bool) {
        if KEPT.contains(&key) {
            return;
        }
        match value {
            Value::Array(items) => {
                for item in items {
                    self.member(under, key, item, builtin);
                }
            }
            Value::Object(members)
                if matches!(key, "tags" | "userAssignedIdentities")
                    || (under, key) == ("accessPolicies", "permissions") =>
            {
                let named = std::mem::take(members);
                for (name, mut value) in named {
                    self.member(key, "", &mut value, builtin);
                    let known = key == "permissions" && POLICIES.contains(&name.as_str());
                    members.insert(if known { name } else { self.text(&name) }, value);
                }
            }
            Value::Object(members) => {
                for (inner, value) in members.iter_mut() {
                    self.member(key, inner, value, builtin);
                }
            }
            Value::String(text) => {
                let masked = match key {
                    // `SystemAssigned`, `CustomRole`.
                    "type" if matches!(under, "identity" | "properties") => return,
                    "roleName" if builtin => self.role(text),
                    "actions" | "notActions" | "dataActions" | "notDataActions" => self.kind(text),
                    "isolationScope" if matches!(text.as_str(), "None" | "Regional") => return,
                    _ if under == "permissions" && POLICIES.contains(&text.to_ascii_lowercase().as_str()) => {
                        return;
                    }
                    "principalType" | "servicePrincipalType" if PRINCIPALS.contains(&text.as_str()) => return,
                    "type" | "providers" => self.kind(text),
                    "condition" => self.condition(text),
                    "issuer" | "subject" | "value" | "audiences" => self.federated(text),
                    "description" => self.prose(text),
                    "codeFrom" => {
                        match text.split_once(':').filter(|(k, _)| matches!(*k, "storage" | "registry")) {
                            Some((kind, name)) => format!("{kind}:{}", self.text(name)),
                            None => self.text(text),
                        }
                    }
                    _ => self.text(text),
                };
                *text = masked;
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}
